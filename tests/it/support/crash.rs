//! The real server is struck at a random moment while many clients post, and what must hold after: by
//! `kill -9`, and on a disk of ours by power cuts and a flush that fails.
//! The test suite runs a few rounds, `make crash` as many as one likes.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::cli::{Client, HttpError};
use pantau::clock::{Clock, SystemClock};
use pantau::feed::wire::StatsBody;
use pantau::feed::{features, hotspot_features};
use pantau::journal::{FolderMode, Journal, Reader, SqliteJournal, sweep_photos};
use pantau::live::{CellRange, Filter, LiveMap, LiveWriter};
use pantau::model::{Bbox, Command as Commit, Entry, Fact, IdKey, Projection, Seq, TimeMs};
use serde_json::{Value, json};

use super::power_cut::{Cut, Lies, PowerCut};
use super::seen::difference;

const CLIENTS: usize = 16;
/// The server dies within this many acknowledged reports.
const REPORTS_MAX: usize = 300;
/// Then a new folder begins, so that checking all of it stays short.
const ROUNDS_PER_FOLDER: u32 = 8;
const ZOOM: u8 = 17;

pub struct Plan {
    /// The program under test.
    pub program: PathBuf,
    pub city: PathBuf,
    pub rounds: u32,
    pub seed: u64,
    pub disk: Disk,
}

/// What the data folder lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// This machine's: the server is killed.
    Real,
    /// One whose power is cut, too.
    PowerCut,
}

/// How a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9`.
    Kill,
    Cut(Cut),
    /// A flush fails; the power goes once the server has stopped acknowledging.
    FailedFlush,
    /// The disk is full for a while; the power goes once reports are taken again.
    Full,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: u32,
    pub acknowledged: usize,
    pub retried: usize,
    /// Of the rounds, those that ended in a power cut, and of these the ones with torn sectors.
    pub cuts: u32,
    pub torn: u32,
    /// Rounds in which a flush failed.
    pub failed_flushes: u32,
    /// Rounds in which the disk was full for a while.
    pub full: u32,
    /// Acknowledged, and not there afterwards.
    pub lost: usize,
    /// There more than once.
    pub doubled: usize,
    /// Acknowledged photos that were read back.
    pub photos: usize,
    /// Whatever else did not hold, in words.
    pub faults: Vec<String>,
}

impl Tally {
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.faults.is_empty()
    }

    pub fn line(&self, seed: u64) -> String {
        let Tally {
            rounds,
            acknowledged,
            retried,
            cuts,
            torn,
            failed_flushes,
            full,
            lost,
            doubled,
            photos,
            faults,
        } = self;
        format!(
            "rounds={rounds} cuts={cuts} torn={torn} failed_flushes={failed_flushes} full={full} acknowledged={acknowledged} \
             retried={retried} photos={photos} lost={lost} doubled={doubled} faults={} seed={seed}",
            faults.len()
        )
    }
}

/// What a client was promised. `mark` is the report's text, which no other has.
#[derive(Debug, Clone)]
struct Promise {
    mark: String,
    code: String,
    incident: String,
    verified: bool,
    /// It came with a photo that was kept.
    photo: bool,
}

/// Sent, perhaps stored, not answered.
struct Unanswered {
    mark: String,
    body: Value,
    keyed: bool,
    photo: bool,
}

/// Runs all rounds; `tell` hears of each.
pub fn run(plan: &Plan, mut tell: impl FnMut(&str)) -> anyhow::Result<Tally> {
    let city = Arc::new(City::load(&plan.city)?);
    let mut tally = Tally::default();
    let mut chance = Chance::new(plan.seed);
    let mut folder = tempfile::tempdir()?;
    let mount = tempfile::tempdir()?;
    let mut promises = Vec::new();
    let clock = SystemClock::new();
    for round in 0..plan.rounds {
        let began = clock.monotonic();
        if round > 0 && round % ROUNDS_PER_FOLDER == 0 {
            folder = tempfile::tempdir()?;
            promises.clear();
        }
        let until = 1 + chance.below(REPORTS_MAX);
        let before = promises.len();
        let blow = tally.count(plan.disk, &mut chance);
        // The flush that fails is to be the log's.
        let photos = blow != Blow::FailedFlush;
        let mut load = Load { plan, round, until, photos, promises: &mut promises };
        let unanswered = match plan.disk {
            Disk::Real => load.until_struck(folder.path(), ServerProcess::kill)?,
            Disk::PowerCut => load.on_power_cut(folder.path(), mount.path(), blow)?,
        };
        come_back(plan, folder.path(), &city, unanswered, &mut promises, &mut tally)?;
        tally.acknowledged += promises.len() - before;
        tally.rounds += 1;
        let took = clock.monotonic().saturating_sub(began).as_secs_f64();
        tell(&format!(
            "round {round}: {blow:?}, {} acknowledged in this folder, {took:.1} s",
            promises.len()
        ));
    }
    Ok(tally)
}

