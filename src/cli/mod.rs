//! The commands that bring reports in from outside a running server: [`import`], [`replay`], [`drill`].
//!
//! Thin shells: files, sockets, clocks and progress bars are here, the rules are in `intake`.

pub mod chance;
pub mod drill;
pub mod import;
pub mod replay;

mod http;
mod mapped;
mod progress;
mod rows;
#[cfg(test)]
mod stub;
mod time;

pub use http::{Client, HttpError};
pub use time::Stop;

use std::path::PathBuf;

/// What the flags fall back to, as `main` resolved it from the environment and `pantau.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    pub data: PathBuf,
    pub city: PathBuf,
    pub url: String,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults { data: "var".into(), city: "geodata/ternate".into(), url: "http://127.0.0.1:8080".into() }
    }
}

/// The keys in a list of the server's answer about its city.
fn city_keys(city: &serde_json::Value, list: &str) -> Vec<String> {
    let members = city[list].as_array().into_iter().flatten();
    members.filter_map(|member| member["key"].as_str()).map(str::to_owned).collect()
}
