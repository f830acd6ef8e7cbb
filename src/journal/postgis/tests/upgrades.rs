//! Upgrades that are cut: after each statement of each migration the database ends the session, as it does where it is
//! stopped or crashes. The next start brings the tables to where they would be without the cut, with all that was in them.

use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, OnceLock};

use super::super::open::{MIGRATIONS, migrate_by};
use super::*;
use crate::journal::postgres_server::skipped;

/// A statement after which there is no session.
const CUT: &str = "SELECT pg_terminate_backend(pg_backend_pid());";

/// Nothing here has to survive a power cut: that is the server's own matter, and tried elsewhere.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "autovacuum=off",
    "max_connections=200",
    "log_min_messages=fatal",
];

/// What a migration may find: reports that waited, people and their doings, each with the table that it needs.
const MORE: [(&str, &str); 4] = [
    (
        "0001_journal",
        "INSERT INTO handed_in (waiting_no, key, body_digest, received_at, body, report_no, refused) VALUES \
           (11, 'a', sha256('a'), 1, NULL, 2, NULL), (12, 'b', sha256('b'), 2, NULL, NULL, 'no'), \
           (13, 'c', sha256('c'), 3, '{}', NULL, NULL); \
         INSERT INTO hotspot_member VALUES ('staff', '7-0', 2, 1, 0, true, 1, 2)",
    ),
    (
        "0003_accounts",
        "INSERT INTO account VALUES ('ani', 'Ani', 'admin', NULL, '', NULL, NULL, 0, 1, NULL); \
         INSERT INTO account_session VALUES ('d', 'ani', 1, 2)",
    ),
    ("0007_account_events", "INSERT INTO account_event (at, actor, action) VALUES (1, 'ani', 'sign-in')"),
    ("0009_photos", "INSERT INTO photo_file VALUES (sha256('p'), 'p', to_timestamp(0))"),
];

/// Everything that the tables are, but for what is in them.
const SCHEMA: &str = "SELECT string_agg(line, E'\n' ORDER BY line COLLATE \"C\") FROM ( \
   SELECT concat_ws(' ', 'column', c.table_schema, c.table_name, c.ordinal_position, c.column_name, c.data_type, \
     c.udt_name, c.collation_name, c.is_nullable, c.column_default, c.is_identity, c.generation_expression, \
     a.attstorage) AS line \
   FROM information_schema.columns c JOIN pg_attribute a ON a.attname = c.column_name \
     AND a.attrelid = format('%I.%I', c.table_schema, c.table_name)::regclass \
   WHERE c.table_schema IN ('pantau', 'pantau_map') \
   UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname IN ('pantau', 'pantau_map') \
   UNION ALL SELECT concat_ws(' ', 'view', schemaname, viewname, definition) FROM pg_views \
     WHERE schemaname IN ('pantau', 'pantau_map') \
   UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
     FROM pg_constraint WHERE connamespace IN ('pantau'::regnamespace, 'pantau_map'::regnamespace) \
   UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'pantau'::regnamespace \
   UNION ALL SELECT concat_ws(' ', 'sequence', schemaname, sequencename, data_type) FROM pg_sequences \
     WHERE schemaname = 'pantau' \
   UNION ALL SELECT concat_ws(' ', 'migration', name, sha256) FROM pantau.migration) AS lines";

/// And everything that is in them. Who writes is another matter.
const ROWS: &str = "SELECT string_agg(tablename || ' ' || \
     query_to_xml(format('SELECT t::text FROM pantau.%I t ORDER BY 1', tablename), false, true, '')::text, E'\n' \
     ORDER BY tablename COLLATE \"C\") \
   FROM pg_tables WHERE schemaname = 'pantau' AND tablename NOT IN ('writer', 'writer_beat', 'migration')";

