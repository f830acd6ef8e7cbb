//! The incidents that a few words find: what is open first, the newest first.
//!
//! A title follows from category and area, so each of the few titles is looked at once, however many
//! incidents have it; what stands in texts is known by the words themselves ([`Words`]).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Bound;

use super::filter::Filter;
use super::incident::Incident;
use super::map::LiveMap;
use super::words::Words;
use crate::model::{AreaId, CategoryId, Projection};

/// An incident that words found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub incident: Incident,
    /// All of the words stand in its title; else some stand in what a report says.
    pub is_in_title: bool,
}

impl LiveMap {
    /// At most `limit` incidents in memory that match a filter with words, open ones before closed ones. The words
    /// must have been looked up for [`Projection::Staff`]. Without words it finds nothing.
    pub fn search(&self, projection: Projection, filter: &Filter, limit: usize) -> Vec<Hit> {
        if filter.words.is_empty() {
            return Vec::new();
        }
        let words = self.words_for(projection, &filter.words);
        let others = Filter { words: Words::default(), ..filter.clone() };
        let matcher = self.matcher(&others, projection);
        let mut titles: HashMap<(CategoryId, Option<AreaId>), Vec<bool>> = HashMap::new();
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        let newest_first = self.by_opened.down_from(Bound::Unbounded);
        for incident in newest_first.filter_map(|(_, no)| self.incident(no)) {
            let found = if incident.status.is_open() { &mut open } else { &mut closed };
            if found.len() == limit {
                continue;
            }
            let in_title =
                titles.entry((incident.category, incident.area(projection))).or_insert_with(|| {
                    let title = self.title(incident, projection);
                    words.in_title(&format!("{} {}", title.id(), title.en()).to_lowercase())
                });
            let all = match self.forest.has_any_below(incident.no) {
                true => Cow::Owned(self.tree(incident.no)),
                false => Cow::Borrowed(std::slice::from_ref(&incident.no)),
            };
            if words.match_beside(&all, |i| in_title[i]) && matcher.incident(incident) {
                let is_in_title = in_title.iter().all(|in_title| *in_title);
                found.push(Hit { incident: *incident, is_in_title });
                if open.len() == limit {
                    break;
                }
            }
        }
        open.extend(closed);
        open.truncate(limit);
        open
    }

    /// The words as of this moment; for the public without what it is not shown.
    fn words_for(&self, projection: Projection, words: &Words) -> Words {
        match projection {
            Projection::Staff => {
                let mut words = words.clone();
                self.carry_on(&mut words);
                words
            }
            Projection::Public => Words::new(words.as_slice().to_vec()),
        }
    }
}
