//! What a reporter is told of what became of the report: every turn in plain words, and the answers.
//!
//! No names of staff, no notes for the center's own eyes.

use serde_json::{Value, json};

use crate::city::{City, Text};
use crate::feed::wire::time;
use crate::journal::{IncidentRow, JournalError, Reader, ReportRow};
use crate::model::{Action, ActionFact, AgencyId, Disposition, Entry, Fact, ReportNo, TimeMs};

/// What is known of a report, for whoever holds its code.
pub(super) struct ToldOf {
    pub report: ReportRow,
    pub incident: IncidentRow,
    /// The entry that opened the incident.
    pub opening: Option<Entry>,
    /// All on the incident, in order.
    pub actions: Vec<Entry>,
}

impl ToldOf {
    /// `None` where there is no such report.
    pub fn read(reader: &dyn Reader, no: ReportNo) -> Result<Option<ToldOf>, JournalError> {
        let Some(report) = reader.report(no)? else { return Ok(None) };
        let Some(incident) = reader.incident(report.incident)? else { return Ok(None) };
        let opening = reader.entries(incident.opened_seq.before(), 1)?.pop();
        let actions = reader.incident_actions(incident.no)?;
        Ok(Some(ToldOf { report, incident, opening, actions }))
    }
}

/// What was answered, in order. `agency` is null where the center itself speaks.
pub(super) fn answers(city: &City, actions: &[Entry]) -> Vec<Value> {
    let answer = |entry: &Entry| match &entry.fact {
        Fact::Action(fact) if fact.action == Action::Answer => {
            // An answer that was erased says nothing any more.
            let text = fact.note.as_ref()?;
            let agency = fact.more.speaker.map(|agency| &city.agency(agency).key);
            Some(json!({"at": time(entry.at), "text": text, "agency": agency}))
        }
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

/// What happened to the report, in order: from its coming in.
pub(super) fn steps(city: &City, told_of: &ToldOf) -> Vec<Value> {
    let ToldOf { report, incident, opening, actions } = told_of;
    let step = |at: TimeMs, (step, text): Told| json!({"at": time(at), "step": step, "text": text});
    let joins = report.seq != incident.opened_seq;
    let mut agency = opening.as_ref().and_then(|entry| match &entry.fact {
        Fact::Report(fact) => fact.opens.and_then(|opening| opening.agency),
        _ => None,
    });
    let n_before = actions.partition_point(|entry| entry.seq < report.seq);
    let (before, since) = actions.split_at(n_before);
    agency = before.iter().rev().find_map(action).map_or(agency, |fact| fact.agency);
    let mut steps = vec![step(report.received_at, received(city, joins, agency))];
    for (at, fact) in since.iter().filter_map(|entry| Some((entry.at, action(entry)?))) {
        steps.extend(turn(city, fact, agency).map(|told| step(at, told)));
        agency = fact.agency;
    }
    steps
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
        Action::Note | Action::Answer | Action::Check => return None,
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
