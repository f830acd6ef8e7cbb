//! What goes wrong, when and for how long; and the healing.

use pantau::model::{DAY_MS, Epoch};
use uuid::Uuid;

use super::disk::{Manners, Stop};
use super::lines::{End, Lines, Storm};
use super::time::{HOUR, MINUTE, Ms, SECOND};
use super::world::{Event, LOOK_EVERY, World};

/// A trouble that lasts, to be ended.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    Full,
    Slow,
    Away,
    Cut(End, End),
    Storm,
    StreamDown,
    Clock(End),
}

impl World {
    /// One more thing goes wrong.
    pub fn trouble(&mut self) {
        if self.is_healed() {
            return;
        }
        let n_edges = self.edges.len();
        let of_edges = if n_edges == 0 { 0.0 } else { 1.0 };
        match self.chance.weighted(&[
            1.5,
            1.5,
            2.0,
            1.0,
            1.0,
            1.0,
            1.0,
            4.0 * of_edges,
            1.5 * of_edges,
            of_edges,
            of_edges,
            of_edges,
            of_edges,
            1.6,
            0.5,
            1.0,
        ]) {
            0 => self.strike(Stop::Kill),
            1 => self.strike(Stop::PowerCut),
            2 => {
                // In the middle of a commit that is still to come.
                let steps = 1 + self.chance.below(8) as u32;
                self.disk.behave(|manners| manners.fuse = Some(steps));
            }
            3 => self.disk.behave(|manners| manners.fails_next_flush = true),
            4 => self.begin(Trouble::Full, |world| world.disk.behave(|manners| manners.full = true)),
            5 => {
                let slow_ms = 20 + self.chance.below(3_000) as Ms;
                self.begin(Trouble::Slow, |world| world.disk.behave(|m| m.slow_ms = slow_ms));
            }
            6 => self.begin(Trouble::Away, |world| world.disk.behave(|manners| manners.away = true)),
            7 => self.partition(),
            8 => self.begin(Trouble::Storm, |world| {
                let (loses, doubles) = (world.chance.unit() * 0.6, world.chance.unit() * 0.5);
                let late_ms = world.chance.below(5_000) as Ms;
                world.lines.storm = Storm { loses, doubles, late_ms };
            }),
            9 => {
                self.count("stream wiped");
                self.stream.wipe();
            }
            10 => self.begin(Trouble::StreamDown, |world| {
                world.count("stream stopped");
                world.stream.stop();
            }),
            11 => {
                let edge = self.chance.below(n_edges);
                self.count("edges killed");
                self.edge_stops(edge);
            }
            12 => {
                let (edge, lasts) = (self.chance.below(n_edges), self.lasts());
                self.count("edges paused");
                let until = self.now.ms() + lasts;
                self.edges[edge].paused_until = until;
                self.agenda.put(until, Event::Wakes);
            }
            13 => self.set_a_clock(),
            14 => self.restore(),
            _ => {
                let screen = self.chance.below(self.screens.len());
                self.screen_falls(screen);
            }
        }
        self.wake_all();
    }

    fn begin(&mut self, trouble: Trouble, begin: impl FnOnce(&mut World)) {
        self.count(match trouble {
            Trouble::Full => "disk full",
            Trouble::Slow => "disk slow",
            Trouble::Away => "store away",
            Trouble::Cut(..) => "lines cut",
            Trouble::Storm => "storms",
            Trouble::StreamDown => "stream down",
            Trouble::Clock(_) => "clocks set",
        });
        begin(self);
        let mut lasts = self.lasts();
        if let Trouble::Away = trouble {
            // The engine asks for it twenty times a second.
            lasts = lasts.min(20 * SECOND);
        }
        self.tell(|| format!("{trouble:?} for {lasts} ms"));
        self.agenda.put(self.now.ms() + lasts, Event::Mends { trouble });
    }

    /// A blink, some seconds, minutes, or up to an hour.
    fn lasts(&mut self) -> Ms {
        let most = *self.chance.pick(&[SECOND / 2, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR]);
        1 + self.chance.below(most as usize) as Ms
    }

