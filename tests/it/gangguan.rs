//! The paper for whoever is called at night: it quotes what the program says, names every condition, and says
//! all of it in both languages.

use std::fs;
use std::path::Path;

use pantau::health::Condition;

use crate::support::repo;

/// What stands in messages of ours, or beside them, and comes from the system, a library or a proxy.
const OF_OTHERS: [&str; 4] =
    ["Bad Gateway", "Permission denied", "invalid peer certificate", "No space left on device"];

/// The cells of every row of a table with something seen, its meaning in Indonesian and in English.
fn rows(paper: &str) -> Vec<Vec<&str>> {
    let cells = |line| -> Vec<&str> { str::trim_matches(line, '|').split('|').map(str::trim).collect() };
    let lines = paper.lines().filter(|line| line.starts_with("| ")).map(cells);
    lines.filter(|cells| cells.len() != 2 && !cells[0].contains(" · w")).collect()
}

/// All that the program can say, as one line.
fn said() -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "ts") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    collect(&repo("src"), &mut text);
    collect(&repo("web/src/i18n"), &mut text);
    // A string that goes on in the next line, and quotes within one.
    let pieces: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
    let words: Vec<String> = pieces
        .concat()
        .replace("\\\"", "\"")
        .replace('`', "")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    words.join(" ")
}

/// What stands between what differs from time to time: names, numbers, addresses.
fn fixed_parts(message: &str) -> Vec<String> {
    let is_gap = |word: &str| matches!(word.trim_matches(['(', ')', ';', ':', ',']), "N" | "V" | "\"x\"");
    let mut parts = vec![String::new()];
    for word in message.split_inclusive(' ') {
        if is_gap(word.trim()) {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push_str(word);
        }
    }
    let cut = |part: &String| -> Vec<String> {
        part.split(|sign: char| sign == '…' || sign.is_ascii_digit())
            .map(|part| part.trim().to_owned())
            .collect()
    };
    parts.iter().flat_map(cut).filter(|part| part.len() > 3).collect()
}

/// In one piece, or put together from two.
fn is_said(part: &str, said: &str) -> bool {
    let is_there = |piece: &str| said.contains(piece);
    let kind = part.strip_prefix("/problems/").map(|kind| format!("\"{kind}\""));
    kind.is_some_and(|kind| is_there(&kind))
        || is_there(part)
        || part.match_indices(' ').any(|(i, _)| is_there(&part[..i]) && is_there(&part[i + 1..]))
        || OF_OTHERS.iter().any(|of_others| part.contains(of_others))
}

#[test]
fn every_row_says_in_both_languages_what_to_do() {
    let paper = fs::read_to_string(repo("docs/gangguan.md")).unwrap();
    let rows = rows(&paper);
    assert!(rows.len() > 100, "only {} rows were found", rows.len());
    for row in rows {
        assert!(row.len() == 3 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

#[test]
fn every_message_that_is_quoted_is_one_that_the_program_says() {
    let paper = fs::read_to_string(repo("docs/gangguan.md")).unwrap();
    let said = said();
    let strange: Vec<String> = rows(&paper)
        .iter()
        .flat_map(|row| row[0].split('`').skip(1).step_by(2))
        .flat_map(fixed_parts)
        .filter(|part| !is_said(part, &said))
        .collect();
    assert!(strange.is_empty(), "docs/gangguan.md quotes what nobody says: {strange:#?}");
    assert!(!is_said("the disk is somewhat full", &said), "the check finds nothing strange");
}

#[test]
fn every_condition_has_its_row() {
    let paper = fs::read_to_string(repo("docs/gangguan.md")).unwrap();
    for key in Condition::ALL.map(Condition::key) {
        assert!(paper.contains(&format!("\n| `{key}` |")), "docs/gangguan.md has no row for {key}");
    }
}
