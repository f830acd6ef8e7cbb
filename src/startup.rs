//! A start that waits for its database: after a power cut the machine that holds it may be the last to come back.
//! Reports are taken meanwhile, where the folder knows the database.
//!
//! What waiting does not cure (a wrong password, tables of a newer pantau) ends the start at once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::awaiting::Awaiting;
use crate::city::City;
use crate::clock::{Clock, SystemClock};
use crate::config::ServeSettings;
use crate::journal::{JournalError, Spool};
use crate::server::{Server, listen};
use crate::service;

/// How often a database that is away is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often the log says that it still is.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// What the log says of it.
const REPORTS_ALONE: &str = "reports are kept here, nothing else is served yet";
const NOTHING: &str = "nothing is served yet (this data folder was never started on it, so it cannot give out codes for reports)";
/// The service manager is asked for this much more at each try: one can take half a minute and then find much to do.
const LONGER: Duration = Duration::from_secs(150);

/// Starts the server, once its database is there, and listens; `None` where `until` ended before. `say` hears where
/// reports are taken meanwhile.
///
/// # Errors
/// Where the city pack is wrong, and as [`Server::start`], but where the database is away; where somebody else
/// listens.
pub async fn start(
    settings: &ServeSettings,
    until: &mut (impl Future<Output = ()> + Unpin),
    say: &dyn Fn(&str),
) -> anyhow::Result<Option<(Server, TcpListener)>> {
    let clock = SystemClock::new();
    let city = Arc::new(City::load(&settings.city)?);
    city.calendar.say_where_blind(clock.now());
    let mut said: Option<Duration> = None;
    let mut awaiting: Option<Awaiting> = None;
    loop {
        let spool = awaiting.as_ref().map(|awaiting| awaiting.spool().clone());
        let started = tokio::select! {
            () = &mut *until => return stopped(awaiting).await,
            started = begin(settings.clone(), city.clone(), spool)? => started.context("the start broke off")?,
        };
        let error = match started {
            Ok(server) => {
                let listener = match awaiting {
                    Some(awaiting) => awaiting.hand_over(&server),
                    None => listen(settings.listen)?,
                };
                return Ok(Some((server, listener)));
            }
            Err(error) => error,
        };
        let Some(what) = passing(&error) else { return Err(error) };
        match &awaiting {
            Some(awaiting) => awaiting.still(&what),
            None => awaiting = take_reports(settings, &city, &what, say)?,
        }
        let now = clock.monotonic();
        if said.is_none_or(|said| now.saturating_sub(said) >= SAY_EVERY) {
            said = Some(now);
            let meanwhile = if awaiting.is_some() { REPORTS_ALONE } else { NOTHING };
            tracing::warn!("{what}; {meanwhile}, the start waits for it");
        }
        service::start_takes_longer(LONGER);
        tokio::select! {
            () = &mut *until => return stopped(awaiting).await,
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}

async fn stopped(awaiting: Option<Awaiting>) -> anyhow::Result<Option<(Server, TcpListener)>> {
    if let Some(awaiting) = awaiting {
        awaiting.close().await;
    }
    Ok(None)
}

/// Takes reports while the database is away, where it is known.
fn take_reports(
    settings: &ServeSettings,
    city: &Arc<City>,
    what: &str,
    say: &dyn Fn(&str),
) -> anyhow::Result<Option<Awaiting>> {
    // A replay has no senders that could not wait.
    let Some(store) = settings.store.as_ref().filter(|_| !settings.replay) else { return Ok(None) };
    let awaiting = Awaiting::begin(settings, store, city, what)?;
    if let Some(awaiting) = &awaiting {
        let address = awaiting.address().context("the listener has no address")?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        say(&format!("Waiting for {store}; reports are taken on {scheme}://{address}/ meanwhile"));
    }
    Ok(awaiting)
}

/// On a thread that nobody has to wait for, whatever it waits for itself.
fn begin(
    settings: ServeSettings,
    city: Arc<City>,
    spool: Option<Arc<Spool>>,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Server>>> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    let start = move || {
        let _within = runtime.enter();
        // Where the process is about to end nobody listens.
        let _ = tell.send(Server::start(&settings, city, spool));
    };
    std::thread::Builder::new().name("start".to_owned()).spawn(start).context("no thread for the start")?;
    Ok(told)
}

/// What is wrong, where it can pass by itself.
fn passing(error: &anyhow::Error) -> Option<String> {
    match error.chain().find_map(|cause| cause.downcast_ref::<JournalError>())? {
        away @ JournalError::Away(_) => Some(away.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_that_is_away_is_waited_for() {
        let of = |error: JournalError| passing(&anyhow::Error::from(error).context("more words"));
        assert_eq!(of(JournalError::Away("rests".to_owned())).as_deref(), Some("the database rests"));
        for lasting in [JournalError::Folder(String::new()), JournalError::Full] {
            assert_eq!(of(lasting), None);
        }
        assert_eq!(passing(&anyhow::anyhow!("the pack is wrong")), None);
    }
}
