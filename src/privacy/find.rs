//! Finds what is held about a person.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use crate::intake::{phone_key, sender_by_email, sender_by_phone};
use crate::journal::{ActsQuestion, IncidentRow, JournalError, Reader, ReportRow, Whereabouts};
use crate::model::{Entry, Fact, IdKey, IncidentNo, RecordKind, ReportNo, SenderId, Seq, Status, TimeMs};

/// The shift log is read in steps of so many entries.
const SHIFT_STEP: usize = 1_000;
/// Shorter names stand in too many words.
const NAME_CHARS_MIN: usize = 3;

/// By what a person is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A report's code: this report alone.
    Code(String),
    /// However it is written.
    Phone(String),
    Email(String),
}

/// Everything that is held about a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// By number.
    pub reports: Vec<FoundReport>,
    /// Notes of staff that quote the person's name, phone or e-mail: with actions, as reasons of looks at contact
    /// data, and in the shift log.
    pub notes: Vec<FoundNote>,
    /// The entries of the other notes on the same incidents: only people can say whether they tell of the person.
    pub other_notes: Vec<Seq>,
    /// Reports of others whose text names the phone or the e-mail.
    pub mentions: Vec<ReportNo>,
}

/// A report of the person, with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundReport {
    pub row: ReportRow,
    pub accuracy_m: Option<u32>,
    /// That it counts under, as it stands now.
    pub incident: IncidentRow,
    /// What was done with the incidents that it ever counted under, in order.
    pub actions: Vec<Done>,
}

/// What staff did.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub seq: Seq,
    pub at: TimeMs,
    /// Its name in the API.
    pub action: &'static str,
    pub to: Status,
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundNote {
    /// Of its entry.
    pub seq: Seq,
    pub at: TimeMs,
    pub text: String,
}

/// A selector that was understood.
enum Subject {
    Report(ReportNo),
    Phone { key: String, sender: Option<SenderId> },
    Email { email: String, sender: Option<SenderId> },
}

impl Selector {
    fn subject(&self, reader: &dyn Reader, ids: &IdKey) -> anyhow::Result<Subject> {
        match self {
            Selector::Code(code) => Ok(Subject::Report(report_of_code(code, reader, ids)?)),
            Selector::Phone(phone) => match phone_key(phone) {
                Some(key) => Ok(Subject::Phone { key, sender: sender_by_phone(ids, phone) }),
                None => bail!("{phone:?} is no phone number"),
            },
            Selector::Email(email) if email.contains('@') => {
                let sender = sender_by_email(ids, email);
                Ok(Subject::Email { email: email.to_lowercase(), sender })
            }
            Selector::Email(email) => bail!("{email:?} is no e-mail address"),
        }
    }
}

/// The report of a code, also of one that was given out while the database was away.
fn report_of_code(code: &str, reader: &dyn Reader, ids: &IdKey) -> anyhow::Result<ReportNo> {
    if let Some(no) = ids.report_of_code(code) {
        return Ok(no);
    }
    let Some(waiting) = ids.waiting_of_code(code) else {
        bail!("{code:?} is no code of this center; look for a slip of the pen");
    };
    match reader.waiting_report(waiting)? {
        Some(Whereabouts::InJournal(no)) => Ok(no),
        Some(Whereabouts::Refused { .. }) => {
            bail!("the report {code} was refused when it was handed on: nothing of it is held here")
        }
        Some(Whereabouts::Waiting { .. } | Whereabouts::HandedIn) | None => bail!(
            "no report has the code {code} here; look for a slip of the pen. Where it was given out while the \
             database was away, the report waits to be handed on: ask again once it is there"
        ),
    }
}

impl Subject {
    /// The report is the person's.
    fn owns(&self, row: &ReportRow) -> bool {
        match self {
            Subject::Report(no) => row.no == *no,
            Subject::Phone { key, sender } => {
                let phone = row.private.phone.as_deref().and_then(phone_key);
                phone.as_ref() == Some(key) || Some(row.sender) == *sender
            }
            Subject::Email { email, sender } => {
                let has = row.private.email.as_ref().map(|known| known.to_lowercase());
                has.as_ref() == Some(email) || Some(row.sender) == *sender
            }
        }
    }

