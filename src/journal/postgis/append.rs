//! Writing: one transaction a batch, in one round trip where nothing has to be asked before.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::try_join3;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::batch::{Asked, Batch};
use super::columns::{Change, Incidents};
use super::erase::Known;
use super::link::Link;
use super::session::{Session, Sql};
use super::{PostgisJournal, area, derived, seals};
use crate::city::City;
use crate::journal::decide::{IDEMPOTENCY_MS, PRUNE_EVERY_MS, PRUNED_KEYS_MAX, decide_all};
use crate::journal::{DerivedUpdate, JournalError};
use crate::model::{Command, Outcome, TimeMs};

/// A commit that takes longer has failed as far as its senders are concerned; and this much longer for
/// each of its commands.
const COMMIT_PATIENCE: Duration = Duration::from_secs(2);
const COMMAND_PATIENCE: Duration = Duration::from_millis(2);

/// Changes the session's numbers only after the commit.
pub(super) fn append(
    journal: &mut PostgisJournal,
    session: &mut Session,
    commands: Vec<Command>,
    now: TimeMs,
    derived: Option<&DerivedUpdate>,
) -> Result<Vec<Outcome>, JournalError> {
    let city = journal.db.city.clone();
    let patience = COMMIT_PATIENCE + COMMAND_PATIENCE * u32::try_from(commands.len()).unwrap_or(u32::MAX);
    let mut last = session.last;
    let sources = std::mem::take(&mut session.sources);
    let mut batch = Batch::new(&city, &mut journal.encoder, session.head_hash, &sources);
    let asked = Asked::by(&commands, &sources);
    let decided = ask(session, &asked, &mut batch, patience)
        .and_then(|()| Known::ask(&session.link, &commands))
        .map(|known| batch.know_erasures(known))
        .and_then(|()| decide_all(&mut batch, &mut last, commands, now));
    let outcomes = match decided {
        Ok(outcomes) => outcomes,
        Err(error) => {
            session.sources = sources;
            return Err(error);
        }
    };
    let nothing_new = last == session.last && derived.is_none();
    let prunes = last.at >= journal.prune_at;
    if !nothing_new {
        let mut changes: Vec<Change> = derived.map(derived::changes).unwrap_or_default();
        if batch.has_pack {
            changes.extend(area::changes(&city));
        }
        changes.extend(Some(batch.merges()).filter(|merges| !merges.is_empty()));
        changes.extend(batch.photos.changes());
        changes.append(&mut batch.erasures);
        changes.extend(prunes.then(|| prune_idempotency(last.at)));
        let sealer = session.sealer.as_ref().filter(|sealer| sealer.is_due(last.seq));
        let sealed = sealer.map(|sealer| sealer.seal(last.seq, last.at, &batch.head_hash));
        changes.extend(sealed.as_ref().map(seals::put));
        let written = write(session, &city, &batch, &changes, patience);
        if let Err(error) = written {
            session.sources = sources;
            return Err(error);
        }
        if prunes {
            journal.prune_at = last.at.plus_ms(PRUNE_EVERY_MS);
        }
        session.head_hash = batch.head_hash;
        if let (Some(sealer), Some(made)) = (&mut session.sealer, sealed) {
            sealer.commit(&made);
        }
    }
    let new_sources = std::mem::take(&mut batch.new_sources);
    drop(batch);
    session.last = last;
    session.sources = sources;
    session.sources.extend(new_sources);
    Ok(outcomes)
}

/// Fetches what the commands refer to. Only this session writes, so it needs no transaction.
fn ask(
    session: &Session,
    asked: &Asked,
    batch: &mut Batch,
    patience: Duration,
) -> Result<(), JournalError> {
    let client = &session.link.client;
    let Asked { incidents, keys, import_sources, import_rows, senders: _, photos } = asked;
    if incidents.is_empty() && keys.is_empty() && import_rows.is_empty() {
        return Ok(());
    }
    let (of_incidents, of_keys): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) =
        ([incidents], [keys]);
    let of_imports: [&(dyn ToSql + Sync); 2] = [import_sources, import_rows];
    let rows = try_join3(
        client.query(session.statement(Sql::AskIncidents), &of_incidents),
        client.query(session.statement(Sql::AskKeys), &of_keys),
        client.query(session.statement(Sql::AskImported), &of_imports),
    );
    let (incidents, keys, imported) = session.link.driver().wait(patience, rows)?;
    incidents.iter().try_for_each(|row| batch.know_incident(row))?;
    keys.iter().try_for_each(|row| batch.know_key(row))?;
    imported.iter().try_for_each(|row| batch.know_imported(row))?;
    batch.photos.know_sent(&session.link, photos)?;
    batch.know_senders(&session.link, &asked.senders)
}

