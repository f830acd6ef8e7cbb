//! `docs/incident-life.md` and its picture are drawn from the table of transitions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pantau::access::{Permission, Reach, Role, reach};
use pantau::model::{Action, Requirement, Status, TRANSITIONS};

use crate::support::repo;

const BEGIN: &str =
    "<!-- from src/model/transitions.rs: PANTAU_UPDATE=1 cargo test --test it incident_life -->";
const END: &str = "<!-- until here -->";

/// Each change of status with the actions that make it.
fn moves() -> BTreeMap<(Status, Status), Vec<&'static str>> {
    let mut moves: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in TRANSITIONS.iter().filter(|row| row.from != row.to) {
        moves.entry((row.from, row.to)).or_default().push(row.action.key());
    }
    moves
}

fn mermaid() -> String {
    let mut text = "```mermaid\nstateDiagram-v2\n    direction LR\n    [*] --> new\n".to_owned();
    for ((from, to), actions) in moves() {
        writeln!(text, "    {from} --> {to}: {}", actions.join(", ")).unwrap();
    }
    text + "```\n"
}

fn who(action: Action) -> String {
    let permission = Permission::of_action(action);
    let with = |wanted: Reach| {
        let roles = Role::ALL.into_iter().filter(|role| reach(*role, permission) == wanted);
        roles.map(Role::key).collect::<Vec<_>>()
    };
    let (all, own) = (with(Reach::All).join(", "), with(Reach::Own).join(", "));
    if own.is_empty() { all } else { format!("{all}; of their own: {own}") }
}

fn table() -> String {
    let mut text = "| action | from | to | needs | who |\n|---|---|---|---|---|\n".to_owned();
    for action in Action::ALL {
        let rows: Vec<_> = TRANSITIONS.iter().filter(|row| row.action == action).collect();
        let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &rows {
            let to = if row.from == row.to { "unchanged".to_owned() } else { format!("`{}`", row.to) };
            ways.entry(to).or_default().push(format!("`{}`", row.from));
        }
        let mut needs: Vec<String> =
            rows[0].requires.iter().map(|what| format!("`{}`", Requirement::key(*what))).collect();
        if rows[0].four_eyes {
            needs.push("somebody else than who resolved it".to_owned());
        }
        for (to, from) in ways {
            let (from, needs) = (from.join(", "), needs.join(", "));
            writeln!(text, "| `{}` | {from} | {to} | {needs} | {} |", action.key(), who(action)).unwrap();
        }
    }
    text
}

/// Where a status stands in the picture: the middle of its box.
fn place(status: Status) -> (i32, i32) {
    match status {
        Status::New => (90, 150),
        Status::Verified => (330, 150),
        Status::InProgress => (570, 150),
        Status::Resolved => (810, 150),
        Status::Rejected => (330, 320),
    }
}

const HALF: (i32, i32) = (60, 22);

/// An arrow from the edge of one box to the edge of another, with where its words stand.
fn arrow(from: Status, to: Status) -> (String, (i32, i32)) {
    let ((x1, y1), (x2, y2)) = (place(from), place(to));
    let way = (x2 - x1).signum();
    if y1 == y2 && (x2 - x1).abs() <= 240 && way > 0 {
        return (format!("M{} {y1} H{}", x1 + HALF.0, x2 - HALF.0 - 8), ((x1 + x2) / 2, y1 - 8));
    }
    if y1 == y2 {
        // Far onward and one back over the others, far back below them.
        let is_far = (x2 - x1).abs() > 240;
        let side = if way < 0 && is_far { 1 } else { -1 };
        let (rise, start) = if is_far { (52, 0) } else { (12, 20) };
        let (a, b) = (y1 + side * HALF.1, y2 + side * (HALF.1 + 8));
        let (x1, x2) = (x1 + way * start, x2 - way * 30);
        let bend = y1 + side * (HALF.1 + 2 * rise);
        let words = y1 + side * (HALF.1 + rise) + if side > 0 { 18 } else { -8 };
        return (format!("M{x1} {a} Q{} {bend} {x2} {b}", (x1 + x2) / 2), ((x1 + x2) / 2, words));
    }
    if to == Status::Rejected {
        let x = x2 + (x1 - x2) / 5;
        let (a, b) = (y1 + HALF.1, y2 - HALF.1 - 8);
        let from_x = x1 - way.abs() * (x1 - x2).signum() * 30;
        return (format!("M{from_x} {a} L{x} {b}"), ((from_x + x) / 2 + 28, (a + b) / 2 + 34));
    }
    let (a, b) = (x1 - HALF.0, y2 + HALF.1 + 8);
    (format!("M{a} {y1} Q{} {y1} {} {b}", x2 - 20, x2 - 20), (x2 + 40, y1 - 6))
}

fn svg() -> String {
    let mut text = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 360\" font-family=\"sans-serif\" \
         font-size=\"14\" role=\"img\" aria-label=\"The life of an incident\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"1\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#44525f\"/></marker></defs>\n\
         <rect width=\"900\" height=\"360\" fill=\"#ffffff\"/>\n"
        .to_owned();
    for ((from, to), actions) in moves() {
        let (path, (x, y)) = arrow(from, to);
        let words = actions.join(", ");
        writeln!(
            text,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#44525f\" stroke-width=\"1.5\" marker-end=\"url(#tip)\"/>\n\
             <text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#14202b\" stroke=\"#ffffff\" \
             stroke-width=\"4\" paint-order=\"stroke\">{words}</text>"
        )
        .unwrap();
    }
    for status in Status::ALL {
        let (x, y) = place(status);
        let dash = if status.is_open() { "" } else { " stroke-dasharray=\"5 3\"" };
        writeln!(
            text,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"#eef3f7\" stroke=\"#14202b\"{dash}/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"700\" fill=\"#14202b\">{status}</text>",
            x - HALF.0,
            y - HALF.1,
            2 * HALF.0,
            2 * HALF.1,
            y + 5
        )
        .unwrap();
    }
    text + "</svg>\n"
}

#[test]
fn the_picture_and_the_table_of_an_incidents_life_are_those_of_the_code() {
    let (page, picture) = (repo("docs/incident-life.md"), repo("docs/incident-life.svg"));
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has its mark");
    let (_, after) = rest.split_once(END).expect("and where it ends");
    let drawn = format!("{before}{BEGIN}\n\n{}\n{}\n{END}{after}", mermaid(), table());
    if std::env::var_os("PANTAU_UPDATE").is_some() {
        std::fs::write(&page, &drawn).unwrap();
        std::fs::write(&picture, svg()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&page).unwrap(), drawn, "PANTAU_UPDATE=1 draws it anew");
    assert_eq!(std::fs::read_to_string(&picture).unwrap(), svg(), "PANTAU_UPDATE=1 draws it anew");
}
