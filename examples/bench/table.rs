//! The table: rows, medians, and how they are written.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::machine;

/// What a row must reach.
#[derive(Debug, Clone, Copy)]
pub enum AtLeast {
    /// Our figure is this many times better than the peer's.
    Times(f64),
    /// Our figure, which is better when it is smaller, is at most this.
    AtMost(f64),
    /// As `AtMost`, with the peer's figure as the limit.
    AtMostThePeers,
}

/// Which figure is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Larger,
    Smaller,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub what: &'static str,
    pub unit: &'static str,
    pub better: Better,
    /// One figure a run.
    pub ours: Vec<f64>,
    /// Empty where the peer is not on the machine, or none is asked for.
    pub peer: Vec<f64>,
    pub peer_is: String,
    pub at_least: AtLeast,
    pub aim: &'static str,
    pub aim_met: Option<bool>,
    /// What was compared with a naive recount.
    pub guard: String,
    /// What one should know to read the figures.
    pub notes: Vec<String>,
    /// Why it falls short of `at_least`, as profiles show; told only where it does.
    pub reason: &'static str,
}

impl Row {
    pub fn ratio(&self) -> Option<f64> {
        if self.peer.is_empty() {
            return None;
        }
        let (ours, peer) = (median(&self.ours), median(&self.peer));
        Some(if self.better == Better::Larger { ours / peer } else { peer / ours })
    }

    pub fn ok(&self) -> Option<bool> {
        match self.at_least {
            AtLeast::Times(times) => self.ratio().map(|ratio| ratio >= times),
            AtLeast::AtMost(most) => Some(median(&self.ours) <= most),
            AtLeast::AtMostThePeers => self.ratio().map(|ratio| ratio >= 1.0),
        }
    }

    fn at_least(&self) -> String {
        match self.at_least {
            AtLeast::Times(times) => format!("{} x", grouped(times)),
            AtLeast::AtMost(most) => format!("<= {} {}", grouped(most), self.unit),
            AtLeast::AtMostThePeers => "<= the peer".to_owned(),
        }
    }

    /// The notes, and the reason where one is due.
    fn words(&self) -> Vec<String> {
        let short = (self.ok() == Some(false)).then(|| format!("Short of at least: {}", self.reason));
        self.notes.iter().cloned().chain(short).collect()
    }

    fn json(&self) -> Value {
        let peer = (!self.peer.is_empty()).then(|| rounded(median(&self.peer)));
        json!({
            "name": self.name,
            "what": self.what,
            "ours": rounded(median(&self.ours)),
            "peer": peer,
            "peer_is": self.peer_is,
            "unit": self.unit,
            "ratio": self.ratio().map(rounded),
            "at_least": self.at_least(),
            "aim": self.aim,
            "aim_met": self.aim_met,
            "ok": self.ok(),
            "runs": self.ours.len(),
            "guard": self.guard,
            "notes": self.words(),
        })
    }

    fn cells(&self) -> [String; 9] {
        let figure = |figures: &[f64]| match figures {
            [] => "–".to_owned(),
            _ => format!("{} {}", grouped(median(figures)), self.unit),
        };
        let word = |met: Option<bool>| met.map_or("–", |met| if met { "yes" } else { "**no**" }).to_owned();
        [
            format!("{} (`{}`)", self.what, self.name),
            figure(&self.ours),
            figure(&self.peer),
            self.ratio().map_or("–".to_owned(), |ratio| format!("{} x", grouped(ratio))),
            self.at_least(),
            word(self.ok()),
            self.aim.to_owned(),
            word(self.aim_met),
            self.ours.len().to_string(),
        ]
    }
}

/// All rows, and where they were measured.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Row>,
    failed: Vec<String>,
}

impl Table {
    pub fn begin(quick: bool) -> anyhow::Result<Table> {
        let mut head = machine::describe()?;
        if quick {
            head.push("QUICK: small sets, few runs; nothing is written".to_owned());
        }
        Ok(Table { head, rows: Vec::new(), failed: Vec::new() })
    }

