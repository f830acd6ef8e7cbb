//! What each incident's steps took, added up entry by entry.
//!
//! Imports are left out: nobody knows when their steps were taken.

use crate::city::City;
use crate::live::Incident;
use crate::model::{
    Action, ActionFact, AgencyId, AreaId, CategoryId, Clock, Entry, Fact, IncidentNo, Projection, Seq,
    Status, TimeMs,
};

/// Beyond it no statistics are made: they would take some hundred megabytes.
pub const CASES_MAX: usize = 4_000_000;

/// A step in the life of an incident, timed from its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// First verified.
    Verify,
    /// First given to an agency by hand; what routing gave at the opening needs no step.
    Assign,
    /// First begun.
    Start,
    /// Resolved for good: a later reopening takes it back.
    Resolve,
}

impl Step {
    pub const ALL: [Step; 4] = [Step::Verify, Step::Assign, Step::Start, Step::Resolve];

    pub fn key(self) -> &'static str {
        match self {
            Step::Verify => "verify",
            Step::Assign => "assign",
            Step::Start => "start",
            Step::Resolve => "resolve",
        }
    }
}

/// One incident as statistics see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Case {
    pub no: IncidentNo,
    pub category: CategoryId,
    pub status: Status,
    pub agency: Option<AgencyId>,
    /// The finest area, exact and as the public sees it.
    pub area: Option<AreaId>,
    pub public_area: Option<AreaId>,
    pub drill: bool,
    /// Another incident absorbed it: it counts with that.
    pub is_absorbed: bool,
    pub opened_at: TimeMs,
    /// The city's month that it was opened in.
    pub month: Month,
    /// The time that it as a whole has left; once it is closed, as it last stood while it was open.
    pub whole: Whole,
    /// Whether it was resolved in time; `None` while it is not resolved, or where no deadline ran.
    pub on_time: Option<bool>,
    /// Whole seconds from the opening, in the order of [`Step::ALL`]; [`Case::NEVER`] where not taken.
    pub(super) seconds: [u32; 4],
}

impl Case {
    pub const NEVER: u32 = u32::MAX;

    /// Seconds from the opening until a step was taken; `None` where it was not.
    pub fn seconds(&self, step: Step) -> Option<u32> {
        Some(self.seconds[step as usize]).filter(|seconds| *seconds != Case::NEVER)
    }

    pub fn area(&self, projection: Projection) -> Option<AreaId> {
        match projection {
            Projection::Public => self.public_area,
            Projection::Staff => self.area,
        }
    }

    fn of(incident: &Incident, city: &City) -> Case {
        Case {
            no: incident.no,
            category: incident.category,
            status: incident.status,
            agency: incident.agency,
            area: incident.area(Projection::Staff),
            public_area: incident.area(Projection::Public),
            drill: incident.drill,
            is_absorbed: false,
            opened_at: incident.opened_at,
            month: Month::of(incident.opened_at, city),
            whole: Whole::Unbounded,
            on_time: None,
            seconds: [Case::NEVER; 4],
        }
    }

    fn act(&mut self, fact: &ActionFact, at: TimeMs) {
        (self.status, self.agency) = (fact.to, fact.agency);
        // What closes it leaves it as it stood.
        if fact.to.is_open() {
            self.whole = Whole::of(fact.due_at, fact.clock);
        }
        if fact.from == Status::New && fact.to != Status::New && fact.to != Status::Rejected {
            self.take_first(Step::Verify, at);
        }
        if fact.action == Action::Assign {
            self.take_first(Step::Assign, at);
        }
        if fact.to == Status::InProgress {
            self.take_first(Step::Start, at);
        }
        match (fact.from, fact.to) {
            (Status::Resolved, Status::Resolved) => {}
            (_, Status::Resolved) => {
                self.seconds[Step::Resolve as usize] = self.seconds_until(at);
                self.on_time = self.whole.left_ms(at).map(|left_ms| left_ms >= 0);
            }
            _ => {
                self.seconds[Step::Resolve as usize] = Case::NEVER;
                self.on_time = None;
            }
        }
    }