/// The tables of today are put aside, and what those of the first migration know too is copied into them.
const GO_BACK: &str = "DROP SCHEMA pantau_map CASCADE; ALTER SCHEMA pantau RENAME TO later";
const FILL: &str = "DO $$ DECLARE name text; columns text; BEGIN \
   FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'pantau' AND tablename <> 'migration' LOOP \
     SELECT string_agg(quote_ident(now.column_name), ', ') INTO columns FROM information_schema.columns now \
       JOIN information_schema.columns later USING (table_name, column_name) \
       WHERE now.table_schema = 'pantau' AND later.table_schema = 'later' AND table_name = name \
         AND now.is_generated = 'NEVER'; \
     EXECUTE format('DELETE FROM pantau.%I', name); \
     EXECUTE format('INSERT INTO pantau.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM later.%I', name, columns, columns, \
       name); \
   END LOOP; END $$; \
   DROP SCHEMA later CASCADE";

/// The statements of a migration; together they are the whole text.
fn statements(sql: &str) -> Vec<&str> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    let end_of =
        |from: usize, mark: &str| sql[from..].find(mark).map_or(sql.len(), |i| from + i + mark.len());
    while at < sql.len() {
        let rest = &sql[at..];
        at = match rest.as_bytes()[0] {
            b'-' if rest.starts_with("--") => end_of(at, "\n"),
            b'$' if rest.starts_with("$$") => end_of(at + 2, "$$"),
            b'\'' => end_of(at + 1, "'"),
            b';' => {
                found.push(&sql[start..=at]);
                start = at + 1;
                start
            }
            _ => at + rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    // A comment may come after the last one.
    let last = found.pop().expect("a migration has statements");
    found.push(&sql[start - last.len()..sql.trim_end().len()]);
    found
}

/// Databases as each migration leaves them, and what becomes of them.
struct Stages {
    cluster: &'static Cluster,
    /// By the number of migrations that were done; from the first on with a history.
    databases: Vec<Db>,
    /// Tables and rows where the program brings each of them up to date without a cut.
    whole: Vec<(String, String)>,
}

fn stages() -> Option<&'static Stages> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    static STAGES: OnceLock<Stages> = OnceLock::new();
    let Some(cluster) = CLUSTER.get_or_init(|| Cluster::start(&SETTINGS).unwrap()) else {
        skipped("migrations of the database that are cut");
        return None;
    };
    Some(STAGES.get_or_init(|| Stages::make(cluster)))
}

impl Stages {
    fn make(cluster: &'static Cluster) -> Stages {
        let empty = copy_of(cluster, "pantau_template");
        let mut stages = Stages { cluster, databases: vec![empty], whole: Vec::new() };
        for done in 1..=MIGRATIONS.len() {
            let db = stages.copy(done - 1);
            if done == 1 {
                some_history(&db);
            }
            let link = Link::connect(&Driver::start().unwrap(), &db.url()).unwrap();
            if done == 1 {
                link.run(GO_BACK).unwrap();
            }
            migrate_by(&MIGRATIONS[..done], &link, &db.url()).unwrap();
            if done == 1 {
                link.run(FILL).unwrap();
            }
            for (_, sql) in MORE.iter().filter(|(name, _)| *name == MIGRATIONS[done - 1].0) {
                link.run(sql).unwrap();
            }
            stages.databases.push(db);
        }
        for done in 0..=MIGRATIONS.len() {
            let db = stages.copy(done);
            drop(db.open());
            stages.whole.push(contents(&db));
            assert_eq!(
                difference(&stages.whole[0].0, &stages.whole[done].0),
                "",
                "in one go and in {done} steps"
            );
        }
        stages
    }

    fn copy(&self, done: usize) -> Db {
        copy_of(self.cluster, self.databases[done].name())
    }

    /// Cuts the last of these migrations, after `done` that are there already, in the program's own way through it;
    /// then starts the program anew.
    fn cut(&self, done: usize, migrations: &[(&str, &str)]) -> Result<(), String> {
        let db = self.copy(done);
        let link = Link::connect(&Driver::start().unwrap(), &db.url()).unwrap();
        match migrate_by(migrations, &link, &db.url()) {
            Err(JournalError::Away(_)) => {}
            other => return Err(format!("it was not cut: {other:?}")),
        }
        drop(link);
        let opened = PostgisJournal::open(&db.url(), testing::city(), FolderMode::Live);
        drop(opened.map_err(|error| format!("it does not open any more: {error:?}"))?);
        let (schema, rows) = contents(&db);
        let (whole_schema, whole_rows) = &self.whole[done];
        if schema != *whole_schema {
            return Err(format!("other tables than without:\n{}", difference(whole_schema, &schema)));
        }
        // An empty database gets an epoch and a secret of its own.
        if done > 0 && rows != *whole_rows {
            return Err(format!("other rows than without:\n{}", difference(whole_rows, &rows)));
        }
        Ok(())
    }
}

