//! Keys of the city pack in stored history, as the short ids that the core counts with.

use std::cell::RefCell;
use std::collections::HashMap;

use super::JournalError;
use crate::city::City;
use crate::model::{AgencyId, AreaId, CategoryId, LngLat};

pub(super) trait Keys {
    fn category(&self, key: &str) -> Result<CategoryId, JournalError>;
    fn agency(&self, key: &str) -> Result<AgencyId, JournalError>;
    /// The area with a code; of a code that is gone, the area that holds the place today.
    fn area(&self, code: &str, place: LngLat) -> Result<Option<AreaId>, JournalError>;
}

impl Keys for City {
    fn category(&self, key: &str) -> Result<CategoryId, JournalError> {
        self.category_by_key(key).ok_or_else(|| missing("category", key, "categories.toml"))
    }

    fn agency(&self, key: &str) -> Result<AgencyId, JournalError> {
        self.agency_by_key(key).ok_or_else(|| missing("agency", key, "agencies.toml"))
    }

    fn area(&self, code: &str, place: LngLat) -> Result<Option<AreaId>, JournalError> {
        Ok(self.areas.by_code(code).or_else(|| self.areas.locate(place)))
    }
}

fn missing(noun: &str, key: &str, file: &str) -> JournalError {
    JournalError::Corrupt(format!(
        "it uses the {noun} {key:?}, which the city pack does not have; put it back into {file}"
    ))
}

/// Gives each key a number of its own, so that history can be compared without its city pack.
#[derive(Default)]
pub(super) struct Interner {
    categories: RefCell<HashMap<String, usize>>,
    agencies: RefCell<HashMap<String, usize>>,
    areas: RefCell<HashMap<String, usize>>,
}

impl Keys for Interner {
    fn category(&self, key: &str) -> Result<CategoryId, JournalError> {
        number(&self.categories, key, "categories").map(CategoryId)
    }

    fn agency(&self, key: &str) -> Result<AgencyId, JournalError> {
        number(&self.agencies, key, "agencies").map(AgencyId)
    }

    fn area(&self, code: &str, _place: LngLat) -> Result<Option<AreaId>, JournalError> {
        number(&self.areas, code, "areas").map(|id| Some(AreaId(id)))
    }
}

fn number<T: TryFrom<usize>>(
    known: &RefCell<HashMap<String, usize>>,
    key: &str,
    nouns: &str,
) -> Result<T, JournalError> {
    let mut known = known.borrow_mut();
    let id = match known.get(key) {
        Some(id) => *id,
        None => {
            let id = known.len();
            known.insert(key.to_owned(), id);
            id
        }
    };
    T::try_from(id).map_err(|_| JournalError::Corrupt(format!("it uses too many {nouns}")))
}
