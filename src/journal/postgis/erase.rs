//! Erasing: what an erasure asks of the database, and what it changes in its tables.

use std::collections::HashMap;

use tokio_postgres::types::Type;

use super::columns::Change;
use super::link::{Driver, Link};
use super::rows::{get, number, seq};
use super::url::StoreUrl;
use crate::journal::JournalError;
use crate::journal::codec::{Body, EncodedErasure, LeftPart};
use crate::journal::erase::{Held, HeldNote, Left};
use crate::model::{
    Command, ErasedNote, ErasedReport, ErasureFact, IncidentNo, LngLat, ReportFact, ReportNo, Seq,
};

/// What the erasures of a batch are about.
#[derive(Default)]
pub(super) struct Known {
    pub reports: HashMap<ReportNo, Held>,
    pub notes: HashMap<Seq, HeldNote>,
    /// There are erasures in the batch.
    is_asked: bool,
}

impl Known {
    pub fn ask(link: &Link, commands: &[Command]) -> Result<Known, JournalError> {
        let (mut reports, mut notes): (Vec<i64>, Vec<i64>) = Default::default();
        for command in commands {
            if let Command::Erasure(erasure) = command {
                reports.extend(erasure.reports.iter().map(|no| i64::from(no.0)));
                notes.extend(erasure.notes.iter().map(|seq| seq.0.cast_signed()));
            }
        }
        let mut known = Known::default();
        if reports.is_empty() && notes.is_empty() {
            return Ok(known);
        }
        known.is_asked = true;
        let sql = "SELECT r.seq, e.body, r.private FROM report r JOIN entry e ON e.seq = r.seq \
                   WHERE r.no = ANY($1)";
        link.rows(sql, &[(&reports, Type::INT8_ARRAY)], &mut |row| {
            let held = Body::parse(seq(row, 0)?, get(row, 1)?)?.held(get(row, 2)?)?;
            known.reports.extend(held.map(|held| (held.report, held)));
            Ok(())
        })?;
        let sql = "SELECT seq, incident_no, private IS NOT NULL FROM action WHERE seq = ANY($1)";
        link.rows(sql, &[(&notes, Type::INT8_ARRAY)], &mut |row| {
            let note = HeldNote { incident: IncidentNo(number(row, 1)?), is_there: get(row, 2)? };
            known.notes.insert(seq(row, 0)?, note);
            Ok(())
        })?;
        Ok(known)
    }

    /// What the batch itself adds can be erased in it.
    pub fn add_report(&mut self, seq: Seq, report: &ReportFact, coarse_place: Option<LngLat>) {
        if self.is_asked {
            let held = Held {
                report: report.report,
                seq,
                incident: report.incident,
                opens: report.opens.is_some(),
                private: report.private.clone(),
                exact_place: coarse_place.map(|_| report.place),
                body_place: coarse_place.unwrap_or(report.place),
            };
            self.reports.insert(report.report, held);
        }
    }

    pub fn add_note(&mut self, seq: Seq, incident: IncidentNo, is_there: bool) {
        if self.is_asked {
            self.notes.insert(seq, HeldNote { incident, is_there });
        }
    }

    /// What the batch itself erases is gone for the commands after it.
    pub fn erase(&mut self, fact: &ErasureFact, lefts: &[Left]) {
        for (erased, left) in fact.reports.iter().zip(lefts) {
            if let Some(held) = self.reports.get_mut(&erased.report) {
                held.private = left.private.clone();
                held.exact_place = left.exact_place;
            }
        }
        for erased in &fact.notes {
            self.notes.entry(erased.seq).and_modify(|note| note.is_there = false);
        }
    }
}

