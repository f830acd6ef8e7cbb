//! A sum in each row that follows from the log only at length, or not at all, so that a bit which the disk
//! changed is found when the row is read, and by `pantau verify`.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use crate::journal::JournalError;

pub(super) const DERIVED: Summed = Summed { table: "derived", columns: "only_row, as_of_seq" };
pub(super) const HOTSPOT: Summed =
    Summed { table: "hotspot", columns: "projection, id, category, changed_seq, ended_seq, body" };
pub(super) const HOTSPOT_STATE: Summed =
    Summed { table: "hotspot_state", columns: "projection, id, changed_seq, body" };
pub(super) const HOTSPOT_MEMBER: Summed = Summed {
    table: "hotspot_member",
    columns: "projection, id, seq, report_no, received_at, core, repeats, rejections, channel, vague, \
              photo, agreeing",
};
pub(super) const HOTSPOT_EVENT: Summed =
    Summed { table: "hotspot_event", columns: "seq, projection, id, kind, at, body" };
pub(super) const SURGE: Summed =
    Summed { table: "surge", columns: "seq, projection, n, at, category, area, until_day, body" };
pub(super) const PHOTO: Summed = Summed {
    table: "photo",
    columns: "seq, n, incident_no, report_no, at, kind, actor, name, thumb, width, height, public",
};

pub(super) const IMPORT_SOURCE: Summed = Summed { table: "import_source", columns: "id, name" };
pub(super) const IMPORT_KEY: Summed =
    Summed { table: "import_key", columns: "source_id, row_digest, report_no" };
/// Its rows become those of [`IMPORT_KEY`], with their sums.
pub(super) const IMPORT_KEY_NEW: Summed = Summed { table: "import_key_new", ..IMPORT_KEY };
pub(super) const IDEMPOTENCY: Summed =
    Summed { table: "idempotency", columns: "key, body_digest, report_no, at" };
pub(super) const WAITING_CODE: Summed =
    Summed { table: "waiting_code", columns: "waiting_no, received_at, report_no, refused" };

pub(super) const ALL: [Summed; 12] = [
    DERIVED,
    HOTSPOT,
    HOTSPOT_STATE,
    HOTSPOT_MEMBER,
    HOTSPOT_EVENT,
    SURGE,
    PHOTO,
    IMPORT_SOURCE,
    IMPORT_KEY,
    IMPORT_KEY_NEW,
    IDEMPOTENCY,
    WAITING_CODE,
];

/// A table whose rows hold a sum.
#[derive(Clone, Copy)]
pub(super) struct Summed {
    pub table: &'static str,
    /// All but the sum.
    columns: &'static str,
}

impl Summed {
    /// Puts a row in the place of one with its key; parameters are the columns in their order.
    pub fn put(self) -> String {
        let Summed { table, columns } = self;
        let parameters: Vec<String> = (1..=columns.split(',').count()).map(|i| format!("?{i}")).collect();
        let parameters = parameters.join(", ");
        format!(
            "INSERT OR REPLACE INTO {table} ({columns}, sum) VALUES ({parameters}, row_sum({parameters}))"
        )
    }

    /// An expression: whether the row of this `alias` is as it was written. Older rows are believed.
    pub fn is_sound(self, alias: &str) -> String {
        let columns: Vec<String> =
            self.columns.split(", ").map(|column| format!("{alias}.{column}")).collect();
        format!("({alias}.sum IS NULL OR {alias}.sum = row_sum({}))", columns.join(", "))
    }

    /// What reading says of a row that is not.
    pub fn damaged(self) -> JournalError {
        JournalError::Corrupt(format!(
            "a row of table {} was changed by the disk or by hand; run `pantau verify`, restore a backup",
            self.table
        ))
    }

    /// Fails where column `i` of a row says that it is not sound.
    pub fn check(self, row: &rusqlite::Row, i: usize) -> Result<(), JournalError> {
        if row.get::<_, bool>(i)? { Ok(()) } else { Err(self.damaged()) }
    }
}

/// Gives rows that have no sum the one of what they hold now: those of before sums, or from a database.
pub(in crate::journal) fn fill(conn: &Connection) -> Result<(), JournalError> {
    for Summed { table, columns } in ALL {
        // The migration that brought sums came before some of these.
        let there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
        if conn.query_row(there, [table], |row| row.get::<_, i64>(0))? == 0 {
            continue;
        }
        let sql = format!("UPDATE {table} SET sum = row_sum({columns}) WHERE sum IS NULL");
        conn.execute(&sql, [])?;
    }
    Ok(())
}

/// Teaches a connection `row_sum`: the CRC-32 of values with their types and lengths.
pub(super) fn teach(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("row_sum", -1, flags, |context| {
        let mut sum = crc32fast::Hasher::new();
        let mut add = |kind: u8, bytes: &[u8]| {
            sum.update(&[kind]);
            sum.update(&(bytes.len() as u64).to_be_bytes());
            sum.update(bytes);
        };
        for i in 0..context.len() {
            match context.get_raw(i) {
                ValueRef::Null => add(0, &[]),
                ValueRef::Integer(n) => add(1, &n.to_be_bytes()),
                ValueRef::Real(x) => add(2, &x.to_be_bytes()),
                ValueRef::Text(text) => add(3, text),
                ValueRef::Blob(bytes) => add(4, bytes),
            }
        }
        Ok(i64::from(sum.finalize()))
    })
}
