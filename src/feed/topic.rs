//! What several subscribers ask under one id: held once, however many they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::TextSearch;
use super::beat::lock;
use super::view::View;
use crate::city::City;
use crate::journal::JournalError;
use crate::live::{LiveMap, Words};

/// Distinct views that a node serves at once; one more is refused with a sentence.
pub const VIEWS_MAX: usize = 2_000;

/// A view and the id that stands in its frames. Ends with its last subscriber.
pub(super) struct Topic {
    /// Names it on this node, and is never given again.
    no: u64,
    id: Box<str>,
    /// As asked. The words of a search are good for no moment yet: ask [`Topic::view_at`].
    view: View,
    /// The view's digest at level 0: names it whatever level is in force.
    base: Box<str>,
    /// The view's digest at each level that was in force.
    digests: Mutex<Vec<(u8, Arc<str>)>>,
    /// The view with its words looked up, as of the newest moment asked for.
    searched: Mutex<Option<Arc<View>>>,
    search: Arc<TextSearch>,
    views: Arc<Views>,
}

/// The view at a moment.
pub(super) enum ViewAt<'a> {
    Plain(&'a View),
    Searched(Arc<View>),
}

impl std::ops::Deref for ViewAt<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        match self {
            ViewAt::Plain(view) => view,
            ViewAt::Searched(view) => view,
        }
    }
}

impl Topic {
    pub fn no(&self) -> u64 {
        self.no
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn digest(&self, level: u8, city: &City) -> Arc<str> {
        let mut digests = lock(&self.digests);
        if let Some((_, digest)) = digests.iter().find(|(of, _)| *of == level) {
            return digest.clone();
        }
        let digest: Arc<str> = self.view.digest(level, city).into();
        digests.push((level, digest.clone()));
        digest
    }

    /// The view with words that are good for `map`. May take a while the first time.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn view_at(&self, map: &LiveMap) -> Result<ViewAt<'_>, JournalError> {
        if !self.search.is_needed(&self.view.filter, self.view.projection) {
            return Ok(ViewAt::Plain(&self.view));
        }
        let newest = lock(&self.searched).clone();
        let mut view = match newest {
            Some(newest) if newest.filter.words.holders().1 == map.seq() => {
                return Ok(ViewAt::Searched(newest));
            }
            Some(newest) if newest.filter.words.holders().1 < map.seq() => View::clone(&newest),
            // What is known of a later moment would tell of what came after this one.
            _ => {
                let mut view = self.view.clone();
                view.filter.words = Words::new(view.filter.words.as_slice().to_vec());
                view
            }
        };
        self.search.look_up(&mut view.filter, view.projection, map)?;
        let view = Arc::new(view);
        let mut searched = lock(&self.searched);
        if searched.as_ref().is_none_or(|newest| newest.filter.words.holders().1 < map.seq()) {
            *searched = Some(view.clone());
        }
        Ok(ViewAt::Searched(view))
    }

    /// Whether [`Topic::view_at`] would have to read the journal: after an erasure texts begin anew.
    pub fn must_read(&self, map: &LiveMap) -> bool {
        if !self.search.is_needed(&self.view.filter, self.view.projection) {
            return false;
        }
        let newest = lock(&self.searched);
        newest.as_ref().is_none_or(|newest| !map.can_carry_on(&newest.filter.words))
    }

    /// Whether the words were looked up for a later moment already: a subscriber that is to be brought
    /// up to `map` does better to wait for the next one.
    pub fn is_ahead_of(&self, map: &LiveMap) -> bool {
        lock(&self.searched).as_ref().is_some_and(|newest| newest.filter.words.holders().1 > map.seq())
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.views.forget(self);
    }
}

/// The views in use on this node, to keep their number within [`VIEWS_MAX`].
#[derive(Default)]
pub struct Views(Mutex<InUse>);

#[derive(Default)]
struct InUse {
    last_no: u64,
    /// By base digest: how many topics ask it.
    views: HashMap<Box<str>, usize>,
    /// By base digest and id.
    topics: HashMap<(Box<str>, Box<str>), Weak<Topic>>,
}

impl Views {
    /// The topic of a view under an id; `None` where the node serves [`VIEWS_MAX`] other views already.
    pub(super) fn topic(
        self: &Arc<Views>,
        id: &str,
        view: View,
        city: &City,
        search: &Arc<TextSearch>,
    ) -> Option<Arc<Topic>> {
        let base: Box<str> = view.digest(0, city).into();
        let key = (base.clone(), id.into());
        let mut in_use = lock(&self.0);
        if let Some(topic) = in_use.topics.get(&key).and_then(Weak::upgrade) {
            return Some(topic);
        }
        if in_use.views.len() >= VIEWS_MAX && !in_use.views.contains_key(&base) {
            return None;
        }
        in_use.last_no += 1;
        let topic = Arc::new(Topic {
            no: in_use.last_no,
            id: id.into(),
            view,
            base: base.clone(),
            digests: Mutex::default(),
            searched: Mutex::default(),
            search: search.clone(),
            views: self.clone(),
        });
        *in_use.views.entry(base).or_default() += 1;
        in_use.topics.insert(key, Arc::downgrade(&topic));
        Some(topic)
    }

    /// How many distinct views are in use.
    pub fn view_count(&self) -> usize {
        lock(&self.0).views.len()
    }

    fn forget(&self, topic: &Topic) {
        let mut in_use = lock(&self.0);
        if let Some(n) = in_use.views.get_mut(&topic.base) {
            *n -= 1;
            if *n == 0 {
                in_use.views.remove(&topic.base);
            }
        }
        let key = (topic.base.clone(), topic.id.clone());
        // Another may have taken its place since its last subscriber went.
        if in_use.topics.get(&key).is_some_and(|other| other.strong_count() == 0) {
            in_use.topics.remove(&key);
        }
    }
}
