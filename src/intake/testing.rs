//! What the tests of intake share.

use std::path::Path;
use std::sync::LazyLock;

use super::{Ahead, Context, FieldFault};
use crate::city::City;
use crate::model::{IdKey, Secret, TimeMs};

/// 2026-11-24T04:00:00Z.
pub const NOW: TimeMs = TimeMs(1_795_492_800_000);

static TERNATE: LazyLock<City> = LazyLock::new(|| pack("ternate"));
static BLANK: LazyLock<City> = LazyLock::new(|| pack("blank"));
static IDS: LazyLock<IdKey> = LazyLock::new(|| IdKey::new(Secret([5; 32]), "TTE"));

fn pack(key: &str) -> City {
    let geodata = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata");
    City::load(&geodata.join(key)).unwrap()
}

pub fn ternate() -> &'static City {
    &TERNATE
}

pub fn blank() -> &'static City {
    &BLANK
}

pub fn ids() -> &'static IdKey {
    &IDS
}

pub fn ctx(city: &City) -> Context<'_> {
    Context { city, ids: ids(), now: NOW, ahead: Ahead::Refuse }
}

/// Faults as `pointer: detail`.
pub fn named(faults: &[FieldFault]) -> Vec<String> {
    faults.iter().map(|f| format!("{}: {}", f.pointer, f.detail)).collect()
}