    pub fn mends(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Full => self.disk.behave(|manners| manners.full = false),
            Trouble::Slow => self.disk.behave(|manners| manners.slow_ms = 0),
            Trouble::Away => self.disk.behave(|manners| manners.away = false),
            Trouble::Cut(from, to) => self.lines.mend(from, to),
            Trouble::Storm => self.lines.storm = Storm::default(),
            Trouble::StreamDown => self.stream.is_down = false,
            Trouble::Clock(end) => self.clock(end).set_off_by(0),
        }
        self.wake_all();
    }

    fn strike(&mut self, how: Stop) {
        if self.origin.core.is_some() {
            self.count(if how == Stop::Kill { "kills" } else { "power cuts" });
            self.origin_stops(how);
        }
    }

    /// Somebody starts a server again that has stopped taking reports.
    pub fn kill(&mut self, life: u32) {
        if life == self.origin.life {
            self.strike(Stop::Kill);
        }
    }

    /// A line is cut one way, or both.
    fn partition(&mut self) {
        let edge = End::Edge(self.chance.below(self.edges.len()));
        let pairs = [
            (edge, End::Origin),
            (edge, End::Origin),
            (edge, End::Stream),
            (End::Origin, End::Stream),
            (End::Outside, End::Origin),
            (End::Outside, edge),
        ];
        let (a, b) = *self.chance.pick(&pairs);
        let ways: &[(End, End)] = match self.chance.below(4) {
            0 => &[(a, b)],
            1 => &[(b, a)],
            _ => &[(a, b), (b, a)],
        };
        self.count(if ways.len() == 1 { "partitions one way" } else { "partitions both ways" });
        for (from, to) in ways {
            self.begin(Trouble::Cut(*from, *to), |world| world.lines.cut(*from, *to));
        }
    }

    fn clock(&self, end: End) -> &super::time::SimClock {
        match end {
            End::Edge(edge) => &self.edges[edge].clock,
            _ => &self.origin.clock,
        }
    }

    fn set_a_clock(&mut self) {
        let which = self.chance.below(self.edges.len() + 2);
        let end = which.checked_sub(2).map_or(End::Origin, End::Edge);
        let off_by = *self.chance.pick(&[
            None,
            Some(-DAY_MS),
            Some(-60_000),
            Some(3_600_000),
            Some(9 * DAY_MS),
            Some(9 * DAY_MS),
        ]);
        self.begin(Trouble::Clock(end), |world| match off_by {
            None => world.clock(end).set_to_1970(),
            Some(ms) => world.clock(end).set_off_by(ms),
        });
    }

    /// The journal is put back from a backup that lacks the newest entries: another epoch begins.
    fn restore(&mut self) {
        if self.origin.core.is_none() {
            return;
        }
        self.count("restores");
        self.disk.stop(Stop::Kill);
        let n = self.disk.len();
        self.disk.put_back(n - self.chance.below(n.clamp(1, 20)));
        self.epoch = Epoch(Uuid::from_u128(u128::from(self.chance.draw()) << 64 | 1));
        self.is_restored = true;
        self.era += 1;
        self.origin_stops(Stop::Kill);
    }

    /// Nobody is owed what came after the backup.
    pub fn forget_after_restore(&mut self) {
        let head = self.book.seq();
        for i in 0..self.senders.len() {
            let sender = &mut self.senders[i];
            sender.done.retain(|doing| doing.had.is_some_and(|had| had.seq() <= head));
            if sender.doing.as_ref().is_some_and(|doing| doing.other_body) {
                sender.doing = None;
                sender.hang_up();
                self.later(i);
                continue;
            }
            if let Some(doing) = &mut sender.doing {
                doing.told_before = doing.told_before.min(head);
                doing.had = doing.had.filter(|had| had.seq() <= head);
            }
        }
    }

    /// From now on nothing fails any more.
    pub fn heals(&mut self) {
        self.healed_at = Some(self.now.ms());
        self.lines = Lines::default();
        self.stream.is_down = false;
        let lies = self.disk.manners().lies;
        self.disk.behave(|manners| *manners = Manners { lies, ..Manners::default() });
        self.origin.clock.set_off_by(0);
        if self.origin.failed {
            self.strike(Stop::Kill);
        }
        if self.origin.core.is_none() {
            self.origin_starts();
        }
        for edge in 0..self.edges.len() {
            self.edges[edge].clock.set_off_by(0);
            self.edges[edge].paused_until = 0;
            if !self.edges[edge].is_up() {
                let life = self.edges[edge].life;
                self.agenda.put(self.now.ms(), Event::EdgeStarts { edge, life });
            }
        }
        self.release();
        self.screens.iter_mut().for_each(super::screen::Screen::hurry);
        for sender in 0..self.senders.len() {
            self.agenda.put(self.now.ms() + 1, Event::Wish { sender });
        }
        self.wake_all();
        self.agenda.put(self.now.ms() + LOOK_EVERY, Event::Looks);
    }
}
