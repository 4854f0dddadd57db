//! Waiting with a bound.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::error::Error;

const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until it is so; what was seen instead is in the error.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + within;
    loop {
        let last_seen = match look().await? {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if Instant::now() > deadline {
            return Err(Error::Late { what: what.to_owned(), within, last_seen });
        }
        sleep(PAUSE).await;
    }
}

/// The future's value, if it comes in time.
pub(crate) async fn bounded<T>(
    what: &str,
    within: Duration,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = || Error::Late { what: what.to_owned(), within, last_seen: String::new() };
    timeout(within, future).await.map_err(|_| late())?
}
