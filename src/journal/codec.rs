//! Entries as they are stored: a compact JSON body in the hash chain, and beside it the private part.
//!
//! - A body is a promise: shapes are only added to, `v` changes when the meaning does. It names
//!   categories, agencies and areas by key, so it can be read without the city pack of its day.
//! - The private part is JSON of its own with a random salt. The body holds SHA-256(salt, private),
//!   so the private part can be erased, and while it is there nobody can have edited it. The salt
//!   goes with it: a phone number could be found again by trying all of them against the digest.
//!   Where only some of it is erased, what is left gets another salt, and the erasure's body its digest.
//! - A sensitive report's body holds the coarse place; the exact one is in its private part.

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::JournalError;
use super::action_wire::{action_wire, read_action_private};
use super::clock_wire::ClockWire;
use super::erase::{Held, Left};
use super::keys::Keys;
use super::photo_wire::{AddedWire, photo_wires, read_photos};
use super::records::RecordWire;
use super::salts::Salts;
use super::wire::{
    ActionPrivateWire, ErasedNoteWire, ErasedReportWire, ErasureWire, MergeWire, OpeningWire, PackWire,
    ReportPrivateWire, ReportWire, TickWire, Wire,
};
use crate::city::City;
use crate::model::{
    AddedPhotos, Channel, Entry, ErasedNote, ErasedReport, ErasureFact, Fact, IncidentNo, Kinds, LngLat,
    Opening, ReportFact, ReportNo, ReportPrivate, SenderId, SentPhotos, Seq, Status, TimeMs, hex, unhex,
};

/// What [`Wire::v`] says today.
const VERSION: u8 = 1;

pub(super) type Hash = [u8; 32];
pub(super) use super::salts::Salt;

/// The hash that stands before the first entry's.
pub(super) const CHAIN_START: Hash = [0; 32];

/// The hash of an entry, given that of the entry before it.
pub(super) fn chain(before: &Hash, seq: Seq, at: TimeMs, body: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(seq.0.to_be_bytes());
    hash.update(at.0.to_be_bytes());
    hash.update(body.as_bytes());
    hash.finalize().into()
}

/// Writes entries; keeps its buffers, so a batch of thousands allocates little.
#[derive(Default)]
pub(super) struct Encoder {
    salts: Salts,
    body: Vec<u8>,
    private: Vec<u8>,
}

/// An entry as it is stored.
pub(super) struct Encoded<'e> {
    pub kind: &'static str,
    pub body: &'e str,
    pub private: Option<(Salt, &'e str)>,
}

/// An erasure as it is stored: its body, and what takes the place of each private part that it names.
pub(super) struct EncodedErasure {
    pub body: String,
    /// In the order of its reports.
    pub lefts: Vec<LeftPart>,
}

/// What is left of a private part, and under which salt and digest; `None` where nothing is.
pub(super) type LeftPart = Option<(Salt, String, Hash)>;

/// A private part that an erasure touched, as its body names it.
pub(super) struct ErasedPart {
    /// Seq of the entry whose it is.
    pub part: Seq,
    pub incident: IncidentNo,
    /// Digest of what is left; `None` where nothing is.
    pub digest: Option<Hash>,
}

impl Encoder {
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn encode_erasure(
        &mut self,
        fact: &ErasureFact,
        lefts: &[Left],
    ) -> Result<EncodedErasure, JournalError> {
        let mut parts = Vec::with_capacity(lefts.len());
        for left in lefts {
            self.private.clear();
            write_report_private(&mut self.private, &left.private, left.exact_place);
            parts.push(if self.private.is_empty() {
                None
            } else {
                let salt = self.salts.next()?;
                let digest = private_hash(&salt, &self.private);
                Some((salt, text(&self.private).to_owned(), digest))
            });
        }
        let digests: Vec<Option<String>> =
            parts.iter().map(|part: &LeftPart| part.as_ref().map(|(_, _, digest)| hex(digest))).collect();
        let erasure = Some(erasure_wire(fact, &digests));
        let wire = Wire { erasure, ..Wire::empty(VERSION) };
        self.body.clear();
        write_json(&mut self.body, &wire);
        Ok(EncodedErasure { body: text(&self.body).to_owned(), lefts: parts })
    }