struct ServerProcess {
    child: Child,
    url: String,
}

impl ServerProcess {
    fn start(plan: &Plan, folder: &Path) -> anyhow::Result<ServerProcess> {
        let mut command = Command::new(&plan.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--trust-loopback", "--reserve-mib", "1", "--data"])
            .arg(folder);
        command.arg("--city").arg(&plan.city).current_dir(folder);
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PANTAU_"))
        {
            command.env_remove(key);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("the output is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let Some(url) = url.map(str::to_owned) else {
            let _ = child.kill();
            let _ = child.wait();
            anyhow::bail!("the server did not start: {line:?}");
        };
        Ok(ServerProcess { child, url })
    }

    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.url)?)
    }

    /// Waits until it says that it takes reports, or that it does not; the clients' posts bring it there.
    fn wait_until_ready(&self, ready: bool) -> anyhow::Result<()> {
        let client = self.client()?;
        loop {
            let found = match client.get("/readyz") {
                Ok(_) => true,
                Err(e) if e.to_string().contains("503") => false,
                Err(e) => return Err(e.into()),
            };
            if found == ready {
                return Ok(());
            }
            look_again();
        }
    }

    /// `kill -9`.
    fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Tally {
    /// Draws how a round ends, and counts it.
    fn count(&mut self, disk: Disk, chance: &mut Chance) -> Blow {
        let blow = match (disk, chance.below(8)) {
            (Disk::Real, _) | (Disk::PowerCut, 0) => Blow::Kill,
            (Disk::PowerCut, 1) => Blow::FailedFlush,
            (Disk::PowerCut, 2) => Blow::Full,
            (Disk::PowerCut, 3..=4) => Blow::Cut(Cut::Clean),
            (Disk::PowerCut, _) => Blow::Cut(Cut::Torn { seed: chance.draw() }),
        };
        self.cuts += u32::from(blow != Blow::Kill);
        self.torn += u32::from(matches!(blow, Blow::Cut(Cut::Torn { .. })));
        self.failed_flushes += u32::from(blow == Blow::FailedFlush);
        self.full += u32::from(blow == Blow::Full);
        blow
    }
}

/// Sixteen clients that post, and what they were promised.
struct Load<'a> {
    plan: &'a Plan,
    round: u32,
    /// The blow falls once so many were acknowledged.
    until: usize,
    /// Some of the reports have one.
    photos: bool,
    promises: &'a mut Vec<Promise>,
}

impl Load<'_> {
    fn on_power_cut(&mut self, folder: &Path, mount: &Path, blow: Blow) -> anyhow::Result<Vec<Unanswered>> {
        let mut disk = PowerCut::mount(folder, mount)?;
        let unanswered = self.until_struck(mount, |server| {
            match blow {
                Blow::Kill => {}
                Blow::Cut(how) => disk.cut(how),
                Blow::FailedFlush => {
                    disk.behave(|manners| manners.fail_next_sync = true);
                    server.wait_until_ready(false)?;
                    disk.cut(Cut::Clean);
                }
                Blow::Full => {
                    disk.fill(0);
                    server.wait_until_ready(false)?;
                    disk.behave(|manners| manners.room = None);
                    server.wait_until_ready(true)?;
                    disk.cut(Cut::Clean);
                }
            }
            server.kill()
        })?;
        match blow {
            Blow::Kill => disk.shut_down()?,
            Blow::Cut(_) | Blow::FailedFlush | Blow::Full => disk.unmount()?,
        }
        Ok(unanswered)
    }

    /// `strike` must leave no server behind.
    fn until_struck(
        &mut self,
        folder: &Path,
        strike: impl FnOnce(ServerProcess) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Unanswered>> {
        let server = ServerProcess::start(self.plan, folder)?;
        let acknowledged = AtomicUsize::new(0);
        thread::scope(|scope| {
            let posters: Vec<_> = (0..CLIENTS)
                .map(|i| {
                    let client = server.client();
                    let seed = self.plan.seed ^ u64::from(self.round) << 32 ^ (i as u64) << 16;
                    let acknowledged = &acknowledged;
                    let name = format!("{}-{i}", self.round);
                    let photos = self.photos;
                    scope.spawn(move || post(&client?, &name, photos, Chance::new(seed), acknowledged))
                })
                .collect();
            while acknowledged.load(Ordering::Acquire) < self.until
                && !posters.iter().all(|p| p.is_finished())
            {
                look_again();
            }
            strike(server)?;
            let mut unanswered = Vec::new();
            for poster in posters {
                let (kept, open) = poster.join().expect("a client does not panic")?;
                self.promises.extend(kept);
                unanswered.push(open);
            }
            Ok(unanswered)
        })
    }
}

