//! Proves that what was erased is nowhere in the bytes of a folder: every file is read to its end.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::find::{Found, Selector};
use crate::city::City;
use crate::intake::phone_key;
use crate::journal::{JournalError, Reader};
use crate::model::{Fact, LngLat, ReportPrivate, Seq};

/// Read at once.
const BLOCK: usize = 1 << 20;
/// Entries read at once.
const ENTRIES: usize = 5_000;
/// Shorter values stand in a file by chance.
const VALUE_BYTES_MIN: usize = 4;
/// Digits of a phone stand in other numbers sooner.
const SPELLING_BYTES_MIN: usize = 8;

/// What was looked through, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    pub files: u64,
    pub bytes: u64,
    pub values: usize,
    /// Files in which a value still stands.
    pub found_in: Vec<PathBuf>,
}

/// The bytes that must be gone once all kinds of what was found are erased.
pub fn values(found: &Found, city: &City) -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = Vec::new();
    for report in &found.reports {
        values.extend(said(&report.row.private).map(in_json));
        for name in report.row.private.photos.iter().flat_map(|photo| [photo.name, photo.thumb]) {
            values.extend([name.to_string().into_bytes(), name.0.to_vec()]);
        }
        let place = report.row.place;
        let is_exact = place != place.coarsened(city.coarse_res);
        if city.category(report.row.category).sensitive && is_exact {
            values.extend(place_values(place));
        }
    }
    values.extend(found.notes.iter().map(|note| in_json(&note.text)));
    values.retain(|value| value.len() >= VALUE_BYTES_MIN);
    values.sort_unstable();
    values.dedup();
    values
}

/// Ways to write the phone or the e-mail by which a person was asked for: what can be searched for where nothing of
/// the person is held any more. None of a code.
pub fn spellings(selector: &Selector) -> Vec<Vec<u8>> {
    let mut texts = match selector {
        Selector::Code(_) => Vec::new(),
        Selector::Email(email) => vec![email.trim().to_owned(), email.trim().to_lowercase()],
        Selector::Phone(phone) => {
            let national = phone_key(phone).unwrap_or_default();
            let parts =
                national.split_at_checked(3).and_then(|(net, rest)| Some((net, rest.split_at_checked(4)?)));
            let grouped = parts.iter().flat_map(|(net, (first, rest))| {
                ["-", " ", "."].map(|between| [net, *first, rest].join(between))
            });
            [phone.trim().to_owned(), national.clone()].into_iter().chain(grouped).collect()
        }
    };
    texts.sort_unstable();
    texts.dedup();
    texts.iter().map(|text| in_json(text)).filter(|value| value.len() >= SPELLING_BYTES_MIN).collect()
}

fn said(private: &ReportPrivate) -> impl Iterator<Item = &str> {
    [&private.phone, &private.email, &private.name, &private.description]
        .into_iter()
        .flatten()
        .map(String::as_str)
}

/// Those of the values that nothing holds any more: the others stand in what is held about somebody else,
/// for good reason. Reads the whole log.
///
/// # Errors
/// Where the journal cannot be read.
pub fn not_held(reader: &dyn Reader, mut values: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, JournalError> {
    let mut after = Seq(0);
    while !values.is_empty() {
        let entries = reader.entries(after, ENTRIES)?;
        let Some(last) = entries.last() else { break };
        after = last.seq;
        for entry in &entries {
            let (texts, place): (Vec<Vec<u8>>, _) = match &entry.fact {
                Fact::Report(fact) => (said(&fact.private).map(in_json).collect(), Some(fact.place)),
                Fact::Action(fact) => (fact.note.iter().map(|note| in_json(note)).collect(), None),
                Fact::Merge(fact) | Fact::Split(fact) => {
                    (fact.note.iter().map(|note| in_json(note)).collect(), None)
                }
                Fact::Record(fact) => (fact.text.iter().map(|text| in_json(text)).collect(), None),
                _ => continue,
            };
            values.retain(|value| {
                let in_text = texts.iter().any(|text| memchr::memmem::find(text, value).is_some());
                !in_text && !place.is_some_and(|place| place_values(place).contains(value))
            });
        }
    }
    Ok(values)
}

/// A text as it stands in the journal: within JSON.
fn in_json(text: &str) -> Vec<u8> {
    let quoted = serde_json::to_string(text).expect("a text becomes JSON");
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

/// The ways in which a place stands in the journal's file and in a snapshot.
pub fn place_values(place: LngLat) -> [Vec<u8>; 2] {
    let (lng, lat) = (place.lng_e7(), place.lat_e7());
    // SQLite writes as few bytes as a whole number needs, big-endian.
    let least = |n: i32| {
        let bytes = n.to_be_bytes();
        let keeps = |skipped: usize| (n << (8 * skipped)) >> (8 * skipped) == n;
        let skipped = (1..=3).rev().find(|skipped| keeps(*skipped)).unwrap_or(0);
        bytes[skipped..].to_vec()
    };
    let big = [least(lng), least(lat)].concat();
    [big, [lng.to_le_bytes(), lat.to_le_bytes()].concat()]
}

/// Reads all files of a folder, those in folders within it too.
///
/// # Errors
/// Where one cannot be read.
pub fn search(dir: &Path, values: &[Vec<u8>]) -> std::io::Result<Proof> {
    let mut proof = Proof { values: values.len(), ..Proof::default() };
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                search_file(&entry.path(), values, &mut proof)?;
            }
        }
    }
    proof.found_in.sort_unstable();
    Ok(proof)
}

