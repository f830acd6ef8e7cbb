//! Query parameters: each known, each given once, all faults named at once.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::app::AppState;
use super::problem::Problem;
use crate::city::City;
use crate::feed::{FilterSpec, parse_within_text};
use crate::intake::FieldFault;
use crate::live::{Filter, Sight};
use crate::model::ESCALATION_MAX;

/// The parameters of one request, taken one by one. What is left at the end is unknown.
pub struct Params {
    pairs: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl FromRequestParts<AppState> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Params, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        // Whoever may see less can say so on any address; the guard has read it.
        let pairs = pairs.filter(|(key, _)| key != "projection");
        // What is no UTF-8 was read as U+FFFD, which nobody searches for.
        let (garbled, pairs): (Vec<_>, Vec<_>) =
            pairs.partition(|(key, value)| key.contains('\u{FFFD}') || value.contains('\u{FFFD}'));
        let mut params = Params { pairs, faults: Vec::new() };
        for (key, _) in garbled {
            params.fault(&key, "is not UTF-8");
        }
        Ok(params)
    }
}

impl Params {
    pub fn fault(&mut self, key: &str, detail: impl Into<String>) {
        self.faults.push(FieldFault { pointer: key.to_owned(), detail: detail.into() });
    }

    /// The text of a parameter.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(k, _)| k == key)?;
        let (_, value) = self.pairs.remove(at);
        if self.pairs.iter().any(|(k, _)| k == key) {
            self.pairs.retain(|(k, _)| k != key);
            self.fault(key, "is given twice; give it once, lists with commas");
        }
        Some(value)
    }

    /// A parameter read by `read`, whose error becomes a fault.
    pub fn read<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        read(&text).map_err(|detail| self.fault(key, detail)).ok()
    }

    pub fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let text = self.text(key)?;
        Some(text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{other:?} is neither true nor false")),
        })
    }

    /// A number within `min..=max`.
    pub fn number(&mut self, key: &str, min: f64, max: f64) -> Option<f64> {
        self.read(key, |text| {
            let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
            let inside = (min..=max).contains(&number);
            if inside { Ok(number) } else { Err(format!("{text} is outside {min} to {max}")) }
        })
    }

    /// A whole number within `min..=max`.
    pub fn whole(&mut self, key: &str, min: u32, max: u32) -> Option<u32> {
        self.read(key, |text| {
            let number = text.parse::<u32>().ok().filter(|n| (min..=max).contains(n));
            number.ok_or_else(|| format!("{text:?} is not a whole number from {min} to {max}"))
        })
    }

    /// The keys that every filtered address takes.
    pub fn filter(&mut self, city: &City, sight: &Sight) -> Option<Filter> {
        self.checked_spec(city, sight).map(|(_, filter)| filter)
    }

    /// The same, also as it was written.
    pub fn checked_spec(&mut self, city: &City, sight: &Sight) -> Option<(FilterSpec, Filter)> {
        let spec = FilterSpec {
            category: self.list("category"),
            status: self.list("status"),
            agency: self.list("agency"),
            area: self.list("area"),
            within: self.read("within", parse_within_text),
            since: self.text("since"),
            until: self.text("until"),
            overdue: self.flag("overdue"),
            escalation: self.whole("escalation", 1, ESCALATION_MAX.into()).map(|level| level as u8),
            drill: self.flag("drill"),
            returned: self.flag("returned"),
            q: self.text("q"),
        };
        let filter = spec.check(city, sight, "").map_err(|faults| self.faults.extend(faults)).ok()?;
        Some((spec, filter))
    }

    /// The keys that hotspots heed.
    pub fn hotspot_filter(&mut self, city: &City, sight: &Sight) -> Option<Filter> {
        let spec = FilterSpec {
            category: self.list("category"),
            area: self.list("area"),
            within: self.read("within", parse_within_text),
            drill: self.flag("drill"),
            ..FilterSpec::default()
        };
        spec.check(city, sight, "").map_err(|faults| self.faults.extend(faults)).ok()
    }

    /// The keys that statistics heed: of every status, and of drills only where they are asked for.
    pub fn statistics_filter(&mut self, city: &City, sight: &Sight) -> Option<Filter> {
        let spec = FilterSpec {
            category: self.list("category"),
            agency: self.list("agency"),
            area: self.list("area"),
            since: self.text("since"),
            until: self.text("until"),
            drill: Some(self.flag("drill").unwrap_or(false)),
            ..FilterSpec::default()
        };
        spec.check(city, sight, "").map_err(|faults| self.faults.extend(faults)).ok()
    }

    /// Says that a parameter is needed, unless it was given and is faulty.
    pub fn require(&mut self, key: &str) {
        self.require_because(key, "is needed");
    }

    /// As [`Params::require`], with the reason.
    pub fn require_because(&mut self, key: &str, detail: &str) {
        if !self.faults.iter().any(|fault| fault.pointer == key) {
            self.fault(key, detail);
        }
    }

    /// Refuses what is unknown and whatever was wrong.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (key, _) in std::mem::take(&mut self.pairs) {
            self.fault(&key, "is not a parameter of this address");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid_query(self.faults)) }
    }
}
