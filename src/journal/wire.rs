//! The shapes in which entries are stored. They are a promise: only added to.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::clock_wire::ClockWire;
use super::photo_wire::{AddedWire, PhotoNoWire, PhotoWire};
use super::records::RecordWire;

/// A body: exactly one of the facts is there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire<'a> {
    pub v: u8,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportWire<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionWire<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<ErasureWire<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackWire<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick: Option<TickWire>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<MergeWire<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub split: Option<MergeWire<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordWire<'a>>,
}

impl Wire<'_> {
    /// Of no fact yet.
    pub fn empty(v: u8) -> Self {
        let (report, action, erasure, pack, tick, merge, split, record) = Default::default();
        Wire { v, report, action, erasure, pack, tick, merge, split, record }
    }

    /// The names of the facts that are there.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let there = [
            (self.report.is_some(), "report"),
            (self.action.is_some(), "action"),
            (self.erasure.is_some(), "erasure"),
            (self.pack.is_some(), "pack"),
            (self.tick.is_some(), "tick"),
            (self.merge.is_some(), "merge"),
            (self.split.is_some(), "split"),
            (self.record.is_some(), "record"),
        ];
        there.into_iter().filter(|(is_there, _)| *is_there).map(|(_, kind)| kind)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TickWire {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackWire<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    #[serde(borrow)]
    pub hash: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportWire<'a> {
    pub no: u32,
    pub incident: u32,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<OpeningWire<'a>>,
    /// Longitude, latitude.
    pub place: [f64; 2],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<u32>,
    #[serde(borrow)]
    pub category: Cow<'a, str>,
    pub occurred_at: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Cow<'a, str>>,
    /// 16 hex digits; absent where the report counts for itself.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Cow<'a, str>>,
    /// The sender had reported its incident before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub again: bool,
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub drill: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub imported: bool,
    /// How many came; their names are in the private part.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub n_photos: u8,
    /// Digest of the private part, where there is one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpeningWire<'a> {
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<Cow<'a, str>>,
    pub at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockWire<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionWire<'a> {
    pub incident: u32,
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    #[serde(borrow)]
    pub to: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockWire<'a>>,
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Cow<'a, str>>,
    /// Of a rejection; older ones have none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Cow<'a, str>>,
    /// Of a return: key of another agency.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub suggested: Option<Cow<'a, str>>,
    /// Of an answer: key of the agency that speaks.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Cow<'a, str>>,
    /// Of a check.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepWire<'a>>,
    /// Of photos; their names are in the private part.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub photos: Option<AddedWire<'a>>,
    /// Of a release or a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoNoWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepWire<'a> {
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    pub done: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasureWire<'a> {
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<ErasedReportWire<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<ErasedNoteWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasedReportWire<'a> {
    pub no: u32,
    /// Of its entry.
    pub seq: u64,
    pub incident: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    pub opens: bool,
    #[serde(borrow)]
    pub gone: Vec<Cow<'a, str>>,
    /// The coarse place, where the exact one went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    /// Digest of what is left of the private part, where anything is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasedNoteWire {
    /// Of its entry.
    pub seq: u64,
    pub incident: u32,
}

/// The private part of a report.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportPrivateWire<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Cow<'a, str>>,
    /// The exact place, where the body has only a coarse one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<[f64; 2]>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<PhotoWire<'a>>,
}

/// A merge or a split.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeWire<'a> {
    pub absorbed: u32,
    pub into: u32,
    /// Of the absorbed one.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow)]
    pub into_status: Cow<'a, str>,
    pub reports: u32,
    pub reporters: u32,
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// Digest of the private part, which is one as of an action.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Cow<'a, str>>,
}

/// The private part of an action, a merge or a split.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionPrivateWire<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<PhotoWire<'a>>,
    /// Digest of all that was sent under the key in the body.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Cow<'a, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}
