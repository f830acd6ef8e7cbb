//! The writer's session: its term, its statements, and the numbers it counts on from.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use tokio_postgres::Statement;

use super::link::Link;
use super::open;
use super::rows::get;
use super::seals;
use super::term::Held;
use crate::journal::JournalError;
use crate::journal::checkpoint::{Key, Sealer};
use crate::journal::codec::Hash;
use crate::journal::decide::Counters;
use crate::model::Epoch;

/// Statements of every commit, prepared once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sql {
    Begin,
    Commit,
    Fence,
    Entries,
    Reports,
    Incidents,
    Actions,
    Notify,
    AskIncidents,
    AskKeys,
    AskImported,
}

impl Sql {
    /// In the order of the variants.
    const ALL: [&str; 11] = [
        "BEGIN",
        "COMMIT",
        "SELECT fence($1)",
        "INSERT INTO entry (seq, at, kind, body, hash) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[])",
        "INSERT INTO report (no, seq, incident_no, received_at, occurred_at, category, lng_e7, lat_e7, \
           coarse_lng_e7, coarse_lat_e7, area, sender, channel, drill, imported, salt, private, n_photos, accuracy_m) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
           $6::text[], $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::text[], \
           $12::bigint[], $13::text[], $14::boolean[], $15::boolean[], $16::bytea[], $17::text[], \
           $18::bigint[], $19::bigint[])",
        "INSERT INTO incident (no, closed_at, opened_seq, changed_seq, category, status, agency, area, \
           lng_e7, lat_e7, opened_at, updated_at, due_at, closed_by_import, reports, version, drill, \
           imported, coarse_lng_e7, coarse_lat_e7, reporters, merged_into, standing, clock) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], \
           $6::text[], $7::text[], $8::text[], $9::integer[], $10::integer[], $11::bigint[], \
           $12::bigint[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[], $17::boolean[], \
           $18::boolean[], $19::integer[], $20::integer[], $21::bigint[], $22::bigint[], $23::text[], \
           $24::text[]) \
         ON CONFLICT (no) DO UPDATE SET closed_at = excluded.closed_at, changed_seq = excluded.changed_seq, \
           status = excluded.status, agency = excluded.agency, updated_at = excluded.updated_at, \
           due_at = excluded.due_at, closed_by_import = excluded.closed_by_import, \
           reports = excluded.reports, version = excluded.version, reporters = excluded.reporters, \
           merged_into = excluded.merged_into, standing = excluded.standing, clock = excluded.clock",
        "INSERT INTO action (seq, incident_no, action, actor, salt, private) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::text[])",
        "NOTIFY pantau",
        // With what they were absorbed by, up to the root, and all that is below that.
        concat!(
            "WITH RECURSIVE up (no) AS ( \
               SELECT unnest($1::bigint[]) \
               UNION SELECT i.merged_into FROM up JOIN incident i ON i.no = up.no WHERE i.merged_into IS NOT NULL \
             ), tree (no) AS ( \
               SELECT no FROM up UNION SELECT i.no FROM tree JOIN incident i ON i.merged_into = tree.no \
             ) SELECT ",
            super::rows::incident_columns!(),
            " FROM incident WHERE no IN (SELECT no FROM tree)"
        ),
        "SELECT k.report_no, r.seq, r.received_at, i.no, i.opened_at, k.key, k.body_digest, k.at \
         FROM idempotency k JOIN report r ON r.no = k.report_no JOIN incident i ON i.no = r.incident_no \
         WHERE k.key = ANY($1::text[])",
        "SELECT k.report_no, r.seq, r.received_at, i.no, i.opened_at, k.source_id, k.row_digest \
         FROM unnest($1::bigint[], $2::bytea[]) AS asked (source_id, row_digest) \
         JOIN import_key k ON k.source_id = asked.source_id AND k.row_digest = asked.row_digest \
         JOIN report r ON r.no = k.report_no JOIN incident i ON i.no = r.incident_no",
    ];
}

pub(super) struct Session {
    pub link: Link,
    pub term: i64,
    pub epoch: Epoch,
    pub last: Counters,
    pub head_hash: Hash,
    /// Row keys of the sources of imports, by name.
    pub sources: HashMap<String, i64>,
    /// Where this node has a folder for its key.
    pub sealer: Option<Sealer>,
    statements: Vec<Statement>,
}

impl Session {
    /// Reads what the writer counts on from, and what it seals after with its key.
    pub fn begin(held: Held, key: Option<Key>) -> Result<Session, JournalError> {
        let Held { link, term } = held;
        // Stronger settings of the server (a standby of its own) stay as they are.
        link.run("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")?;
        // The writer asks by key alone, while its tables grow under plans that were made when they were small.
        link.run("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off")?;
        let epoch = open::epoch(&link)?;
        let (last, head_hash) = open::last(&link)?;
        let mut sources = HashMap::new();
        link.rows("SELECT id, name FROM import_source", &[], &mut |row| {
            sources.insert(get(row, 1)?, get(row, 0)?);
            Ok(())
        })?;
        let sealer = key.map(|key| seals::sealer(&link, key)).transpose()?;
        let statements = link.wait(try_join_all(Sql::ALL.iter().map(|sql| link.client.prepare(sql))))?;
        Ok(Session { link, term, epoch, last, head_hash, sources, sealer, statements })
    }

    pub fn statement(&self, sql: Sql) -> &Statement {
        &self.statements[sql as usize]
    }
}
