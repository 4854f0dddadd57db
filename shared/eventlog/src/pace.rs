//! Whether the broker is slow: works off what waits for it one after the other, and takes long over each.

use std::time::Duration;

use tokio::time::Instant;

/// Slow is who takes this long over one event. Most disks take longer to sync; without that, slow machines are faster.
const SLOW_FROM: Duration = Duration::from_micros(150);
/// In a crowd an answer takes this many times as long as the quickest ever: else it is a long way that takes the time,
/// which others can go meanwhile.
const QUEUED_FROM: u32 = 4;
/// The pace is taken over this time …
const WINDOW: Duration = Duration::from_millis(100);
/// … so many times in a row: one pause for breath is none.
const WINDOWS: u32 = 2;
/// Once it was seen to be slow, the broker is taken to be so for this long; then it is looked at anew.
pub(crate) const SLOW_FOR: Duration = Duration::from_secs(10);

/// The broker's pace, seen by those who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waiting: usize,
    quickest: Option<Duration>,
    window: Option<Window>,
    slow_windows: u32,
    slow_until: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    answers: u32,
    took: Duration,
}

impl Pace {
    pub(crate) fn is_slow(&self) -> bool {
        self.slow_until.is_some_and(|until| Instant::now() < until)
    }

    /// One more waits for the broker.
    pub(crate) fn begin(&mut self) {
        self.waiting += 1;
    }

    /// It waits no more, whatever became of it.
    pub(crate) fn end(&mut self) {
        self.waiting -= 1;
    }

    /// An event was stored, this long after it was sent. The pace is taken while at least `crowd_min` wait all the time.
    pub(crate) fn answered(&mut self, took: Duration, crowd_min: usize) {
        let quickest = took.min(self.quickest.unwrap_or(took));
        self.quickest = Some(quickest);
        if self.waiting < crowd_min {
            (self.window, self.slow_windows) = (None, 0);
            return;
        }
        let now = Instant::now();
        let Some(window) = &mut self.window else {
            self.window = Some(Window { since: now, answers: 0, took: Duration::ZERO });
            return;
        };
        window.answers += 1;
        window.took += took;
        let lasted = now - window.since;
        if lasted < WINDOW {
            return;
        }
        let takes_long = lasted >= SLOW_FROM * window.answers;
        let is_queued = window.took >= quickest * QUEUED_FROM * window.answers;
        self.slow_windows = if takes_long && is_queued { self.slow_windows + 1 } else { 0 };
        self.window = None;
        if self.slow_windows == WINDOWS {
            (self.slow_windows, self.slow_until) = (0, Some(now + SLOW_FOR));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD_MIN: usize = 16;
    const QUICK: Duration = Duration::from_micros(400);

    /// So many wait for a second for a broker that stores one of them after each pause, and answers each after `took`.
    async fn wait(pace: &mut Pace, crowd: usize, took: Duration, pauses: impl Iterator<Item = Duration>) {
        pace.answered(QUICK, CROWD_MIN);
        (0..crowd).for_each(|_| pace.begin());
        let begun = Instant::now();
        for pause in pauses.take_while(|_| begun.elapsed() < Duration::from_secs(1)) {
            tokio::time::advance(pause).await;
            pace.answered(took, CROWD_MIN);
        }
        (0..crowd).for_each(|_| pace.end());
    }

    fn each(pause: Duration) -> impl Iterator<Item = Duration> {
        std::iter::repeat_n(pause, 100_000)
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_a_crowd_waiting_is_slow_and_is_looked_at_anew_later() {
        let mut pace = Pace::default();
        wait(&mut pace, CROWD_MIN, QUICK * QUEUED_FROM, each(SLOW_FROM)).await;
        assert!(pace.is_slow());
        tokio::time::advance(SLOW_FOR).await;
        assert!(!pace.is_slow());
    }

    #[tokio::test(start_paused = true)]
    async fn neither_speed_nor_distance_nor_a_small_crowd_is_slow() {
        let mut pace = Pace::default();
        wait(&mut pace, CROWD_MIN, QUICK * QUEUED_FROM, each(SLOW_FROM / 2)).await;
        assert!(!pace.is_slow(), "a fast one");
        wait(&mut pace, CROWD_MIN, QUICK * (QUEUED_FROM - 1), each(SLOW_FROM)).await;
        assert!(!pace.is_slow(), "a distant one");
        wait(&mut pace, CROWD_MIN - 1, QUICK * QUEUED_FROM, each(SLOW_FROM)).await;
        assert!(!pace.is_slow(), "one for whom few wait");
    }

    #[tokio::test(start_paused = true)]
    async fn one_pause_in_a_rush_is_not_slow() {
        let mut pace = Pace::default();
        let rush = || each(SLOW_FROM / 5).take(500);
        let pauses = rush().chain([Duration::from_millis(400)]).chain(rush()).chain(each(SLOW_FROM / 5));
        wait(&mut pace, 1_024, QUICK * QUEUED_FROM, pauses).await;
        assert!(!pace.is_slow());
    }
}
