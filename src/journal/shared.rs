//! Entries as other nodes of the center get them: all that a live map is made of, and nothing else.
//!
//! A node without a store shows the same map, so it gets exact places (its map keeps the public's apart,
//! as every node's does), who a report counts for, and whether its place is known well enough for a hotspot. It
//! has no use for texts, names, phones, e-mails, notes, actors, or how exact a device believed itself to be: they stay. Senders go under pseudonyms of a
//! key that never leaves the store: the nodes have the secret of ids, and with it a sender's hash could be
//! tried against all phone numbers.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::JournalError;
use super::codec::{Body, share_body};
use crate::city::City;
use crate::model::{ActionMore, CategoryId, Entry, Fact, ReportPrivate, SenderId, Seq, TimeMs, hex};

/// Where the key of the pseudonyms is kept beside a journal.
const KEY_FILE: &str = "nodes.key";
/// Senders with this bit are keyed hashes; the others are reports that count for themselves.
const KEYED: u64 = 1 << 63;

/// An entry on its way to another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedEntry<'a> {
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// As in the journal, without a private part.
    #[serde(borrow)]
    pub body: Cow<'a, RawValue>,
}

impl SharedEntry<'_> {
    pub fn of(entry: &Entry, city: &City, pseudonyms: &Pseudonyms) -> SharedEntry<'static> {
        let body = share_body(city, &pseudonyms.shared(entry, city).fact);
        let body = RawValue::from_string(body).expect("a body is JSON");
        SharedEntry { seq: entry.seq.0, at: entry.at.0, body: Cow::Owned(body) }
    }

    /// # Errors
    /// Where the body is of a newer version, or uses what the city pack does not have.
    pub fn entry(&self, city: &City) -> Result<Entry, JournalError> {
        let seq = Seq(self.seq);
        let fact = Body::parse(seq, self.body.get())?.into_fact(city, None)?;
        Ok(Entry { seq, at: TimeMs(self.at), fact })
    }
}

/// How exact a device believed itself to be, as far as it matters for hotspots: the least that is more than the same
/// radii are.
pub fn shared_accuracy_m(category: CategoryId, accuracy_m: Option<u32>, city: &City) -> Option<u32> {
    let radii_m = [city.category(category).hotspot.eps_m, city.all_categories.eps_m];
    let exceeded = radii_m.into_iter().filter(|eps_m| accuracy_m.is_some_and(|m| f64::from(m) > *eps_m));
    exceeded.max_by(f64::total_cmp).map(|eps_m| eps_m as u32 + 1)
}

/// Gives each sender another number, always the same under one key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    pub fn new(key: [u8; 32]) -> Pseudonyms {
        Pseudonyms(key)
    }

    /// Under a key of chance: good until the process ends.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn random() -> Result<Pseudonyms, JournalError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| JournalError::Store(Box::new(e)))?;
        Ok(Pseudonyms(key))
    }

    /// Under the key that is kept in a journal's folder; made where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or written.
    pub fn in_folder(folder: &Path) -> Result<Pseudonyms, JournalError> {
        let path = folder.join(KEY_FILE);
        let fault = |e: std::io::Error| JournalError::Folder(format!("{}: {e}", path.display()));
        match std::fs::read(&path) {
            Ok(key) => {
                let key = key.try_into().map_err(|_| {
                    JournalError::Folder(format!(
                        "{} is not 32 bytes; delete it, and the edges begin anew",
                        path.display()
                    ))
                })?;
                Ok(Pseudonyms(key))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let made = Pseudonyms::random()?;
                write_key(&path, &made.0).map_err(fault)?;
                Ok(made)
            }
            Err(e) => Err(fault(e)),
        }
    }

    /// Names the key without giving it away: who holds senders under another generation begins anew.
    pub fn generation(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"pantau generation");
        hash.update(self.0);
        hex(&hash.finalize())[..16].to_owned()
    }

    pub fn sender(&self, sender: SenderId) -> SenderId {
        if sender.0 & KEYED == 0 {
            return sender;
        }
        let mut hash = Sha256::new();
        hash.update(b"pantau sender");
        hash.update(self.0);
        hash.update(sender.0.to_be_bytes());
        let bytes = hash.finalize()[..8].try_into().expect("a digest has 32 bytes");
        SenderId(u64::from_be_bytes(bytes) | KEYED)
    }

    /// The entry without what stays in the store.
    fn shared(&self, entry: &Entry, city: &City) -> Entry {
        let mut entry = entry.clone();
        match &mut entry.fact {
            Fact::Report(report) => {
                report.sender = self.sender(report.sender);
                report.accuracy_m = shared_accuracy_m(report.category, report.accuracy_m, city);
                report.private = ReportPrivate::default();
            }
            Fact::Action(action) => {
                action.actor.clear();
                action.note = None;
                // No map shows them. Whether the repair was photographed is of the answer of one incident.
                let disposition = action.more.disposition;
                action.more = ActionMore { disposition, ..ActionMore::default() };
            }
            // Words of the store's people.
            Fact::Erasure(erasure) => erasure.reason.clear(),
            Fact::Merge(merge) | Fact::Split(merge) => {
                merge.actor.clear();
                merge.note = None;
            }
            Fact::Record(record) => {
                record.incident = None;
                record.actor.clear();
                record.text = None;
            }
            Fact::Pack { .. } | Fact::Tick => {}
        }
        entry
    }
}

