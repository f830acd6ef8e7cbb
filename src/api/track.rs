//! What a reporter is told of what became of the report: every turn in plain words, and the answers.
//!
//! No names of staff, no notes for the center's own eyes.

use serde_json::{Value, json};

use crate::city::{City, Text};
use crate::feed::wire::time;
use crate::journal::{IncidentRow, JournalError, Reader, ReportRow};
use crate::model::{
    Action, ActionFact, AgencyId, Disposition, Entry, Fact, IncidentNo, ReportNo, Seq, TimeMs,
};

/// What is known of a report, for whoever holds its code.
pub(super) struct ToldOf {
    pub report: ReportRow,
    /// The one that the report counts under by now.
    pub incident: IncidentRow,
    /// It was joined with others about the same, after it had come in.
    pub joined: bool,
    /// The entry that opened the incident which the report came to.
    pub opening: Entry,
    /// All on the incidents that it counted under, while it did, in order.
    pub turns: Vec<Turn>,
}

/// What happened to the incident that the report counts under.
pub(super) enum Turn {
    Action(Entry),
    /// Another absorbed it, which this agency had.
    Joined(TimeMs, Seq, Option<AgencyId>),
    /// It was set free again, and this agency had it all the while.
    Freed(TimeMs, Seq, Option<AgencyId>),
}

impl ToldOf {
    /// `None` where there is no such report.
    pub fn read(reader: &dyn Reader, no: ReportNo) -> Result<Option<ToldOf>, JournalError> {
        let Some(report) = reader.report(no)? else { return Ok(None) };
        let Some(mut incident) = reader.incident(report.incident)? else { return Ok(None) };
        let Some(opening) = opening(reader, &incident)? else { return Ok(None) };
        let mut turns = Vec::new();
        let mut joined = false;
        let mut since = report.seq;
        loop {
            let mut log = reader.incident_actions(incident.no)?;
            // What others had been told before they were joined is not for this reporter.
            log.retain(|entry| !joined || entry.seq > since);
            turns.extend(own_turns(reader, &incident, &log, since)?);
            let (Some(into), Some(merge)) = (incident.merged_into, merges(&log, incident.no).last()) else {
                break;
            };
            let Some(next) = reader.incident(into)? else { break };
            turns.push(Turn::Joined(merge.at, merge.seq, agency_at(reader, &next, merge.seq)?));
            (incident, joined, since) = (next, true, merge.seq);
        }
        Ok(Some(ToldOf { report, incident, joined, opening, turns }))
    }
}

/// What happened to an incident while a report counted under it, from `since` on: actions, and that it was joined with
/// another and is on its own again. Of what was done about the other meanwhile its reporters are told while they are
/// joined; it was not about theirs. Actions of before are there too: by them it is known who had it.
fn own_turns(
    reader: &dyn Reader,
    incident: &IncidentRow,
    log: &[Entry],
    since: Seq,
) -> Result<Vec<Turn>, JournalError> {
    let mut turns: Vec<Turn> = Vec::new();
    for entry in log {
        match &entry.fact {
            Fact::Action(_) => turns.push(Turn::Action(entry.clone())),
            Fact::Split(split) if split.absorbed == incident.no && entry.seq > since => {
                let before = |merge: &&Entry| merge.seq < entry.seq;
                let merge = merges(log, incident.no).take_while(before).last();
                if let (Some(merge), Some(other)) = (merge, reader.incident(split.into)?) {
                    let agency = agency_at(reader, &other, merge.seq)?;
                    turns.push(Turn::Joined(merge.at, merge.seq, agency));
                    turns.push(Turn::Freed(entry.at, entry.seq, agency_at(reader, incident, entry.seq)?));
                }
            }
            _ => {}
        }
    }
    Ok(turns)
}

/// The entries by which others absorbed an incident.
fn merges(log: &[Entry], no: IncidentNo) -> impl Iterator<Item = &Entry> {
    log.iter().filter(move |entry| matches!(&entry.fact, Fact::Merge(fact) if fact.absorbed == no))
}

