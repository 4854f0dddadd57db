//! Waiting for something to become true, with a bound and a message that says what didn't.

use std::future::Future;
use std::time::{Duration, Instant};

const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks again and again until `look` gives a value, and returns it; at most for `bound`.
///
/// A look says either what was wanted (`Ok`) or what there is instead (`Err`). A single look may take as long as the whole
/// bound; it is cut off there.
///
/// # Panics
/// When `bound` is over, with `what`, the bound and the last thing seen.
pub async fn eventually<T, E, F, Fut>(bound: Duration, what: &str, mut look: F) -> T
where
    E: std::fmt::Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    let mut looks = 0_u32;
    let mut last_seen = String::from("nothing: the first look never came back");
    let looking = async {
        loop {
            looks += 1;
            match look().await {
                Ok(value) => return value,
                Err(seen) => last_seen = seen.to_string(),
            }
            tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    };
    match tokio::time::timeout(bound, looking).await {
        Ok(value) => value,
        Err(_) => panic!(
            "waited {:.1} s ({looks} looks) in vain for: {what}\nlast seen: {last_seen}",
            started.elapsed().as_secs_f32()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_first_good_value() {
        let mut left = 3;
        let value = eventually(Duration::from_secs(5), "a countdown", || {
            left -= 1;
            let left = left;
            async move { if left == 0 { Ok("done") } else { Err(format!("{left} left")) } }
        })
        .await;
        assert_eq!(value, "done");
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for: pigs to fly\nlast seen: 0 pigs")]
    async fn says_what_it_waited_for_and_what_it_saw() {
        eventually(Duration::from_millis(30), "pigs to fly", || async { Err::<(), _>("0 pigs") }).await;
    }
}