    pub fn add(&mut self, row: Row) {
        eprintln!("{}", row.cells()[..6].join(" | "));
        self.rows.push(row);
    }

    /// A row that ended without a figure.
    pub fn fail(&mut self, name: &str, why: &str) {
        eprintln!("{name}: {why}");
        self.failed.push(format!("{name}: {why}"));
    }

    pub fn is_whole(&self) -> bool {
        self.failed.is_empty()
    }

    /// For a terminal.
    pub fn plain(&self) -> String {
        let mut text = self.head.join("\n") + "\n\n";
        let _ = writeln!(
            text,
            "{:<18} {:>20} {:>20} {:>14}  {:<14} ok",
            "row", "ours", "peer", "ratio", "at least"
        );
        for row in &self.rows {
            let [_, ours, peer, ratio, at_least, ok, ..] = row.cells();
            let _ =
                writeln!(text, "{:<18} {ours:>20} {peer:>20} {ratio:>14}  {at_least:<14} {ok}", row.name);
        }
        for row in &self.rows {
            let _ = write!(
                text,
                "\n{}: {}\n  peer: {}\n  guard: {}",
                row.name, row.what, row.peer_is, row.guard
            );
            row.words().iter().for_each(|note| {
                let _ = write!(text, "\n  - {note}");
            });
        }
        self.failed.iter().for_each(|failed| text += &format!("\nnot measured: {failed}"));
        text
    }

    pub fn write(&self, repo: &Path) -> anyhow::Result<()> {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let json = serde_json::to_string_pretty(&rows)? + "\n";
        std::fs::write(repo.join("docs/benchmarks.json"), json).context("docs/benchmarks.json")?;
        std::fs::write(repo.join("docs/benchmarks.md"), self.markdown()).context("docs/benchmarks.md")
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        for line in &self.head {
            let _ = writeln!(text, "- {line}");
        }
        text += INTRODUCTION;
        text += "| what | ours | peer | ratio | at least | met | aim | met | runs |\n|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.cells().join(" | "));
        }
        self.failed.iter().for_each(|failed| text += &format!("\nNot measured: {failed}\n"));
        text += "\n## Row by row\n";
        for row in &self.rows {
            let _ = writeln!(text, "\n### {}\n", row.name);
            let _ = writeln!(text, "- Peer: {}.", row.peer_is);
            let _ = writeln!(text, "- Guard: {}.", row.guard);
            let _ = writeln!(text, "- Runs: ours {}; peer {}.", listed(&row.ours), listed(&row.peer));
            for note in row.words() {
                let _ = writeln!(text, "- {note}.");
            }
        }
        text
    }
}

const INTRODUCTION: &str = "
Written by `make bench`; the same as a list is in [benchmarks.json](benchmarks.json).
Runs alternate between ours and the peer's, and each figure is the median of its runs.
`met` says whether the column before it is reached; – where there is nothing to compare.
After each run the answers are compared with a naive recount (the guard of the row); a run with a wrong answer ends the row without a figure.
Bench, server and peers share the same cores, so rates over sockets are lower than on a machine where the clients sit elsewhere.
Figures of the core alone, without peers, are printed by `cargo run --release --example core_speed` and `journal_speed`.

";

/// # Panics
/// Where there is no figure.
pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which this share of all lies.
///
/// # Panics
/// Where there is no figure.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1).expect("a quantile of something");
    sorted[(last as f64 * share).round() as usize]
}

/// Three digits that count.
fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return 0.0;
    }
    let digits = (3 - figure.abs().log10().ceil() as i32).clamp(0, 9);
    let scale = 10_f64.powi(digits);
    (figure * scale).round() / scale
}

/// Rounded, with commas between thousands.
pub fn grouped(figure: f64) -> String {
    let text = rounded(figure).to_string();
    let (whole, rest) = text.split_once('.').map_or((&*text, String::new()), |(w, r)| (w, format!(".{r}")));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 && digit.is_ascii_digit() {
            out.push(',');
        }
        out.push(digit);
    }
    out + &rest
}

fn listed(figures: &[f64]) -> String {
    let words: Vec<String> = figures.iter().map(|figure| grouped(*figure)).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
