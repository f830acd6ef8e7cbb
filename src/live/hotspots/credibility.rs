//! How much a report counts: half for each thing that speaks against it.
//!
//! Against it speak earlier reports of the same sender nearby, the sender's reports that were rejected as a
//! prank or a ghost, its channel, and a place that is known less well than the hotspot's radius. A photo takes
//! one halving back, and so does each other sender nearby with a clean record; but nothing takes back a
//! repetition. So what one sender says within one radius of anywhere counts less than two reports, however
//! often and with whatever it is said: all of it lies within twice the radius of itself, and 1 + ½ + ¼ + … < 2.
//!
//! Invariant: a function of the reports that count in a lane, and of the senders' rejected ones. Agreement
//! counts who is there, never how much they count, so no weight depends on another. Weights are whole
//! hundredths, so their sums are exact.

mod agreement;
mod repeats;

use std::collections::BTreeSet;

use super::HotspotReport;
use crate::city::{CredibilityRule, Text};
use crate::model::{SenderId, Seq};
use agreement::Agreement;
use repeats::Repeats;

/// After so many halvings a report counts nothing.
const HALVINGS_MAX: u8 = 7;

/// What speaks against a report, and what takes some of that back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Doubts {
    /// Earlier reports of the same sender within twice the radius, among those that count; up to 7.
    pub repeats: u8,
    /// Reports of the sender that were rejected as a prank or a ghost, among those young enough; up to 7.
    pub rejections: u8,
    /// Halvings that the city pack gives its channel.
    pub channel: u8,
    /// 1 where its place is known less well than the hotspot's radius.
    pub vague: u8,
    /// 1 where a photo takes a halving back.
    pub photo: u8,
    /// Halvings that others take back, one for each: other senders with a clean record within the radius.
    pub agreeing: u8,
}

impl Doubts {
    pub const NONE: Doubts =
        Doubts { repeats: 0, rejections: 0, channel: 0, vague: 0, photo: 0, agreeing: 0 };

    /// As rows of members hold them.
    pub fn columns(self) -> [u8; 6] {
        let Doubts { repeats, rejections, channel, vague, photo, agreeing } = self;
        [repeats, rejections, channel, vague, photo, agreeing]
    }

    pub fn of_columns([repeats, rejections, channel, vague, photo, agreeing]: [u8; 6]) -> Doubts {
        Doubts { repeats, rejections, channel, vague, photo, agreeing }
    }

    /// From 1 down to 0, in whole hundredths.
    ///
    /// ```
    /// use pantau::live::hotspots::Doubts;
    /// assert_eq!(Doubts::NONE.weight(), 1.0);
    /// assert_eq!(Doubts { repeats: 1, rejections: 1, ..Doubts::NONE }.weight(), 0.25);
    /// assert_eq!(Doubts { repeats: 1, rejections: 1, agreeing: 1, ..Doubts::NONE }.weight(), 0.5);
    /// assert_eq!(Doubts { repeats: 3, ..Doubts::NONE }.weight(), 0.12);
    /// ```
    pub fn weight(self) -> f64 {
        f64::from(100_u32 >> (self.repeats + self.open()).min(HALVINGS_MAX)) / 100.0
    }

    /// Halvings beside those of repeating that nothing has taken back.
    fn open(self) -> u8 {
        (self.rejections + self.channel + self.vague).saturating_sub(self.photo + self.agreeing)
    }

