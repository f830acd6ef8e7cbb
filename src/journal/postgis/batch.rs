//! One batch: what its commands ask for, and what they add, column by column.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::Row;

use super::columns::Change;
use super::erase::{self, Known};
use super::link::Link;
use super::merges::{AskedSenders, Joined};
use super::photos::Photos;
use super::rows::{bad_row, get, incident_row, number, seq, time};
use crate::city::City;
use crate::journal::codec::{Encoder, Hash, chain};
use crate::journal::decide::{Accepted, Keyed, Store};
use crate::journal::erase::{Held, HeldNote};
use crate::journal::photos_sent::PhotosSent;
use crate::journal::records::row_no;
use crate::journal::{IncidentRow, JournalError};
use crate::model::{
    Command, Entry, Fact, ImportRow, IncidentNo, LngLat, Receipt, ReportFact, ReportNo, SenderId, Seq,
    TimeMs,
};

type ImportKey = (i64, [u8; 16]);

/// What commands refer to, by number or key.
#[derive(Default)]
pub(super) struct Asked {
    pub incidents: Vec<i64>,
    pub keys: Vec<String>,
    /// Of sources that are known; of another nothing was imported.
    pub import_sources: Vec<i64>,
    pub import_rows: Vec<Vec<u8>>,
    pub senders: AskedSenders,
    /// Incidents that photos come to under a key.
    pub photos: Vec<i64>,
}

impl Asked {
    pub fn by(commands: &[Command], sources: &HashMap<String, i64>) -> Asked {
        let mut asked = Asked::default();
        for command in commands {
            match command {
                Command::Report(report) => {
                    asked.incidents.extend(report.incident.map(|no| i64::from(no.0)));
                    asked.senders.of_report(report);
                    asked.keys.extend(report.idempotency.as_ref().map(|sent| sent.key.clone()));
                    if let Some(row) = &report.import
                        && let Some(source) = sources.get(&row.source)
                    {
                        asked.import_sources.push(*source);
                        asked.import_rows.push(row.row_digest.to_vec());
                    }
                }
                Command::Action(action) => {
                    let no = i64::from(action.incident.0);
                    asked.incidents.push(no);
                    let is_keyed = action.more.photos.as_ref().is_some_and(|added| added.sent.is_some());
                    asked.photos.extend(is_keyed.then_some(no));
                }
                Command::Merge(merge) | Command::Split(merge) => {
                    asked.incidents.extend([merge.absorbed, merge.into].map(|no| i64::from(no.0)));
                    asked.senders.all = true;
                }
                Command::Record(record) => {
                    asked.incidents.extend(record.incident.map(|no| i64::from(no.0)))
                }
                Command::Erasure(_) | Command::Pack { .. } | Command::Tick => {}
            }
        }
        asked.incidents.sort_unstable();
        asked.incidents.dedup();
        asked
    }
}

/// One batch inside its transaction: what was there before, and what it adds.
pub(super) struct Batch<'b> {
    city: &'b City,
    encoder: &'b mut Encoder,
    pub head_hash: Hash,
    sources: &'b HashMap<String, i64>,
    pub new_sources: HashMap<String, i64>,
    known: HashMap<IncidentNo, IncidentRow>,
    keyed: HashMap<String, Keyed>,
    imported: HashMap<ImportKey, ReportNo>,
    receipts: HashMap<ReportNo, Receipt>,
    joined: Joined,
    pub entries: Entries,
    pub reports: Reports,
    pub actions: Actions,
    /// As they stand at the end of the batch, with the coarse place of those that it opened.
    pub changed: BTreeMap<IncidentNo, (IncidentRow, Option<LngLat>)>,
    pub import_keys: Vec<(ImportKey, ReportNo)>,
    pub new_keys: BTreeMap<String, Keyed>,
    /// A city pack came into force.
    pub has_pack: bool,
    erasable: Known,
    pub photos: Photos,
    /// What erasures change in the tables; after all else.
    pub erasures: Vec<Change>,
}

