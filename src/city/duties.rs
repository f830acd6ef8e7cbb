//! Who must act on what, and what is to be done about it: routes and checklists of the pack.

use std::collections::HashSet;

use serde::Deserialize;
use toml::Spanned;

use super::load::{Fault, KEY_RULE, Source, is_key};
use super::{Agency, Areas, Category, City, Text};
use crate::model::{AgencyId, AreaId, CategoryId};

/// A checklist is read standing up: longer ones are not.
const STEPS_MAX: usize = 12;
const ROUTES_MAX: usize = 4_096;

/// In an area and what lies below it, incidents of a category go to another agency than elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub category: CategoryId,
    pub area: AreaId,
    pub agency: AgencyId,
}

/// A step that is to be done about an incident.
#[derive(Debug, Clone)]
pub struct ChecklistStep {
    /// Unique in its category.
    pub key: String,
    pub name: Text,
}

/// Who gets an incident, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routed {
    pub agency: Option<AgencyId>,
    /// The area whose route it is; `None`: the category's agency.
    pub area: Option<AreaId>,
}

impl City {
    /// Who gets an incident of a category in an area. The finest area that has a route decides, then the
    /// category.
    pub fn route(&self, category: CategoryId, area: Option<AreaId>) -> Routed {
        let of_area = |area: AreaId| {
            self.routes.iter().find(|route| route.category == category && route.area == area)
        };
        let found = area.and_then(|area| self.areas.with_ancestors(area).find_map(of_area));
        match found {
            Some(route) => Routed { agency: Some(route.agency), area: Some(route.area) },
            None => Routed { agency: self.category(category).agency, area: None },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    category: Spanned<String>,
    area: Spanned<String>,
    agency: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepFile {
    key: Spanned<String>,
    name: Text,
}

/// The checklist of one category.
pub(super) fn checklist(
    source: &Source,
    steps: Vec<StepFile>,
    faults: &mut Vec<Fault>,
) -> Vec<ChecklistStep> {
    let mut seen = HashSet::new();
    for (i, step) in steps.iter().enumerate() {
        let key = step.key.get_ref();
        if !is_key(key) {
            faults.push(source.fault(&step.key, KEY_RULE));
        } else if !seen.insert(key) {
            faults.push(source.fault(&step.key, format!("the step {key:?} stands twice in its checklist")));
        }
        if i == STEPS_MAX {
            faults.push(source.fault(&step.key, format!("a checklist has at most {STEPS_MAX} steps")));
        }
    }
    steps.into_iter().map(|step| ChecklistStep { key: step.key.into_inner(), name: step.name }).collect()
}

/// The routes of `agencies.toml`.
pub(super) fn routes(
    source: &Source,
    files: Vec<RouteFile>,
    (categories, agencies, areas): (&[Category], &[Agency], &Areas),
    faults: &mut Vec<Fault>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (i, file) in files.iter().enumerate() {
        let (category, area, agency) =
            (file.category.get_ref(), file.area.get_ref(), file.agency.get_ref());
        let known_category = categories.iter().position(|c| c.key == *category);
        let known_agency = agencies.iter().position(|a| a.key == *agency);
        let known_area = areas.by_code(area);
        if known_category.is_none() {
            let detail = format!("category {category:?} is not in categories.toml");
            faults.push(source.fault(&file.category, detail));
        }
        if known_area.is_none() {
            faults.push(source.fault(&file.area, format!("area {area:?} is not in areas.geojson")));
        }
        if known_agency.is_none() {
            faults.push(source.fault(&file.agency, format!("agency {agency:?} is not in agencies.toml")));
        }
        if i == ROUTES_MAX {
            faults.push(source.fault(&file.area, format!("there are more than {ROUTES_MAX} routes")));
        }
        let (Some(category), Some(area), Some(agency)) = (known_category, known_area, known_agency) else {
            continue;
        };
        let (category, agency) = (CategoryId(category as u8), AgencyId(agency as u8));
        if routes.iter().any(|route| route.category == category && route.area == area) {
            let detail = "there is a route of this category and area already".to_owned();
            faults.push(source.fault(&file.area, detail));
        }
        routes.push(Route { category, area, agency });
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Ternate's pack with more at the end of its agencies and categories.
    fn pack(agencies: &str, categories: &str) -> Result<City, String> {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
        for name in ["city.toml", "agencies.toml", "categories.toml", "areas.geojson"] {
            let mut text = std::fs::read_to_string(from.join(name)).unwrap();
            match name {
                "agencies.toml" => text += agencies,
                "categories.toml" => text += categories,
                "city.toml" => {
                    text = text
                        .lines()
                        .filter(|l| !l.starts_with("basemap"))
                        .fold(String::new(), |all, line| all + line + "\n")
                }
                _ => {}
            }
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        City::load(dir.path()).map_err(|faults| faults.to_string())
    }

    fn route(category: &str, area: &str, agency: &str) -> String {
        format!("\n[[route]]\ncategory = {category:?}\narea = {area:?}\nagency = {agency:?}\n")
    }

    #[test]
    fn the_finest_area_that_has_a_route_decides_and_else_the_category() {
        let routes = route("water", "82.71.04", "pupr") + &route("water", "82.71.04.1003", "bpbd");
        let city = pack(&routes, "").unwrap();
        let water = city.category_by_key("water").unwrap();
        let check = |category, area: Option<&str>, agency: &str, by: Option<&str>| {
            let area = area.map(|code| city.areas.by_code(code).unwrap());
            let by = by.map(|code| city.areas.by_code(code).unwrap());
            let expected = Routed { agency: city.agency_by_key(agency), area: by };
            assert_eq!(city.route(category, area), expected);
        };
        check(water, Some("82.71.04.1003"), "bpbd", Some("82.71.04.1003"));
        check(water, Some("82.71.04"), "pupr", Some("82.71.04"));
        check(water, Some("82.71.01"), "ake_gaale", None);
        check(water, None, "ake_gaale", None);
        check(city.category_by_key("garbage").unwrap(), Some("82.71.04.1003"), "dlh", None);
        let village = city.areas.iter().find(|(id, area)| {
            area.code != "82.71.04.1003"
                && city.areas.with_ancestors(*id).skip(1).any(|a| city.areas.get(a).code == "82.71.04")
        });
        check(water, village.map(|(_, area)| area.code.as_str()), "pupr", Some("82.71.04"));
    }

    #[test]
    fn every_fault_of_a_route_and_of_a_checklist_is_named() {
        let twice = route("water", "82.71.04", "pupr").repeat(2);
        let faults = pack(&(twice + &route("fish", "99", "navy")), "").unwrap_err();
        for part in
            ["already", "\"fish\" is not in", "\"99\" is not in", "\"navy\" is not in", "agencies.toml:"]
        {
            assert!(faults.contains(part), "{part}: {faults}");
        }
        let step = |key: &str| {
            format!("\n[[category.checklist]]\nkey = {key:?}\nname = {{ id = \"a\", en = \"b\" }}\n")
        };
        // The pack's last category gets them.
        let faults = pack("", &(step("x_twice").repeat(2) + &step("No"))).unwrap_err();
        assert!(faults.contains("stands twice in its checklist") && faults.contains(KEY_RULE), "{faults}");
        let many: String = (0..=STEPS_MAX).map(|n| step(&format!("step_{n}"))).collect();
        assert!(pack("", &many).unwrap_err().contains("at most 12 steps"));
    }

    #[test]
    fn every_category_of_ternate_has_a_checklist_of_three_to_five_steps_in_both_languages() {
        let city = pack("", "").unwrap();
        for category in &city.categories {
            assert!((3..=5).contains(&category.checklist.len()), "{}", category.key);
            for step in &category.checklist {
                assert!(!step.name.id.is_empty() && !step.name.en.is_empty(), "{}", step.key);
                assert_ne!(step.name.id, step.name.en, "{}", step.key);
            }
        }
    }
}
