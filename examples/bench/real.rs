//! Places of real reports, where the machine has such files: they are no part of the project.

use std::path::{Path, PathBuf};

use anyhow::Context;
use pantau::model::LngLat;
use serde_json::Value;

/// A folder of such files.
const FOLDER: &str = "PANTAU_BENCH_REAL";

/// The places of one file in its order, and what it is called.
pub struct RealSet {
    pub name: String,
    pub places: Vec<LngLat>,
}

/// Every `.geojson` file of points and every `.csv` file with the columns `lon` and `lat` in the folder that
/// `PANTAU_BENCH_REAL` names, by name; none where it names none.
///
/// # Errors
/// Where a file cannot be read.
pub fn sets() -> anyhow::Result<Vec<RealSet>> {
    let Some(folder) = std::env::var_os(FOLDER) else { return Ok(Vec::new()) };
    let paths = std::fs::read_dir(&folder).with_context(|| format!("{FOLDER} {}", folder.display()))?;
    let mut paths = paths.map(|file| Ok(file?.path())).collect::<anyhow::Result<Vec<PathBuf>>>()?;
    paths.sort();
    let sets = paths.iter().map(|path| {
        let places = places_of(path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(RealSet { name, places })
    });
    let sets: Vec<RealSet> = sets.collect::<anyhow::Result<_>>()?;
    Ok(sets.into_iter().filter(|set| set.places.len() > 1_000).collect())
}

fn places_of(path: &Path) -> anyhow::Result<Vec<LngLat>> {
    let pairs = match path.extension().and_then(|end| end.to_str()) {
        Some("geojson") => points(&std::fs::read(path)?)?,
        Some("csv") => rows(path)?,
        _ => Vec::new(),
    };
    Ok(pairs.into_iter().filter_map(|(lng, lat)| LngLat::new(lng, lat).ok()).collect())
}

fn points(bytes: &[u8]) -> anyhow::Result<Vec<(f64, f64)>> {
    let collection: Value = serde_json::from_slice(bytes)?;
    let point = |feature: &Value| {
        let at = feature.pointer("/geometry/coordinates")?;
        Some((at.get(0)?.as_f64()?, at.get(1)?.as_f64()?))
    };
    Ok(collection["features"].as_array().context("it has no features")?.iter().filter_map(point).collect())
}

fn rows(path: &Path) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut reader = csv::Reader::from_path(path)?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let Some((lng, lat)) = column("lon").zip(column("lat")) else { return Ok(Vec::new()) };
    let mut places = Vec::new();
    for row in reader.records() {
        let row = row?;
        places.push((row[lng].parse()?, row[lat].parse()?));
    }
    Ok(places)
}
