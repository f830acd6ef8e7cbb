//! Pantau from outside: the laws, the API, the socket, the files. One binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::wrong_self_convention,
    reason = "a test's panic is its answer; helpers are no test functions to clippy"
)]

mod support;

mod ahead;
mod audit;
mod backup;
mod bit_flips;
mod canary;
mod clocks;
mod crash;
mod crash_postgres;
mod database_away;
mod database_cut_off;
mod database_tls;
mod edges;
mod feed_law;
mod follow_law;
mod full_disk;
mod gangguan;
mod hotspot_history;
mod hotspot_oracle;
mod hotspot_words;
mod http;
mod in_touch;
mod incident_life;
mod late_database;
mod live_law;
mod merge_law;
mod merging;
mod migrate;
mod nodes;
mod older_database;
mod origins;
mod past;
mod past_law;
mod photo_bombs;
mod photos;
mod photos_at_edges;
mod photos_sent;
mod policy;
mod presence;
mod privacy;
mod restart;
mod rules;
mod search;
mod secrets;
mod service;
mod ship;
mod sign_in;
mod sim;
mod slow;
mod socket;
mod sse;
mod standby;
mod statistics_oracle;
mod tidy;
mod tls;
mod vanished;
mod waiting;
mod wire;