#[derive(Default)]
pub(super) struct Entries {
    pub seq: Vec<i64>,
    pub at: Vec<i64>,
    pub kind: Vec<&'static str>,
    pub body: Vec<String>,
    pub hash: Vec<Vec<u8>>,
}

impl Entries {
    /// Chains an entry to the one before; its hash.
    fn add(&mut self, before: &Hash, seq: Seq, at: TimeMs, kind: &'static str, body: &str) -> Hash {
        let hash = chain(before, seq, at, body);
        self.seq.push(seq.0.cast_signed());
        self.at.push(at.0);
        self.kind.push(kind);
        self.body.push(body.to_owned());
        self.hash.push(hash.to_vec());
        hash
    }
}

#[derive(Default)]
pub(super) struct Reports {
    pub no: Vec<i64>,
    pub seq: Vec<i64>,
    pub incident_no: Vec<i64>,
    pub received_at: Vec<i64>,
    pub occurred_at: Vec<i64>,
    pub category: Vec<String>,
    pub lng_e7: Vec<i32>,
    pub lat_e7: Vec<i32>,
    pub coarse_lng_e7: Vec<Option<i32>>,
    pub coarse_lat_e7: Vec<Option<i32>>,
    pub area: Vec<Option<String>>,
    pub sender: Vec<i64>,
    pub channel: Vec<&'static str>,
    pub drill: Vec<bool>,
    pub imported: Vec<bool>,
    pub salt: Vec<Option<Vec<u8>>>,
    pub private: Vec<Option<String>>,
    pub n_photos: Vec<i64>,
    pub accuracy_m: Vec<Option<i64>>,
}

#[derive(Default)]
pub(super) struct Actions {
    pub seq: Vec<i64>,
    pub incident_no: Vec<i64>,
    pub action: Vec<&'static str>,
    pub actor: Vec<String>,
    pub salt: Vec<Option<Vec<u8>>>,
    pub private: Vec<Option<String>>,
}

impl Actions {
    fn add(&mut self, seq: Seq, no: IncidentNo, action: &'static str, actor: &str, private: PrivateOwned) {
        let (salt, json) = private;
        self.seq.push(seq.0.cast_signed());
        self.incident_no.push(no.0.into());
        self.action.push(action);
        self.actor.push(actor.to_owned());
        self.salt.push(salt);
        self.private.push(json);
    }
}

type Private<'e> = Option<([u8; 16], &'e str)>;

