//! Numbers inside, codes and UUIDs outside.
//!
//! Reports and incidents are numbered from 1 inside. What the outside sees is a keyed permutation
//! of the number: it cannot be guessed, and it needs no index, because it decodes to the number.

mod code_start;

pub use code_start::CodeStart;

use sha2::{Digest, Sha256};
use std::fmt;
use uuid::Uuid;

use super::{PhotoNo, TimeMs};

/// Number of an entry: dense, from 1, in commit order. 0 stands before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl Seq {
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// The one before; of 0 itself.
    pub fn before(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a report, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportNo(pub u32);

/// Number of an incident, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentNo(pub u32);

/// Who a report counts for: see [`IdKey::sender`]. Never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub u64);

impl SenderId {
    /// A report without any mark of its sender counts for itself.
    pub fn of_report(no: ReportNo) -> SenderId {
        SenderId(u64::from(no.0))
    }

    /// All who report through a channel without leaving a mark, taken as one.
    pub fn unmarked_of(channel: super::Channel) -> SenderId {
        SenderId(UNMARKED | channel as u64)
    }

    /// Whether it stands for a phone, an e-mail, a device key or a source's own name for someone.
    pub fn is_marked(self) -> bool {
        self.0 & MARKED != 0
    }
}

/// Keeps keyed senders apart from reports that count for themselves.
const MARKED: u64 = 1 << 63;
/// Keeps channels apart from both.
const UNMARKED: u64 = 1 << 62;

/// Names the database that counts; a restore from backup starts a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(pub Uuid);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 32 secret bytes, made with the data folder and kept in it. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Turns numbers into codes and UUIDs and back, and people into sender ids, under one secret.
#[derive(Debug, Clone)]
pub struct IdKey {
    secret: Secret,
    code_prefix: String,
}

/// What a keyed value is for, so that the same number looks different in each use.
#[derive(Clone, Copy)]
enum Use {
    Code = 1,
    Incident = 2,
    Report = 3,
    Sender = 4,
    Photo = 5,
    SentKey = 6,
}

/// Numbers that no report has, and that fit into a code: its eight signs hold 40 bits.
const WAITING_MIN: u64 = 1 << 32;
const WAITING_MAX: u64 = 1 << 40;
const CODE_SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ROUNDS: u8 = 6;

impl IdKey {
    /// `code_prefix` is the city's, for instance `TTE`.
    pub fn new(secret: Secret, code_prefix: &str) -> IdKey {
        IdKey { secret, code_prefix: code_prefix.to_owned() }
    }

    /// The code that a reporter keeps: prefix, eight signs of Crockford base 32, one to check.
    ///
    /// ```
    /// use pantau::model::{IdKey, ReportNo, Secret};
    /// let key = IdKey::new(Secret([7; 32]), "TTE");
    /// let code = key.report_code(ReportNo(1));
    /// assert_eq!(code.len(), "TTE-7K3M-9QXAC".len());
    /// assert_eq!(key.report_of_code(&code), Some(ReportNo(1)));
    /// ```
    pub fn report_code(&self, no: ReportNo) -> String {
        self.code(u64::from(no.0))
    }

    /// The code of a report that has no number yet: of a number that no report ever has, drawn by
    /// [`IdKey::waiting_no`]. It looks like any other.
    pub fn waiting_code(&self, no: u64) -> String {
        self.code(no)
    }

    /// A number for [`IdKey::waiting_code`], out of 64 random bits.
    pub fn waiting_no(random: u64) -> u64 {
        WAITING_MIN + random % (WAITING_MAX - WAITING_MIN)
    }

    fn code(&self, no: u64) -> String {
        let block = self.permute(Use::Code, no, 20);
        let sign = |i: u32| CODE_SIGNS[(block >> (5 * i) & 31) as usize] as char;
        let signs: String = (0..8).rev().map(sign).collect();
        let check = CODE_SIGNS[usize::from(self.check_sign(block))] as char;
        format!("{}-{}-{}{check}", self.code_prefix, &signs[..4], &signs[4..])
    }

    /// The report that a code names; forgiving as people write it (case, O for 0, I and L for 1,
    /// dashes and spaces). `None` where the check sign is wrong or the prefix is another city's.
    pub fn report_of_code(&self, code: &str) -> Option<ReportNo> {
        let no = self.number_of_code(code)?;
        u32::try_from(no).ok().filter(|no| *no > 0).map(ReportNo)
    }

    /// The number in a code that [`IdKey::waiting_code`] made; `None` for a report's.
    pub fn waiting_of_code(&self, code: &str) -> Option<u64> {
        self.number_of_code(code).filter(|no| *no >= WAITING_MIN)
    }

    fn number_of_code(&self, code: &str) -> Option<u64> {
        let plain: String =
            code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let signs = plain.strip_prefix(&self.code_prefix)?;
        if signs.len() != 9 {
            return None;
        }
        let mut values = signs.bytes().map(crockford_value);
        let mut block = 0_u64;
        for value in values.by_ref().take(8) {
            block = block << 5 | u64::from(value?);
        }
        if values.next()?? != self.check_sign(block) {
            return None;
        }
        Some(self.unpermute(Use::Code, block, 20))
    }

    fn check_sign(&self, block: u64) -> u8 {
        (self.prf(Use::Code, ROUNDS, block) & 31) as u8
    }

    /// A version 7 UUID: `opened_at` to the millisecond and the number under a keyed permutation.
    pub fn incident_uuid(&self, no: IncidentNo, opened_at: TimeMs) -> Uuid {
        self.uuid(Use::Incident, no.0.into(), opened_at)
    }

    /// The incident that a UUID can only be the name of. Compare [`IdKey::incident_uuid`] of the
    /// incident found with the UUID asked for before you believe it: the time is not checked here.
    pub fn incident_of_uuid(&self, uuid: Uuid) -> Option<IncidentNo> {
        self.number_of_uuid(Use::Incident, uuid).map(IncidentNo)
    }

    /// As [`IdKey::incident_uuid`], for a report and the time it was received.
    pub fn report_uuid(&self, no: ReportNo, received_at: TimeMs) -> Uuid {
        self.uuid(Use::Report, no.0.into(), received_at)
    }

    /// As [`IdKey::incident_uuid`], for a photo and the time it was added.
    pub fn photo_uuid(&self, no: PhotoNo, at: TimeMs) -> Uuid {
        self.uuid(Use::Photo, no.seq.0 << 8 | u64::from(no.n), at)
    }

    /// The photo that a UUID can only be the name of; as with [`IdKey::incident_of_uuid`] the time is not checked
    /// here.
    pub fn photo_of_uuid(&self, uuid: Uuid) -> Option<PhotoNo> {
        let block = self.block_of_uuid(Use::Photo, uuid);
        Some(PhotoNo { seq: Seq(block >> 8), n: (block & 0xFF) as u8 }).filter(|no| no.seq.0 > 0)
    }

    /// The sender that a phone, an e-mail or a device key stands for: a keyed hash, so that the
    /// hashes in a stolen file cannot be tried against all phone numbers without the secret.
    pub fn sender(&self, mark: &str) -> SenderId {
        let mut hash = Sha256::new();
        hash.update(self.secret.0);
        hash.update([Use::Sender as u8]);
        hash.update(mark.as_bytes());
        let bytes: [u8; 8] = hash.finalize()[..8].try_into().expect("a digest has 32 bytes");
        SenderId(u64::from_be_bytes(bytes) | MARKED)
    }

    /// What is kept for good of an Idempotency-Key: a keyed hash, whatever somebody put into it.
    pub fn sent_key(&self, key: &str) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.secret.0);
        hash.update([Use::SentKey as u8]);
        hash.update(key.as_bytes());
        hash.finalize()[..16].try_into().expect("a digest has 32 bytes")
    }

    fn uuid(&self, used_for: Use, no: u64, at: TimeMs) -> Uuid {
        let block = self.permute(used_for, no, 32);
        let ms = (at.0.max(0) as u128) & 0xFFFF_FFFF_FFFF;
        let high = u128::from(block >> 52);
        let low = u128::from(block) & ((1 << 52) - 1);
        Uuid::from_u128(ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 10)
    }

    fn number_of_uuid(&self, used_for: Use, uuid: Uuid) -> Option<u32> {
        let no = self.block_of_uuid(used_for, uuid);
        u32::try_from(no).ok().filter(|no| *no > 0)
    }

    fn block_of_uuid(&self, used_for: Use, uuid: Uuid) -> u64 {
        let bits = uuid.as_u128();
        let high = (bits >> 64) as u64 & 0xFFF;
        let low = (bits as u64 >> 10) & ((1 << 52) - 1);
        self.unpermute(used_for, high << 52 | low, 32)
    }

    /// A balanced Feistel network over `2 * half_bits` bits (Luby and Rackoff, 1988).
    fn permute(&self, used_for: Use, block: u64, half_bits: u32) -> u64 {
        let mask = (1_u64 << half_bits) - 1;
        let (mut left, mut right) = (block >> half_bits & mask, block & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, (left ^ self.prf(used_for, round, right)) & mask);
        }
        left << half_bits | right
    }

    fn unpermute(&self, used_for: Use, block: u64, half_bits: u32) -> u64 {
        let mask = (1_u64 << half_bits) - 1;
        let (mut left, mut right) = (block >> half_bits & mask, block & mask);
        for round in (0..ROUNDS).rev() {
            (left, right) = ((right ^ self.prf(used_for, round, left)) & mask, left);
        }
        left << half_bits | right
    }

    /// SHA-256 of secret, use, round and input: all of fixed length, so a plain prefix key is safe.
    fn prf(&self, used_for: Use, round: u8, input: u64) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.secret.0);
        hash.update([used_for as u8, round]);
        hash.update(input.to_be_bytes());
        u64::from_be_bytes(hash.finalize()[..8].try_into().expect("a digest has 32 bytes"))
    }
}

