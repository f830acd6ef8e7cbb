//! Waiting for a state, never for a length of time.

use std::time::Duration;

/// Long enough for a machine that is busy with other things; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `state` answers something, looking again whenever others have had their turn.
pub async fn wait_for<T>(what: &str, mut state: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        let mut often = tokio::time::interval(Duration::from_millis(5));
        loop {
            often.tick().await;
            if let Some(found) = state().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("waited too long for {what}"))
}
