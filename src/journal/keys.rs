//! Keys of the city pack in stored history, as the short ids that the core counts with.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

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
    categories: RefCell<Numbered>,
    agencies: RefCell<Numbered>,
    areas: RefCell<Numbered>,
}

/// Keys in the order in which they were met.
#[derive(Default)]
struct Numbered {
    numbers: HashMap<Rc<str>, usize>,
    keys: Vec<Rc<str>>,
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

impl Interner {
    /// The key that was given this number; the numbers come from here.
    pub fn category_key(&self, id: CategoryId) -> Rc<str> {
        Rc::clone(&self.categories.borrow().keys[usize::from(id.0)])
    }

    pub fn agency_key(&self, id: AgencyId) -> Rc<str> {
        Rc::clone(&self.agencies.borrow().keys[usize::from(id.0)])
    }

    pub fn area_code(&self, id: AreaId) -> Rc<str> {
        Rc::clone(&self.areas.borrow().keys[usize::from(id.0)])
    }
}

fn number<T: TryFrom<usize>>(known: &RefCell<Numbered>, key: &str, nouns: &str) -> Result<T, JournalError> {
    let mut known = known.borrow_mut();
    let id = match known.numbers.get(key) {
        Some(id) => *id,
        None => {
            let (id, key) = (known.keys.len(), Rc::<str>::from(key));
            known.keys.push(Rc::clone(&key));
            known.numbers.insert(key, id);
            id
        }
    };
    T::try_from(id).map_err(|_| JournalError::Corrupt(format!("it uses too many {nouns}")))
}
