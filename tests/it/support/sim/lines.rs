//! The lines between the machines: open or cut in each direction, quick or slow, and in a storm also
//! lossy, doubling and out of order.

use std::collections::BTreeSet;

use pantau::cli::chance::Chance;

use super::time::Ms;

/// Who is at an end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Origin,
    Edge(usize),
    Stream,
    /// Who sends, and the screens.
    Outside,
}

/// How bad it is for what is pushed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Storm {
    pub loses: f64,
    pub doubles: f64,
    /// A message may take this much longer than another.
    pub late_ms: Ms,
}

#[derive(Default)]
pub struct Lines {
    /// From one to the other.
    cut: BTreeSet<(End, End)>,
    pub storm: Storm,
}

impl Lines {
    pub fn cut(&mut self, from: End, to: End) {
        self.cut.insert((from, to));
    }

    pub fn mend(&mut self, from: End, to: End) {
        self.cut.remove(&(from, to));
    }

    pub fn is_open(&self, from: End, to: End) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// Whether a connection between the two works.
    pub fn connects(&self, a: End, b: End) -> bool {
        self.is_open(a, b) && self.is_open(b, a)
    }

    /// How long what is sent now takes; `None` where it never arrives.
    pub fn send(&self, from: End, to: End, chance: &mut Chance) -> Option<Ms> {
        let broken = chance.happens(self.storm.loses / 4.0);
        (self.is_open(from, to) && !broken).then(|| self.delay(chance))
    }

    /// When each copy of a message that is pushed arrives, from now.
    pub fn push(&self, from: End, to: End, chance: &mut Chance) -> Vec<Ms> {
        if !self.is_open(from, to) {
            return Vec::new();
        }
        let copies = if chance.happens(self.storm.loses) {
            0
        } else {
            1 + usize::from(chance.happens(self.storm.doubles))
        };
        (0..copies).map(|_| self.delay(chance)).collect()
    }

    fn delay(&self, chance: &mut Chance) -> Ms {
        let late = if self.storm.late_ms == 0 { 0 } else { chance.below(self.storm.late_ms as usize) };
        1 + chance.below(20) as Ms + late as Ms
    }
}
