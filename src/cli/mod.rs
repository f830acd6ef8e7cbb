//! The commands beside the server: [`import`], [`replay`] and [`drill`] bring reports in, [`verify`]
//! and [`city`] prove that what is there is whole, [`evaluate`] says how well hotspots foretell.
//!
//! Thin shells: files, sockets, clocks and progress bars are here, the rules are in `intake`.

pub mod backup;
pub mod chance;
pub mod city;
pub mod drill;
pub mod evaluate;
pub mod import;
pub mod replay;
pub mod verify;

mod http;
mod mapped;
mod past;
mod progress;
mod rows;
#[cfg(test)]
mod stub;
mod time;

pub use http::{Client, HttpError};
pub use time::Stop;

use std::path::PathBuf;

use crate::config::{CITY_DEFAULT, DATA_DEFAULT, LISTEN_DEFAULT};

/// What the flags fall back to, as `main` resolved it from the environment and `pantau.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    pub data: PathBuf,
    pub city: PathBuf,
    pub url: String,
}

impl Default for Defaults {
    fn default() -> Defaults {
        let url = format!("http://{LISTEN_DEFAULT}");
        Defaults { data: DATA_DEFAULT.into(), city: CITY_DEFAULT.into(), url }
    }
}

/// The keys in a list of the server's answer about its city.
fn city_keys(city: &serde_json::Value, list: &str) -> Vec<String> {
    let members = city[list].as_array().into_iter().flatten();
    members.filter_map(|member| member["key"].as_str()).map(str::to_owned).collect()
}
