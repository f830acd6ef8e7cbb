//! Hotspots.
mod dbscan;
mod grid;
#[cfg(test)]
mod testing;

pub use dbscan::{Group, Member, Point, dbscan};
