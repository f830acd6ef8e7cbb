//! A view: one checked question that a snapshot answers and deltas keep answered.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::city::City;
use crate::live::{CellRange, Filter, LiveMap};
use crate::model::{Bbox, Projection};

/// Which parts of the answer a subscription carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    pub incidents: bool,
    pub hotspots: bool,
    pub stats: bool,
}

impl Layers {
    /// From the words on the wire.
    ///
    /// # Errors
    /// The word that is not known.
    pub fn from_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Layers, String> {
        let mut layers = Layers { incidents: false, hotspots: false, stats: false };
        for key in keys {
            match key {
                "incidents" => layers.incidents = true,
                "hotspots" => layers.hotspots = true,
                "stats" => layers.stats = true,
                other => {
                    return Err(format!("{other:?} is not a layer; known are incidents, hotspots, stats"));
                }
            }
        }
        Ok(layers)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub projection: Projection,
    /// Whose hotspots: the public's for whoever sees a part of the map.
    pub hotspots: Projection,
    /// As given, never widened.
    pub bbox: Bbox,
    /// 0 to 20.
    pub zoom: u8,
    pub filter: Filter,
    pub layers: Layers,
}

impl View {
    pub fn level_in_force(&self, map: &LiveMap) -> u8 {
        map.level_in_force(self.projection, &self.filter, &self.bbox, self.zoom)
    }

    pub fn range(&self, level: u8) -> CellRange {
        CellRange::of(&self.bbox, level)
    }

    /// Whether `self` is `other` panned: all alike but the bbox. Who asks for the very same has lost it.
    pub fn is_pan_of(&self, other: &View) -> bool {
        self.bbox != other.bbox && View { bbox: other.bbox, ..self.clone() } == *other
    }

    /// Names everything that decides the answer but the seq: where two digests are equal, a reader may
    /// go on with what it holds. The pack's hash stands for the version of each area named.
    pub fn digest(&self, level: u8, city: &City) -> String {
        let mut hash = Sha256::new();
        hash.update(crate::BUILD.as_bytes());
        hash.update(city.hash);
        hash.update([level]);
        hash.update(format!("{self:?}").as_bytes());
        hash.finalize()[..9].iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