/// A moment, without keeping a core from the server.
fn look_again() {
    thread::park_timeout(Duration::from_millis(1));
}

/// How many acknowledged reports are gone after a power cut on a disk that began to lie in the middle
/// of a round; must be some, or the rounds prove nothing.
pub fn lost_to_lies(plan: &Plan, lies: Lies) -> anyhow::Result<usize> {
    let city = Arc::new(City::load(&plan.city)?);
    let (folder, mount) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut promises = Vec::new();
    let mut disk = PowerCut::mount(folder.path(), mount.path())?;
    let mut load = Load { plan, round: 0, until: 20, photos: false, promises: &mut promises };
    load.until_struck(mount.path(), |server| {
        disk.behave(|manners| manners.lies = lies);
        let client = server.client()?;
        let lied_to = client.get("/readyz")?["seq"].as_u64().unwrap_or_default() + 20;
        while client.get("/readyz")?["seq"].as_u64().unwrap_or_default() < lied_to {
            look_again();
        }
        disk.cut(Cut::Clean);
        server.kill()
    })?;
    disk.unmount()?;
    let journal = SqliteJournal::open(folder.path(), city.clone(), FolderMode::Live)?;
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let entries = journal.reader().entries(Seq(0), usize::MAX >> 1)?;
    let kept: std::collections::BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Report(report) => Some(ids.report_code(report.report)),
            _ => None,
        })
        .collect();
    Ok(promises.iter().filter(|promise| !kept.contains(&promise.code)).count())
}

/// How many of 50 commits are gone after a power cut where `synchronous` is this and not `FULL`; must be
/// some, or the rounds prove nothing of it.
pub fn lost_without_flushes(plan: &Plan, synchronous: &str) -> anyhow::Result<usize> {
    const COMMITS: usize = 50;
    let city = Arc::new(City::load(&plan.city)?);
    let (folder, mount) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut disk = PowerCut::mount(folder.path(), mount.path())?;
    let mut journal = SqliteJournal::open(mount.path(), city.clone(), FolderMode::Live)?;
    // What is there before is durable.
    journal.append(vec![Commit::Tick], TimeMs(0), None)?;
    let before = journal.head().seq;
    journal.weaken(synchronous)?;
    for _ in 0..COMMITS {
        journal.append(vec![Commit::Tick], TimeMs(0), None)?;
    }
    disk.cut(Cut::Clean);
    drop(journal);
    disk.unmount()?;
    // One that cannot even be opened has lost all.
    let kept = SqliteJournal::open(folder.path(), city, FolderMode::Live)
        .map_or(0, |journal| journal.head().seq.0.saturating_sub(before.0));
    Ok(COMMITS.saturating_sub(kept as usize))
}

