//! The past, and all that was done, asked of a large journal; and what the live part feels of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::ensure;
use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::clock::{Clock, SystemClock};
use pantau::feed::wire::time;
use pantau::journal::{FolderMode, Journal, SqliteJournal};
use pantau::model::{
    Action, ActionMore, Command, DAY_MS, IncidentNo, NewAction, NewReport, Outcome, TimeMs,
};

use crate::center::{Center, Desk};
use crate::data::{Sample, Samples, Shape};
use crate::load::body_of;
use crate::machine;
use crate::tally::{Tally, Took};

const SEED: u64 = 82_71;
const ROWS_A_COMMIT: usize = 10_000;
/// So long the center has been at work since it imported what was before.
const DAYS: i64 = 60;
/// Reports that come in at one moment; what came in at the three before is verified, begun and resolved.
const AT_ONCE: usize = 16;
const STEPS: [Action; 3] = [Action::Verify, Action::Start, Action::Resolve];
/// One of so many resolved ones is not, so that something is open.
const OPEN_ONE_OF: usize = 8;

#[derive(clap::Args)]
pub struct Args {
    /// Reports that were imported before
    #[arg(long, default_value_t = 1_000_000)]
    imported: usize,
    #[arg(long, default_value_t = 100_000)]
    acts: usize,
    /// Of each question
    #[arg(long, default_value_t = 100)]
    times: usize,
}

struct Span {
    begin: TimeMs,
    end: TimeMs,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("pantau-past-").tempdir()?;
    let city = Arc::new(City::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate"))?);
    let began = Instant::now();
    let (span, reports, acts) = fill(folder.path(), &city, args)?;
    println!(
        "- Journal: {} imported reports, then {reports} that came in and {acts} acts within {DAYS} days; made in {:.0} s",
        args.imported,
        began.elapsed().as_secs_f64()
    );
    let center = Center::start(folder.path())?;
    let supervisor = center.sign_in("citra", "supervisor")?;
    let resident = || machine::resident_bytes(center.node.process.id()).map(|bytes| bytes / 1e6);
    println!("- Memory of the server: {:.0} MB after its start", resident()?);
    let mut asker = Asker { desk: &supervisor, span: &span, chance: Chance::new(SEED), took: Vec::new() };
    asker.first()?;
    let mut tally = Tally::default();
    std::mem::take(&mut asker.took).into_iter().for_each(|took| tally.add(took));
    tally.print("first question after a start");
    println!("\nMemory of the server: {:.0} MB", resident()?);
    asker.again(args.times)?;
    let mut tally = Tally::default();
    std::mem::take(&mut asker.took).into_iter().for_each(|took| tally.add(took));
    tally.print("question");
    println!("\nMemory of the server: {:.0} MB", resident()?);
    beside(&center, &supervisor, &city, &span, args.times)?;
    println!("\nMemory of the server: {:.0} MB", resident()?);
    Ok(())
}

struct Asker<'a> {
    desk: &'a Desk,
    span: &'a Span,
    chance: Chance,
    took: Vec<Took>,
}

/// What a console reads of a moment: its list, its map, its figures and its hotspots.
const OF_A_MOMENT: [(&str, &str); 4] = [
    ("incidents ?at=, a moment of its own", "/api/v1/incidents?limit=100&at="),
    ("clusters ?at=, of the same moment", "/api/v1/clusters?bbox=127.2,0.7,127.5,1.0&zoom=12&at="),
    ("stats ?at=, of the same moment", "/api/v1/stats?at="),
    ("hotspots ?at=, of the same moment", "/api/v1/hotspots?at="),
];