fn copy_of(cluster: &'static Cluster, template: &str) -> Db {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cut_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    cluster.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}")).unwrap();
    Db { cluster, text: cluster.url(&name) }
}

impl Db {
    fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap()
    }
}

/// Tables and rows.
fn contents(db: &Db) -> (String, String) {
    (db.query(SCHEMA), db.query(ROWS))
}

fn difference(expected: &str, found: &str) -> String {
    let lines = |sign: &str, of: &str, other: &str| {
        let only = of.lines().filter(|line| !other.lines().any(|l| l == *line)).take(5);
        only.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    lines("-", expected, found) + &lines("+", found, expected)
}

/// Does `cut` for each of these on a few threads, and tells what came of it.
fn each<T: Sync>(cuts: &[T], cut: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<Result<(), String>> {
    let next = AtomicU32::new(0);
    let found = Mutex::new(vec![Ok(()); cuts.len()]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((at, one)) = Some(next.fetch_add(1, Ordering::Relaxed) as usize)
                    .and_then(|at| cuts.get(at).map(|one| (at, one)))
                {
                    let result = cut(one);
                    found.lock().unwrap()[at] = result;
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn a_migration_that_is_cut_after_any_statement_heals_at_the_next_start() {
    let Some(stages) = stages() else { return };
    let mut cuts = Vec::new();
    for (done, (name, sql)) in MIGRATIONS.into_iter().enumerate() {
        let statements = statements(sql);
        assert_eq!(statements.concat(), sql.trim_end(), "{name}, in its statements");
        cuts.extend((0..=statements.len()).map(|after| {
            let (before, rest) = statements.split_at(after);
            let cut = [before, &[CUT][..], rest].concat().join("\n");
            (done, format!("{name} cut after statement {after}"), [(name, cut)].to_vec())
        }));
        let recorded = [(name, sql.to_owned()), ("9999_next", CUT.to_owned())];
        cuts.push((done, format!("{name} cut when it was recorded"), recorded.to_vec()));
    }
    let results = each(&cuts, |(done, _, last)| {
        let last = last.iter().map(|(name, sql)| (*name, sql.as_str()));
        let migrations: Vec<_> = MIGRATIONS[..*done].iter().copied().chain(last).collect();
        stages.cut(*done, &migrations)
    });
    let faults = cuts
        .iter()
        .zip(&results)
        .filter_map(|((_, name, _), result)| result.as_ref().err().map(|fault| format!("{name}: {fault}")));
    assert_eq!(faults.collect::<Vec<_>>(), <Vec<String>>::new());
    assert!(cuts.len() > 100, "{} cuts", cuts.len());
}

/// What the test above would say of a program that commits each statement by itself.
#[test]
fn a_cut_of_a_migration_outside_of_a_transaction_is_found() {
    let Some(stages) = stages() else { return };
    let stages_done: Vec<usize> = (0..MIGRATIONS.len()).collect();
    let results = each(&stages_done, |&done| {
        let (name, sql) = MIGRATIONS[done];
        let committed: String =
            statements(sql).iter().map(|statement| format!("COMMIT;{statement}\n")).collect();
        let cut = format!("{committed}COMMIT;{CUT}");
        let migrations: Vec<_> = MIGRATIONS[..done].iter().copied().chain([(name, cut.as_str())]).collect();
        stages.cut(done, &migrations)
    });
    let healed =
        MIGRATIONS.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|((name, _), _)| *name);
    // Doing it again makes no difference.
    assert_eq!(healed.collect::<Vec<_>>(), ["0013_handed_in"]);
    assert!(results[0].as_ref().unwrap_err().contains("does not open any more"), "{results:?}");
}