    fn take_first(&mut self, step: Step, at: TimeMs) {
        let taken = self.seconds_until(at);
        let seconds = &mut self.seconds[step as usize];
        if *seconds == Case::NEVER {
            *seconds = taken;
        }
    }

    fn seconds_until(&self, at: TimeMs) -> u32 {
        let seconds = at.since(self.opened_at).max(0) / 1_000;
        u32::try_from(seconds).unwrap_or(Case::NEVER - 1).min(Case::NEVER - 1)
    }
}

/// What an incident as a whole has left of its time, whatever its steps may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// No deadline: nobody can say whether it is in time.
    Unbounded,
    Until(TimeMs),
    /// It is paused, with so much left; less than nothing where it was late by then.
    Paused {
        left_ms: i64,
    },
}

impl Whole {
    /// Of an open incident: its clock knows. One of before there were clocks has its one deadline for that; `due_at`
    /// of one that has a clock is the step's.
    fn of(due_at: Option<TimeMs>, clock: Option<Clock>) -> Whole {
        let Some(clock) = clock else { return due_at.map_or(Whole::Unbounded, Whole::Until) };
        match (clock.whole_due_at, clock.paused_at) {
            (None, _) => Whole::Unbounded,
            (Some(due_at), None) => Whole::Until(due_at),
            (Some(due_at), Some(paused_at)) => Whole::Paused { left_ms: due_at.since(paused_at) },
        }
    }

    /// At `now`, less than nothing where it is over; `None` where it has no bound.
    pub fn left_ms(self, now: TimeMs) -> Option<i64> {
        match self {
            Whole::Unbounded => None,
            Whole::Until(due_at) => Some(due_at.since(now)),
            Whole::Paused { left_ms } => Some(left_ms),
        }
    }

    /// When time alone will end it.
    pub fn ends_at(self) -> Option<TimeMs> {
        match self {
            Whole::Until(due_at) => Some(due_at),
            Whole::Unbounded | Whole::Paused { .. } => None,
        }
    }
}

/// A month of the city's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    pub year: i16,
    /// From 1.
    pub month: i8,
}

impl Month {
    pub fn of(at: TimeMs, city: &City) -> Month {
        let day = city.day_of(at);
        Month { year: day.year(), month: day.month() }
    }

    /// When it begins in the city, and when the next one does.
    pub fn span(self, city: &City) -> (TimeMs, TimeMs) {
        let (year, month) = if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        let start = |year, month| {
            jiff::civil::Date::new(year, month, 1).map_or(TimeMs::MAX, |day| city.start_of(day))
        };
        (start(self.year, self.month), start(year, month))
    }
}

/// All cases, as of an entry.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    seq: Seq,
    /// Counts what changed a case.
    version: u64,
    /// By number.
    cases: Vec<Case>,
}

impl Ledger {
    /// The newest entry added.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Two ledgers of one history with the same version hold the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Adds the next entry.
    ///
    /// # Panics
    /// Where it is not the next.
    pub fn add(&mut self, entry: &Entry, city: &City) {
        assert_eq!(entry.seq, self.seq.next(), "entries are dense");
        self.seq = entry.seq;
        match &entry.fact {
            Fact::Report(fact) if fact.opens.is_some() && !fact.imported => {
                let whole = fact.opens.map(|opening| Whole::of(opening.due_at, opening.clock));
                let case = Case::of(&Incident::opened_by(fact, entry.at, city), city);
                self.cases.push(Case { whole: whole.unwrap_or(case.whole), ..case });
                self.version += 1;
            }
            Fact::Action(fact) => {
                if let Some(case) = self.case(fact.incident) {
                    case.act(fact, entry.at);
                    self.version += 1;
                }
            }
            Fact::Merge(fact) => self.absorb(fact.absorbed, true),
            Fact::Split(fact) => self.absorb(fact.absorbed, false),
            _ => {}
        }
    }

    fn absorb(&mut self, no: IncidentNo, is_absorbed: bool) {
        if let Some(case) = self.case(no) {
            case.is_absorbed = is_absorbed;
            self.version += 1;
        }
    }

    fn case(&mut self, no: IncidentNo) -> Option<&mut Case> {
        let at = self.cases.binary_search_by_key(&no, |case| case.no).ok()?;
        Some(&mut self.cases[at])
    }
}
