//! Incidents by words: who has them, and a search for the newest, what is open first.
//!
//! A title follows from category and area, so each of the few titles is looked at once, however many
//! incidents have it; what stands in texts is known by the words themselves ([`Words`]).

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Bound;

use super::filter::Filter;
use super::incident::Incident;
use super::map::LiveMap;
use super::words::Words;
use crate::model::{AreaId, CategoryId, Projection};

/// What a title follows from.
type TitleOf = (CategoryId, Option<AreaId>);

/// Words as of a moment. The public must not find by search what it is not shown: it searches titles only.
pub(super) struct Finder<'a> {
    map: &'a LiveMap,
    projection: Projection,
    words: Cow<'a, Words>,
    /// Which of the words stand in the titles that were looked at.
    in_titles: RefCell<HashMap<TitleOf, Vec<bool>>>,
}

impl<'a> Finder<'a> {
    pub fn new(map: &'a LiveMap, projection: Projection, words: &'a Words) -> Finder<'a> {
        let words = match projection {
            Projection::Staff => map.words_now(words),
            Projection::Public => Cow::Owned(Words::new(words.as_slice().to_vec())),
        };
        Finder { map, projection, words, in_titles: RefCell::default() }
    }

    /// Whether each word stands in the incident's title or texts; if so, whether all stand in the title.
    pub fn find(&self, incident: &Incident) -> Option<bool> {
        if self.words.is_empty() {
            return Some(true);
        }
        let mut in_titles = self.in_titles.borrow_mut();
        let of = (incident.category, incident.area(self.projection));
        let in_title = in_titles.entry(of).or_insert_with(|| {
            let title = self.map.title(incident, self.projection);
            self.words.in_title(&format!("{} {}", title.id(), title.en()).to_lowercase())
        });
        let forest = &self.map.forest;
        let found = match forest.has_any_below(incident.no) {
            true => self.words.match_beside(&self.map.tree(incident.no), |i| in_title[i]),
            false => self.words.match_beside(&[incident.no], |i| in_title[i]),
        };
        found.then(|| in_title.iter().all(|in_title| *in_title))
    }
}

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
        let finder = Finder::new(self, projection, &filter.words);
        let others = Filter { words: Words::default(), ..filter.clone() };
        let matcher = self.matcher(&others, projection);
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        let newest_first = self.by_opened.down_from(Bound::Unbounded);
        for incident in newest_first.filter_map(|(_, no)| self.incident(no)) {
            let found = if incident.status.is_open() { &mut open } else { &mut closed };
            if found.len() == limit {
                continue;
            }
            if let Some(is_in_title) = finder.find(incident).filter(|_| matcher.incident(incident)) {
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
}