    /// All but erasures.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn encode(
        &mut self,
        city: &City,
        entry: &Entry,
        coarse_place: Option<LngLat>,
    ) -> Result<Encoded<'_>, JournalError> {
        self.body.clear();
        self.private.clear();
        write_private(&mut self.private, &entry.fact, coarse_place);
        let salt = if self.private.is_empty() { None } else { Some(self.salts.next()?) };
        let digest = salt.map(|salt| private_digest(&salt, &self.private));
        let (kind, wire) = wire(city, &entry.fact, coarse_place, digest.as_deref());
        write_json(&mut self.body, &wire);
        Ok(Encoded { kind, body: text(&self.body), private: salt.map(|salt| (salt, text(&self.private))) })
    }
}

/// A body without a private part, for other nodes.
pub(super) fn share_body(city: &City, fact: &Fact) -> String {
    let (_, wire) = wire(city, fact, None, None);
    serde_json::to_string(&wire).expect("plain structs become JSON")
}

fn write_json(buffer: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(buffer, value).expect("plain structs become JSON");
}

fn text(json: &[u8]) -> &str {
    std::str::from_utf8(json).expect("serde_json writes UTF-8")
}

/// Leaves `buffer` empty where the fact has no private part.
fn write_private(buffer: &mut Vec<u8>, fact: &Fact, coarse_place: Option<LngLat>) {
    match fact {
        Fact::Report(report) => {
            write_report_private(buffer, &report.private, coarse_place.map(|_| report.place));
        }
        Fact::Action(action) => {
            write_action_private(buffer, action.note.as_deref(), action.more.photos.as_deref());
        }
        Fact::Merge(merge) | Fact::Split(merge) => write_note(buffer, merge.note.as_deref()),
        Fact::Record(record) => write_note(buffer, record.text.as_deref()),
        Fact::Erasure(_) | Fact::Pack { .. } | Fact::Tick => {}
    }
}

fn write_note(buffer: &mut Vec<u8>, note: Option<&str>) {
    write_action_private(buffer, note, None);
}

fn write_action_private(buffer: &mut Vec<u8>, note: Option<&str>, added: Option<&AddedPhotos>) {
    if note.is_none() && !added.is_some_and(AddedPhotos::has_private) {
        return;
    }
    let content = added.and_then(|added| added.sent).and_then(|sent| sent.content);
    write_json(
        buffer,
        &ActionPrivateWire {
            note: note.map(Cow::Borrowed),
            photos: photo_wires(added.map_or(&[], |added| &added.photos)),
            sent: content.map(|digest| Cow::Owned(hex(&digest))),
        },
    );
}

fn write_report_private(buffer: &mut Vec<u8>, private: &ReportPrivate, exact_place: Option<LngLat>) {
    if *private == ReportPrivate::default() && exact_place.is_none() {
        return;
    }
    write_json(
        buffer,
        &ReportPrivateWire {
            description: private.description.as_deref().map(Cow::Borrowed),
            name: private.name.as_deref().map(Cow::Borrowed),
            phone: private.phone.as_deref().map(Cow::Borrowed),
            email: private.email.as_deref().map(Cow::Borrowed),
            place: exact_place.map(degrees),
            photos: photo_wires(&private.photos),
        },
    );
}

fn wire<'a>(
    city: &'a City,
    fact: &'a Fact,
    coarse_place: Option<LngLat>,
    digest: Option<&'a str>,
) -> (&'static str, Wire<'a>) {
    let mut wire = Wire::empty(VERSION);
    let kind = match fact {
        Fact::Report(report) => {
            wire.report = Some(report_wire(city, report, coarse_place, digest));
            "report"
        }
        Fact::Action(action) => {
            wire.action = Some(action_wire(city, action, digest));
            "action"
        }
        Fact::Erasure(erasure) => {
            wire.erasure = Some(erasure_wire(erasure, &[]));
            "erasure"
        }
        Fact::Pack { key, hash } => {
            wire.pack = Some(PackWire { key: Cow::Borrowed(key), hash: Cow::Owned(hex(hash)) });
            "pack"
        }
        Fact::Tick => {
            wire.tick = Some(TickWire {});
            "tick"
        }
        Fact::Merge(merge) => {
            wire.merge = Some(MergeWire::of(merge, digest));
            "merge"
        }
        Fact::Split(split) => {
            wire.split = Some(MergeWire::of(split, digest));
            "split"
        }
        Fact::Record(record) => {
            wire.record = Some(RecordWire::of(record, digest));
            "record"
        }
    };
    (kind, wire)
}