impl<'b> Batch<'b> {
    pub fn new(
        city: &'b City,
        encoder: &'b mut Encoder,
        head_hash: Hash,
        sources: &'b HashMap<String, i64>,
    ) -> Batch<'b> {
        Batch {
            city,
            encoder,
            head_hash,
            sources,
            new_sources: HashMap::new(),
            known: HashMap::new(),
            keyed: HashMap::new(),
            imported: HashMap::new(),
            receipts: HashMap::new(),
            joined: Joined::default(),
            entries: Entries::default(),
            reports: Reports::default(),
            actions: Actions::default(),
            changed: BTreeMap::new(),
            import_keys: Vec::new(),
            new_keys: BTreeMap::new(),
            has_pack: false,
            erasable: Known::default(),
            photos: Photos::default(),
            erasures: Vec::new(),
        }
    }

    pub fn know_incident(&mut self, row: &Row) -> Result<(), JournalError> {
        let row = incident_row(row, self.city)?;
        self.joined.stands(&row);
        self.known.insert(row.no, row);
        Ok(())
    }

    /// The senders that are asked of those incidents that are known by now.
    pub fn know_senders(&mut self, link: &Link, asked: &AskedSenders) -> Result<(), JournalError> {
        self.joined.ask(link, self.known.keys(), asked)
    }

    /// The rows that merges and splits have beside those of actions.
    pub fn merges(&self) -> Change {
        self.joined.rows()
    }

    pub fn know_erasures(&mut self, known: Known) {
        self.erasable = known;
    }

    pub fn know_key(&mut self, row: &Row) -> Result<(), JournalError> {
        let report = self.know_receipt(row)?;
        let body_digest: &[u8] = get(row, 6)?;
        let body_digest = body_digest
            .try_into()
            .map_err(|_| bad_row("idempotency", report.0, "its digest is no digest"))?;
        self.keyed.insert(get(row, 5)?, Keyed { report, body_digest, at: time(row, 7)? });
        Ok(())
    }

    pub fn know_imported(&mut self, row: &Row) -> Result<(), JournalError> {
        let report = self.know_receipt(row)?;
        let digest: &[u8] = get(row, 6)?;
        let digest =
            digest.try_into().map_err(|_| bad_row("import_key", report.0, "its digest is no digest"))?;
        self.imported.insert((get(row, 5)?, digest), report);
        Ok(())
    }

    /// Reads the first five columns of a query for keys.
    fn know_receipt(&mut self, row: &Row) -> Result<ReportNo, JournalError> {
        let report = ReportNo(number(row, 0)?);
        let receipt = Receipt::Report {
            seq: seq(row, 1)?,
            report,
            received_at: time(row, 2)?,
            incident: IncidentNo(number(row, 3)?),
            opened_at: time(row, 4)?,
        };
        self.receipts.insert(report, receipt);
        Ok(report)
    }

    fn source(&self, name: &str) -> Option<i64> {
        self.sources.get(name).or_else(|| self.new_sources.get(name)).copied()
    }

    fn report(
        &mut self,
        seq: Seq,
        at: TimeMs,
        report: &ReportFact,
        coarse: Option<LngLat>,
        private: PrivateOwned,
    ) {
        let (salt, json) = private;
        let rows = &mut self.reports;
        rows.no.push(report.report.0.into());
        rows.seq.push(seq.0.cast_signed());
        rows.incident_no.push(report.incident.0.into());
        rows.received_at.push(at.0);
        rows.occurred_at.push(report.occurred_at.0);
        rows.category.push(self.city.category(report.category).key.clone());
        rows.lng_e7.push(report.place.lng_e7());
        rows.lat_e7.push(report.place.lat_e7());
        rows.coarse_lng_e7.push(coarse.map(LngLat::lng_e7));
        rows.coarse_lat_e7.push(coarse.map(LngLat::lat_e7));
        rows.area.push(report.area.map(|id| self.city.areas.get(id).code.clone()));
        rows.sender.push(report.sender.0.cast_signed());
        rows.channel.push(report.channel.key());
        rows.drill.push(report.drill);
        rows.imported.push(report.imported);
        rows.accuracy_m.push(report.accuracy_m.map(i64::from));
        rows.salt.push(salt);
        rows.private.push(json);
        rows.n_photos.push(report.n_photos.into());
    }

    fn keys(&mut self, accepted: &Accepted, report: ReportNo, at: TimeMs) {
        if let Some(row) = &accepted.import {
            let source = self.source(&row.source).unwrap_or_else(|| {
                let id = (self.sources.len() + self.new_sources.len()) as i64 + 1;
                self.new_sources.insert(row.source.clone(), id);
                id
            });
            self.imported.insert((source, row.row_digest), report);
            self.import_keys.push(((source, row.row_digest), report));
        }
        if let Some(sent) = &accepted.idempotency {
            let keyed = Keyed { report, body_digest: sent.body_digest, at };
            self.keyed.insert(sent.key.clone(), keyed);
            self.new_keys.insert(sent.key.clone(), keyed);
        }
        self.receipts.insert(report, accepted.receipt);
    }
}

type PrivateOwned = (Option<Vec<u8>>, Option<String>);

fn owned(private: Private) -> PrivateOwned {
    private.map_or((None, None), |(salt, json)| (Some(salt.to_vec()), Some(json.to_owned())))
}