/// Whole or not at all, and for nobody else's eyes.
fn write_key(path: &Path, key: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Action, ActionFact, Channel, CheckedStep, IncidentNo, LngLat, ReportFact, ReportNo, Status,
    };
    use crate::model::{CategoryId, IdKey, Secret};
    use crate::model::{ErasedReport, ErasureFact, Kinds, RecordFact, RecordKind};

    fn city() -> City {
        City::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate")).unwrap()
    }

    fn report(sender: SenderId) -> Entry {
        let private = ReportPrivate {
            description: Some("marker-text".into()),
            name: Some("marker-name".into()),
            phone: Some("marker-phone".into()),
            email: Some("marker-email".into()),
            photos: vec![crate::journal::testing::photo(7)],
        };
        let fact = ReportFact {
            report: ReportNo(3),
            incident: IncidentNo(2),
            opens: None,
            place: LngLat::new(127.38, 0.79).unwrap(),
            accuracy_m: Some(7_777),
            category: CategoryId(1),
            occurred_at: TimeMs(5),
            area: None,
            sender,
            again: false,
            channel: Channel::Web,
            drill: false,
            imported: false,
            n_photos: 1,
            private,
        };
        Entry { seq: Seq(9), at: TimeMs(1_000), fact: Fact::Report(Box::new(fact)) }
    }

    #[test]
    fn nothing_private_is_on_the_wire() {
        let (city, pseudonyms) = (city(), Pseudonyms::new([5; 32]));
        let sender = IdKey::new(Secret([7; 32]), "TTE").sender("+62811");
        let action = ActionFact {
            incident: IncidentNo(2),
            action: Action::Verify,
            from: Status::New,
            to: Status::Verified,
            agency: None,
            due_at: None,
            clock: None,
            actor: "marker-actor".into(),
            note: Some("marker-note".into()),
            more: ActionMore {
                step: Some(CheckedStep { key: "marker-step".into(), done: true }),
                ..ActionMore::default()
            },
        };
        let action = Entry { seq: Seq(10), at: TimeMs(1_001), fact: Fact::Action(Box::new(action)) };
        let erased = ErasedReport {
            report: ReportNo(3),
            seq: Seq(9),
            incident: IncidentNo(2),
            opens: true,
            gone: Kinds::ALL,
            place: LngLat::new(127.4, 0.8).ok(),
        };
        let reason = "marker-reason".to_owned();
        let erasure = ErasureFact { reason, reports: vec![erased], notes: Vec::new() };
        let erasure = Entry { seq: Seq(11), at: TimeMs(1_002), fact: Fact::Erasure(Box::new(erasure)) };
        let look = RecordFact {
            kind: RecordKind::LookUp,
            incident: Some(IncidentNo(2)),
            actor: "marker-actor".into(),
            text: Some("marker-reason".into()),
        };
        let look = Entry { seq: Seq(12), at: TimeMs(1_003), fact: Fact::Record(Box::new(look)) };
        for entry in [report(sender), action, erasure, look] {
            let wire = serde_json::to_string(&SharedEntry::of(&entry, &city, &pseudonyms)).unwrap();
            assert!(!wire.contains("marker") && !wire.contains("7777"), "{wire}");
            assert!(!wire.contains(&"07".repeat(32)), "the name of a photo: {wire}");
            assert!(!wire.contains(&format!("{:016x}", sender.0)), "{wire}");
            let read: SharedEntry = serde_json::from_str(&wire).unwrap();
            assert_eq!(read.entry(&city).unwrap(), pseudonyms.shared(&entry, &city));
        }
    }

    /// For every radius it is as vague as it was, and nothing else is told.
    #[test]
    fn a_shared_accuracy_exceeds_the_radii_that_the_exact_one_exceeds() {
        let city = city();
        let mut shared = std::collections::BTreeSet::new();
        for (category, accuracy_m) in city.category_ids().flat_map(|id| (0..2_000).map(move |m| (id, m))) {
            let told = shared_accuracy_m(category, Some(accuracy_m), &city);
            shared.insert((category, told));
            for eps_m in [city.category(category).hotspot.eps_m, city.all_categories.eps_m] {
                let exceeds = |m: u32| f64::from(m) > eps_m;
                assert_eq!(told.is_some_and(exceeds), exceeds(accuracy_m), "{category:?} {accuracy_m}");
            }
        }
        assert!(shared.len() <= 3 * city.categories.len(), "{shared:?}");
        assert_eq!(shared_accuracy_m(CategoryId(0), None, &city), None);
    }

    #[test]
    fn a_pseudonym_stands_for_one_sender_and_one_that_counts_for_itself_needs_none() {
        let (one, other) = (Pseudonyms::new([1; 32]), Pseudonyms::new([2; 32]));
        let (a, b) = (SenderId(KEYED | 1), SenderId(KEYED | 2));
        assert_eq!(one.sender(a), one.sender(a));
        assert!(one.sender(a) != one.sender(b) && one.sender(a) != other.sender(a) && one.sender(a) != a);
        assert_eq!(one.sender(SenderId::of_report(ReportNo(3))), SenderId::of_report(ReportNo(3)));
        assert_ne!(one.generation(), other.generation());
    }

    #[test]
    fn the_key_stays_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let made = Pseudonyms::in_folder(folder.path()).unwrap();
        assert!(Pseudonyms::in_folder(folder.path()).unwrap() == made);
        std::fs::write(folder.path().join(KEY_FILE), b"short").unwrap();
        assert!(Pseudonyms::in_folder(folder.path()).unwrap_err().to_string().contains("delete it"));
    }
}
