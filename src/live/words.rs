//! A search by words: texts stay in the journal, the live map holds who has them.
//!
//! Whoever asks looks the words up in the journal once ([`crate::feed::TextSearch`]); what was said
//! since is in the live map's newest texts, which carry the answer on from seq to seq. Between erasures
//! texts are only added, so an incident that holds a word goes on holding it; after one the texts begin
//! anew, and words are looked up again.

use std::fmt;

use imbl::{OrdSet, Vector};

use crate::model::{IncidentNo, Seq};

/// How many of the newest texts the live map holds.
pub(super) const RECENT_TEXTS_MAX: usize = 20_000;

/// The words of a search, each with the incidents in whose texts it stands. Equal where the words
/// are: the incidents follow from them.
#[derive(Clone, Default)]
pub struct Words {
    words: Vec<String>,
    /// For each word; empty until looked up.
    holders: Vec<OrdSet<IncidentNo>>,
    as_of: Seq,
}

impl Words {
    /// Lower-case words, not looked up yet: until then they are found in titles only.
    pub fn new(words: Vec<String>) -> Words {
        Words { words, ..Words::default() }
    }

    /// Words with the incidents that hold each of them as of a seq.
    ///
    /// # Panics
    /// Where there are not as many sets as words.
    pub fn looked_up(words: Vec<String>, holders: Vec<OrdSet<IncidentNo>>, as_of: Seq) -> Words {
        assert_eq!(words.len(), holders.len(), "each word has its holders");
        Words { words, holders, as_of }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn as_slice(&self) -> &[String] {
        &self.words
    }

    /// What is known of the holders, and as of when; empty before they were looked up.
    pub fn holders(&self) -> (&[OrdSet<IncidentNo>], Seq) {
        (&self.holders, self.as_of)
    }

    /// Whether the holders are known as of a moment that `texts` carry on from.
    pub(super) fn can_go_on(&self, texts: &RecentTexts) -> bool {
        self.words.is_empty() || (self.holders.len() == self.words.len() && self.as_of >= texts.from)
    }

    /// Takes in what was said up to `seq`.
    pub(super) fn go_on(&mut self, texts: &RecentTexts, seq: Seq) {
        let newer = (!self.words.is_empty()).then(|| texts.since(self.as_of));
        for text in newer.into_iter().flatten() {
            for (word, holders) in self.words.iter().zip(&mut self.holders) {
                if text.text.contains(word.as_str()) {
                    holders.insert(text.incident);
                }
            }
        }
        self.as_of = self.as_of.max(seq);
    }

    /// Which of the words stand in a title, in lower case.
    pub(super) fn in_title(&self, title: &str) -> Vec<bool> {
        self.words.iter().map(|word| title.contains(word.as_str())).collect()
    }

    /// Whether each word stands in the title, as something else knows, or in a text of one of the incidents that
    /// count as one.
    pub(super) fn match_beside(&self, all: &[IncidentNo], is_in_title: impl Fn(usize) -> bool) -> bool {
        let holds = |holders: &OrdSet<IncidentNo>| all.iter().any(|no| holders.contains(no));
        let held = |i: usize| self.holders.get(i).is_some_and(holds);
        (0..self.words.len()).all(|i| is_in_title(i) || held(i))
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        self.words == other.words
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.fmt(f)
    }
}

/// What a report said, in lower case.
#[derive(Debug, Clone)]
pub(super) struct RecentText {
    seq: Seq,
    incident: IncidentNo,
    text: std::sync::Arc<str>,
}

/// The newest texts, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct RecentTexts {
    texts: Vector<RecentText>,
    /// Every text after this seq is there.
    from: Seq,
}

impl RecentTexts {
    /// None yet: everything up to `seq` is in the journal.
    pub fn after(seq: Seq) -> RecentTexts {
        RecentTexts { texts: Vector::new(), from: seq }
    }

    pub fn push(&mut self, seq: Seq, incident: IncidentNo, text: &str) {
        self.texts.push_back(RecentText { seq, incident, text: text.to_lowercase().into() });
        if self.texts.len() > RECENT_TEXTS_MAX
            && let Some(oldest) = self.texts.pop_front()
        {
            self.from = oldest.seq;
        }
    }

    fn since(&self, seq: Seq) -> impl Iterator<Item = &RecentText> {
        let newer = self.texts.iter().rev().take_while(|text| text.seq > seq).count();
        self.texts.iter().skip(self.texts.len() - newer)
    }
}
