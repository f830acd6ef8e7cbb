//! How fast the center's work goes over HTTP, the real server under it in a release build:
//!
//! ```sh
//! cargo build --release && cargo run --release --example center_speed -- actions
//! cargo run --release --example center_speed -- actions --reports-a-minute 6000
//! cargo run --release --example center_speed -- past
//! ```
//!
//! `actions`: signed-in operators take every action there is, while reports come in and walls listen; at the end the
//! audit must have each of them, no more and no less. `past`: questions about the past and about all that was done, on
//! a journal of a million reports and a hundred thousand actions, and what the live part feels of them.
//! Both print tables for docs/reliability.md.

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the real clock and keeps a pace")]

mod actions;
mod center;
#[path = "../bench/data.rs"]
#[allow(dead_code, reason = "the bench uses more of it")]
mod data;
mod load;
#[path = "../bench/machine.rs"]
#[allow(dead_code, reason = "the bench uses more of it")]
mod machine;
#[path = "../../tests/it/support/nodes.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod nodes;
mod past;
mod story;
mod tally;

use clap::Parser;

/// Measure the center's work over HTTP
#[derive(Parser)]
enum Args {
    /// Every action of the table of transitions, under load
    Actions(actions::Args),
    /// Time travel, statistics, audit and situation report on a large journal
    Past(past::Args),
}

fn main() -> anyhow::Result<()> {
    for line in machine::describe()? {
        println!("- {line}");
    }
    match Args::parse() {
        Args::Actions(args) => actions::run(&args),
        Args::Past(args) => past::run(&args),
    }
}
