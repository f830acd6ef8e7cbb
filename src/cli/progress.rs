//! Tells the user how far long work has come: a bar on a terminal, a plain line now and then otherwise.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::time::Stopwatch;

/// Without a terminal a line is printed at most this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// All of it goes to standard error: standard output is for results.
pub struct Progress {
    name: &'static str,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    last_line: Stopwatch,
}

impl Progress {
    /// `total` in the units that [`Progress::set`] counts; `None` for work without an end.
    pub fn new(name: &'static str, total: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{prefix} {bar:30} {percent:>3} %  {elapsed} (still {eta})  {msg}",
                None => "{prefix} {spinner} {elapsed}  {msg}",
            };
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar.set_prefix(name);
            bar
        });
        Progress { name, total, bar, last_line: Stopwatch::start() }
    }

    pub fn set(&mut self, done: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message());
        } else if self.last_line.elapsed() >= PLAIN_EVERY {
            self.last_line = Stopwatch::start();
            let percent = self.total.map(|total| format!(" {} %,", 100 * done.min(total) / total.max(1)));
            eprintln!("{}:{} {}", self.name, percent.unwrap_or_default(), message());
        }
    }

    /// A line that stays, above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("{}: {text}", self.name)),
            None => eprintln!("{}: {text}", self.name),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn large_numbers_are_grouped_by_thousands() {
        for (n, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), expected);
        }
    }
}
