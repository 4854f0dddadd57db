//! Letting work that has begun come to its end, but not for ever.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a service that are to be finished before it stops. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    tasks: TaskTracker,
    cut_off: CancellationToken,
}

/// A deadline passed with so many tasks still at work; they were cut off.
#[derive(Debug, thiserror::Error)]
#[error("{tasks} tasks had not ended after {} ms and were cut off", .after.as_millis())]
pub struct CutOff {
    /// How many.
    pub tasks: usize,
    /// How long they were waited for.
    pub after: Duration,
}

impl Drain {
    /// Nothing to wait for yet.
    pub fn new() -> Drain {
        Drain::default()
    }

    /// Spawns a task that [`finish`](Self::finish) waits for. A task that is cut off is dropped at its next await and
    /// yields `None`.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(self.cut_off.clone().run_until_cancelled_owned(task))
    }

    /// How many tasks are at work.
    pub fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until every task has ended, for at most `deadline`; then drops those that are left.
    ///
    /// Tasks spawned meanwhile are waited for too. Telling them to stop is the caller's part, before this.
    pub async fn finish(&self, deadline: Duration) -> Result<(), CutOff> {
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok() {
            return Ok(());
        }
        let tasks = self.tasks.len();
        self.cut_off.cancel();
        self.tasks.wait().await;
        Err(CutOff { tasks, after: deadline })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn finishes_what_ends_in_time() {
        let drain = Drain::new();
        let (go, gone) = oneshot::channel::<()>();
        let task = drain.spawn(async move { gone.await.is_ok() });
        assert_eq!(drain.in_flight(), 1);
        go.send(()).expect("the task listens");
        drain.finish(Duration::from_secs(30)).await.expect("the task ends");
        assert_eq!(task.await.expect("no panic"), Some(true));
    }

    #[tokio::test]
    async fn cuts_off_what_does_not_and_says_how_many() {
        let drain = Drain::new();
        let stuck = drain.spawn(pending::<()>());
        drain.spawn(async {}).await.expect("no panic");
        let cut_off = drain.finish(Duration::from_millis(20)).await.expect_err("one task never ends");
        assert_eq!(cut_off.to_string(), "1 tasks had not ended after 20 ms and were cut off");
        assert_eq!(stuck.await.expect("no panic"), None);
    }
}
