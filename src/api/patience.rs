//! How long a body may be on its way: who sends slowly holds room that others need.

use std::time::Duration;

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
