//! What the rows share: sizes, the city, a folder with a million incidents.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use pantau::city::City;
use pantau::clock::{Clock, SystemClock};
use pantau::journal::{FolderMode, Journal, SqliteJournal};
use pantau::live::LiveWriter;
use pantau::model::{IdKey, IncidentNo, Outcome, TimeMs};
use tempfile::TempDir;

use crate::data::{Sample, Samples, Shape};

const ROWS_A_COMMIT: usize = 10_000;
pub const SEED: u64 = 82_71;

pub struct Bench {
    pub quick: bool,
    pub only: Option<String>,
    pub repo: PathBuf,
    pub city_dir: PathBuf,
    pub city: Arc<City>,
    /// The program under test, where the server is asked over HTTP.
    pub program: PathBuf,
    /// Gone at the end.
    pub scratch: TempDir,
    pub now: TimeMs,
    million: OnceLock<Folder>,
}

impl Bench {
    pub fn from_environment() -> anyhow::Result<Bench> {
        let set = |key: &str| std::env::var(key).ok().filter(|value| !value.is_empty() && value != "0");
        let repo = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let city_dir = repo.join("geodata/ternate");
        let program = std::env::current_exe()?;
        let program =
            program.ancestors().nth(2).context("the example lies in a target folder")?.join("pantau");
        ensure!(program.exists(), "{} is missing: make bench builds it", program.display());
        Ok(Bench {
            quick: set("QUICK").is_some(),
            only: set("ONLY"),
            city: Arc::new(City::load(&city_dir)?),
            city_dir,
            program,
            scratch: tempfile::Builder::new().prefix("pantau-bench-").tempdir()?,
            now: SystemClock::new().now(),
            million: OnceLock::new(),
            repo,
        })
    }

    pub fn runs(&self) -> usize {
        3
    }

    /// A million, or a tenth where it is to be quick.
    pub fn n_million(&self) -> usize {
        if self.quick { 100_000 } else { 1_000_000 }
    }

    pub fn samples(&self, shape: Shape, n: usize, seed: u64) -> Vec<Sample> {
        Samples::new(&self.city, shape, seed, self.now).take(n).collect()
    }

    /// A data folder with a million incidents in the shape of a city; made once, not to be changed.
    pub fn million(&self) -> anyhow::Result<&Folder> {
        if self.million.get().is_none() {
            let samples = self.samples(Shape::City, self.n_million(), SEED);
            let folder = Folder::make(&self.scratch.path().join("million"), &self.city, samples, self.now)?;
            let _ = self.million.set(folder);
        }
        self.million.get().context("it was just made")
    }
}

/// A data folder of incidents whose numbers are known: the n-th sample is incident n + 1.
pub struct Folder {
    pub path: PathBuf,
    pub samples: Vec<Sample>,
    pub ids: IdKey,
}

impl Folder {
    pub fn make(
        path: &Path,
        city: &Arc<City>,
        samples: Vec<Sample>,
        now: TimeMs,
    ) -> anyhow::Result<Folder> {
        let mut journal = SqliteJournal::open(path, city.clone(), FolderMode::Live)?;
        let mut no = 0;
        for batch in samples.chunks(ROWS_A_COMMIT) {
            let commands = batch.iter().map(|sample| {
                no += 1;
                sample.command(no, city)
            });
            let outcomes = journal.append(commands.collect(), now, None)?;
            ensure!(outcomes.iter().all(|o| matches!(o, Outcome::Accepted { .. })), "a row was not taken");
        }
        let ids = IdKey::new(journal.secret(), &city.code_prefix);
        Ok(Folder { path: path.to_owned(), samples, ids })
    }

    /// The live map over the folder as it stands.
    pub fn open(&self, city: &Arc<City>) -> anyhow::Result<LiveWriter> {
        let journal = SqliteJournal::open(&self.path, city.clone(), FolderMode::Live)?;
        let ids = IdKey::new(journal.secret(), &city.code_prefix);
        Ok(pantau::engine::open(&*journal.reader(), journal.head(), city.clone(), ids, None)?)
    }

    /// The public name of the n-th sample.
    pub fn uuid(&self, n: usize) -> String {
        let no = IncidentNo(n as u32 + 1);
        self.ids.incident_uuid(no, self.samples[n].opened_at).to_string()
    }
}