fn report_wire<'a>(
    city: &'a City,
    report: &'a ReportFact,
    coarse_place: Option<LngLat>,
    digest: Option<&'a str>,
) -> ReportWire<'a> {
    let known_sender = report.sender != SenderId::of_report(report.report);
    ReportWire {
        no: report.report.0,
        incident: report.incident.0,
        opens: report.opens.as_ref().map(|opening| OpeningWire {
            status: Cow::Borrowed(opening.status.key()),
            agency: opening.agency.map(|id| Cow::Borrowed(city.agency(id).key.as_str())),
            at: opening.opened_at.0,
            due_at: opening.due_at.map(|due| due.0),
            clock: opening.clock.as_ref().map(ClockWire::of),
        }),
        place: degrees(coarse_place.unwrap_or(report.place)),
        accuracy_m: report.accuracy_m,
        category: Cow::Borrowed(&city.category(report.category).key),
        occurred_at: report.occurred_at.0,
        area: report.area.map(|id| Cow::Borrowed(city.areas.get(id).code.as_str())),
        sender: known_sender.then(|| Cow::Owned(format!("{:016x}", report.sender.0))),
        again: report.again,
        channel: Cow::Borrowed(report.channel.key()),
        drill: report.drill,
        imported: report.imported,
        n_photos: report.n_photos,
        private: digest.map(Cow::Borrowed),
    }
}

/// `digests` are those of what is left of each report; none where the body is not for the store.
fn erasure_wire<'a>(fact: &'a ErasureFact, digests: &'a [Option<String>]) -> ErasureWire<'a> {
    let report = |(i, erased): (usize, &ErasedReport)| ErasedReportWire {
        no: erased.report.0,
        seq: erased.seq.0,
        incident: erased.incident.0,
        opens: erased.opens,
        gone: erased.gone.keys().map(Cow::Borrowed).collect(),
        place: erased.place.map(degrees),
        left: digests.get(i).and_then(|digest| digest.as_deref()).map(Cow::Borrowed),
    };
    let note = |erased: &ErasedNote| ErasedNoteWire { seq: erased.seq.0, incident: erased.incident.0 };
    ErasureWire {
        reason: Cow::Borrowed(&fact.reason),
        reports: fact.reports.iter().enumerate().map(report).collect(),
        notes: fact.notes.iter().map(note).collect(),
    }
}

/// Where the private part of an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrivatePart {
    Report(ReportNo),
    Action,
}

/// A stored body, read but not yet understood.
pub(super) struct Body<'a> {
    seq: Seq,
    wire: Wire<'a>,
}

impl<'a> Body<'a> {
    pub fn parse(seq: Seq, json: &'a str) -> Result<Body<'a>, JournalError> {
        let wire: Wire = serde_json::from_str(json).map_err(|e| corrupt(seq, format!("its body: {e}")))?;
        if wire.v != VERSION {
            let v = wire.v;
            return Err(corrupt(
                seq,
                format!("it is of version {v}; a newer pantau wrote it, use that one"),
            ));
        }
        if wire.kinds().count() != 1 {
            return Err(corrupt(seq, "its body holds not one fact"));
        }
        Ok(Body { seq, wire })
    }

    pub fn kind(&self) -> &'static str {
        self.wire.kinds().next().unwrap_or("tick")
    }

    /// The number of the report, where it is one.
    pub fn report_no(&self) -> Option<ReportNo> {
        self.wire.report.as_ref().map(|report| ReportNo(report.no))
    }

    /// Whether it is a report from an import.
    pub fn is_imported(&self) -> bool {
        self.wire.report.as_ref().is_some_and(|report| report.imported)
    }

    /// Where to look for the private part; `None` where there never was one.
    pub fn private_part(&self) -> Option<PrivatePart> {
        let report = self.wire.report.as_ref().filter(|r| r.private.is_some());
        report
            .map(|r| PrivatePart::Report(ReportNo(r.no)))
            .or(self.note_digest().map(|_| PrivatePart::Action))
    }

    fn note_digest(&self) -> Option<&str> {
        let action = self.wire.action.as_ref().and_then(|action| action.private.as_deref());
        let merge = self.wire.merge.as_ref().or(self.wire.split.as_ref());
        let record = self.wire.record.as_ref().and_then(|record| record.private.as_deref());
        action.or(merge.and_then(|merge| merge.private.as_deref())).or(record)
    }

    /// Whether the private part is the one that the entry was written with.
    pub fn vouches_for(&self, salt: &[u8], private: &str) -> bool {
        let report = self.wire.report.as_ref().and_then(|r| r.private.as_deref());
        let digest = report.or(self.note_digest());
        digest == Some(private_digest(salt, private.as_bytes()).as_str())
    }

