//! The services of one process: started together, stopped one after the other, and all of them when one fails.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::AnyError;

/// Running services, in the order in which they are to be stopped.
#[derive(Default)]
pub(crate) struct Services {
    running: Vec<Service>,
    one_ended: CancellationToken,
}

struct Service {
    name: &'static str,
    stop: CancellationToken,
    patience: Duration,
    task: JoinHandle<Result<(), AnyError>>,
}

impl Services {
    /// Starts a service, to be stopped after those before it. It has `patience` to end once its token is cancelled.
    pub(crate) fn start<F>(&mut self, name: &'static str, patience: Duration, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), AnyError>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        // Cancelled however the task ends, by a panic too.
        let ended = self.one_ended.clone().drop_guard();
        let service = run(stop.clone());
        let task = tokio::spawn(async move {
            let _ended = ended;
            service.await
        });
        self.running.push(Service { name, stop, patience, task });
    }

    /// Waits for `shutdown`, or for a service that ends by itself (which none should); then stops all, and says what went
    /// wrong with which.
    pub(crate) async fn until(self, shutdown: &CancellationToken) -> Result<(), AnyError> {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.one_ended.cancelled() => {}
        }
        let was_asked = shutdown.is_cancelled();
        let mut problems = Vec::new();
        for service in self.running {
            let name = service.name;
            let ended_by_itself = service.task.is_finished() && !was_asked;
            match service.stop().await {
                Ok(()) if ended_by_itself => problems.push(format!("the {name} ended by itself")),
                Ok(()) => tracing::info!(service = name, "stopped"),
                Err(problem) => problems.push(format!("{name}: {problem}")),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ").into()) }
    }
}

impl Service {
    async fn stop(mut self) -> Result<(), AnyError> {
        self.stop.cancel();
        match timeout(self.patience, &mut self.task).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panic.into()),
            Err(_) => {
                self.task.abort();
                Err(format!("still at work {} ms after it was told to stop, and cut off", self.patience.as_millis())
                    .into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn services_stop_in_their_order() {
        let (tell, told) = channel();
        let mut services = Services::default();
        for name in ["first", "second"] {
            let tell = tell.clone();
            services.start(name, PATIENCE, |stop| async move {
                stop.cancelled().await;
                tell.send(name).map_err(Into::into)
            });
        }
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        services.until(&shutdown).await.expect("both end well");
        drop(tell);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["first", "second"]);
    }

    #[tokio::test]
    async fn when_one_fails_the_others_are_stopped_and_the_cause_is_told() {
        let mut services = Services::default();
        services.start("steady", PATIENCE, |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        services.start("unlucky", PATIENCE, |_| async { Err("no luck".into()) });
        services.start("stuck", Duration::from_millis(10), |_| std::future::pending());
        let error = services.until(&CancellationToken::new()).await.expect_err("one failed");
        assert_eq!(
            error.to_string(),
            "unlucky: no luck; stuck: still at work 10 ms after it was told to stop, and cut off"
        );
    }
}
