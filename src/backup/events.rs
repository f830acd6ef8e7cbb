//! What happened to accounts, as a backup holds it: files of some thousand events each, in the order of their ids.
//!
//! The store keeps events for a while only, since they say who came from where; so what is too old goes from the
//! files too, within a day of the run that finds it.
//!
//! `zcat events-000012.jsonl.gz | head` shows one. Shapes are only added to.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::{EventsRef, FileRef};
use super::target::Target;
use super::{BackupError, Opener};
use crate::journal::{AccountStore, EVENT_DAYS, EventRow};
use crate::model::{DAY_MS, TimeMs, hex};

/// A file holds at most this many; some 400 KB.
pub(super) const EVENTS_MAX: usize = 20_000;
/// How much longer than in the store an event may be here.
const LATE_MS: i64 = DAY_MS;
/// Handed on this many at a time.
const AT_ONCE: usize = 5_000;
/// More than the longest event.
const LINE_BYTES_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine<'a> {
    id: i64,
    at: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    actor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    network: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
}

impl EventLine<'_> {
    fn of(event: &EventRow) -> EventLine<'_> {
        EventLine {
            id: event.id,
            at: event.at.0,
            actor: event.actor.as_deref().map(Cow::Borrowed),
            action: Cow::Borrowed(&event.action),
            subject: event.subject.as_deref().map(Cow::Borrowed),
            network: event.network.as_deref().map(Cow::Borrowed),
            detail: event.detail.as_deref().map(Cow::Borrowed),
        }
    }

    fn row(self) -> EventRow {
        EventRow {
            id: self.id,
            at: TimeMs(self.at),
            actor: self.actor.map(Cow::into_owned),
            action: self.action.into_owned(),
            subject: self.subject.map(Cow::into_owned),
            network: self.network.map(Cow::into_owned),
            detail: self.detail.map(Cow::into_owned),
        }
    }
}

pub(super) fn write(out: &mut dyn Write, events: &[EventRow]) -> std::io::Result<()> {
    let mut out = GzEncoder::new(out, Compression::fast());
    for event in events {
        serde_json::to_writer(&mut out, &EventLine::of(event))?;
        out.write_all(b"\n")?;
    }
    out.finish().map(drop)
}

/// What the manifest says of a file with these events; `None` of one without any.
pub(super) fn reference(events: &[EventRow], center: &str, file: FileRef) -> Option<EventsRef> {
    let (first, last) = (events.first()?, events.last()?);
    Some(EventsRef {
        from: first.id,
        to: last.id,
        events: events.len() as u64,
        first_at: first.at.0,
        last_at: last.at.0,
        last: digest(last, center),
        file,
    })
}

/// Equal where the events are, salted as the digest of the accounts is.
fn digest(event: &EventRow, center: &str) -> String {
    let json = serde_json::to_string(&EventLine::of(event)).expect("plain structs become JSON");
    hex(&Sha256::new().chain_update(center).chain_update([0]).chain_update(json).finalize())
}

/// Whether the store goes on from the events of the target: it has the last of them, or has forgotten them all.
pub(super) fn goes_on(store: &AccountStore, last: &EventsRef, center: &str) -> Result<bool, BackupError> {
    let Some((oldest, newest)) = store.event_ids()? else { return Ok(false) };
    match store.events_from(last.to, last.to, 1)?.first() {
        Some(event) => Ok(digest(event, center) == last.last),
        None => Ok(oldest > last.to && newest > last.to),
    }
}

/// Whether a file holds so much that the store has forgotten that it is to be written anew.
pub(super) fn is_outdated(file: &EventsRef, oldest_kept: i64, newest_at: i64) -> bool {
    let gone = oldest_kept.saturating_sub(file.from);
    let too_old = TimeMs(file.first_at).plus_ms(EVENT_DAYS * DAY_MS + LATE_MS) < TimeMs(newest_at);
    gone > 0 && (too_old || gone.unsigned_abs() * 4 >= file.events)
}

/// Puts the events of a backup into a store, whose accounts were just restored.
pub(super) fn restore(
    target: &Target,
    files: &[EventsRef],
    (opener, sealed): (&Opener, bool),
    store: &AccountStore,
) -> Result<(), BackupError> {
    for EventsRef { file, events, .. } in files {
        let damaged = |what: String| BackupError::Damaged { file: file.file.clone(), what };
        let mut input = target.read(file)?;
        let read = opener
            .open(sealed, &file.file, &mut input)
            .and_then(|plain| read_into(store, plain, *events, &damaged));
        // A wrong checksum says more than what it led to.
        input.check()?;
        read?;
    }
    Ok(())
}

fn read_into(
    store: &AccountStore,
    plain: impl Read,
    due: u64,
    damaged: &dyn Fn(String) -> BackupError,
) -> Result<(), BackupError> {
    let mut input = BufReader::new(GzDecoder::new(plain));
    let (mut line, mut n, mut events) = (String::new(), 0_u64, Vec::new());
    loop {
        line.clear();
        let read = (&mut input).take(LINE_BYTES_MAX).read_line(&mut line);
        if read.map_err(|e| damaged(format!("line {}: {e}", n + 1)))? == 0 {
            break;
        }
        n += 1;
        let event: EventLine =
            serde_json::from_str(&line).map_err(|e| damaged(format!("line {n}: {e}")))?;
        events.push(event.row());
        if events.len() >= AT_ONCE {
            store.put_events(&events)?;
            events.clear();
        }
    }
    if n != due {
        return Err(damaged(format!("it holds {n} events, where {due} are due")));
    }
    Ok(store.put_events(&events)?)
}