    /// The private parts that it erased something of; none where it is no erasure.
    pub fn erased_parts(&self) -> Result<Vec<ErasedPart>, JournalError> {
        let Some(erasure) = &self.wire.erasure else { return Ok(Vec::new()) };
        let no_digest = || corrupt(self.seq, "a digest of what is left is not one");
        let mut parts = Vec::with_capacity(erasure.reports.len() + erasure.notes.len());
        for report in &erasure.reports {
            let digest = match &report.left {
                Some(digest) => Some(unhex(digest).ok_or_else(no_digest)?),
                None => None,
            };
            let incident = IncidentNo(report.incident);
            parts.push(ErasedPart { part: Seq(report.seq), incident, digest });
        }
        parts.extend(erasure.notes.iter().map(|note| ErasedPart {
            part: Seq(note.seq),
            incident: IncidentNo(note.incident),
            digest: None,
        }));
        Ok(parts)
    }

    /// A report as an erasure sees it; `None` where it is none.
    pub fn held(&self, private: Option<&str>) -> Result<Option<Held>, JournalError> {
        let Some(report) = &self.wire.report else { return Ok(None) };
        let (private, exact_place) = match private {
            Some(json) => read_report_private(json).map_err(|e| corrupt(self.seq, e))?,
            None => (ReportPrivate::default(), None),
        };
        let outside = || corrupt(self.seq, "its place is outside the world");
        Ok(Some(Held {
            report: ReportNo(report.no),
            seq: self.seq,
            incident: IncidentNo(report.incident),
            opens: report.opens.is_some(),
            private,
            exact_place,
            body_place: place(report.place).ok_or_else(outside)?,
        }))
    }

    /// The key that photos of an action were sent under, and the digest of what was sent while that is there.
    pub fn sent_photos(&self, private: Option<&str>) -> Result<Option<SentPhotos>, JournalError> {
        let added = self.wire.action.as_ref().and_then(|action| action.photos.as_ref());
        let key = added.map(AddedWire::sent_key).transpose().map_err(|e| corrupt(self.seq, e))?.flatten();
        let Some(key) = key else { return Ok(None) };
        let private = private.map(read_action_private).transpose().map_err(|e| corrupt(self.seq, e))?;
        Ok(Some(SentPhotos { key, content: private.and_then(|private| private.sent) }))
    }

    /// The fact. `private` is `None` where there is no private part or it was erased.
    pub fn into_fact(self, keys: &impl Keys, private: Option<&str>) -> Result<Fact, JournalError> {
        let seq = self.seq;
        match self.wire {
            Wire { report: Some(report), .. } => {
                Ok(Fact::Report(Box::new(report.into_fact(seq, keys, private)?)))
            }
            Wire { action: Some(action), .. } => {
                Ok(Fact::Action(Box::new(action.into_fact(seq, keys, private)?)))
            }
            Wire { pack: Some(pack), .. } => {
                let hash = unhex(&pack.hash).ok_or_else(|| corrupt(seq, "the pack's hash is not one"))?;
                Ok(Fact::Pack { key: pack.key.into_owned(), hash })
            }
            Wire { erasure: Some(erasure), .. } => Ok(Fact::Erasure(Box::new(erasure.into_fact(seq)?))),
            Wire { merge: Some(merge), .. } => Ok(Fact::Merge(Box::new(merge.into_fact(seq, private)?))),
            Wire { split: Some(split), .. } => Ok(Fact::Split(Box::new(split.into_fact(seq, private)?))),
            Wire { record: Some(record), .. } => {
                Ok(Fact::Record(Box::new(record.into_fact(seq, private)?)))
            }
            Wire {
                report: None,
                action: None,
                erasure: None,
                pack: None,
                merge: None,
                split: None,
                record: None,
                ..
            } => Ok(Fact::Tick),
        }
    }
}