fn prune_idempotency(at: TimeMs) -> Change {
    let sql = "DELETE FROM idempotency WHERE key IN \
               (SELECT key FROM idempotency WHERE at < $1 ORDER BY at LIMIT $2)";
    Change::new(sql).number(at.plus_ms(-IDEMPOTENCY_MS).0).number(PRUNED_KEYS_MAX.into())
}

/// The whole transaction. All of it is on its way before the first answer is awaited; COMMIT is sent only
/// where everything before it was.
fn write(
    session: &Session,
    city: &City,
    batch: &Batch,
    changes: &[Change],
    patience: Duration,
) -> Result<(), JournalError> {
    let (entries, reports, actions) = (&batch.entries, &batch.reports, &batch.actions);
    let incidents = Incidents::of(city, batch.changed.values());
    let sources = Change::sources(&batch.new_sources);
    let (import_keys, keys) = (Change::import_keys(&batch.import_keys), Change::keys(&batch.new_keys));
    let mut flight = Flight { session, sent: Vec::new() };
    flight.send(Sql::Begin, vec![]);
    flight.send(Sql::Fence, vec![&session.term]);
    if !entries.seq.is_empty() {
        flight.send(Sql::Entries, entries.columns());
        flight.send(Sql::Notify, vec![]);
    }
    if !reports.no.is_empty() {
        flight.send(Sql::Reports, reports.columns());
    }
    if !actions.seq.is_empty() {
        flight.send(Sql::Actions, actions.columns());
    }
    if !incidents.no.is_empty() {
        flight.send(Sql::Incidents, incidents.columns());
    }
    for change in [&sources, &import_keys, &keys].into_iter().filter(|change| !change.is_empty()) {
        flight.change(change);
    }
    changes.iter().for_each(|change| flight.change(change));
    let commit = run(&session.link.client, session.statement(Sql::Commit), vec![]);
    let link: &Link = &session.link;
    link.driver().wait(patience, land(flight.sent, Box::pin(commit), &link.client))
}

type Sent<'f> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'f>>;

/// Statements on their way.
struct Flight<'f> {
    session: &'f Session,
    sent: Vec<Sent<'f>>,
}

impl<'f> Flight<'f> {
    fn send(&mut self, sql: Sql, columns: Vec<&'f (dyn ToSql + Sync)>) {
        let session = self.session;
        self.sent.push(Box::pin(run(&session.link.client, session.statement(sql), columns)));
    }

    fn change(&mut self, change: &'f Change) {
        let client = &self.session.link.client;
        self.sent.push(Box::pin(async move {
            client.execute_typed(change.sql, &change.params()).await.map(drop)
        }));
    }
}

async fn run(
    client: &Client,
    statement: &Statement,
    columns: Vec<&(dyn ToSql + Sync)>,
) -> Result<(), Error> {
    client.execute(statement, &columns).await.map(drop)
}

/// Sends in order, then waits for all. The first error counts: after it the others fail for that alone.
async fn land(mut sent: Vec<Sent<'_>>, mut commit: Sent<'_>, client: &Client) -> Result<(), Error> {
    let mut results: Vec<Option<Result<(), Error>>> = sent.iter().map(|_| None).collect();
    // A first poll sends. What cannot even be sent leaves a gap, and nothing may be committed over it.
    let mut gap = false;
    poll_fn(|cx| {
        for (statement, result) in sent.iter_mut().zip(&mut results) {
            if let Poll::Ready(done) = statement.as_mut().poll(cx) {
                gap |= done.is_err();
                *result = Some(done);
            }
        }
        Poll::Ready(())
    })
    .await;
    let mut committed = if gap { Some(client.batch_execute("ROLLBACK").await) } else { None };
    poll_fn(|cx| {
        let mut open = false;
        for (statement, result) in sent.iter_mut().zip(&mut results).filter(|(_, r)| r.is_none()) {
            match statement.as_mut().poll(cx) {
                Poll::Ready(done) => *result = Some(done),
                Poll::Pending => open = true,
            }
        }
        if committed.is_none() {
            match commit.as_mut().poll(cx) {
                Poll::Ready(done) => committed = Some(done),
                Poll::Pending => open = true,
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    results.into_iter().chain([committed]).flatten().collect()
}