fn crockford_value(sign: u8) -> Option<u8> {
    let sign = match sign {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    CODE_SIGNS.iter().position(|s| *s == sign).map(|i| i as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdKey {
        IdKey::new(Secret([3; 32]), "TTE")
    }

    #[test]
    fn every_code_leads_back_to_its_report_however_it_is_written() {
        for no in [1, 2, 77, 1_000_000, u32::MAX].map(ReportNo) {
            let code = key().report_code(no);
            assert_eq!(key().report_of_code(&code), Some(no));
            let spoken = code.to_lowercase().replace('-', " ").replace('0', "o");
            assert_eq!(key().report_of_code(&spoken), Some(no), "{spoken}");
        }
    }

    #[test]
    fn a_code_of_a_report_that_waits_is_no_reports_code() {
        for random in [0, 1, 12_345, u64::MAX] {
            let no = IdKey::waiting_no(random);
            let code = key().waiting_code(no);
            assert_eq!(code.len(), key().report_code(ReportNo(1)).len());
            assert_eq!((key().report_of_code(&code), key().waiting_of_code(&code)), (None, Some(no)));
        }
        assert_eq!(key().waiting_of_code(&key().report_code(ReportNo(u32::MAX))), None);
    }

    #[test]
    fn a_mistyped_code_is_hardly_ever_another_report() {
        let code = key().report_code(ReportNo(5));
        let wrong = CODE_SIGNS.iter().filter(|sign| {
            let mut typed = code.clone().into_bytes();
            typed[6] = **sign;
            let typed = String::from_utf8(typed).unwrap();
            typed != code && key().report_of_code(&typed).is_some()
        });
        assert!(wrong.count() <= 4);
        assert_eq!(key().report_of_code("JKT-0000-00000"), None);
        assert_eq!(key().report_of_code("TTE-0000"), None);
    }

    #[test]
    fn every_uuid_leads_back_to_its_incident_and_sorts_by_time() {
        let at = TimeMs(1_764_000_000_123);
        let uuid = key().incident_uuid(IncidentNo(9), at);
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(key().incident_of_uuid(uuid), Some(IncidentNo(9)));
        assert!(uuid < key().incident_uuid(IncidentNo(2), at.plus_ms(1)));
        assert_ne!(key().report_uuid(ReportNo(9), at), uuid);
        let photo = PhotoNo { seq: Seq(u64::from(u32::MAX) + 7), n: 3 };
        assert_eq!(key().photo_of_uuid(key().photo_uuid(photo, at)), Some(photo));
    }

    #[test]
    fn another_secret_gives_other_codes_and_senders() {
        let other = IdKey::new(Secret([4; 32]), "TTE");
        assert_ne!(key().report_code(ReportNo(1)), other.report_code(ReportNo(1)));
        assert_ne!(key().sender("+62811"), other.sender("+62811"));
    }
}
