//! The contents of a piece: gzip over lines of JSON, one fact a line, the last one says that it is whole.
//!
//! `zcat piece-000001.jsonl.gz | head` shows it; where it is encrypted, `age -d -i KEY FILE | zcat`.
//! Shapes are only added to.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::journal::{
    DerivedUpdate, HotspotEventRow, HotspotMemberRow, HotspotMembersUpdate, HotspotRow, HotspotStateRow,
    StoredEntry, StoredPrivate, SurgeRow,
};
use crate::model::{Projection, ReportNo, Seq, TimeMs, hex, unhex};

/// Entries are handed on this many at a time.
const ENTRIES_AT_ONCE: usize = 5_000;
/// A line is at most this long: far more than the longest body with its private part.
const LINE_BYTES_MAX: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    #[serde(borrow)]
    Entry(EntryLine<'a>),
    #[serde(borrow)]
    Hotspot(HotspotLine<'a>),
    #[serde(borrow)]
    State(StateLine<'a>),
    #[serde(borrow)]
    Members(MembersLine<'a>),
    #[serde(borrow)]
    Event(EventLine<'a>),
    #[serde(borrow)]
    Surge(SurgeLine<'a>),
    End(EndLine),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine<'a> {
    seq: u64,
    at: i64,
    hash: Cow<'a, str>,
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    private: Option<&'a RawValue>,
    /// Source and digest of its row.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    import: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// Idempotency key and digest.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<(Cow<'a, str>, Cow<'a, str>)>,
    /// The numbers in codes of a report that waited for a database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HotspotLine<'a> {
    projection: Cow<'a, str>,
    id: Cow<'a, str>,
    category: Cow<'a, str>,
    changed_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_seq: Option<u64>,
    body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateLine<'a> {
    projection: Cow<'a, str>,
    id: Cow<'a, str>,
    category: Cow<'a, str>,
    changed_seq: u64,
    body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersLine<'a> {
    projection: Cow<'a, str>,
    id: Cow<'a, str>,
    /// Seq, report, `received_at`, core, repeats, rejections.
    members: Vec<(u64, u32, i64, bool, u8, u8)>,
    /// Of each of these channel, vague, photo, agreeing; none in pieces of before there were such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<[u8; 4]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine<'a> {
    projection: Cow<'a, str>,
    seq: u64,
    at: i64,
    id: Cow<'a, str>,
    kind: Cow<'a, str>,
    body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SurgeLine<'a> {
    projection: Cow<'a, str>,
    seq: u64,
    n: u32,
    at: i64,
    category: Cow<'a, str>,
    area: Cow<'a, str>,
    until_day: Cow<'a, str>,
    body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    entries: u64,
    /// The tick that the hotspots stand at.
    derived_to: u64,
}

/// What is read of a piece goes here.
pub(super) trait Sink {
    fn entries(&mut self, entries: &[StoredEntry]) -> Result<(), super::BackupError>;
    /// The last of a piece.
    fn derived(&mut self, update: &DerivedUpdate) -> Result<(), super::BackupError>;
}

/// Writes a piece.
pub(super) fn write(
    out: &mut dyn Write,
    entries: &[StoredEntry],
    derived: &DerivedUpdate,
) -> std::io::Result<()> {
    let mut out = GzEncoder::new(out, Compression::fast());
    for entry in entries {
        write_entry(&mut out, entry)?;
    }
    for row in &derived.hotspots {
        let line = Line::Hotspot(HotspotLine {
            projection: row.projection.key().into(),
            id: row.id.as_str().into(),
            category: row.category.as_str().into(),
            changed_seq: row.changed_seq.0,
            ended_seq: row.ended_seq.map(|seq| seq.0),
            body: row.body.as_str().into(),
        });
        write_line(&mut out, &line)?;
    }
    for row in &derived.states {
        let line = Line::State(StateLine {
            projection: row.projection.key().into(),
            id: row.id.as_str().into(),
            category: row.category.as_str().into(),
            changed_seq: row.changed_seq.0,
            body: row.body.as_str().into(),
        });
        write_line(&mut out, &line)?;
    }
    for row in &derived.members {
        let member =
            |m: &HotspotMemberRow| (m.seq.0, m.report.0, m.received_at.0, m.core, m.doubts[0], m.doubts[1]);
        let more = |m: &HotspotMemberRow| {
            let [_, _, more @ ..] = m.doubts;
            more
        };
        let line = Line::Members(MembersLine {
            projection: row.projection.key().into(),
            id: row.id.as_str().into(),
            members: row.came.iter().map(member).collect(),
            doubts: row.came.iter().map(more).collect(),
        });
        write_line(&mut out, &line)?;
    }
    for row in &derived.events {
        let line = Line::Event(EventLine {
            projection: row.projection.key().into(),
            seq: row.seq.0,
            at: row.at.0,
            id: row.id.as_str().into(),
            kind: row.kind.as_str().into(),
            body: row.body.as_str().into(),
        });
        write_line(&mut out, &line)?;
    }
    for row in &derived.surges {
        let line = Line::Surge(SurgeLine {
            projection: row.projection.key().into(),
            seq: row.seq.0,
            n: row.n,
            at: row.at.0,
            category: row.category.as_str().into(),
            area: row.area.as_str().into(),
            until_day: row.until_day.as_str().into(),
            body: row.body.as_str().into(),
        });
        write_line(&mut out, &line)?;
    }
    let end = EndLine { entries: entries.len() as u64, derived_to: derived.as_of_seq.0 };
    write_line(&mut out, &Line::End(end))?;
    out.finish()?;
    Ok(())
}

fn write_entry(out: &mut impl Write, entry: &StoredEntry) -> std::io::Result<()> {
    let private = entry.private.as_ref();
    let pair = |(name, digest): (&String, &[u8])| (Cow::Owned(name.clone()), Cow::Owned(hex(digest)));
    let line = Line::Entry(EntryLine {
        seq: entry.seq.0,
        at: entry.at.0,
        hash: hex(&entry.hash).into(),
        body: raw(&entry.body)?,
        salt: private.map(|private| hex(&private.salt).into()),
        private: private.map(|private| raw(&private.json)).transpose()?,
        import: entry.import.as_ref().map(|(source, digest)| pair((source, digest))),
        key: entry.idempotency.as_ref().map(|(key, digest)| pair((key, digest))),
        waiting: entry.waiting.clone(),
    });
    write_line(out, &line)
}

/// JSON as it stands: the chain is over its letters.
fn raw(json: &str) -> std::io::Result<&RawValue> {
    serde_json::from_str(json).map_err(std::io::Error::other)
}

fn write_line(out: &mut impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Reads a piece into `sink`.
///
/// # Errors
/// A fault in words, with its line; or the sink's own.
pub(super) fn read(
    input: impl Read,
    sink: &mut dyn Sink,
    damaged: &dyn Fn(String) -> super::BackupError,
) -> Result<(), super::BackupError> {
    let mut input = BufReader::with_capacity(1 << 17, GzDecoder::new(input));
    let mut piece = Reading::default();
    let (mut line, mut number) = (String::new(), 0_u64);
    while piece.end.is_none() {
        line.clear();
        number += 1;
        let n = (&mut input).take(LINE_BYTES_MAX).read_line(&mut line);
        if n.map_err(|e| damaged(format!("line {number}: {e}")))? == 0 {
            return Err(damaged(format!("it ends in the middle, after line {}", number - 1)));
        }
        let parsed = serde_json::from_str(&line).map_err(|e| e.to_string());
        let taken = parsed.and_then(|line| piece.take(line));
        taken.map_err(|what| damaged(format!("line {number}: {what}")))?;
        if piece.entries.len() >= ENTRIES_AT_ONCE {
            sink.entries(&piece.entries)?;
            piece.entries.clear();
        }
    }
    sink.entries(&piece.entries)?;
    sink.derived(&piece.derived)?;
    // What is left of the file is part of its checksum.
    std::io::copy(&mut input, &mut std::io::sink()).map_err(|e| damaged(e.to_string()))?;
    Ok(())
}

/// A piece as far as it was read.
#[derive(Default)]
struct Reading {
    n_entries: u64,
    entries: Vec<StoredEntry>,
    derived: DerivedUpdate,
    end: Option<()>,
}

impl Reading {
    fn take(&mut self, line: Line) -> Result<(), String> {
        let derived = &mut self.derived;
        match line {
            Line::Entry(line) => {
                self.entries.push(line.into_entry()?);
                self.n_entries += 1;
            }
            Line::Hotspot(line) => derived.hotspots.push(HotspotRow {
                projection: projection(&line.projection)?,
                id: line.id.into_owned(),
                category: line.category.into_owned(),
                changed_seq: Seq(line.changed_seq),
                ended_seq: line.ended_seq.map(Seq),
                body: line.body.into_owned(),
            }),
            Line::State(line) => derived.states.push(HotspotStateRow {
                projection: projection(&line.projection)?,
                id: line.id.into_owned(),
                category: line.category.into_owned(),
                changed_seq: Seq(line.changed_seq),
                body: line.body.into_owned(),
            }),
            Line::Members(line) => derived.members.push(line.into_update()?),
            Line::Event(line) => derived.events.push(HotspotEventRow {
                projection: projection(&line.projection)?,
                seq: Seq(line.seq),
                at: TimeMs(line.at),
                id: line.id.into_owned(),
                kind: line.kind.into_owned(),
                body: line.body.into_owned(),
            }),
            Line::Surge(line) => derived.surges.push(SurgeRow {
                projection: projection(&line.projection)?,
                seq: Seq(line.seq),
                n: line.n,
                at: TimeMs(line.at),
                category: line.category.into_owned(),
                area: line.area.into_owned(),
                until_day: line.until_day.into_owned(),
                body: line.body.into_owned(),
            }),
            Line::End(line) if line.entries != self.n_entries => {
                return Err(format!("{} entries are due, {} are there", line.entries, self.n_entries));
            }
            Line::End(line) => {
                derived.as_of_seq = Seq(line.derived_to);
                self.end = Some(());
            }
        }
        Ok(())
    }
}

impl EntryLine<'_> {
    fn into_entry(self) -> Result<StoredEntry, String> {
        let bad = |what: &str| format!("entry {}: its {what} is not one", self.seq);
        let private = match (&self.salt, self.private) {
            (Some(salt), Some(json)) => {
                let salt = unhex(salt).ok_or_else(|| bad("salt"))?;
                Some(StoredPrivate { salt, json: json.get().to_owned() })
            }
            (None, None) => None,
            _ => return Err(bad("private part")),
        };
        let import = match &self.import {
            Some((source, digest)) => {
                Some((source.clone().into_owned(), unhex(digest).ok_or_else(|| bad("row"))?))
            }
            None => None,
        };
        let idempotency = match &self.key {
            Some((key, digest)) => {
                Some((key.clone().into_owned(), unhex(digest).ok_or_else(|| bad("digest"))?))
            }
            None => None,
        };
        Ok(StoredEntry {
            seq: Seq(self.seq),
            at: TimeMs(self.at),
            body: self.body.get().to_owned(),
            hash: unhex(&self.hash).ok_or_else(|| bad("hash"))?,
            private,
            import,
            idempotency,
            waiting: self.waiting.clone(),
        })
    }
}

impl MembersLine<'_> {
    fn into_update(self) -> Result<HotspotMembersUpdate, String> {
        if !self.doubts.is_empty() && self.doubts.len() != self.members.len() {
            return Err(format!("the members of hotspot {} and their doubts are not as many", self.id));
        }
        let more = self.doubts.into_iter().chain(std::iter::repeat([0; 4]));
        type Member = (u64, u32, i64, bool, u8, u8);
        let member = |(member, more): (Member, [u8; 4])| {
            let (seq, report, received_at, core, repeats, rejections) = member;
            let [channel, vague, photo, agreeing] = more;
            HotspotMemberRow {
                seq: Seq(seq),
                report: ReportNo(report),
                received_at: TimeMs(received_at),
                core,
                doubts: [repeats, rejections, channel, vague, photo, agreeing],
            }
        };
        Ok(HotspotMembersUpdate {
            projection: projection(&self.projection)?,
            id: self.id.into_owned(),
            whole: true,
            came: self.members.into_iter().zip(more).map(member).collect(),
            left: Vec::new(),
        })
    }
}

fn projection(key: &str) -> Result<Projection, String> {
    let known = [Projection::Public, Projection::Staff].into_iter().find(|p| p.key() == key);
    known.ok_or_else(|| format!("there is no projection {key:?}"))
}
