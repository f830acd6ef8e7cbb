//! Clocks and what is late, as staff are told of it. The public is told when an incident is due, no more.

use serde::Serialize;

use super::wire::{Feature, ServerMessage};
use crate::city::{Calendar, Text};
use crate::live::{Filter, LateAlarm, LiveMap};
use crate::model::{Clock, ClockState, Projection, Step, TimeMs};

/// The clock of an open incident.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClockProperties {
    pub step: &'static str,
    /// When the step is due; null while the clock is paused.
    pub due_at: Option<TimeMs>,
    /// From here on it is due soon; null where nobody is warned.
    pub warn_at: Option<TimeMs>,
    /// `ok`, `soon`, `late`, `paused`.
    pub state: &'static str,
    /// 0, 1 once the supervisor was told, 2 once the head was.
    pub escalation: u8,
    pub paused: Option<PausedProperties>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct PausedProperties {
    pub at: TimeMs,
    /// What was left of the step's time, in seconds of the time in which it passes; below 0 where it was late.
    pub left_s: i64,
}

impl ClockProperties {
    pub fn of(clock: &Clock, state: ClockState, calendar: &Calendar) -> ClockProperties {
        let left_ms = |at: TimeMs| match clock.is_working && at < clock.due_at {
            true => calendar.working_ms(at, clock.due_at),
            false => clock.due_at.since(at),
        };
        let paused = clock.paused_at.map(|at| PausedProperties { at, left_s: left_ms(at) / 1_000 });
        ClockProperties {
            step: clock.step.key(),
            due_at: clock.runs_until(),
            warn_at: clock.warn_at.filter(|_| clock.paused_at.is_none()),
            state: state.key(),
            escalation: state.escalation(),
            paused,
        }
    }
}

impl<'a> ServerMessage<'a> {
    /// An alarm of what is late, for the subscription `sub` of staff.
    pub fn late(sub: &'a str, alarm: &LateAlarm, map: &'a LiveMap) -> ServerMessage<'a> {
        let feature = Feature::incident(map, &alarm.incident, Projection::Staff);
        ServerMessage::Alarm {
            id: format!("a:{}/{}/{}", feature.id, alarm.seq, alarm.level),
            sub,
            kind: "overdue",
            seq: alarm.seq.0,
            level: Some(alarm.level),
            title: title(alarm, map),
            feature: Box::new(feature),
        }
    }
}

fn title(alarm: &LateAlarm, map: &LiveMap) -> Text {
    let of_incident = map.title(&alarm.incident, Projection::Staff);
    let (step_id, step_en) = match alarm.clock.step {
        Step::Verify => ("verifikasi", "Verification"),
        Step::Assign => ("penugasan", "Assignment"),
        Step::Start => ("mulai penanganan", "Start of work"),
        Step::Resolve => ("penyelesaian", "Resolution"),
    };
    let (to_id, to_en) = match alarm.level {
        0 => ("", ""),
        1 => (", ke penyelia", ", to the supervisor"),
        _ => (", ke pimpinan", ", to the head"),
    };
    Text {
        id: format!("Terlambat {step_id}{to_id}: {}", of_incident.id()),
        en: format!("{step_en} overdue{to_en}: {}", of_incident.en()),
    }
}

/// Whether an alarm is meant for a filter of staff. It ignores bbox, status and times.
pub(super) fn concerns_late(filter: &Filter, alarm: &LateAlarm, map: &LiveMap) -> bool {
    let incident = &alarm.incident;
    let spot = incident.spot(Projection::Staff, map.city());
    filter.categories.is_none_or(|set| set.has(incident.category.0))
        && filter.agencies.is_none_or(|set| incident.agency.is_some_and(|agency| set.has(agency.0)))
        && filter.drill.is_none_or(|drill| drill == incident.drill)
        && filter.areas.as_ref().is_none_or(|set| spot.area.is_some_and(|area| set.contains(area)))
        && filter.within.as_ref().is_none_or(|within| within.contains(spot.place))
}