/// Who had an incident when the entry `seq` came.
fn agency_at(
    reader: &dyn Reader,
    incident: &IncidentRow,
    seq: Seq,
) -> Result<Option<AgencyId>, JournalError> {
    let mut before = reader.incident_actions(incident.no)?;
    before.retain(|entry| entry.seq < seq);
    match before.iter().rev().find_map(action) {
        Some(fact) => Ok(fact.agency),
        None => Ok(opening_agency(opening(reader, incident)?.as_ref())),
    }
}

fn opening(reader: &dyn Reader, incident: &IncidentRow) -> Result<Option<Entry>, JournalError> {
    Ok(reader.entries(incident.opened_seq.before(), 1)?.pop())
}

fn opening_agency(opening: Option<&Entry>) -> Option<AgencyId> {
    match &opening?.fact {
        Fact::Report(fact) => fact.opens.and_then(|opening| opening.agency),
        _ => None,
    }
}

/// What was answered, in order. `agency` is null where the center itself speaks.
pub(super) fn answers(city: &City, turns: &[Turn]) -> Vec<Value> {
    let answer = |turn: &Turn| match turn {
        Turn::Action(entry) => {
            let fact = action(entry).filter(|fact| fact.action == Action::Answer)?;
            // An answer that was erased says nothing any more.
            let text = fact.note.as_ref()?;
            let agency = fact.more.speaker.map(|agency| &city.agency(agency).key);
            Some(json!({"at": time(entry.at), "text": text, "agency": agency}))
        }
        Turn::Joined(..) | Turn::Freed(..) => None,
    };
    turns.iter().filter_map(answer).collect()
}

/// What happened to the report, in order: from its coming in.
pub(super) fn steps(city: &City, told_of: &ToldOf) -> Vec<Value> {
    let ToldOf { report, opening, turns, .. } = told_of;
    let step = |at: TimeMs, (step, text): Told| json!({"at": time(at), "step": step, "text": text});
    let joins = report.seq != opening.seq;
    let n_before = turns.partition_point(|turn| turn.seq() < report.seq);
    let (before, since) = turns.split_at(n_before);
    let mut agency = before.iter().fold(opening_agency(Some(opening)), |_, turn| turn.agency());
    let mut steps = vec![step(report.received_at, received(city, joins, agency))];
    for turn in since {
        let told = match turn {
            Turn::Joined(at, _, agency) => Some((*at, received(city, true, *agency))),
            Turn::Freed(at, _, agency) => Some((*at, freed(city, *agency))),
            Turn::Action(entry) => {
                action(entry).and_then(|fact| self::turn(city, fact, agency)).map(|told| (entry.at, told))
            }
        };
        steps.extend(told.map(|(at, told)| step(at, told)));
        agency = turn.agency();
    }
    steps
}

impl Turn {
    fn seq(&self) -> Seq {
        match self {
            Turn::Action(entry) => entry.seq,
            Turn::Joined(_, seq, _) | Turn::Freed(_, seq, _) => *seq,
        }
    }

    /// Who has it after this.
    fn agency(&self) -> Option<AgencyId> {
        match self {
            Turn::Action(entry) => action(entry).and_then(|fact| fact.agency),
            Turn::Joined(_, _, agency) | Turn::Freed(_, _, agency) => *agency,
        }
    }
}

fn action(entry: &Entry) -> Option<&ActionFact> {
    match &entry.fact {
        Fact::Action(fact) => Some(fact),
        _ => None,
    }
}

