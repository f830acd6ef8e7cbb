//! What a start of a whole data folder costs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::journal::{FolderMode, Journal, SqliteJournal};
use pantau::live::Snapshot;
use pantau::model::{Command, IdKey};

use crate::{NOW, check, row, say};

const RUNS: usize = 5;
const BATCH: usize = 5_000;

/// Opens a folder of so many rows again and again, with a snapshot and from its tables.
pub fn measure(folder: &Path, city: Arc<City>, n: usize) -> anyhow::Result<()> {
    let file = folder.join("core_speed.snapshot");
    if !file.exists() {
        make(folder, &city, n, &file)?;
    }
    for with_snapshot in [true, false] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let journal = SqliteJournal::open(folder, city.clone(), FolderMode::Live)?;
            let ids = IdKey::new(journal.secret(), &city.code_prefix);
            let opened = began.elapsed();
            let found = with_snapshot
                .then(|| Ok::<_, anyhow::Error>(Snapshot::decode(&std::fs::read(&file)?, &city)?));
            let found = found.transpose()?;
            let decoded = began.elapsed();
            let writer =
                pantau::engine::open(&*journal.reader(), journal.head(), city.clone(), ids, found)?;
            times.push(began.elapsed());
            if times.len() == RUNS {
                check(writer.map(), n)?;
                let hotspots = writer.map().hotspots(pantau::model::Projection::Staff).live().count();
                println!("  {hotspots} hotspots, {opened:.1?} opened, {decoded:.1?} decoded");
            }
        }
        times.sort_unstable();
        let what = if with_snapshot { "start with a snapshot" } else { "start from the tables" };
        say(what, &format!("{:.3} s", times[times.len() / 2].as_secs_f64()));
    }
    Ok(())
}

fn make(folder: &Path, city: &Arc<City>, n: usize, file: &Path) -> anyhow::Result<()> {
    let mut journal = SqliteJournal::open(folder, city.clone(), FolderMode::Live)?;
    let mut chance = Chance::new(1);
    let rows: Vec<Command> = (0..n).map(|n| row(n, city, &mut chance)).collect();
    for batch in rows.chunks(BATCH) {
        journal.append(batch.to_vec(), NOW, None)?;
    }
    journal.append(vec![Command::Tick], NOW, None)?;
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let mut writer = pantau::engine::open(&*journal.reader(), journal.head(), city.clone(), ids, None)?;
    journal.append(Vec::new(), NOW, writer.take_derived().as_ref())?;
    let hash = journal.reader().entry_hash(journal.head().seq)?.context("the head's hash")?;
    Ok(std::fs::write(file, Snapshot::encode(writer.map(), &hash))?)
}