    /// In words that the API uses; none where nothing speaks against the report.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        let keys = [
            (self.repeats, "repeated"),
            (self.rejections, "rejected_before"),
            (self.channel, "channel"),
            (self.vague, "vague"),
            (self.photo, "photo"),
            (self.agreeing, "agreement"),
        ];
        keys.into_iter().filter(|(n, _)| *n > 0).map(|(_, key)| key)
    }

    /// The same for people; `None` where nothing speaks against the report.
    pub fn reason(self) -> Option<Text> {
        let parts: Vec<[String; 2]> = self.parts().collect();
        let [id, en] = [0, 1].map(|language| {
            parts.iter().map(|part| part[language].as_str()).collect::<Vec<_>>().join("; ")
        });
        (!parts.is_empty()).then_some(Text { id, en })
    }

    /// What counts, in Indonesian and English.
    fn parts(self) -> impl Iterator<Item = [String; 2]> {
        let more = |n: u8| {
            if n >= HALVINGS_MAX {
                ["7 atau lebih".to_owned(), "7 or more".to_owned()]
            } else {
                [n.to_string(), n.to_string()]
            }
        };
        let counted = |n: u8, id: &str, en: [&str; 2]| {
            let [n_id, n_en] = more(n);
            let en = en[usize::from(n != 1)];
            (n > 0).then(|| [format!("{n_id} {id}"), format!("{n_en} {en}")])
        };
        let said = |n: u8, id: &str, en: &str| (n > 0).then(|| [id.to_owned(), en.to_owned()]);
        [
            counted(
                self.repeats,
                "laporan lebih dulu dari pengirim yang sama di dekatnya",
                ["earlier report of the same sender nearby", "earlier reports of the same sender nearby"],
            ),
            counted(
                self.rejections,
                "laporan pengirim ini ditolak sebagai iseng atau tidak ada di lokasi",
                [
                    "report of the sender was rejected as a prank or as nothing there",
                    "reports of the sender were rejected as pranks or as nothing there",
                ],
            ),
            said(self.channel, "salurannya dihitung lebih ringan", "its channel counts less"),
            said(
                self.vague,
                "letaknya kurang pasti dari radius hotspot",
                "its place is known less well than the hotspot's radius",
            ),
            said(self.photo, "fotonya menguatkan", "its photo speaks for it"),
            counted(
                self.agreeing,
                "pengirim lain di dekatnya menguatkan",
                ["other sender nearby agrees", "other senders nearby agree"],
            ),
        ]
        .into_iter()
        .flatten()
    }
}

/// A count as [`Doubts`] hold it.
pub(super) fn capped(n: usize) -> u8 {
    n.min(usize::from(HALVINGS_MAX)) as u8
}

/// What is known in a lane of who said what where, and whose doubts are to be found anew.
#[derive(Debug)]
pub(super) struct Witnesses {
    rule: CredibilityRule,
    eps_m: f64,
    repeats: Repeats,
    agreement: Agreement,
    /// Those that came or changed since doubts were last found.
    stale: BTreeSet<Seq>,
}

impl Witnesses {
    pub fn new(rule: CredibilityRule, eps_m: f64) -> Witnesses {
        let (repeats, agreement) = (Repeats::new(2.0 * eps_m), Agreement::new(eps_m));
        Witnesses { rule, eps_m, repeats, agreement, stale: BTreeSet::new() }
    }

    /// A report counts from here on; `rejections` of its doubts are known.
    pub fn come(&mut self, report: &HotspotReport) {
        self.repeats.add(self.voice(report), report.seq, report.place);
        self.agreement.add(report);
        self.stale.insert(report.seq);
    }

    /// A report counts no longer, as it was when it came.
    pub fn go(&mut self, report: &HotspotReport) {
        self.repeats.remove(self.voice(report), report.seq, report.place);
        self.agreement.remove(report);
        self.stale.remove(&report.seq);
    }

    /// All of a sender's.
    pub fn of(&self, sender: SenderId) -> Vec<Seq> {
        self.repeats.of(sender)
    }

    /// Whose doubts may be others since this was last asked: some may not be.
    pub fn take_stale(&mut self) -> BTreeSet<Seq> {
        let mut stale = std::mem::take(&mut self.stale);
        self.repeats.take_touched(&mut stale);
        self.agreement.take_touched(&mut stale);
        stale
    }

    /// What speaks against a report that counts, given what its own doubts say of its sender's record.
    pub fn doubts(&mut self, report: &HotspotReport) -> Doubts {
        let own = self.own(report);
        let repeats = self.repeats.count(self.voice(report), report.seq, report.place);
        let agreeing = self.agreement.count(report, own.open());
        Doubts { repeats: capped(repeats), agreeing, ..own }
    }

    /// What speaks against it whatever else is said around.
    fn own(&self, report: &HotspotReport) -> Doubts {
        let vague = report.accuracy_m.is_some_and(|accuracy_m| f64::from(accuracy_m) > self.eps_m);
        let doubts = Doubts {
            rejections: report.doubts.rejections,
            channel: self.rule.halvings(report.channel),
            vague: u8::from(vague),
            ..Doubts::NONE
        };
        Doubts { photo: u8::from(report.n_photos > 0 && doubts.open() > 0), ..doubts }
    }

    /// Whose word a report is: its sender's, or in some channels that of all who left no mark.
    fn voice(&self, report: &HotspotReport) -> SenderId {
        if report.sender.is_marked() || !self.rule.takes_as_one(report.channel) {
            return report.sender;
        }
        SenderId::unmarked_of(report.channel)
    }
}
