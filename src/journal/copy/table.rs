//! The tables that every store has, and their rows in between.

/// A value on its way from one store to another.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    /// Four bytes in PostgreSQL.
    Small,
    /// Two bytes in PostgreSQL.
    Tiny,
    Flag,
    Text,
    Bytes,
}

pub(super) struct Table {
    pub name: &'static str,
    /// So many columns are the key, by which rows are read.
    pub key: usize,
    pub columns: &'static [(&'static str, Kind)],
}

impl Table {
    pub fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    pub fn key_names(&self) -> String {
        self.columns[..self.key].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

use Kind::{Bytes, Flag, Int, Small, Text, Tiny};

/// The log; only added to.
pub(super) const ENTRY: Table = Table {
    name: "entry",
    key: 1,
    columns: &[("seq", Int), ("at", Int), ("kind", Text), ("body", Text), ("hash", Bytes)],
};

/// The photos that entries name; their files go along.
pub(super) const PHOTO: Table = Table {
    name: "photo",
    key: 2,
    columns: &[
        ("seq", Int),
        ("n", Int),
        ("incident_no", Int),
        ("report_no", Int),
        ("at", Int),
        ("kind", Text),
        ("actor", Text),
        ("name", Bytes),
        ("thumb", Bytes),
        ("width", Int),
        ("height", Int),
        ("public", Flag),
    ],
};

/// All other tables, in an order that may be cut anywhere.
pub(super) const STATE: [Table; 17] = [
    Table {
        name: "report",
        key: 1,
        columns: &[
            ("no", Int),
            ("seq", Int),
            ("incident_no", Int),
            ("received_at", Int),
            ("occurred_at", Int),
            ("category", Text),
            ("lng_e7", Small),
            ("lat_e7", Small),
            ("area", Text),
            ("sender", Int),
            ("channel", Text),
            ("drill", Flag),
            ("imported", Flag),
            ("salt", Bytes),
            ("private", Text),
            ("n_photos", Int),
            ("accuracy_m", Int),
        ],
    },
    Table {
        name: "incident",
        key: 1,
        columns: &[
            ("no", Int),
            ("closed_at", Int),
            ("opened_seq", Int),
            ("changed_seq", Int),
            ("category", Text),
            ("status", Text),
            ("agency", Text),
            ("area", Text),
            ("lng_e7", Small),
            ("lat_e7", Small),
            ("opened_at", Int),
            ("updated_at", Int),
            ("due_at", Int),
            ("closed_by_import", Flag),
            ("reports", Int),
            ("version", Int),
            ("drill", Flag),
            ("imported", Flag),
            ("reporters", Int),
            ("merged_into", Int),
            ("standing", Text),
            ("clock", Text),
        ],
    },
    PHOTO,
    Table { name: "merge", key: 1, columns: &[("seq", Int), ("into_no", Int)] },
    Table {
        name: "action",
        key: 1,
        columns: &[
            ("seq", Int),
            ("incident_no", Int),
            ("action", Text),
            ("actor", Text),
            ("salt", Bytes),
            ("private", Text),
        ],
    },
    Table {
        name: "erased",
        key: 1,
        columns: &[("part", Int), ("seq", Int), ("incident_no", Int), ("digest", Bytes)],
    },
    Table { name: "import_source", key: 1, columns: &[("id", Int), ("name", Text)] },
    Table {
        name: "import_key",
        key: 2,
        columns: &[("source_id", Int), ("row_digest", Bytes), ("report_no", Int)],
    },
    Table {
        name: "idempotency",
        key: 1,
        columns: &[("key", Text), ("body_digest", Bytes), ("report_no", Int), ("at", Int)],
    },
    Table {
        name: "waiting_code",
        key: 1,
        columns: &[("waiting_no", Int), ("received_at", Int), ("report_no", Int), ("refused", Text)],
    },
    Table {
        name: "checkpoint",
        key: 1,
        columns: &[("seq", Int), ("at", Int), ("hash", Bytes), ("key_id", Bytes), ("mac", Bytes)],
    },
    Table { name: "derived", key: 1, columns: &[("as_of_seq", Int)] },
    Table {
        name: "hotspot",
        key: 2,
        columns: &[
            ("projection", Text),
            ("id", Text),
            ("category", Text),
            ("changed_seq", Int),
            ("ended_seq", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "hotspot_state",
        key: 3,
        columns: &[("projection", Text), ("id", Text), ("changed_seq", Int), ("body", Text)],
    },
    Table {
        name: "hotspot_member",
        key: 3,
        columns: &[
            ("projection", Text),
            ("id", Text),
            ("seq", Int),
            ("report_no", Int),
            ("received_at", Int),
            ("core", Flag),
            ("repeats", Tiny),
            ("rejections", Tiny),
            ("channel", Tiny),
            ("vague", Tiny),
            ("photo", Tiny),
            ("agreeing", Tiny),
        ],
    },
    Table {
        name: "hotspot_event",
        key: 4,
        columns: &[
            ("seq", Int),
            ("projection", Text),
            ("id", Text),
            ("kind", Text),
            ("at", Int),
            ("body", Text),
        ],
    },
    Table {
        name: "surge",
        key: 3,
        columns: &[
            ("seq", Int),
            ("projection", Text),
            ("n", Int),
            ("at", Int),
            ("category", Text),
            ("area", Text),
            ("until_day", Text),
            ("body", Text),
        ],
    },
];
