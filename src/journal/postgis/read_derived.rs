//! The derived tables: what opening reads of the hotspots.

use tokio_postgres::types::Type;

use super::link::Link;
use super::rows::{get, number, projection, seq, time};
use crate::journal::{
    Derived, ENDED_ENTRIES_MAX, EVENTS_MAX, HotspotEventRow, HotspotMemberRow, HotspotMembers, HotspotRow,
    HotspotStateRow, JournalError, SURGES_MAX, SurgeRow,
};
use crate::model::{Projection, ReportNo, Seq};

pub(super) fn derived(link: &Link, head: Seq) -> Result<Derived, JournalError> {
    let as_of = link.first("SELECT as_of_seq FROM derived", &[])?;
    Ok(Derived {
        as_of_seq: as_of.map_or(Ok(Seq(0)), |row| seq(&row, 0))?,
        hotspots: hotspots(link, head)?,
        members: members(link, head)?,
        events: events(link)?,
        surges: surges(link)?,
    })
}

/// Hotspots that ended after this are loaded.
fn ended_after(head: Seq) -> i64 {
    head.0.cast_signed() - ENDED_ENTRIES_MAX.cast_signed()
}

fn hotspots(link: &Link, head: Seq) -> Result<Vec<HotspotRow>, JournalError> {
    let mut hotspots = Vec::new();
    let sql = "SELECT projection, id, category, changed_seq, ended_seq, body FROM hotspot \
               WHERE ended_seq IS NULL OR ended_seq > $1 ORDER BY projection, id";
    link.rows(sql, &[(&ended_after(head), Type::INT8)], &mut |row| {
        hotspots.push(HotspotRow {
            projection: projection(row, 0)?,
            id: get(row, 1)?,
            category: get(row, 2)?,
            changed_seq: seq(row, 3)?,
            ended_seq: get::<Option<i64>>(row, 4)?.map(|seq| Seq(seq.cast_unsigned())),
            body: get(row, 5)?,
        });
        Ok(())
    })?;
    Ok(hotspots)
}

fn members(link: &Link, head: Seq) -> Result<Vec<HotspotMembers>, JournalError> {
    let mut members: Vec<HotspotMembers> = Vec::new();
    let sql = "SELECT h.projection, h.id, m.seq, m.report_no, m.received_at, m.core, m.repeats, m.rejections, \
               m.channel, m.vague, m.photo, m.agreeing FROM hotspot h JOIN hotspot_member m ON m.projection = h.projection AND m.id = h.id \
               WHERE h.ended_seq IS NULL OR h.ended_seq > $1 ORDER BY h.projection, h.id, m.seq";
    link.rows(sql, &[(&ended_after(head), Type::INT8)], &mut |row| {
        let (projection, id): (_, &str) = (projection(row, 0)?, get(row, 1)?);
        let mut doubts = [0; 6];
        for (i, doubt) in doubts.iter_mut().enumerate() {
            *doubt = get::<i16>(row, 6 + i)? as u8;
        }
        let member = HotspotMemberRow {
            seq: seq(row, 2)?,
            report: ReportNo(number(row, 3)?),
            received_at: time(row, 4)?,
            core: get(row, 5)?,
            doubts,
        };
        match members.last_mut() {
            Some(last) if last.projection == projection && last.id == id => last.members.push(member),
            _ => members.push(HotspotMembers { projection, id: id.to_owned(), members: vec![member] }),
        }
        Ok(())
    })?;
    Ok(members)
}

fn events(link: &Link) -> Result<Vec<HotspotEventRow>, JournalError> {
    let mut events = Vec::new();
    let sql = "SELECT projection, seq, at, id, kind, body FROM hotspot_event \
               ORDER BY seq DESC, projection DESC, id DESC, kind DESC LIMIT $1";
    link.rows(sql, &[(&(EVENTS_MAX as i64), Type::INT8)], &mut |row| {
        events.push(HotspotEventRow {
            projection: projection(row, 0)?,
            seq: seq(row, 1)?,
            at: time(row, 2)?,
            id: get(row, 3)?,
            kind: get(row, 4)?,
            body: get(row, 5)?,
        });
        Ok(())
    })?;
    events.reverse();
    Ok(events)
}

fn surges(link: &Link) -> Result<Vec<SurgeRow>, JournalError> {
    let mut surges = Vec::new();
    let sql = "SELECT projection, seq, n, at, category, area, until_day, body FROM surge \
               ORDER BY seq DESC, projection DESC, n DESC LIMIT $1";
    link.rows(sql, &[(&(SURGES_MAX as i64), Type::INT8)], &mut |row| {
        surges.push(SurgeRow {
            projection: projection(row, 0)?,
            seq: seq(row, 1)?,
            n: number(row, 2)?,
            at: time(row, 3)?,
            category: get(row, 4)?,
            area: get(row, 5)?,
            until_day: get(row, 6)?,
            body: get(row, 7)?,
        });
        Ok(())
    })?;
    surges.reverse();
    Ok(surges)
}

pub(super) fn hotspots_at(
    link: &Link,
    projection: Projection,
    at: Seq,
) -> Result<Vec<HotspotStateRow>, JournalError> {
    let mut states = Vec::new();
    let sql = "SELECT h.id, h.category, s.changed_seq, s.body FROM hotspot h JOIN hotspot_state s \
               ON s.projection = h.projection AND s.id = h.id AND s.changed_seq = \
               (SELECT max(changed_seq) FROM hotspot_state \
                WHERE projection = h.projection AND id = h.id AND changed_seq <= $2) \
               WHERE h.projection = $1 AND (h.ended_seq IS NULL OR h.ended_seq > $2) ORDER BY h.id";
    let params = [(&projection.key() as _, Type::TEXT), (&at.0.cast_signed() as _, Type::INT8)];
    link.rows(sql, &params, &mut |row| {
        states.push(HotspotStateRow {
            projection,
            id: get(row, 0)?,
            category: get(row, 1)?,
            changed_seq: seq(row, 2)?,
            body: get(row, 3)?,
        });
        Ok(())
    })?;
    Ok(states)
}
