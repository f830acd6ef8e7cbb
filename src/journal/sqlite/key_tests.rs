//! Keys of what was sent, on a disk that changes them.

use super::import_keys;
use super::tests::{open, raw, some_history, verified};
use crate::journal::testing::{NOW, import_row, key, report};
use crate::journal::{FolderMode, Journal, SqliteJournal, testing};
use crate::model::{Command, Kinds, NewErasure, ReportNo, Status};

/// Where another report's receipt would be the answer, or a report would be taken a second time.
#[test]
fn a_key_that_the_disk_changed_is_named_and_answers_nothing() {
    for (sql, table) in [
        ("UPDATE idempotency SET report_no = 2", "idempotency"),
        ("UPDATE idempotency SET body_digest = zeroblob(32)", "idempotency"),
        ("UPDATE idempotency SET at = at + 1", "idempotency"),
        ("UPDATE import_source SET name = 'a.csv' || char(0)", "import_source"),
        ("UPDATE import_key SET report_no = 2", "import_key"),
        ("UPDATE import_key SET row_digest = zeroblob(16)", "import_key"),
        ("UPDATE import_key_new SET report_no = 2", "import_key_new"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        some_history(&dir);
        let conn = raw(&dir);
        if table == "import_key" {
            conn.execute_batch(import_keys::MERGE).unwrap();
        }
        assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
        drop(conn);
        let faults = verified(&dir).faults;
        let named = format!("of table {table} ");
        assert!(faults.iter().any(|fault| fault.message.contains(&named)), "{sql}: {faults:?}");
        let imported = || report(|r| r.import = import_row("a.csv", 1, Status::Resolved));
        let again = match table {
            "idempotency" => report(|r| r.idempotency = key("k", 1)),
            _ => imported(),
        };
        let answered = SqliteJournal::open(dir.path(), testing::city(), FolderMode::Live)
            .and_then(|mut journal| journal.append(vec![again], NOW.plus_ms(70_000), None));
        match answered {
            Err(error) => assert!(error.to_string().contains(&named), "{sql}: {error}"),
            // It is not under its key any more, so it is not found: the rest of the index is as it was.
            Ok(_) => assert!(sql.contains("row_digest") || sql.contains("name ="), "{sql}"),
        }
    }
}

#[test]
fn an_erased_key_keeps_a_sum_and_rows_of_before_are_believed_until_they_get_one() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let mut journal = open(&dir);
    let new = NewErasure {
        reports: vec![ReportNo(1)],
        notes: Vec::new(),
        kinds: Kinds::ALL,
        reason: "asked".to_owned(),
    };
    journal.append(vec![Command::Erasure(Box::new(new))], NOW.plus_ms(70_000), None).unwrap();
    drop(journal);
    assert_eq!(verified(&dir).faults, []);
    let sums = "SELECT count(*) FROM idempotency WHERE sum IS NOT NULL";
    assert_eq!(raw(&dir).query_row(sums, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    raw(&dir)
        .execute_batch("UPDATE idempotency SET sum = NULL; UPDATE import_key_new SET sum = NULL")
        .unwrap();
    assert_eq!(verified(&dir).faults, []);
    drop(open(&dir));
}

/// Its rows are as the version before wrote them.
#[test]
fn a_folder_of_before_learns_how_exact_places_were_and_damage_stays_found() {
    let dir = tempfile::tempdir().unwrap();
    some_history(&dir);
    let conn = raw(&dir);
    conn.execute_batch(
        "ALTER TABLE report DROP COLUMN accuracy_m; \
         ALTER TABLE hotspot_member DROP COLUMN channel; ALTER TABLE hotspot_member DROP COLUMN vague; \
         ALTER TABLE hotspot_member DROP COLUMN photo; ALTER TABLE hotspot_member DROP COLUMN agreeing; \
         ALTER TABLE import_source DROP COLUMN sum; ALTER TABLE import_key DROP COLUMN sum; \
         ALTER TABLE import_key_new DROP COLUMN sum; ALTER TABLE idempotency DROP COLUMN sum; \
         DELETE FROM migration WHERE name = '0012_credibility'; \
         INSERT INTO hotspot_member SELECT 'staff', '9-0', n, n, 5, 1, 2, 0, row_sum('staff', '9-0', n, n, 5, 1, 2, 0) \
         FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3); \
         UPDATE hotspot_member SET core = 0 WHERE seq = 2",
    )
    .unwrap();
    drop(conn);
    drop(open(&dir));
    let faults: Vec<String> = verified(&dir).faults.into_iter().map(|fault| fault.message).collect();
    assert_eq!(faults, ["1 row(s) of table hotspot_member are not as they were written"]);
    let one = |sql: &str| raw(&dir).query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM report WHERE accuracy_m IS NOT 12"), 0);
    assert_eq!(one("SELECT sum(channel + vague + photo + agreeing) FROM hotspot_member"), 0);
    assert_eq!(one("SELECT count(*) FROM idempotency WHERE sum IS NULL"), 0, "rows of before get theirs");
    assert_eq!(one("SELECT count(*) FROM import_key_new WHERE sum IS NULL"), 0);
}
