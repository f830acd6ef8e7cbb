//! The commands beside the server: [`import`], [`replay`] and [`drill`] bring reports in, [`verify`]
//! and [`city`] prove that what is there is whole, [`privacy`] answers what people ask about their data, [`migrate`] moves it, [`waiting`] shows what is not in it yet, [`user`] says who may sign in, [`evaluate`] says how well hotspots foretell.
//!
//! Thin shells: files, sockets, clocks and progress bars are here, the rules are in `intake`.

pub mod backup;
pub mod cert;
pub mod chance;
pub mod city;
pub mod drill;
pub mod evaluate;
pub mod import;
pub mod migrate;
pub mod nodes;
pub mod privacy;
pub mod replay;
pub mod user;
pub mod verify;
pub mod waiting;

mod http;
mod mapped;
mod past;
mod progress;
mod rows;
#[cfg(test)]
mod stub;
mod time;

pub use http::{Client, HttpError};
pub use time::{Stop, Stopwatch};

use std::path::PathBuf;

use crate::config::{CITY_DEFAULT, DATA_DEFAULT, LISTEN_DEFAULT};

/// What the flags fall back to, as `main` resolved it from the environment and `pantau.toml`.
#[derive(Clone, PartialEq, Eq)]
pub struct Defaults {
    pub data: PathBuf,
    /// May hold a password.
    pub store: Option<String>,
    pub city: PathBuf,
    pub url: String,
}

impl Default for Defaults {
    fn default() -> Defaults {
        let url = format!("http://{LISTEN_DEFAULT}");
        Defaults { data: DATA_DEFAULT.into(), store: None, city: CITY_DEFAULT.into(), url }
    }
}

/// The keys in a list of the server's answer about its city.
fn city_keys(city: &serde_json::Value, list: &str) -> Vec<String> {
    let members = city[list].as_array().into_iter().flatten();
    members.filter_map(|member| member["key"].as_str()).map(str::to_owned).collect()
}
