//! What a tick changed, as statements for the very next commit.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::Change;
use crate::journal::{DerivedUpdate, HotspotMemberRow, HotspotMembersUpdate};
use crate::model::Seq;

/// A statement may not touch a row twice: of rows with the same key the last one counts.
fn newest<'r, R, K: Ord>(rows: &'r [R], key: impl Fn(&'r R) -> K) -> Vec<&'r R> {
    rows.iter().map(|row| (key(row), row)).collect::<BTreeMap<K, &R>>().into_values().collect()
}

pub(super) fn changes(update: &DerivedUpdate) -> Vec<Change> {
    let as_of = Change::new(
        "INSERT INTO derived (as_of_seq) VALUES ($1) ON CONFLICT (only_row) DO UPDATE SET as_of_seq = $1",
    )
    .number(update.as_of_seq.0.cast_signed());
    let rows = [hotspots(update), states(update), events(update), surges(update)];
    let mut changes = vec![as_of];
    changes.extend(rows.into_iter().filter(|change| !change.is_empty()));
    changes.extend(members(&update.members));
    changes
}

fn hotspots(update: &DerivedUpdate) -> Change {
    let rows = newest(&update.hotspots, |row| (row.projection.key(), &row.id));
    Change::new(
        "INSERT INTO hotspot (projection, id, category, changed_seq, ended_seq, body) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT (projection, id) DO UPDATE SET \
         category = excluded.category, changed_seq = excluded.changed_seq, \
         ended_seq = excluded.ended_seq, body = excluded.body",
    )
    .texts(rows.iter().map(|row| row.projection.key().to_owned()))
    .texts(rows.iter().map(|row| row.id.clone()))
    .texts(rows.iter().map(|row| row.category.clone()))
    .numbers(rows.iter().map(|row| row.changed_seq.0.cast_signed()))
    .numbers_or_null(rows.iter().map(|row| row.ended_seq.map(|seq| seq.0.cast_signed())))
    .texts(rows.iter().map(|row| row.body.clone()))
}

fn states(update: &DerivedUpdate) -> Change {
    let rows = newest(&update.states, |row| (row.projection.key(), &row.id, row.changed_seq));
    Change::new(
        "INSERT INTO hotspot_state (projection, id, changed_seq, body) SELECT * FROM unnest($1, $2, $3, $4) \
         ON CONFLICT (projection, id, changed_seq) DO UPDATE SET body = excluded.body",
    )
    .texts(rows.iter().map(|row| row.projection.key().to_owned()))
    .texts(rows.iter().map(|row| row.id.clone()))
    .numbers(rows.iter().map(|row| row.changed_seq.0.cast_signed()))
    .texts(rows.iter().map(|row| row.body.clone()))
}

fn events(update: &DerivedUpdate) -> Change {
    let rows = newest(&update.events, |row| (row.seq, row.projection.key(), &row.id, &row.kind));
    Change::new(
        "INSERT INTO hotspot_event (seq, projection, id, kind, at, body) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT (seq, projection, id, kind) \
         DO UPDATE SET at = excluded.at, body = excluded.body",
    )
    .numbers(rows.iter().map(|row| row.seq.0.cast_signed()))
    .texts(rows.iter().map(|row| row.projection.key().to_owned()))
    .texts(rows.iter().map(|row| row.id.clone()))
    .texts(rows.iter().map(|row| row.kind.clone()))
    .numbers(rows.iter().map(|row| row.at.0))
    .texts(rows.iter().map(|row| row.body.clone()))
}

fn surges(update: &DerivedUpdate) -> Change {
    let rows = newest(&update.surges, |row| (row.seq, row.projection.key(), row.n));
    Change::new(
        "INSERT INTO surge (seq, projection, n, at, category, area, until_day, body) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (seq, projection, n) \
         DO UPDATE SET at = excluded.at, category = excluded.category, area = excluded.area, \
         until_day = excluded.until_day, body = excluded.body",
    )
    .numbers(rows.iter().map(|row| row.seq.0.cast_signed()))
    .texts(rows.iter().map(|row| row.projection.key().to_owned()))
    .numbers(rows.iter().map(|row| row.n.into()))
    .numbers(rows.iter().map(|row| row.at.0))
    .texts(rows.iter().map(|row| row.category.clone()))
    .texts(rows.iter().map(|row| row.area.clone()))
    .texts(rows.iter().map(|row| row.until_day.clone()))
    .texts(rows.iter().map(|row| row.body.clone()))
}

/// What the changes come to when they are made one after the other.
#[derive(Default)]
struct Net<'u> {
    emptied: BTreeSet<(&'static str, &'u str)>,
    /// `None`: it left.
    members: BTreeMap<(&'static str, &'u str, Seq), Option<HotspotMemberRow>>,
}

fn members(updates: &[HotspotMembersUpdate]) -> Vec<Change> {
    let mut net = Net::default();
    for update in updates {
        let (projection, id) = (update.projection.key(), update.id.as_str());
        if update.whole {
            net.emptied.insert((projection, id));
            net.members.retain(|(p, i, _), _| (*p, *i) != (projection, id));
        }
        let came = update.came.iter().map(|row| ((projection, id, row.seq), Some(*row)));
        net.members.extend(came);
        net.members.extend(update.left.iter().map(|seq| ((projection, id, *seq), None)));
    }
    let emptied = Change::new(
        "DELETE FROM hotspot_member m USING unnest($1, $2) AS e (projection, id) \
         WHERE m.projection = e.projection AND m.id = e.id",
    )
    .texts(net.emptied.iter().map(|(projection, _)| (*projection).to_owned()))
    .texts(net.emptied.iter().map(|(_, id)| (*id).to_owned()));
    [emptied, left(&net), came(&net)].into_iter().filter(|change| !change.is_empty()).collect()
}

fn left(net: &Net) -> Change {
    let left: Vec<_> = net.members.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key).collect();
    Change::new(
        "DELETE FROM hotspot_member m USING unnest($1, $2, $3) AS l (projection, id, seq) \
         WHERE m.projection = l.projection AND m.id = l.id AND m.seq = l.seq",
    )
    .texts(left.iter().map(|(projection, ..)| (*projection).to_owned()))
    .texts(left.iter().map(|(_, id, _)| (*id).to_owned()))
    .numbers(left.iter().map(|(.., seq)| seq.0.cast_signed()))
}

fn came(net: &Net) -> Change {
    let came: Vec<_> = net.members.iter().filter_map(|(key, row)| Some((key, row.as_ref()?))).collect();
    let change = Change::new(
        "INSERT INTO hotspot_member (projection, id, seq, report_no, received_at, core, repeats, rejections, \
         channel, vague, photo, agreeing) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (projection, id, seq) DO UPDATE SET \
         report_no = excluded.report_no, received_at = excluded.received_at, core = excluded.core, \
         repeats = excluded.repeats, rejections = excluded.rejections, channel = excluded.channel, \
         vague = excluded.vague, photo = excluded.photo, agreeing = excluded.agreeing",
    );
    let change = change
        .texts(came.iter().map(|((projection, ..), _)| (*projection).to_owned()))
        .texts(came.iter().map(|((_, id, _), _)| (*id).to_owned()))
        .numbers(came.iter().map(|(_, row)| row.seq.0.cast_signed()))
        .numbers(came.iter().map(|(_, row)| row.report.0.into()))
        .numbers(came.iter().map(|(_, row)| row.received_at.0))
        .flags(came.iter().map(|(_, row)| row.core));
    (0..6).fold(change, |change, i| change.smalls(came.iter().map(|(_, row)| row.doubts[i])))
}
