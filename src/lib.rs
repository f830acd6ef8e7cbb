//! Pantau: geotagged reports become incidents, clusters and hotspots on every wall, live.
//!
//! The way through, in the order of the folders: [`intake`] parses and checks, [`journal`] makes
//! durable, [`live`] adds up, [`feed`] tells who is to know, [`api`] speaks HTTP.
//! `docs/architecture.md` is the map.

pub mod access;
pub mod accounts;
pub mod city;
pub mod health;
pub mod model;

pub mod intake;
pub mod journal;
pub mod live;
pub mod photos;

pub mod background;
pub mod backup;
pub mod clock;
pub mod edge;
pub mod engine;
pub mod feed;

pub mod oidc;
pub mod past;
pub mod privacy;

pub mod api;
pub mod awaiting;
pub mod cli;
pub mod config;
pub mod edge_node;
mod listen;
mod recorder;
pub mod server;
pub mod service;
pub mod startup;

/// Version and commit: pages reload themselves when it changes.
pub const BUILD: &str = env!("PANTAU_BUILD");