    /// The text of somebody else names the person.
    fn is_named_in(&self, text: &str) -> bool {
        match self {
            Subject::Report(_) => false,
            Subject::Phone { key, .. } => digits(text).contains(key.as_str()),
            Subject::Email { email, .. } => text.to_lowercase().contains(email.as_str()),
        }
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Reads every report. A person of whom contact data went before is known by the keyed hash of the phone
/// or the e-mail still.
///
/// # Errors
/// In words: a selector that is none, or a store that cannot be read.
pub fn find(reader: &dyn Reader, ids: &IdKey, selector: &Selector) -> anyhow::Result<Found> {
    let subject = selector.subject(reader, ids)?;
    let mut rows = Vec::new();
    let mut found = Found::default();
    if let Subject::Report(no) = subject {
        rows.extend(reader.report(no)?);
    } else {
        reader.recent_reports(TimeMs::MIN, &mut |row| {
            if subject.owns(&row) {
                rows.push(row);
            } else if row.private.description.as_deref().is_some_and(|text| subject.is_named_in(text)) {
                found.mentions.push(row.no);
            }
        })?;
    }
    rows.sort_unstable_by_key(|row| row.no);
    let marks = Marks::of(&rows, &subject);
    let mut others = BTreeSet::new();
    for (no, rows) in by_incident(rows) {
        let incident = standing(reader, no)?;
        let log = log_of_all(reader, no)?;
        let actions = actions(&log);
        for note in records(&log).chain(actions.iter().filter_map(noted)) {
            match marks.stand_in(&note.text) {
                true => found.notes.push(note),
                false => drop(others.insert(note.seq)),
            }
        }
        found.reports.extend(rows.into_iter().map(|row| FoundReport {
            accuracy_m: accuracy_of(&log, row.no),
            row,
            incident: incident.clone(),
            actions: actions.clone(),
        }));
    }
    if !found.reports.is_empty() {
        found.notes.extend(shift_notes(reader, &marks)?);
    }
    found.reports.sort_unstable_by_key(|report| report.row.no);
    // Of two incidents that were joined each tells what was done with both.
    found.notes.sort_unstable_by_key(|note| note.seq);
    found.notes.dedup_by_key(|note| note.seq);
    found.other_notes = others.into_iter().collect();
    Ok(found)
}

fn by_incident(rows: Vec<ReportRow>) -> BTreeMap<IncidentNo, Vec<ReportRow>> {
    let mut incidents: BTreeMap<IncidentNo, Vec<ReportRow>> = BTreeMap::new();
    for row in rows {
        incidents.entry(row.incident).or_default().push(row);
    }
    incidents
}

/// The incident that what was said of one counts under.
fn standing(reader: &dyn Reader, no: IncidentNo) -> Result<IncidentRow, JournalError> {
    let lacks =
        |no: IncidentNo| JournalError::Corrupt(format!("incident {} of a report is not there", no.0));
    let mut incident = reader.incident(no)?.ok_or_else(|| lacks(no))?;
    while let Some(into) = incident.merged_into {
        incident = reader.incident(into)?.ok_or_else(|| lacks(into))?;
    }
    Ok(incident)
}

/// The log of an incident and of all that ever absorbed it: its reports were spoken of there too.
fn log_of_all(reader: &dyn Reader, no: IncidentNo) -> Result<Vec<Entry>, JournalError> {
    let (mut todo, mut read) = (vec![no], BTreeSet::new());
    let mut all: BTreeMap<Seq, Entry> = BTreeMap::new();
    while let Some(no) = todo.pop() {
        if !read.insert(no) {
            continue;
        }
        for entry in reader.incident_log(no)? {
            if let Fact::Merge(fact) = &entry.fact
                && fact.absorbed == no
            {
                todo.push(fact.into);
            }
            all.insert(entry.seq, entry);
        }
    }
    Ok(all.into_values().collect())
}

fn actions(log: &[Entry]) -> Vec<Done> {
    let done = |entry: &Entry| {
        let (action, to, note) = match &entry.fact {
            Fact::Action(fact) => (fact.action.key(), fact.to, &fact.note),
            Fact::Merge(fact) => ("merge", fact.into_status, &fact.note),
            Fact::Split(fact) => ("split", fact.status, &fact.note),
            _ => return None,
        };
        Some(Done { seq: entry.seq, at: entry.at, action, to, note: note.clone() })
    };
    log.iter().filter_map(done).collect()
}

/// What was said with an action.
fn noted(action: &Done) -> Option<FoundNote> {
    Some(FoundNote { seq: action.seq, at: action.at, text: action.note.clone()? })
}

/// Why somebody looked at contact data, and what stands in the shift log.
fn records(log: &[Entry]) -> impl Iterator<Item = FoundNote> {
    log.iter().filter_map(|entry| match &entry.fact {
        Fact::Record(fact) => Some(FoundNote { seq: entry.seq, at: entry.at, text: fact.text.clone()? }),
        _ => None,
    })
}

/// Notes of the shift log that quote the person.
fn shift_notes(reader: &dyn Reader, marks: &Marks) -> Result<Vec<FoundNote>, JournalError> {
    let kinds = RecordKind::ALL.into_iter().filter(|kind| kind.is_of_shift());
    let kinds = kinds.map(|kind| kind.key().to_owned()).collect();
    let mut asked = ActsQuestion { kinds, ..ActsQuestion::below(Seq(u64::MAX)) };
    let mut notes = Vec::new();
    loop {
        let entries = reader.acts(&asked, SHIFT_STEP)?;
        notes.extend(records(&entries).filter(|note| marks.stand_in(&note.text)));
        match entries.last() {
            Some(oldest) => asked.below = oldest.seq,
            None => return Ok(notes),
        }
    }
}

fn accuracy_of(log: &[Entry], no: ReportNo) -> Option<u32> {
    log.iter().find_map(|entry| match &entry.fact {
        Fact::Report(fact) if fact.report == no => fact.accuracy_m,
        _ => None,
    })
}

/// By what a text is known to tell of the person.
#[derive(Default)]
struct Marks {
    /// In lower case.
    words: BTreeSet<String>,
    phones: BTreeSet<String>,
}

impl Marks {
    fn of(rows: &[ReportRow], subject: &Subject) -> Marks {
        let mut marks = Marks::default();
        match subject {
            Subject::Phone { key, .. } => marks.phones.extend([key.clone()]),
            Subject::Email { email, .. } => marks.words.extend([email.clone()]),
            Subject::Report(_) => {}
        }
        for row in rows {
            let words = [&row.private.name, &row.private.email].into_iter().flatten();
            let long = words.filter(|word| word.chars().count() >= NAME_CHARS_MIN);
            marks.words.extend(long.map(|word| word.to_lowercase()));
            marks.phones.extend(row.private.phone.as_deref().and_then(phone_key));
        }
        marks
    }

    fn stand_in(&self, text: &str) -> bool {
        let (lower, digits) = (text.to_lowercase(), digits(text));
        self.words.iter().any(|word| lower.contains(word.as_str()))
            || self.phones.iter().any(|phone| digits.contains(phone.as_str()))
    }
}

impl Found {
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Whether a reason gives away what is to be erased.
    ///
    /// # Errors
    /// In words for whoever wrote it.
    pub fn check_reason(&self, reason: &str) -> Result<(), String> {
        let rows: Vec<ReportRow> = self.reports.iter().map(|report| report.row.clone()).collect();
        let marks = Marks::of(&rows, &Subject::Report(ReportNo(0)));
        if marks.stand_in(reason) {
            return Err(
                "the reason stays in the log for good, and names the person; write for instance the number of \
                 the letter instead"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
