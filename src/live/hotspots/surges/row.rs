//! Surges as rows of the journal's derived tables. What is written and read again is equal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::row::LoadError;
use super::{Episode, Surge};
use crate::city::{City, Text};
use crate::journal::SurgeRow;
use crate::model::Projection;

#[derive(Serialize, Deserialize)]
struct Body {
    drill: bool,
    day: String,
    reports: u32,
    reporters: u32,
    usual_hundredths: i64,
    sigma_hundredths: i64,
    title: Text,
}

pub(in super::super) fn row(episode: &Episode, projection: Projection, city: &City) -> SurgeRow {
    let surge = &*episode.surge;
    let body = Body {
        drill: surge.drill,
        day: surge.day.to_string(),
        reports: surge.reports,
        reporters: surge.reporters,
        usual_hundredths: (surge.usual * 100.0).round() as i64,
        sigma_hundredths: (surge.sigma * 100.0).round() as i64,
        title: surge.title.clone(),
    };
    SurgeRow {
        projection,
        seq: surge.seq,
        n: surge.n,
        at: surge.at,
        category: city.category(surge.category).key.clone(),
        area: city.areas.get(surge.area).code.clone(),
        until_day: episode.until.to_string(),
        body: serde_json::to_string(&body).expect("numbers and strings always serialize"),
    }
}

/// Reads the rows of one projection, oldest first. Those of a category or an area that the city pack
/// no longer has are left out.
///
/// # Errors
/// A row that cannot be read is named.
pub(in super::super) fn read(
    projection: Projection,
    rows: &[SurgeRow],
    city: &City,
) -> Result<Vec<Episode>, LoadError> {
    let of_projection = rows.iter().filter(|row| row.projection == projection);
    of_projection.filter_map(|row| read_row(row, city).transpose()).collect()
}

fn read_row(row: &SurgeRow, city: &City) -> Result<Option<Episode>, LoadError> {
    let known = city.category_by_key(&row.category).zip(city.areas.by_code(&row.area));
    let Some((category, area)) = known else { return Ok(None) };
    let fault = |source| LoadError::Surge { seq: row.seq, n: row.n, source };
    let body: Body = serde_json::from_str(&row.body).map_err(|e| fault(Some(e)))?;
    let surge = Surge {
        seq: row.seq,
        n: row.n,
        at: row.at,
        area,
        category,
        drill: body.drill,
        day: body.day.parse().map_err(|_| fault(None))?,
        reports: body.reports,
        reporters: body.reporters,
        usual: body.usual_hundredths as f64 / 100.0,
        sigma: body.sigma_hundredths as f64 / 100.0,
        title: body.title,
    };
    let until = row.until_day.parse().map_err(|_| fault(None))?;
    Ok(Some(Episode { surge: Arc::new(surge), until }))
}