impl Asker<'_> {
    fn ask(&mut self, name: &'static str, path: &str) -> anyhow::Result<()> {
        let (_, took) = self.desk.timed(path, None)?;
        self.took.push((name, took));
        Ok(())
    }

    fn any_moment(&mut self) -> String {
        let span = self.span.end.since(self.span.begin) as f64;
        time(self.span.begin.plus_ms((self.chance.unit() * span) as i64))
    }

    fn moment(&mut self) -> anyhow::Result<()> {
        let at = self.any_moment();
        OF_A_MOMENT.into_iter().try_for_each(|(name, path)| self.ask(name, &format!("{path}{at}")))
    }

    fn first(&mut self) -> anyhow::Result<()> {
        let begin = time(self.span.begin);
        self.ask(
            "incidents ?at=, just after the import",
            &format!("/api/v1/incidents?limit=100&at={begin}"),
        )?;
        self.ask("statistics", "/api/v1/statistics?by=agency")?;
        self.ask("audit, newest 100", "/api/v1/audit")?;
        self.ask("sitrep, since the last handover", "/api/v1/sitrep")
    }

    fn again(&mut self, times: usize) -> anyhow::Result<()> {
        for n in 0..times {
            self.moment()?;
            let since = time(self.span.end.plus_ms(-(n as i64 % DAYS) * DAY_MS - DAY_MS));
            self.ask(
                "statistics, another period",
                &format!("/api/v1/statistics?by=category&since={since}"),
            )?;
            self.ask("statistics, asked before", "/api/v1/statistics?by=agency")?;
            self.ask("audit, newest 100", "/api/v1/audit")?;
            let until = self.any_moment();
            self.ask("audit, 1000 before a moment", &format!("/api/v1/audit?limit=1000&until={until}"))?;
            self.ask("audit of one person", "/api/v1/audit?actor=op3&limit=100")?;
            self.ask("sitrep, since the last handover", "/api/v1/sitrep")?;
        }
        for _ in 0..times / 10 {
            let since = time(self.span.end.plus_ms(-7 * DAY_MS));
            self.ask("sitrep of a week", &format!("/api/v1/sitrep?since={since}"))?;
            self.ask("audit of one kind, 1000", "/api/v1/audit?action=resolve&limit=1000")?;
        }
        // A replay at 60 times: a second is a minute.
        let begin = self.span.begin.plus_ms((self.span.end.since(self.span.begin)) / 2);
        for minute in 0..times as i64 {
            let at = time(begin.plus_ms(minute * 60_000));
            self.ask("replay, a minute on", &format!("/api/v1/incidents?limit=100&at={at}"))?;
        }
        Ok(())
    }
}

/// Reports come in and the newest are read, first alone and then while three others look back.
fn beside(
    center: &Center,
    supervisor: &Desk,
    city: &City,
    span: &Span,
    times: usize,
) -> anyhow::Result<()> {
    let samples: Vec<Sample> =
        Samples::new(city, Shape::City, SEED + 3, SystemClock::new().now()).take(times * 4).collect();
    let stranger = center.stranger();
    let live = |samples: &[Sample]| -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        for (n, sample) in samples.iter().enumerate() {
            let (_, took) = stranger.timed("/api/v1/reports", Some(&body_of(sample, city, n)))?;
            tally.add(("a report comes in", took));
            let (_, took) = supervisor.timed("/api/v1/incidents?limit=50&status=new", None)?;
            tally.add(("GET the queue", took));
        }
        Ok(tally)
    };
    live(&samples[..times * 2])?.print("live, alone");
    let askers = ["dewi", "eka", "fajar"].map(|name| center.sign_in(name, "supervisor"));
    let askers = askers.into_iter().collect::<anyhow::Result<Vec<Desk>>>()?;
    let over = AtomicBool::new(false);
    let (asked, mut tally) = thread::scope(|scope| -> anyhow::Result<(usize, Tally)> {
        let threads: Vec<_> = askers
            .iter()
            .zip(1..)
            .map(|(desk, seed)| {
                let over = &over;
                scope.spawn(move || {
                    let mut asker =
                        Asker { desk, span, chance: Chance::new(SEED + seed), took: Vec::new() };
                    while !over.load(Ordering::Relaxed) {
                        asker.moment()?;
                        asker.ask("sitrep", "/api/v1/sitrep")?;
                        let since = asker.any_moment();
                        asker.ask("statistics", &format!("/api/v1/statistics?by=area&since={since}"))?;
                    }
                    anyhow::Ok(asker.took.len())
                })
            })
            .collect();
        let tally = live(&samples[times * 2..]);
        over.store(true, Ordering::Relaxed);
        let asked = threads.into_iter().map(|t| t.join().expect("an asker does not panic"));
        Ok((asked.sum::<anyhow::Result<usize>>()?, tally?))
    })?;
    tally.print("live, while three look back without a pause");
    println!("\n{asked} questions about the past were answered meanwhile.");
    Ok(())
}

