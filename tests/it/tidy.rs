//! House rules, kept by a test: what the core may not name, how long a file may get, what the protocol's
//! document must say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repo;

const LINES_MAX: usize = 600;

/// Every Rust file of `src/`, by its path from there, with its text.
fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = repo("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let named = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    files.into_iter().map(named).collect()
}

/// The lines that are code and no test, with their numbers. What stands after `#[cfg(test)]` is test.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]" || !line.starts_with('#'));
    (1..).zip(lines).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_test_file(name: &str) -> bool {
    ["testing.rs", "tests.rs", "naive.rs", "suite.rs", "oracle.rs", "stub.rs"]
        .iter()
        .any(|end| name.ends_with(end))
        || name.contains("/tests/")
}

/// Fails with every place where `wrong` finds a fault in a line of code.
fn check(rule: &str, wrong: impl Fn(&str, &str) -> bool) {
    let mut faults = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test_file(name)) {
        for (number, line) in code_lines(text) {
            if wrong(name, line) {
                faults.push(format!("src/{name}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

#[test]
fn the_core_does_no_io_and_asks_no_time() {
    let banned =
        ["tokio", "std::fs", "std::net", "Instant::now", "SystemTime", "getrandom", "axum", "rusqlite"];
    check("the core is values in, values out", |name, line| {
        let core = ["model/", "live/", "intake/", "feed/"].iter().any(|folder| name.starts_with(folder));
        core && banned.iter().any(|word| line.contains(word))
    });
}

#[test]
fn only_the_clock_asks_the_time() {
    check("ask a Clock", |name, line| {
        let asks = line.contains("SystemTime::now") || line.contains("Instant::now");
        // A new folder's epoch is a UUID of its day: chance and time, once, where the store is made.
        asks && name != "clock.rs" && name != "journal/identity.rs"
    });
}

#[test]
fn only_the_journal_speaks_sql_and_only_the_api_speaks_http() {
    check("SQL is the journal's", |name, line| {
        (line.contains("rusqlite") || line.contains("tokio_postgres")) && !name.starts_with("journal/")
    });
    check("HTTP is the API's", |name, line| {
        let http = line.contains("axum") || line.contains("StatusCode");
        http && !name.starts_with("api/") && name != "server.rs"
    });
}

#[test]
fn layers_know_only_what_lies_below_them() {
    let above = [
        ("model/", &["city", "intake", "journal", "live", "engine", "feed", "api", "cli", "server"][..]),
        ("city/", &["intake", "journal", "live", "engine", "feed", "api", "cli", "server"][..]),
        ("intake/", &["journal", "live", "engine", "feed", "api", "cli", "server"][..]),
        ("journal/", &["live", "engine", "feed", "api", "cli", "server"][..]),
        ("live/", &["engine", "feed", "api", "cli", "server"][..]),
        ("feed/", &["engine", "api", "cli", "server"][..]),
        ("api/", &["cli", "server"][..]),
    ];
    check("one direction, no loops", |name, line| {
        let known = above.iter().find(|(folder, _)| name.starts_with(folder));
        known.is_some_and(|(_, above)| {
            above.iter().any(|module| line.contains(&format!("crate::{module}::")))
        })
    });
}

#[test]
fn every_unwrap_says_why_it_cannot_fail() {
    check("handle it, or expect(\"why this cannot happen\")", |_, line| line.contains(".unwrap()"));
}

#[test]
fn no_file_grows_beyond_what_one_reads_in_one_go() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "src/{name} has {lines} lines; at most {LINES_MAX}: split it");
    }
}

#[test]
fn the_protocol_document_names_every_message_and_every_close_code() {
    let document = fs::read_to_string(repo("docs/live-protocol.md")).unwrap();
    let wire = fs::read_to_string(repo("src/feed/wire.rs")).unwrap();
    for message in ["ClientMessage", "ServerMessage"] {
        let body = wire.split_once(&format!("pub enum {message}")).expect(message).1;
        let body = &body[..body.find("\n}").unwrap()];
        let variants = body.lines().filter_map(|line| {
            let name = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase))?;
            Some(name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_lowercase())
        });
        let variants: Vec<String> = variants.collect();
        assert!(variants.len() >= 3, "{variants:?}");
        for variant in variants {
            assert!(
                document.contains(&format!("\n### {variant}\n")),
                "docs/live-protocol.md has no section on {variant}"
            );
        }
    }
    let reasons = wire.split_once("pub enum Reason").expect("reasons").1;
    let reasons = reasons[..reasons.find("\n}").unwrap()].lines().filter_map(|line| line.strip_suffix(','));
    for reason in reasons {
        let snake = reason.trim().chars().fold(String::new(), |mut word, sign| {
            if sign.is_uppercase() && !word.is_empty() {
                word.push('_');
            }
            word.extend(sign.to_lowercase());
            word
        });
        assert!(
            document.contains(&format!("| `{snake}` |")),
            "docs/live-protocol.md has no word on {snake}"
        );
    }
    let live = fs::read_to_string(repo("src/api/live.rs")).unwrap();
    let codes: Vec<&str> = live.split("=> (").skip(1).filter_map(|rest| rest.split(',').next()).collect();
    assert!(codes.len() >= 5, "{codes:?}");
    for code in codes {
        assert!(
            document.contains(&format!("| {code} |")),
            "docs/live-protocol.md has no row for close code {code}"
        );
    }
}