impl ReportWire<'_> {
    fn into_fact(
        self,
        seq: Seq,
        keys: &impl Keys,
        private: Option<&str>,
    ) -> Result<ReportFact, JournalError> {
        let report = ReportNo(self.no);
        let (private, exact_place) = match private {
            Some(json) => read_report_private(json).map_err(|e| corrupt(seq, e))?,
            None => (ReportPrivate::default(), None),
        };
        let body_place = place(self.place).ok_or_else(|| corrupt(seq, "its place is outside the world"))?;
        let place = exact_place.unwrap_or(body_place);
        let opens = match &self.opens {
            Some(opening) => Some(opening.read(seq, keys)?),
            None => None,
        };
        let sender = match &self.sender {
            Some(hex) => SenderId(
                u64::from_str_radix(hex, 16).map_err(|_| corrupt(seq, "its sender is not a number"))?,
            ),
            None => SenderId::of_report(report),
        };
        Ok(ReportFact {
            report,
            incident: IncidentNo(self.incident),
            opens,
            place,
            accuracy_m: self.accuracy_m,
            category: keys.category(&self.category)?,
            occurred_at: TimeMs(self.occurred_at),
            area: self.area.map_or(Ok(None), |code| keys.area(&code, place))?,
            sender,
            again: self.again,
            channel: Channel::from_key(&self.channel)
                .ok_or_else(|| unknown(seq, "channel", &self.channel))?,
            drill: self.drill,
            imported: self.imported,
            n_photos: self.n_photos,
            private,
        })
    }
}

impl OpeningWire<'_> {
    fn read(&self, seq: Seq, keys: &impl Keys) -> Result<Opening, JournalError> {
        Ok(Opening {
            status: status(seq, &self.status)?,
            agency: self.agency.as_deref().map(|key| keys.agency(key)).transpose()?,
            opened_at: TimeMs(self.at),
            due_at: self.due_at.map(TimeMs),
            clock: ClockWire::read_any(self.clock.as_ref(), seq)?,
        })
    }
}

impl ErasureWire<'_> {
    fn into_fact(self, seq: Seq) -> Result<ErasureFact, JournalError> {
        let report = |erased: &ErasedReportWire| {
            let gone = Kinds::from_keys(erased.gone.iter().map(|key| &**key));
            let degrees = erased.place.map(|degrees| place(degrees).ok_or(()));
            Some(ErasedReport {
                report: ReportNo(erased.no),
                seq: Seq(erased.seq),
                incident: IncidentNo(erased.incident),
                opens: erased.opens,
                gone: gone?,
                place: degrees.transpose().ok()?,
            })
        };
        let note = |erased: &ErasedNoteWire| ErasedNote {
            seq: Seq(erased.seq),
            incident: IncidentNo(erased.incident),
        };
        let reports = self.reports.iter().map(report).collect::<Option<_>>();
        Ok(ErasureFact {
            reports: reports.ok_or_else(|| corrupt(seq, "it erased what nobody knows of"))?,
            notes: self.notes.iter().map(note).collect(),
            reason: self.reason.into_owned(),
        })
    }
}

/// A report's private part, and its exact place where the body has only a coarse one.
pub(super) fn read_report_private(json: &str) -> Result<(ReportPrivate, Option<LngLat>), String> {
    let wire: ReportPrivateWire =
        serde_json::from_str(json).map_err(|e| format!("its private part: {e}"))?;
    let owned = |text: Option<Cow<str>>| text.map(Cow::into_owned);
    let exact_place = match wire.place {
        Some(degrees) => Some(place(degrees).ok_or("its exact place is outside the world")?),
        None => None,
    };
    let private = ReportPrivate {
        description: owned(wire.description),
        name: owned(wire.name),
        phone: owned(wire.phone),
        email: owned(wire.email),
        photos: read_photos(&wire.photos)?,
    };
    Ok((private, exact_place))
}

/// Calls `each` with the description in a report's private part, if there is one.
pub(super) fn read_description(json: &str, each: impl FnOnce(&str)) -> Result<(), String> {
    let wire: ReportPrivateWire =
        serde_json::from_str(json).map_err(|e| format!("its private part: {e}"))?;
    if let Some(description) = wire.description {
        each(&description);
    }
    Ok(())
}

pub(super) fn corrupt(seq: Seq, what: impl std::fmt::Display) -> JournalError {
    JournalError::Corrupt(format!("entry {seq}: {what}"))
}

pub(super) fn unknown(seq: Seq, noun: &str, key: &str) -> JournalError {
    corrupt(seq, format!("there is no {noun} {key:?}"))
}

pub(super) fn status(seq: Seq, key: &str) -> Result<Status, JournalError> {
    Status::from_key(key).ok_or_else(|| unknown(seq, "status", key))
}

fn degrees(place: LngLat) -> [f64; 2] {
    [place.lng(), place.lat()]
}

fn place([lng, lat]: [f64; 2]) -> Option<LngLat> {
    LngLat::new(lng, lat).ok()
}

fn private_digest(salt: &[u8], private: &[u8]) -> String {
    hex(&private_hash(salt, private))
}

/// The digest by which a body, or an erasure, vouches for a private part.
pub(super) fn private_hash(salt: &[u8], private: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(private);
    hash.finalize().into()
}
