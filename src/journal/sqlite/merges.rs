//! Incidents that became one: what deciding asks of the tables, and the rows of a merge or a split.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::put::Private;
use super::read::{seq, text};
use crate::journal::{JournalError, codec};
use crate::model::{IncidentNo, MergeFact, SenderId, Seq};

pub(super) fn absorbed_by(conn: &Connection, no: IncidentNo) -> Result<Vec<IncidentNo>, JournalError> {
    let mut statement =
        conn.prepare_cached("SELECT no FROM incident WHERE merged_into = ?1 ORDER BY no")?;
    let absorbed = statement.query_map([no.0], |row| Ok(IncidentNo(row.get(0)?)))?;
    Ok(absorbed.collect::<Result<_, _>>()?)
}

pub(super) fn senders(conn: &Connection, no: IncidentNo) -> Result<BTreeSet<SenderId>, JournalError> {
    let mut statement = conn.prepare_cached("SELECT DISTINCT sender FROM report WHERE incident_no = ?1")?;
    let senders = statement.query_map([no.0], |row| Ok(SenderId(row.get::<_, i64>(0)?.cast_unsigned())))?;
    Ok(senders.collect::<Result<_, _>>()?)
}

pub(super) fn has_sender(
    conn: &Connection,
    no: IncidentNo,
    sender: SenderId,
) -> Result<bool, JournalError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM report WHERE incident_no = ?1 AND sender = ?2)";
    let found =
        conn.prepare_cached(sql)?.query_row(params![no.0, sender.0.cast_signed()], |row| row.get(0));
    Ok(found?)
}

/// Calls `each` with every incident that is absorbed, and the one that absorbed it.
pub(super) fn absorbed(
    conn: &Connection,
    each: &mut dyn FnMut(IncidentNo, IncidentNo),
) -> Result<(), JournalError> {
    let sql = "SELECT no, merged_into FROM incident WHERE merged_into IS NOT NULL";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(IncidentNo(row.get(0)?), IncidentNo(row.get(1)?));
    }
    Ok(())
}

/// Numbers of the incidents that an entry after `after` opened or changed, or erased something of.
pub(super) fn changed_after(conn: &Connection, after: Seq) -> Result<BTreeSet<u32>, JournalError> {
    // Reports are numbered in the order of their seqs: the newest come first, down to `after`.
    let mut newest = conn.prepare_cached("SELECT seq, incident_no FROM report ORDER BY no DESC")?;
    let mut changed = BTreeSet::new();
    let mut rows = newest.query([])?;
    while let Some(row) = rows.next()? {
        if seq(row, 0)? <= after {
            break;
        }
        changed.insert(row.get::<_, u32>(1)?);
    }
    let mut others = conn.prepare_cached(
        "SELECT incident_no FROM action WHERE seq > ?1 UNION ALL SELECT incident_no FROM erased WHERE seq > ?1 \
         UNION ALL SELECT into_no FROM merge WHERE seq > ?1",
    )?;
    for no in others.query_map([after.0.cast_signed()], |row| row.get(0))? {
        changed.insert(no?);
    }
    Ok(changed)
}

/// The texts of the first reports with one that opened or joined an incident.
pub(super) fn first_texts(
    conn: &Connection,
    no: IncidentNo,
    limit: usize,
) -> Result<Vec<String>, JournalError> {
    let sql = "SELECT seq, private FROM report WHERE incident_no = ?1 AND private IS NOT NULL ORDER BY no";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([no.0])?;
    let mut texts = Vec::new();
    while texts.len() < limit
        && let Some(row) = rows.next()?
    {
        let seq = seq(row, 0)?;
        let read = codec::read_description(text(row, 1)?, |text| texts.push(text.to_owned()));
        read.map_err(|e| JournalError::Corrupt(format!("entry {seq}: {e}")))?;
    }
    Ok(texts)
}

/// Two rows: in the table of actions that of the absorbed one, in that of merges that of the one that stays.
/// `kind` is that of the entry.
pub(super) fn insert(
    conn: &Connection,
    seq: Seq,
    kind: &str,
    fact: &MergeFact,
    private: Private,
) -> Result<(), JournalError> {
    let sql = "INSERT INTO action (seq, incident_no, action, actor, salt, private) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    conn.prepare_cached(sql)?.execute(params![
        seq.0.cast_signed(),
        fact.absorbed.0,
        kind,
        fact.actor,
        private.map(|(salt, _)| salt),
        private.map(|(_, json)| json),
    ])?;
    conn.prepare_cached("INSERT INTO merge (seq, into_no) VALUES (?1, ?2)")?
        .execute(params![seq.0.cast_signed(), fact.into.0])?;
    Ok(())
}
