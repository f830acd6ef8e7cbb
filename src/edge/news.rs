//! What goes from the origin to its edges: which history, how far it is, and entries.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::journal::SharedEntry;
use crate::live::LiveMap;
use crate::model::{Entry, Seq, hex};

/// An answer of the origin, or a message of the stream (with one entry, or none: a sign of life).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News<'a> {
    /// Of this shape.
    pub v: u8,
    pub epoch: Cow<'a, str>,
    /// Hash of the city pack that the entries' keys are of, 64 hex digits.
    pub pack: Cow<'a, str>,
    /// Of the pseudonyms of senders.
    pub generation: Cow<'a, str>,
    /// The newest entry at the origin, then.
    pub head: u64,
    /// In order, without a hole.
    #[serde(borrow)]
    pub entries: Vec<SharedEntry<'a>>,
}

/// What [`News::v`] says today.
const VERSION: u8 = 1;

/// Which history, under which pack and which names for senders: what an edge may not mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    pub epoch: String,
    pub pack: String,
    pub generation: String,
}

impl Lineage {
    pub fn of(map: &LiveMap, generation: &str) -> Lineage {
        Lineage {
            epoch: map.epoch().to_string(),
            pack: hex(&map.city().hash),
            generation: generation.to_owned(),
        }
    }

    pub fn news<'a>(&'a self, head: Seq, entries: Vec<SharedEntry<'a>>) -> News<'a> {
        News {
            v: VERSION,
            epoch: Cow::Borrowed(&self.epoch),
            pack: Cow::Borrowed(&self.pack),
            generation: Cow::Borrowed(&self.generation),
            head: head.0,
            entries,
        }
    }
}

/// [`News`], read.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub lineage: Lineage,
    pub head: Seq,
    pub entries: Vec<Entry>,
}

impl News<'_> {
    pub fn lineage(&self) -> Lineage {
        Lineage {
            epoch: self.epoch.clone().into_owned(),
            pack: self.pack.clone().into_owned(),
            generation: self.generation.clone().into_owned(),
        }
    }

    /// The entries are read only where they are of `city`'s pack: under another their keys mean nothing.
    ///
    /// # Errors
    /// A sentence, where it is none of ours or of a newer version.
    pub fn read(bytes: &[u8], city: &crate::city::City) -> Result<Told, String> {
        let news: News = serde_json::from_slice(bytes).map_err(|e| format!("it is no news: {e}"))?;
        if news.v != VERSION {
            return Err(format!("it is of version {}; update this node", news.v));
        }
        let lineage = news.lineage();
        let entries = if lineage.pack == hex(&city.hash) {
            let read = news.entries.iter().map(|entry| entry.entry(city));
            read.collect::<Result<_, _>>().map_err(|e| e.to_string())?
        } else {
            Vec::new()
        };
        Ok(Told { lineage, head: Seq(news.head), entries })
    }
}
