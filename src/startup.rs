//! A start that waits for its database: after a power cut the machine that holds it may be the last to come back.
//!
//! What waiting does not cure (a wrong password, tables of a newer pantau) ends the start at once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::city::City;
use crate::clock::{Clock, SystemClock};
use crate::config::ServeSettings;
use crate::journal::JournalError;
use crate::server::Server;
use crate::service;

/// How often a database that is away is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often the log says that it still is.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// The service manager is asked for this much more at each try: one can take half a minute and then find much to do.
const LONGER: Duration = Duration::from_secs(150);

/// Starts the server, once its database is there; `None` where `until` ended before.
///
/// # Errors
/// Where the city pack is wrong, and as [`Server::start`], but where the database is away.
pub async fn start(
    settings: &ServeSettings,
    until: &mut (impl Future<Output = ()> + Unpin),
) -> anyhow::Result<Option<Server>> {
    let clock = SystemClock::new();
    let city = Arc::new(City::load(&settings.city)?);
    city.calendar.say_where_blind(clock.now());
    let mut said: Option<Duration> = None;
    loop {
        let started = tokio::select! {
            () = &mut *until => return Ok(None),
            started = begin(settings.clone(), city.clone())? => started.context("the start broke off")?,
        };
        let error = match started {
            Ok(server) => return Ok(Some(server)),
            Err(error) => error,
        };
        let Some(what) = passing(&error) else { return Err(error) };
        let now = clock.monotonic();
        if said.is_none_or(|said| now.saturating_sub(said) >= SAY_EVERY) {
            said = Some(now);
            tracing::warn!("{what}; nothing is served yet, the start waits for it");
        }
        service::start_takes_longer(LONGER);
        tokio::select! {
            () = &mut *until => return Ok(None),
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}

/// On a thread that nobody has to wait for, whatever it waits for itself.
fn begin(
    settings: ServeSettings,
    city: Arc<City>,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<Server>>> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    let start = move || {
        let _within = runtime.enter();
        // Where the process is about to end nobody listens.
        let _ = tell.send(Server::start(&settings, city));
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
