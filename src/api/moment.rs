//! The moment that an answer is of: the newest, or one of the past that the question names with `at`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::SemaphorePermit;

use super::app::{App, AppState};
use super::params::Params;
use super::patience;
use super::problem::Problem;
use crate::feed::wire::time;
use crate::feed::{TextSearch, parse_time};
use crate::live::{Filter, LiveMap};
use crate::model::{Projection, TimeMs};
use crate::past::PastMap;

/// How long a question about the past waits for those before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// A moment, and what finds words in it.
#[derive(Clone)]
pub struct Moment {
    pub live: Arc<LiveMap>,
    search: Arc<TextSearch>,
    /// As it was asked for.
    pub at: Option<TimeMs>,
}

impl Moment {
    /// What was known at `at`, by the newest entry that is not later; without it, what is known now.
    ///
    /// # Errors
    /// Where the journal cannot be read, is too large, or too many ask.
    pub async fn of(app: &AppState, at: Option<TimeMs>) -> Result<Moment, Problem> {
        let live = app.live();
        let newest = Moment { live: live.clone(), search: app.search.clone(), at };
        let Some(at) = at.filter(|at| *at < live.now()) else { return Ok(newest) };
        let _turn = turn(app).await?;
        let past = app.past.clone();
        Ok(match super::aside(move || past.maps.at(&live, at)).await? {
            Some(PastMap { map, search }) => Moment { live: map, search, ..newest },
            None => newest,
        })
    }

    /// Computes an answer: at once where tallies give it, else where it holds up no other request.
    pub async fn compute<T: Send + 'static>(
        &self,
        projection: Projection,
        filter: Filter,
        answer: impl FnOnce(&LiveMap, &Filter) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        if filter.is_by_key() {
            return Ok(answer(&self.live, &filter));
        }
        self.compute_aside(projection, filter, answer).await
    }

    /// Computes an answer where it holds up no other request.
    pub async fn compute_aside<T: Send + 'static>(
        &self,
        projection: Projection,
        mut filter: Filter,
        answer: impl FnOnce(&LiveMap, &Filter) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Moment { live, search, .. } = self.clone();
        super::blocking(move || {
            search.look_up(&mut filter, projection, &live)?;
            Ok(answer(&live, &filter))
        })
        .await
    }

    /// The time that was asked for, as answers carry it; `None` where none was.
    pub fn asked(&self) -> Option<String> {
        self.at.map(time)
    }

    /// Puts the time that was asked for into an answer.
    pub fn mark(&self, answer: &mut Value) {
        if let Some(at) = self.asked() {
            answer["at"] = at.into();
        }
    }
}

/// The parameter `at`.
pub fn read_at(params: &mut Params, app: &App) -> Option<TimeMs> {
    params.read("at", |text| match parse_time(text)? {
        at if at > app.now() => Err(format!("{text} lies ahead; leave at out for what is known now")),
        at => Ok(at),
    })
}

/// The turn of one question that is computed from the journal; to be held until it is answered.
///
/// # Errors
/// Where too many ask.
pub async fn turn(app: &App) -> Result<SemaphorePermit<'_>, Problem> {
    let busy = "others ask about the past, and the first question after a start takes a while";
    patience::turn(&app.past.turns, TURN_TIMEOUT, busy).await
}
