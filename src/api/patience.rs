//! How long is waited: for a body on its way, as who sends slowly holds room that others need, and for a turn at what
//! only a few may do at once.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::problem::Problem;

/// A sender of whom nothing came for so long is gone, or holds the line on purpose.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// And all of a body comes within this: the largest form needs 1.4 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// The next piece of a body.
///
/// # Errors
/// Where it does not come.
pub async fn piece<T>(next: impl Future<Output = T>) -> Result<T, Problem> {
    in_time(STALL_TIMEOUT, next).await
}

/// All of a body.
///
/// # Errors
/// Where it takes too long; what is wrong with it.
pub async fn whole<T>(body: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    in_time(BODY_TIMEOUT, body).await?
}

/// One of a few turns, to be held until what it is for is done.
///
/// # Errors
/// 503 with `busy` where none is free in time.
pub async fn turn<'t>(
    turns: &'t Semaphore,
    patience: Duration,
    busy: &str,
) -> Result<SemaphorePermit<'t>, Problem> {
    let turn = timeout(patience, turns.acquire()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| Problem::busy(busy))
}

async fn in_time<T>(patience: Duration, coming: impl Future<Output = T>) -> Result<T, Problem> {
    timeout(patience, coming).await.map_err(|_| Problem::too_slow())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_sends_nothing_is_waited_for_no_longer() {
        let problem = in_time(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.kind), (503, "too-slow"));
    }
}
