//! The clocks of open incidents, kept apart from their columns: few of all incidents in memory are open.
//!
//! Invariants: `due` holds of each clock the next moment at which time alone changes what it reads, and no
//! other; every one of them lies after the map's now. Alarms are in the order of their entries.

use imbl::{OrdMap, Vector};

use super::incident::Incident;
use super::timeline::Timeline;
use crate::model::{Clock, ClockState, IncidentNo, Seq, TimeMs};

/// Alarms are remembered up to this many; then the oldest are forgotten, but none of the newest entry that raised some:
/// after a standstill one tick turns all clocks, and those who are longest late come first.
const ALARMS_MAX: usize = 1_000;

/// An incident is late, and somebody more is to be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LateAlarm {
    /// The entry by whose time it was raised.
    pub seq: Seq,
    /// 0 is for the operator, 1 for the supervisor, 2 for the head.
    pub level: u8,
    pub clock: Clock,
    /// As it stood then.
    pub incident: Incident,
}

/// The clocks of one moment. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Clocks {
    running: OrdMap<IncidentNo, Clock>,
    /// Of those that others absorbed: they tell nothing until a split.
    parked: OrdMap<IncidentNo, Clock>,
    due: Timeline,
    /// Oldest first.
    alarms: Vector<LateAlarm>,
}

/// A clock that reads otherwise than before, because time passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned {
    pub no: IncidentNo,
    pub clock: Clock,
    pub before: ClockState,
    pub now: ClockState,
}

impl Clocks {
    /// As they stand at `now`; `is_parked` says of which incidents others absorbed.
    pub fn of(
        clocks: impl IntoIterator<Item = (IncidentNo, Clock)>,
        now: TimeMs,
        is_parked: impl Fn(IncidentNo) -> bool,
    ) -> Clocks {
        let (parked, running): (Vec<_>, Vec<_>) = clocks.into_iter().partition(|(no, _)| is_parked(*no));
        let running: OrdMap<IncidentNo, Clock> = running.into_iter().collect();
        let next = |(no, clock): (&IncidentNo, &Clock)| Some((clock.next_after(now)?, *no));
        let due = Timeline::of(running.iter().filter_map(next));
        Clocks { running, parked: parked.into_iter().collect(), due, alarms: Vector::new() }
    }

    pub fn get(&self, no: IncidentNo) -> Option<&Clock> {
        self.running.get(&no)
    }

    /// By number.
    pub fn iter(&self) -> impl Iterator<Item = (IncidentNo, &Clock)> {
        self.running.iter().map(|(no, clock)| (*no, clock))
    }

    /// Those of absorbed incidents too.
    pub fn all(&self) -> impl Iterator<Item = (IncidentNo, &Clock)> {
        self.iter().chain(self.parked.iter().map(|(no, clock)| (*no, clock)))
    }

    /// The incident was absorbed: its clock is kept for a split. `now` is the map's.
    pub fn park(&mut self, no: IncidentNo, now: TimeMs) {
        let Some(clock) = self.running.get(&no).copied() else { return };
        self.set(no, None, now);
        self.parked.insert(no, clock);
    }

    /// The clock of an absorbed incident, which is forgotten here.
    pub fn unpark(&mut self, no: IncidentNo) -> Option<Clock> {
        self.parked.remove(&no)
    }

    /// When time alone next changes what a clock reads.
    pub fn due_at(&self) -> Option<TimeMs> {
        self.due.first().map(|(at, _)| at)
    }

    /// Sets the clock of an incident, or takes it away. `now` is the map's.
    pub fn set(&mut self, no: IncidentNo, clock: Option<Clock>, now: TimeMs) {
        if let Some(next) = self.running.get(&no).and_then(|before| before.next_after(now)) {
            self.due.remove(next, no);
        }
        match clock {
            Some(clock) => {
                self.running.insert(no, clock);
                if let Some(next) = clock.next_after(now) {
                    self.due.insert(next, no);
                }
            }
            None => {
                self.running.remove(&no);
            }
        }
    }

    /// The clocks that read otherwise at `now` than at `before`, in the order in which they turned.
    pub fn turn(&mut self, before: TimeMs, now: TimeMs) -> Vec<Turned> {
        let mut turned = Vec::new();
        while let Some((at, no)) = self.due.first()
            && at <= now
        {
            self.due.remove(at, no);
            let Some(clock) = self.running.get(&no) else { continue };
            if let Some(next) = clock.next_after(now) {
                self.due.insert(next, no);
            }
            let (before, now) = (clock.state_at(before), clock.state_at(now));
            turned.push(Turned { no, clock: *clock, before, now });
        }
        turned
    }

    /// Alarms raised after `since`, oldest first.
    pub fn alarms_since(&self, since: Seq) -> impl Iterator<Item = &LateAlarm> {
        let newer = self.alarms.iter().rev().take_while(|alarm| alarm.seq > since).count();
        self.alarms.iter().skip(self.alarms.len() - newer)
    }

    pub fn newest_alarm(&self) -> Seq {
        self.alarms.back().map_or(Seq(0), |alarm| alarm.seq)
    }

    /// Changes an incident in the alarms that it raised.
    pub fn amend_alarms(&mut self, no: IncidentNo, amended: impl Fn(&Incident) -> Incident) {
        let is_of = |alarm: &LateAlarm| alarm.incident.no == no;
        if self.alarms.iter().any(is_of) {
            let of_it = self.alarms.iter_mut().filter(|alarm| is_of(alarm));
            of_it.for_each(|alarm| alarm.incident = amended(&alarm.incident));
        }
    }

    pub fn raise(&mut self, alarm: LateAlarm) {
        self.alarms.push_back(alarm);
        while self.alarms.len() > ALARMS_MAX
            && self.alarms.front().is_some_and(|oldest| oldest.seq < alarm.seq)
        {
            self.alarms.pop_front();
        }
    }
}