fn search_file(path: &Path, values: &[Vec<u8>], proof: &mut Proof) -> std::io::Result<()> {
    let mut file = match File::open(path) {
        // One that came and went meanwhile.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    proof.files += 1;
    let overlap = values.iter().map(Vec::len).max().unwrap_or(0).saturating_sub(1);
    let mut buffer = vec![0; BLOCK + overlap];
    let mut held = 0;
    loop {
        let n = file.read(&mut buffer[held..])?;
        if n == 0 {
            return Ok(());
        }
        proof.bytes += n as u64;
        let filled = held + n;
        if values.iter().any(|value| memchr::memmem::find(&buffer[..filled], value).is_some()) {
            proof.found_in.push(path.to_owned());
            return Ok(());
        }
        held = overlap.min(filled);
        buffer.copy_within(filled - held..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_wherever_it_lies_also_across_two_blocks_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("within")).unwrap();
        let mut bytes = vec![b'x'; 3 * BLOCK];
        let at = BLOCK + 2;
        bytes[at - 4..at + 4].copy_from_slice(b"needle!!");
        let path = dir.path().join("within/file");
        std::fs::write(&path, &bytes).unwrap();
        let search = |value: &[u8]| search(dir.path(), &[b"absent".to_vec(), value.to_vec()]).unwrap();
        assert_eq!(search(b"needle!!").found_in, [path]);
        let none = search(b"needles!");
        assert_eq!((none.found_in.len(), none.files, none.bytes), (0, 1, 3 * BLOCK as u64));
    }

    #[test]
    fn a_phone_is_searched_for_as_it_was_given_and_as_people_write_it() {
        let spelt = |phone: &str| spellings(&Selector::Phone(phone.to_owned()));
        let stands_in = |phone: &str, text: &str| {
            spelt(phone).iter().any(|value| memchr::memmem::find(text.as_bytes(), value).is_some())
        };
        for text in
            ["081234567890", "+6281234567890", "0812-3456-7890", "+62 812 3456 7890", "0812.3456.7890"]
        {
            assert!(stands_in("62 812-34567890", text), "{text}");
        }
        assert!(stands_in("(0812) 345 678 90", "tel (0812) 345 678 90"));
        assert!(!stands_in("081234567890", "081234567891"));
        let email = spellings(&Selector::Email("Ani@Example.id".to_owned()));
        assert_eq!(email, [b"Ani@Example.id".to_vec(), b"ani@example.id".to_vec()]);
        assert_eq!(spellings(&Selector::Code("TTE-7K3M-9QXAC".to_owned())), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_place_is_looked_for_as_sqlite_writes_whole_numbers() {
        let place = LngLat::from_e7(1_273_800_001, 7_900_001).unwrap();
        let [big, little] = place_values(place);
        assert_eq!(big, [&1_273_800_001_i32.to_be_bytes()[..], &7_900_001_i32.to_be_bytes()[1..]].concat());
        assert_eq!(little, [1_273_800_001_i32.to_le_bytes(), 7_900_001_i32.to_le_bytes()].concat());
        assert_eq!(place_values(LngLat::from_e7(-1, 127).unwrap())[0], [0xFF, 127]);
        assert_eq!(place_values(LngLat::from_e7(-129, 128).unwrap())[0], [0xFF, 0x7F, 0, 128]);
    }
}
