//! How long things took, and the table of it.

use std::time::Duration;

/// What was done, and how long it took.
pub type Took = (&'static str, Duration);

/// Durations by name, in the order in which names came up first.
#[derive(Default)]
pub struct Tally {
    rows: Vec<(&'static str, Vec<Duration>)>,
}

impl Tally {
    pub fn add(&mut self, (name, took): Took) {
        match self.rows.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => all.push(took),
            None => self.rows.push((name, vec![took])),
        }
    }

    pub fn print(&mut self, what: &str) {
        println!("\n| {what} | count | p50 | p99 | max |\n|---|---|---|---|---|");
        for (name, all) in &mut self.rows {
            all.sort_unstable();
            let at =
                |share: f64| all[((all.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
            println!(
                "| {name} | {} | {:.1} ms | {:.1} ms | {:.1} ms |",
                all.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
    }
}