impl Store for Batch<'_> {
    fn city(&self) -> &City {
        self.city
    }

    fn incident(&mut self, no: IncidentNo) -> Result<Option<IncidentRow>, JournalError> {
        Ok(self.known.get(&no).cloned())
    }

    fn keyed(&mut self, key: &str) -> Result<Option<Keyed>, JournalError> {
        Ok(self.keyed.get(key).copied())
    }

    fn photos_sent(&mut self, no: IncidentNo, key: [u8; 16]) -> Result<Option<PhotosSent>, JournalError> {
        Ok(self.photos.sent(no, key))
    }

    fn imported(&mut self, row: &ImportRow) -> Result<Option<ReportNo>, JournalError> {
        let source = self.source(&row.source);
        Ok(source.and_then(|source| self.imported.get(&(source, row.row_digest)).copied()))
    }

    fn receipt(&mut self, no: ReportNo) -> Result<Receipt, JournalError> {
        let known = self.receipts.get(&no).copied();
        known.ok_or_else(|| bad_row("report", no.0, "a key points at it, but it is not there"))
    }

    fn held(&mut self, no: ReportNo) -> Result<Option<Held>, JournalError> {
        Ok(self.erasable.reports.get(&no).cloned())
    }

    fn held_note(&mut self, seq: Seq) -> Result<Option<HeldNote>, JournalError> {
        Ok(self.erasable.notes.get(&seq).copied())
    }

    fn absorbed_by(&mut self, no: IncidentNo) -> Result<Vec<IncidentNo>, JournalError> {
        Ok(self.joined.absorbed_by(no))
    }

    fn senders(&mut self, no: IncidentNo) -> Result<BTreeSet<SenderId>, JournalError> {
        Ok(self.joined.senders(no))
    }

    fn write(&mut self, accepted: &Accepted) -> Result<(), JournalError> {
        let Entry { seq, at, ref fact } = accepted.entry;
        if let Fact::Erasure(fact) = fact {
            let encoded = self.encoder.encode_erasure(fact, &accepted.lefts)?;
            self.head_hash = self.entries.add(&self.head_hash, seq, at, "erasure", &encoded.body);
            self.erasures.extend(erase::changes(seq, fact, &encoded));
            self.erasable.erase(fact, &accepted.lefts);
            self.photos.forget_sent(fact);
            let is_erased =
                |keyed: &&mut Keyed| fact.reports.iter().any(|erased| erased.report == keyed.report);
            let keyed = self.keyed.values_mut().chain(self.new_keys.values_mut());
            keyed.filter(is_erased).for_each(|keyed| keyed.body_digest = [0; 32]);
            return Ok(());
        }
        let encoded = self.encoder.encode(self.city, &accepted.entry, accepted.coarse_place)?;
        self.head_hash = self.entries.add(&self.head_hash, seq, at, encoded.kind, encoded.body);
        let private = owned(encoded.private);
        self.photos.add(seq, at, fact);
        match fact {
            Fact::Report(report) => {
                self.erasable.add_report(seq, report, accepted.coarse_place);
                self.report(seq, at, report, accepted.coarse_place, private);
                self.joined.said(report);
                self.keys(accepted, report.report, at);
            }
            Fact::Action(action) => {
                self.erasable.add_note(seq, action.incident, action.has_private());
                self.actions.add(seq, action.incident, action.action.key(), &action.actor, private);
            }
            Fact::Merge(merge) | Fact::Split(merge) => {
                self.erasable.add_note(seq, merge.absorbed, merge.note.is_some());
                self.joined.merges.push((seq, merge.into));
                self.actions.add(seq, merge.absorbed, encoded.kind, &merge.actor, private);
            }
            Fact::Record(record) => {
                let no = row_no(record);
                self.erasable.add_note(seq, no, record.text.is_some());
                self.actions.add(seq, no, record.kind.key(), &record.actor, private);
            }
            Fact::Pack { .. } => self.has_pack = true,
            Fact::Erasure(_) | Fact::Tick => {}
        }
        for incident in accepted.incident.iter().chain(&accepted.partner) {
            let opens = matches!(fact, Fact::Report(report) if report.opens.is_some());
            let coarse = accepted.coarse_place.filter(|_| opens);
            self.joined.stands(incident);
            self.known.insert(incident.no, incident.clone());
            let changed = self.changed.entry(incident.no).or_insert_with(|| (incident.clone(), coarse));
            changed.0 = incident.clone();
        }
        Ok(())
    }
}