/// What the entry `seq` changes in the tables.
pub(super) fn changes(seq: Seq, fact: &ErasureFact, encoded: &EncodedErasure) -> Vec<Change> {
    let reports = || fact.reports.iter().zip(&encoded.lefts);
    let no = |(erased, _): (&ErasedReport, &LeftPart)| i64::from(erased.report.0);
    let moved: Vec<&ErasedReport> = fact.reports.iter().filter(|erased| erased.place.is_some()).collect();
    let opening: Vec<&ErasedReport> = moved.iter().copied().filter(|erased| erased.opens).collect();
    let private = Change::new(
        "UPDATE report r SET salt = a.salt, private = a.private \
         FROM unnest($1, $2, $3) AS a (no, salt, private) WHERE r.no = a.no",
    )
    .numbers(reports().map(no))
    .bytes_or_null(reports().map(|(_, left)| left.as_ref().map(|(salt, ..)| salt.to_vec())))
    .texts_or_null(reports().map(|(_, left)| left.as_ref().map(|(_, json, _)| json.clone())));
    // By the digest of all that was sent somebody could try what is gone. The keys stay, so that who sends
    // again is refused and does not bring it back.
    let keys = Change::new(
        "UPDATE idempotency k SET body_digest = decode(repeat('00', 32), 'hex') FROM report r \
         WHERE r.no = ANY($1) AND k.report_no = r.no AND k.at = r.received_at",
    )
    .numbers(reports().map(no));
    let places = places(
        "UPDATE report r SET lng_e7 = a.lng::integer, lat_e7 = a.lat::integer \
         FROM unnest($1, $2, $3) AS a (no, lng, lat) WHERE r.no = a.no",
        &moved,
        |erased| erased.report.0.into(),
    );
    let incidents = self::places(
        "UPDATE incident i SET lng_e7 = a.lng::integer, lat_e7 = a.lat::integer \
         FROM unnest($1, $2, $3) AS a (no, lng, lat) WHERE i.no = a.no",
        &opening,
        |erased| erased.incident.0.into(),
    );
    let notes = Change::new("UPDATE action SET salt = NULL, private = NULL WHERE seq = ANY($1)")
        .numbers(fact.notes.iter().map(|erased| erased.seq.0.cast_signed()));
    let erased = erased(seq, fact, encoded);
    let of_reports = fact.reports.iter().filter(|erased| erased.gone.photos).map(|erased| erased.seq);
    let photos: Vec<i64> = of_reports
        .chain(fact.notes.iter().map(|erased| erased.seq))
        .map(|seq| seq.0.cast_signed())
        .collect();
    let files = Change::new(
        "DELETE FROM photo_file f USING photo p WHERE p.seq = ANY($1) AND f.name IN (p.name, p.thumb)",
    )
    .numbers(photos.iter().copied());
    let photos = Change::new("DELETE FROM photo WHERE seq = ANY($1)").numbers(photos.iter().copied());
    [private, keys, places, incidents, notes, erased, files, photos]
        .into_iter()
        .filter(|change| !change.is_empty())
        .collect()
}

fn places(sql: &'static str, moved: &[&ErasedReport], no: impl Fn(&ErasedReport) -> i64) -> Change {
    let places = || moved.iter().filter_map(|erased| erased.place);
    Change::new(sql)
        .numbers(moved.iter().map(|erased| no(erased)))
        .numbers(places().map(|place| place.lng_e7().into()))
        .numbers(places().map(|place| place.lat_e7().into()))
}

fn erased(seq: Seq, fact: &ErasureFact, encoded: &EncodedErasure) -> Change {
    let digests = encoded.lefts.iter().map(|left| left.as_ref().map(|(_, _, digest)| digest.to_vec()));
    let n = fact.reports.len() + fact.notes.len();
    let of_notes = |erased: &ErasedNote| (erased.seq, erased.incident);
    let parts = || {
        let reports = fact.reports.iter().map(|erased| (erased.seq, erased.incident));
        reports.chain(fact.notes.iter().map(of_notes))
    };
    Change::new(
        "INSERT INTO erased (part, seq, incident_no, digest) SELECT * FROM unnest($1, $2, $3, $4) \
         ON CONFLICT (part) DO UPDATE SET seq = excluded.seq, digest = excluded.digest",
    )
    .numbers(parts().map(|(part, _)| part.0.cast_signed()))
    .numbers(std::iter::repeat_n(seq.0.cast_signed(), n))
    .numbers(parts().map(|(_, incident)| incident.0.into()))
    .bytes_or_null(digests.chain(fact.notes.iter().map(|_| None)))
}

/// Lets PostgreSQL overwrite what was erased: until then the old rows lie in its files, and longer in its
/// own write-ahead log and archives of that.
///
/// # Errors
/// Where the database cannot be reached, or the user does not own the tables.
pub fn vacuum_erased(url: &StoreUrl) -> Result<(), JournalError> {
    let link = Link::connect(&Driver::start()?, url)?;
    for table in ["report", "incident", "action", "idempotency", "handed_in", "photo", "photo_file"] {
        link.run(&format!("VACUUM {table}"))?;
    }
    Ok(())
}
