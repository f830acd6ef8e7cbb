//! What readers see of the hotspots at one moment.

use std::sync::Arc;

use imbl::{OrdMap, Vector};

use super::alarm::Alarm;
use super::hotspot::{Hotspot, HotspotId, TickChanges};
use super::row::Loaded;
use crate::model::Seq;

/// A hotspot that ended is remembered for this many entries.
const ENDED_ENTRIES_MAX: u64 = 10_000;
/// And at most so many of them; then the oldest are forgotten.
const ENDED_MAX: usize = 10_000;
/// Alarms are remembered up to this many; then the oldest are forgotten.
const ALARMS_MAX: usize = 1_000;

/// All hotspots of one projection as of one tick. Cheap to clone: persistent collections.
#[derive(Debug, Clone, Default)]
pub struct HotspotBoard {
    as_of: Seq,
    live: OrdMap<HotspotId, Arc<Hotspot>>,
    /// Oldest first.
    ended: Vector<Ended>,
    /// `ended` holds every end after this seq.
    ended_from: Seq,
    /// Oldest first; of one tick those of hotspots come before the surges.
    alarms: Vector<Alarm>,
}

/// Enough of a hotspot that ended to take it off a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ended {
    id: HotspotId,
    ended_seq: Seq,
}

impl HotspotBoard {
    /// The newest tick; `Seq(0)` before the first.
    pub fn as_of(&self) -> Seq {
        self.as_of
    }

    /// Every hotspot that lives, by id.
    pub fn live(&self) -> impl Iterator<Item = &Hotspot> {
        self.live.values().map(|hotspot| &**hotspot)
    }

    pub fn get(&self, id: HotspotId) -> Option<&Arc<Hotspot>> {
        self.live.get(&id)
    }

    /// Those that ended after `since`, newest first.
    pub fn ended_since(&self, since: Seq) -> impl Iterator<Item = HotspotId> {
        self.ended.iter().rev().take_while(move |ended| ended.ended_seq > since).map(|ended| ended.id)
    }

    /// Alarms raised after `since`, oldest first.
    pub fn alarms_since(&self, since: Seq) -> impl Iterator<Item = &Alarm> {
        let newer = self.alarms.iter().rev().take_while(|alarm| alarm.seq() > since).count();
        self.alarms.iter().skip(self.alarms.len() - newer)
    }

    /// Whether every end after `since` is still known.
    pub fn reaches_back_to(&self, since: Seq) -> bool {
        since >= self.ended_from
    }

    pub(super) fn forget_ended(&mut self, seq: Seq) {
        self.ended_from = self.ended_from.max(Seq(seq.0.saturating_sub(ENDED_ENTRIES_MAX)));
        while self.ended.front().is_some_and(|ended| ended.ended_seq <= self.ended_from) {
            self.ended.pop_front();
        }
    }

    pub(super) fn apply(&mut self, changes: &TickChanges) {
        self.as_of = changes.seq;
        for hotspot in &changes.ended {
            self.live.remove(&hotspot.id);
            self.ended.push_back(Ended { id: hotspot.id, ended_seq: changes.seq });
        }
        for hotspot in &changes.changed {
            self.live.insert(hotspot.id, Arc::clone(hotspot));
        }
        let alarms = changes.events.iter().filter(|event| event.alarm);
        self.alarms.extend(alarms.cloned().map(Alarm::Hotspot));
        let raised = changes.surges.iter().map(|episode| &episode.surge);
        let raised = raised.filter(|surge| surge.seq == changes.seq);
        self.alarms.extend(raised.cloned().map(Alarm::Surge));
        self.bound();
    }

    pub(super) fn load(loaded: Loaded, as_of: Seq, head: Seq) -> HotspotBoard {
        let mut ended: Vec<Ended> = loaded
            .ended
            .iter()
            .map(|(hotspot, ended_seq, _)| Ended { id: hotspot.id, ended_seq: *ended_seq })
            .collect();
        ended.sort_by_key(|ended| (ended.ended_seq, ended.id));
        let of_hotspots = loaded.events.into_iter().filter(|event| event.alarm).map(Alarm::Hotspot);
        let surges = loaded.surges.into_iter().map(|episode| Alarm::Surge(episode.surge));
        let mut alarms: Vec<Alarm> = of_hotspots.chain(surges).collect();
        alarms.sort_by_key(Alarm::seq);
        let mut board = HotspotBoard {
            as_of,
            live: loaded.live.into_iter().map(|hotspot| (hotspot.id, hotspot)).collect(),
            ended: ended.into(),
            ended_from: Seq(head.0.saturating_sub(ENDED_ENTRIES_MAX)),
            alarms: alarms.into(),
        };
        board.forget_ended(head);
        board.bound();
        board
    }

    fn bound(&mut self) {
        while self.ended.len() > ENDED_MAX {
            let oldest = self.ended.pop_front();
            self.ended_from = oldest.map_or(self.ended_from, |oldest| oldest.ended_seq);
        }
        // None of the newest entry that raised some: nobody would have been told of them.
        let newest = self.alarms.back().map(Alarm::seq);
        while self.alarms.len() > ALARMS_MAX && self.alarms.front().map(Alarm::seq) < newest {
            self.alarms.pop_front();
        }
    }
}
