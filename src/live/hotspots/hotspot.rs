//! A hotspot, and what happens to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use geo_types::MultiPolygon;

use super::credibility::Doubts;
use super::gi_star::Confidence;
use super::life::State;
use super::members::{MemberChanges, Members};
use super::surges::Episode;
use super::words;
use crate::city::{City, Text};
use crate::model::{AreaId, CategoryId, LngLat, ReportNo, Seq, TimeMs};

/// The seq of the tick that bore a hotspot, and its number there. Displays as `1187-0`; the older
/// one is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HotspotId {
    pub born: Seq,
    pub n: u32,
}

impl fmt::Display for HotspotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.born, self.n)
    }
}

impl FromStr for HotspotId {
    type Err = ();

    /// ```
    /// use pantau::live::hotspots::HotspotId;
    /// let id: HotspotId = "1187-0".parse().unwrap();
    /// assert_eq!(id.to_string(), "1187-0");
    /// assert!("1187".parse::<HotspotId>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<HotspotId, ()> {
        let (born, n) = text.split_once('-').ok_or(())?;
        Ok(HotspotId { born: Seq(born.parse().map_err(drop)?), n: n.parse().map_err(drop)? })
    }
}

/// What a hotspot is found over: the reports of one category, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Category(CategoryId),
    All,
}

impl Layer {
    /// The category's key, or `all`.
    pub fn key(self, city: &City) -> &str {
        match self {
            Layer::Category(id) => &city.category(id).key,
            Layer::All => "all",
        }
    }

    pub fn from_key(key: &str, city: &City) -> Option<Layer> {
        city.category_by_key(key).map(Layer::Category).or((key == "all").then_some(Layer::All))
    }
}

/// A report in a hotspot, with what names it outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotspotMember {
    pub seq: Seq,
    pub report: ReportNo,
    pub received_at: TimeMs,
    pub core: bool,
    /// Why it does not count in full.
    pub doubts: Doubts,
}

/// A hotspot as of the tick that last changed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hotspot {
    pub id: HotspotId,
    pub layer: Layer,
    pub drill: bool,
    pub state: State,
    /// How many times as fast its newest reports came as those before.
    pub trend: f64,
    pub reports: u32,
    /// Distinct senders.
    pub reporters: u32,
    pub incidents: u32,
    /// Sum of its reports' weights.
    pub weight: f64,
    pub centroid: LngLat,
    /// One polygon but for rare cases (the antimeridian, public cells that do not touch).
    pub outline: MultiPolygon<f64>,
    /// Finest areas that members lie in or the outline touches; most members first.
    pub areas: Vec<AreaId>,
    /// The area that gives the name.
    pub lead_area: Option<AreaId>,
    pub name: Text,
    pub first_at: TimeMs,
    pub last_at: TimeMs,
    pub born_at: TimeMs,
    pub why: Text,
    /// Getis-Ord Gi* of its hottest cell, in hundredths; `None` where no cell of it is land.
    pub gi_z: Option<f64>,
    /// How sure it is that this cell is hot; `None` below 90 %.
    pub gi_confidence: Option<Confidence>,
    /// How far its areas stand above what is usual there, in sigma, in hundredths; `None` where too
    /// little is known yet.
    pub surge: Option<f64>,
    pub changed_seq: Seq,
    /// In the order of their seqs.
    pub members: Members,
    /// Its weight at birth, in whole reports, and how often that has doubled at the most.
    pub born_reports: u32,
    pub level: u32,
    /// Its alarm was raised, or that of what it grew out of.
    pub announced: bool,
}

/// Something happened to a hotspot at a tick.
#[derive(Debug, Clone, PartialEq)]
pub struct HotspotEvent {
    pub seq: Seq,
    pub at: TimeMs,
    pub kind: EventKind,
    /// Tell the wall. Only births and doublings do, and of these not the ones that are mostly
    /// imported reports, nor births out of what was announced already.
    pub alarm: bool,
    pub title: Text,
    /// As it stood then; where it ended, as it last stood. Read back from the journal, it has no members.
    pub hotspot: Arc<Hotspot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Born,
    /// Its count is twice that at birth, for the `level`-th time.
    Doubled {
        level: u32,
    },
    /// Ended: most of it is part of another now.
    Merged {
        into: HotspotId,
    },
    /// Born out of another.
    Split {
        from: HotspotId,
    },
    Ended,
}

impl EventKind {
    pub fn key(self) -> &'static str {
        match self {
            EventKind::Born => "born",
            EventKind::Doubled { .. } => "doubled",
            EventKind::Merged { .. } => "merged",
            EventKind::Split { .. } => "split",
            EventKind::Ended => "ended",
        }
    }
}

/// What a tick changed.
#[derive(Debug, Clone, PartialEq)]
pub struct TickChanges {
    pub seq: Seq,
    pub at: TimeMs,
    /// Born or different to a reader.
    pub changed: Vec<Arc<Hotspot>>,
    /// Gone, as they last stood.
    pub ended: Vec<Arc<Hotspot>>,
    pub events: Vec<Arc<HotspotEvent>>,
    /// Of those that live on.
    pub members: Vec<(HotspotId, MemberChanges)>,
    /// Surges that it raised or that go on into its day.
    pub surges: Vec<Episode>,
}

impl TickChanges {
    pub(super) fn new(seq: Seq, at: TimeMs) -> TickChanges {
        let (changed, ended, events, members, surges) = Default::default();
        TickChanges { seq, at, changed, ended, events, members, surges }
    }

    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.ended.is_empty() && self.events.is_empty() && self.surges.is_empty()
    }

    pub(super) fn event(&mut self, kind: EventKind, alarm: bool, hotspot: &Arc<Hotspot>, city: &City) {
        let title = words::title(kind, hotspot, city);
        let (seq, at, hotspot) = (self.seq, self.at, Arc::clone(hotspot));
        self.events.push(Arc::new(HotspotEvent { seq, at, kind, alarm, title, hotspot }));
    }
}