/// Posts until an answer stays out; answers what was promised, and what was open at the end.
fn post(
    client: &Client,
    name: &str,
    photos: bool,
    mut chance: Chance,
    acknowledged: &AtomicUsize,
) -> anyhow::Result<(Vec<Promise>, Unanswered)> {
    let mut promises: Vec<Promise> = Vec::new();
    loop {
        let mark = format!("mark {name} {}", promises.len());
        let place = |chance: &mut Chance, from: f64| from + chance.below(30) as f64 * 0.000_3;
        let category = ["garbage", "water", "accident"][chance.below(3)];
        let body = json!({
            "category": category,
            "lng": place(&mut chance, 127.38), "lat": place(&mut chance, 0.79),
            "description": mark, "reporter": {"device": name},
        });
        let keyed = chance.happens(0.5);
        let photo = photos && chance.happens(0.15);
        let answer = send(client, &body, keyed.then_some(&*mark), photo);
        let Ok(receipt) = answer else { return Ok((promises, Unanswered { mark, body, keyed, photo })) };
        acknowledged.fetch_add(1, Ordering::AcqRel);
        let mut promise = promise(mark, &receipt, photo)?;
        if chance.happens(0.2) {
            let path = format!("/api/v1/incidents/{}/verify", promise.incident);
            promise.verified = client.post(&path, &json!({}), None).is_ok();
        }
        promises.push(promise);
    }
}

/// Sends a report, with a photo where it has one.
fn send(client: &Client, body: &Value, key: Option<&str>, photo: bool) -> Result<Value, HttpError> {
    if !photo {
        return client.post("/api/v1/reports", body, key);
    }
    let head = |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    let (report, photo) = (head("report") + &body.to_string(), head("photo"));
    let form = [report.as_bytes(), b"\r\n", photo.as_bytes(), &jpeg(), b"\r\n--b--\r\n"].concat();
    client.post_bytes("/api/v1/reports", "multipart/form-data; boundary=b", &form, key)
}

/// A small picture.
fn jpeg() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 9, y as u8 * 9, 60]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = image::DynamicImage::ImageRgb8(picture).write_to(&mut bytes, image::ImageFormat::Jpeg);
    written.expect("a buffer takes a picture");
    bytes.into_inner()
}

fn promise(mark: String, receipt: &Value, photo: bool) -> anyhow::Result<Promise> {
    let text = |key: &str| receipt[key].as_str().map(str::to_owned);
    let whole = text("code").zip(text("incident"));
    let (code, incident) = whole.ok_or_else(|| anyhow::anyhow!("{receipt} is no receipt"))?;
    // Of one that could not be kept the answer says so.
    let photo = photo && receipt["warnings"].is_null();
    Ok(Promise { mark, code, incident, verified: false, photo })
}

