//! Where and when two incidents of a category may be the same.

use serde::Deserialize;
use toml::Spanned;

use super::{Pack, Source, hours_ms};
use crate::city::{HotspotParameters, JoinRule};

/// Farther apart nothing is the same.
const RADIUS_M_MAX: f64 = 10_000.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinFile {
    radius_m: f64,
    within_h: f64,
}

impl Pack<'_> {
    /// A category without one gets what makes its hotspots.
    pub(super) fn join(
        &mut self,
        source: &Source,
        file: Option<&Spanned<JoinFile>>,
        hotspot: &HotspotParameters,
    ) -> Option<JoinRule> {
        let Some(file) = file else {
            return Some(JoinRule { radius_m: hotspot.eps_m, within_ms: hotspot.window_ms });
        };
        let &JoinFile { radius_m, within_h } = file.get_ref();
        let is_sound = radius_m > 0.0 && radius_m <= RADIUS_M_MAX;
        let rule =
            hours_ms(within_h).filter(|_| is_sound).map(|within_ms| JoinRule { radius_m, within_ms });
        if rule.is_none() {
            let message = format!("join needs 0 < radius_m <= {RADIUS_M_MAX}, within_h > 0");
            self.faults.push(source.fault(file, message));
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::city::{City, JoinRule};
    use crate::model::HOUR_MS;

    /// The blank pack with other text in its categories.
    fn load(from: &str, to: &str) -> Result<City, String> {
        let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank");
        let dir = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(&blank).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let categories = std::fs::read_to_string(blank.join("categories.toml")).unwrap();
        assert!(categories.contains(from), "{from}");
        std::fs::write(dir.path().join("categories.toml"), categories.replacen(from, to, 1)).unwrap();
        City::load(dir.path()).map_err(|fault| fault.to_string())
    }

    fn rule(city: &City) -> JoinRule {
        city.category(city.category_by_key("garbage").unwrap()).join
    }

    #[test]
    fn a_category_says_where_and_when_incidents_may_be_the_same_and_one_that_does_not_takes_its_hotspots() {
        let written = "[category.join]\nradius_m = 100\nwithin_h = 168\n";
        let city = load(written, written).unwrap();
        assert_eq!(rule(&city), JoinRule { radius_m: 100.0, within_ms: 168 * HOUR_MS });
        let city = load(written, "").unwrap();
        let hotspot = city.category(city.category_by_key("garbage").unwrap()).hotspot;
        assert_eq!(rule(&city), JoinRule { radius_m: hotspot.eps_m, within_ms: hotspot.window_ms });
    }

    #[test]
    fn a_rule_that_is_none_is_named_with_its_file_and_line() {
        for (from, to) in [
            ("radius_m = 100", "radius_m = 0"),
            ("radius_m = 100", "radius_m = 10001"),
            ("within_h = 168", "within_h = -1"),
        ] {
            let fault = load(from, to).unwrap_err();
            let named =
                fault.contains("categories.toml:") && fault.contains("join needs 0 < radius_m <= 10000");
            assert!(named, "{fault}");
        }
        assert!(load("radius_m = 100", "radius = 100").unwrap_err().contains("categories.toml:"));
    }
}
