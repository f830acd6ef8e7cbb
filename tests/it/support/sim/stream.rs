//! A model of a JetStream stream: numbered messages, each taken once, and forgotten when it is wiped.

use std::collections::VecDeque;

use pantau::edge::StreamEnd;
use pantau::model::Seq;

/// So few are kept that edges must ask the origin often.
const MESSAGES_MAX: usize = 40;

pub struct Message {
    pub sequence: u64,
    pub epoch: String,
    pub entry: Seq,
    pub payload: Vec<u8>,
}

#[derive(Default)]
pub struct Stream {
    pub is_down: bool,
    /// Counts its lives: connections end with one.
    pub life: u32,
    last: u64,
    messages: VecDeque<Message>,
}

impl Stream {
    /// It is started anew, with nothing in it.
    pub fn wipe(&mut self) {
        *self = Stream { life: self.life + 1, is_down: self.is_down, ..Stream::default() };
    }

    /// It keeps what it has, but every connection ends.
    pub fn stop(&mut self) {
        self.is_down = true;
        self.life += 1;
    }

    /// Forgets its messages, not its numbers.
    pub fn purge(&mut self) {
        self.messages.clear();
    }

    pub fn end(&self) -> StreamEnd {
        let newest = self.messages.back().map(|message| (message.epoch.clone(), message.entry));
        let first_sequence = self.messages.front().map_or(self.last + 1, |message| message.sequence);
        StreamEnd { sequence: self.last, first_sequence, newest }
    }

    /// Takes a message right after the one with `expected_last`, or one that it has; answers its number and
    /// whether it is new.
    pub fn publish(
        &mut self,
        expected_last: u64,
        (epoch, entry): (&str, Seq),
        payload: Vec<u8>,
    ) -> Option<(u64, bool)> {
        let same = |message: &&Message| message.epoch == epoch && message.entry == entry;
        if let Some(known) = self.messages.iter().find(same) {
            return Some((known.sequence, false));
        }
        if expected_last != self.last {
            return None;
        }
        self.last += 1;
        self.messages.push_back(Message { sequence: self.last, epoch: epoch.to_owned(), entry, payload });
        if self.messages.len() > MESSAGES_MAX {
            self.messages.pop_front();
        }
        Some((self.last, true))
    }

    /// What it holds from a number on.
    pub fn since(&self, sequence: u64) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.sequence >= sequence)
    }
}
