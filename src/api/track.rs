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
}

impl ToldOf {
    /// `None` where there is no such report.
    pub fn read(reader: &dyn Reader, no: ReportNo) -> Result<Option<ToldOf>, JournalError> {
        let Some(report) = reader.report(no)? else { return Ok(None) };
        let Some(mut incident) = reader.incident(report.incident)? else { return Ok(None) };
        let Some(opening) = opening(reader, &incident)? else { return Ok(None) };
        let mut turns: Vec<Turn> = actions(reader, incident.no)?.into_iter().map(Turn::Action).collect();
        let mut joined = false;
        while let Some(into) = incident.merged_into {
            let log = reader.incident_log(incident.no)?;
            let is_merge =
                |entry: &&Entry| matches!(&entry.fact, Fact::Merge(fact) if fact.absorbed == incident.no);
            let Some(merge) = log.iter().rev().find(is_merge) else { break };
            let Some(next) = reader.incident(into)? else { break };
            let mut before = actions(reader, into)?;
            let since = before.split_off(before.partition_point(|entry| entry.seq < merge.seq));
            let agency = match before.iter().rev().find_map(action) {
                Some(fact) => fact.agency,
                None => opening_agency(self::opening(reader, &next)?.as_ref()),
            };
            turns.push(Turn::Joined(merge.at, merge.seq, agency));
            turns.extend(since.into_iter().map(Turn::Action));
            (incident, joined) = (next, true);
        }
        Ok(Some(ToldOf { report, incident, joined, opening, turns }))
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

fn actions(reader: &dyn Reader, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
    let mut entries = reader.incident_actions(no)?;
    entries.retain(|entry| matches!(entry.fact, Fact::Action(_)));
    Ok(entries)
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
        Turn::Joined(..) => None,
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
            Turn::Joined(_, seq, _) => *seq,
        }
    }

    /// Who has it after this.
    fn agency(&self) -> Option<AgencyId> {
        match self {
            Turn::Action(entry) => action(entry).and_then(|fact| fact.agency),
            Turn::Joined(_, _, agency) => *agency,
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