/// Starts the server again, sends again what was not answered, and checks everything.
fn come_back(
    plan: &Plan,
    folder: &Path,
    city: &Arc<City>,
    unanswered: Vec<Unanswered>,
    promises: &mut Vec<Promise>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let verified = Command::new(&plan.program)
        .args(["verify", "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .output()?;
    if !verified.status.success() {
        tally.faults.push(format!("verify: {}", String::from_utf8_lossy(&verified.stdout)));
    }
    let server = ServerProcess::start(plan, folder)?;
    let client = server.client()?;
    for Unanswered { mark, body, keyed, photo } in unanswered {
        if keyed {
            let receipt = send(&client, &body, Some(&mark), photo)?;
            let again = send(&client, &body, Some(&mark), photo)?;
            if receipt != again {
                tally.faults.push(format!("{mark} is answered {receipt} and then {again}"));
            }
            promises.push(promise(mark, &receipt, photo)?);
            tally.retried += 1;
        }
    }
    for promise in promises.iter() {
        match client.get(&format!("/api/v1/reports/{}", promise.code)) {
            Ok(found) if promise.verified && found["status"] == "new" => {
                tally.faults.push(format!("{} was verified and is new again", promise.mark))
            }
            Ok(_) => {}
            Err(e) => tally.faults.push(format!("the code of {} does not resolve: {e}", promise.mark)),
        }
    }
    let (seq, shown) = shown_by(&client)?;
    server.kill()?;
    check_folder(folder, city, promises, seq, &shown, tally)
}

/// Clusters, hotspots and figures at one seq, as the server answers them.
fn shown_by(client: &Client) -> anyhow::Result<(Seq, Value)> {
    loop {
        let clusters = client.get(&format!("/api/v1/clusters?bbox=-180,-90,180,90&zoom={ZOOM}"))?;
        let hotspots = client.get("/api/v1/hotspots")?;
        let stats = client.get("/api/v1/stats")?;
        let seq = clusters["seq"].as_u64();
        if let Some(seq) = seq.filter(|seq| hotspots["seq"] == *seq && stats["seq"] == *seq) {
            let mut shown =
                json!({"clusters": clusters["features"], "hotspots": hotspots["features"], "stats": stats});
            if let Some(stats) = shown["stats"].as_object_mut() {
                stats.remove("seq");
            }
            return Ok((Seq(seq), shown));
        }
    }
}

/// The same of a map.
fn shown_of(map: &LiveMap) -> Value {
    let (projection, filter) = (Projection::Staff, Filter::default());
    let level = map.level_in_force(projection, &filter, &Bbox::WORLD, ZOOM);
    json!({
        "clusters": features(map, projection, &filter, &CellRange::of(&Bbox::WORLD, level)),
        "hotspots": hotspot_features(map, projection, &filter, None, false),
        "stats": StatsBody::of(&map.stats(projection, &filter), map.city()),
    })
}

fn check_folder(
    folder: &Path,
    city: &Arc<City>,
    promises: &[Promise],
    seq: Seq,
    shown: &Value,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let journal = SqliteJournal::open(folder, city.clone(), FolderMode::Live)?;
    let ids = IdKey::new(journal.secret(), &city.code_prefix);
    let reader = journal.reader();
    let entries = reader.entries(Seq(0), usize::MAX >> 1)?;
    let mut reports: BTreeMap<&str, usize> = BTreeMap::new();
    let mut mark_of: HashMap<String, &str> = HashMap::new();
    for entry in &entries {
        if let Fact::Report(report) = &entry.fact {
            let mark = report.private.description.as_deref().unwrap_or_default();
            *reports.entry(mark).or_default() += 1;
            mark_of.insert(ids.report_code(report.report), mark);
        }
    }
    tally.doubled += reports.values().filter(|n| **n > 1).count();
    check_photos(&*reader, &entries, promises, tally)?;
    tally.lost += promises.iter().filter(|p| mark_of.get(&p.code) != Some(&&*p.mark)).count();

    let replayed = |entries: &[Entry]| {
        let mut writer = LiveWriter::new(city.clone(), ids.clone(), journal.head().epoch);
        writer.apply(entries);
        writer
    };
    let until = entries.partition_point(|entry| entry.seq <= seq);
    let rebuilt = shown_of(replayed(&entries[..until]).map());
    for part in ["clusters", "hotspots", "stats"] {
        if rebuilt[part] != shown[part] {
            tally
                .faults
                .push(format!("{part} at {seq}: shown {}\n rebuilt {}", shown[part], rebuilt[part]));
        }
    }
    let opened = pantau::engine::open(&*reader, journal.head(), city.clone(), ids.clone(), None)?;
    if let Some(difference) = difference(opened.map(), replayed(&entries).map()) {
        tally.faults.push(format!("opened and rebuilt differ: {difference}"));
    }
    Ok(())
}

/// Photos that entries name are there and whole, those that were acknowledged are named, and nothing else is left
/// once it was swept.
fn check_photos(
    reader: &dyn Reader,
    entries: &[Entry],
    promises: &[Promise],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let files = reader.photo_files()?;
    let mut photos: HashMap<&str, usize> = HashMap::new();
    let mut named = 0;
    for entry in entries {
        let Fact::Report(report) = &entry.fact else { continue };
        let mark = report.private.description.as_deref().unwrap_or_default();
        for photo in &report.private.photos {
            for name in [photo.name, photo.thumb] {
                named += 1;
                match files.get(name) {
                    Ok(Some(bytes)) if image::load_from_memory(&bytes).is_ok() => {}
                    found => {
                        let found = found.map(|bytes| bytes.map(|bytes| bytes.len()));
                        tally.faults.push(format!("the photo {name} of {mark} is {found:?}"));
                    }
                }
            }
            *photos.entry(mark).or_default() += 1;
        }
    }
    for promise in promises.iter().filter(|promise| promise.photo) {
        match photos.get(&*promise.mark) {
            Some(1) => tally.photos += 1,
            found => {
                tally.faults.push(format!("{} has {found:?} photos, where one was kept", promise.mark))
            }
        }
    }
    sweep_photos(reader)?;
    let mut left = 0;
    files.settled(&mut |_| left += 1)?;
    if left != named {
        tally.faults.push(format!("{left} files of photos, where entries name {named}"));
    }
    Ok(())
}
