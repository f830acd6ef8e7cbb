//! `pantau city check`: names every fault of a city pack.

use std::path::Path;
use std::process::ExitCode;

use crate::city::{AreaLevel, City};

/// Prints what the pack holds, or all its faults.
///
/// # Errors
/// The pack has faults; the error names them all.
pub fn check(dir: &Path) -> anyhow::Result<ExitCode> {
    let city = City::load(dir)?;
    let of_level = |level| city.areas.iter().filter(|(_, area)| area.level == level).count();
    println!("{} ({}): the pack is sound.", city.name.en, city.key);
    println!(
        "  {} categories, {} agencies, {} districts, {} villages, {} holidays",
        city.categories.len(),
        city.agencies.len(),
        of_level(AreaLevel::District),
        of_level(AreaLevel::Village),
        city.holidays.len()
    );
    match city.calendar.years() {
        Some(years) => println!(
            "  working days: holidays of {} to {} are known; of other years only the weekends are",
            years.start(),
            years.end()
        ),
        None => println!("  working days: no holidays are known, only the weekends are free"),
    }
    let approximate = city.areas.iter().filter(|(_, area)| area.approximate).count();
    if approximate > 0 {
        println!(
            "  {approximate} areas are approximate; lay in the city's own areas.geojson when there is one"
        );
    }
    Ok(ExitCode::SUCCESS)
}
