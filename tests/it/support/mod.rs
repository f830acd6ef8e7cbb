//! What the tests share.

pub mod app;
pub mod crash;
pub mod fold;
pub mod golden;
pub mod history;
pub mod node;
pub mod nodes;
pub mod platter;
#[allow(dead_code, reason = "shared with the journal's own tests, which use other parts of it")]
pub mod postgres;
#[allow(dead_code, reason = "shared with `make crash`, which uses other parts of it")]
pub mod power_cut;
pub mod screen;
pub mod seen;
pub mod sim;
pub mod socket;
pub mod wait;

pub use postgres::skipped_because;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use pantau::city::City;

/// A path of the repository.
pub fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn ternate() -> Arc<City> {
    static CITY: LazyLock<Arc<City>> =
        LazyLock::new(|| Arc::new(City::load(&repo("geodata/ternate")).expect("the pack is sound")));
    CITY.clone()
}

pub fn blank() -> Arc<City> {
    static CITY: LazyLock<Arc<City>> =
        LazyLock::new(|| Arc::new(City::load(&repo("geodata/blank")).expect("the pack is sound")));
    CITY.clone()
}
