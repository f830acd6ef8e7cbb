//! What the city pack lets nobody keep longer: erased once a day, by the time of entries, some at a time.
//!
//! Days count from the entry that closed an incident. One that is open again keeps what it has.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::city::City;
use crate::engine::{Engine, EngineError};
use crate::health::Condition;
use crate::journal::{JournalError, Reader};
use crate::live::LiveMap;
use crate::model::{
    Command, DAY_MS, IncidentNo, Kinds, NewErasure, Outcome, ReportNo, ReportPrivate, TimeMs,
};

/// Reports of one entry: the loop that writes it serves others between two.
const AT_ONCE: usize = 200;
/// How often it is asked whether a day has begun.
const LOOK_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// One rule of the city pack: what goes, and how long after the closing.
struct Rule {
    kinds: Kinds,
    days: i64,
    reason: String,
}

fn rules(city: &City) -> Vec<Rule> {
    let rule = |kinds: Kinds, days: Option<u32>, name| {
        let days = i64::from(days?);
        Some(Rule { kinds, days, reason: format!("retention: {name} {days} days after closing") })
    };
    let retention = city.retention;
    [
        rule(Kinds::CONTACT, retention.contact_days, "contact"),
        rule(Kinds::TOLD, retention.text_days, "text"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Up to which closing times nothing is left to erase, in the order of the rules.
#[derive(Debug, Default)]
pub struct Swept(Vec<TimeMs>);

/// Erases what is due whenever the city's day has changed, until the server stops.
pub async fn keep(engine: Engine, city: Arc<City>, mut stopping: watch::Receiver<bool>) {
    if rules(&city).is_empty() {
        return;
    }
    let (mut swept, mut day) = (Swept::default(), None);
    loop {
        let today = city.day_of(engine.live().now());
        let can_write =
            ![Condition::StandsBy, Condition::DatabaseAway, Condition::ReadOnly, Condition::DiskFull]
                .into_iter()
                .any(|condition| engine.health().stands(condition));
        if day != Some(today) && can_write {
            match sweep(&engine, &city, &mut swept).await {
                Ok(n) => {
                    day = Some(today);
                    if n > 0 {
                        tracing::info!(
                            reports = n,
                            "personal data was erased that the city pack keeps no longer"
                        );
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "retention could not erase what is due; trying again");
                }
            }
        }
        if tokio::time::timeout(LOOK_EVERY, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Erases what is due at the live map's now; answers of how many reports.
///
/// # Errors
/// What was erased until then is; the rest is found the next time.
pub async fn sweep(engine: &Engine, city: &Arc<City>, swept: &mut Swept) -> Result<u64, RetentionError> {
    let rules = rules(city);
    swept.0.resize(rules.len(), TimeMs::MIN);
    let mut n_erased = 0;
    for (rule, swept_to) in rules.iter().zip(&mut swept.0) {
        let until = engine.live().now().plus_ms(-rule.days * DAY_MS);
        let (reader, kinds, after) = (engine.reader().clone(), rule.kinds, *swept_to);
        let due = tokio::task::spawn_blocking(move || due(&*reader, kinds, after, until)).await;
        let due = due.map_err(|e| JournalError::Store(Box::new(e)))??;
        for part in due.chunks(AT_ONCE) {
            n_erased += erase(engine, rule, until, part).await?;
        }
        *swept_to = until;
    }
    Ok(n_erased)
}

async fn erase(
    engine: &Engine,
    rule: &Rule,
    until: TimeMs,
    part: &[(IncidentNo, ReportNo)],
) -> Result<u64, EngineError> {
    let live = engine.live();
    // One that was opened again meanwhile keeps what it has.
    let still_due = |(no, _): &&(IncidentNo, ReportNo)| is_closed(&live, *no, until);
    let reports: Vec<ReportNo> = part.iter().filter(still_due).map(|(_, report)| *report).collect();
    if reports.is_empty() {
        return Ok(0);
    }
    let n = reports.len() as u64;
    let (reason, kinds) = (rule.reason.clone(), rule.kinds);
    let erasure = NewErasure { reason, kinds, reports, notes: Vec::new() };
    let outcomes = engine.submit(vec![Command::Erasure(Box::new(erasure))]).await?;
    Ok(if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Accepted { .. })) { n } else { 0 })
}

/// One that left the live map can be opened no more. What was absorbed is closed with the one that did it.
fn is_closed(live: &LiveMap, no: IncidentNo, until: TimeMs) -> bool {
    live.incident(live.standing_no(no))
        .is_none_or(|incident| incident.closed_at().is_some_and(|at| at <= until))
}

/// Reports with something of the kinds whose incidents were closed after `after` and not after `until`.
fn due(
    reader: &dyn Reader,
    kinds: Kinds,
    after: TimeMs,
    until: TimeMs,
) -> Result<Vec<(IncidentNo, ReportNo)>, JournalError> {
    let mut closed: HashSet<IncidentNo> = HashSet::new();
    reader.archived(after, until, &mut |row| {
        closed.insert(row.no);
    })?;
    let mut due = Vec::new();
    if closed.is_empty() {
        return Ok(due);
    }
    let mut merged: HashMap<IncidentNo, IncidentNo> = HashMap::new();
    reader.absorbed(&mut |no, into| {
        merged.insert(no, into);
    })?;
    let standing = |mut no: IncidentNo| {
        while let Some(into) = merged.get(&no) {
            no = *into;
        }
        no
    };
    reader.recent_reports(TimeMs::MIN, &mut |row| {
        if closed.contains(&standing(row.incident)) && has_some(&row.private, kinds) {
            due.push((row.incident, row.no));
        }
    })?;
    Ok(due)
}

fn has_some(private: &ReportPrivate, kinds: Kinds) -> bool {
    let ReportPrivate { description, name, phone, email, photos } = private;
    let has_contact = name.is_some() || phone.is_some() || email.is_some();
    kinds.contact && has_contact
        || kinds.text && description.is_some()
        || kinds.photos && !photos.is_empty()
}