/// What was imported, then what came in and what was done since; all of it until now.
fn fill(folder: &Path, city: &Arc<City>, args: &Args) -> anyhow::Result<(Span, usize, usize)> {
    let now = SystemClock::new().now();
    let begin = now.plus_ms(-DAYS * DAY_MS);
    let mut journal = SqliteJournal::open(folder, city.clone(), FolderMode::Live)?;
    let imported: Vec<Sample> = Samples::new(city, Shape::City, SEED, begin).take(args.imported).collect();
    let mut no = 0;
    for batch in imported.chunks(ROWS_A_COMMIT) {
        let commands = batch.iter().map(|sample| {
            no += 1;
            sample.command(no, city)
        });
        commit(&mut journal, commands.collect(), begin)?;
    }
    let moments = args.acts / (AT_ONCE * STEPS.len());
    let mut coming = Samples::new(city, Shape::City, SEED + 4, begin);
    let (mut reports, mut acts) = (0, 0);
    for moment in 0..moments + STEPS.len() {
        let at = begin.plus_ms((moment as i64 + 1) * DAYS * DAY_MS / (moments + STEPS.len() + 1) as i64);
        let mut commands = Vec::new();
        if moment < moments {
            let new = coming.by_ref().take(AT_ONCE).map(|sample| report(&sample, no + 1, city));
            commands.extend(new);
            reports += AT_ONCE;
        }
        for (step, action) in (1..).zip(STEPS) {
            let Some(then) = moment.checked_sub(step).filter(|then| *then < moments) else { continue };
            let first = args.imported + then * AT_ONCE + 1;
            let of_step = (first..first + AT_ONCE)
                .filter(|no| action != Action::Resolve || no % OPEN_ONE_OF != 0)
                .map(|no| act(no, action, moment));
            let before = commands.len();
            commands.extend(of_step);
            acts += commands.len() - before;
        }
        commit(&mut journal, commands, at)?;
    }
    Ok((Span { begin, end: now }, reports, acts))
}

fn commit(journal: &mut SqliteJournal, commands: Vec<Command>, at: TimeMs) -> anyhow::Result<()> {
    let outcomes = journal.append(commands, at, None)?;
    let refused = outcomes.iter().find(|o| !matches!(o, Outcome::Accepted { .. }));
    ensure!(refused.is_none(), "a command was not taken: {refused:?}");
    Ok(())
}

/// As people send it.
fn report(sample: &Sample, no: u64, city: &City) -> Command {
    let Command::Report(imported) = sample.command(no, city) else { unreachable!("a sample is a report") };
    let due_after_ms = city.category(sample.category).deadline_ms;
    let channel = pantau::model::Channel::App;
    Command::Report(Box::new(NewReport {
        import: None,
        occurred_at: None,
        due_after_ms,
        channel,
        ..*imported
    }))
}

fn act(no: usize, action: Action, moment: usize) -> Command {
    Command::Action(Box::new(NewAction {
        incident: IncidentNo(no as u32),
        action,
        agency: None,
        note: (action == Action::Resolve).then(|| "selesai".to_owned()),
        version: None,
        due_after_ms: None,
        actor: format!("op{}", moment % 7),
        more: ActionMore::default(),
    }))
}