type Told = (&'static str, Text);

fn told(step: &'static str, id: impl Into<String>, en: impl Into<String>) -> Told {
    (step, Text { id: id.into(), en: en.into() })
}

fn received(city: &City, joins: bool, agency: Option<AgencyId>) -> Told {
    match (joins, agency.map(|agency| &city.agency(agency).name)) {
        (false, Some(name)) => told(
            "received",
            format!("Laporan Anda kami terima dan diteruskan ke {}", name.id),
            format!("We have your report and passed it to the {}", name.en),
        ),
        (false, None) => told("received", "Laporan Anda kami terima", "We have your report"),
        (true, Some(name)) => told(
            "joined",
            format!(
                "Laporan Anda digabungkan dengan laporan lain tentang kejadian yang sama, yang ditangani {}",
                name.id
            ),
            format!("Your report joined others of the same, which is with the {}", name.en),
        ),
        (true, None) => told(
            "joined",
            "Laporan Anda digabungkan dengan laporan lain tentang kejadian yang sama",
            "Your report joined others of the same",
        ),
    }
}

fn freed(city: &City, agency: Option<AgencyId>) -> Told {
    let (id, en) = (
        "Laporan Anda ternyata tentang kejadian lain, dan kembali ditangani tersendiri",
        "Your report turned out to be about something else, and is on its own again",
    );
    match agency.map(|agency| &city.agency(agency).name) {
        Some(name) => {
            told("freed", format!("{id} oleh {}", name.id), format!("{en}, with the {}", name.en))
        }
        None => told("freed", id, en),
    }
}

/// What an action means to a reporter; `before` had the incident until then.
fn turn(city: &City, fact: &ActionFact, before: Option<AgencyId>) -> Option<Told> {
    let name = |agency: Option<AgencyId>| agency.map(|agency| &city.agency(agency).name);
    Some(match fact.action {
        Action::Verify => {
            told("verified", "Laporan Anda sudah dipastikan benar", "Your report was verified")
        }
        Action::Assign if fact.agency == before => return None,
        Action::Assign => {
            let name = name(fact.agency)?;
            told(
                "assigned",
                format!("Diteruskan ke {}; kode laporan Anda tetap sama", name.id),
                format!("Handed on to the {}; your code stays the same", name.en),
            )
        }
        Action::Return => {
            let name = name(before)?;
            told(
                "returned",
                format!("Bukan kewenangan {}; kami sedang mencari instansi yang tepat", name.id),
                format!("It is not for the {} to act on; we are finding out who must", name.en),
            )
        }
        Action::Start => told("started", "Petugas mulai menanganinya", "Work on it has begun"),
        Action::Resolve => told("resolved", "Penanganannya dinyatakan selesai", "It was reported as done"),
        Action::Confirm => told("confirmed", "Hasilnya sudah kami periksa", "We have checked the result"),
        Action::Reopen => {
            told("reopened", "Dibuka kembali; penanganan dilanjutkan", "It was opened again and goes on")
        }
        Action::Reject => rejected(fact.more.disposition),
        Action::Pause => {
            told("paused", "Penanganannya ditunda sementara", "Work on it is put off for a while")
        }
        Action::Resume => told("resumed", "Penanganannya dilanjutkan", "Work on it goes on"),
        Action::Note
        | Action::Answer
        | Action::Check
        | Action::Photo
        | Action::Release
        | Action::Withdraw => return None,
    })
}

fn rejected(disposition: Option<Disposition>) -> Told {
    let (id, en) = match disposition {
        Some(Disposition::Duplicate) => (
            "Sudah pernah dilaporkan; penanganannya berjalan pada laporan yang lebih dulu",
            "It was reported before, and is acted on there",
        ),
        Some(Disposition::Information) => (
            "Kami catat sebagai informasi; tidak ada yang perlu ditangani",
            "We noted it as information; there is nothing to act on",
        ),
        Some(Disposition::Ghost) => (
            "Petugas tidak menemukannya di lokasi; bila masih ada, silakan laporkan lagi",
            "Nothing was found at the place; if it is still there, please report it again",
        ),
        Some(Disposition::OutOfArea) => {
            ("Tempatnya di luar wilayah kota ini", "The place lies outside this city")
        }
        Some(Disposition::Invalid) => (
            "Belum dapat ditangani karena keterangannya kurang; silakan laporkan lagi dengan lebih lengkap",
            "It could not be acted on as it was told; please report it again with more detail",
        ),
        Some(Disposition::Prank) | None => ("Tidak dapat kami tindak lanjuti", "We cannot act on it"),
    };
    told("rejected", id, en)
}
