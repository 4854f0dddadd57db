//! From a signal to a token: when the operator wants us to stop, everything that holds the token knows.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT (Ctrl-C).
///
/// A second one means "at once": the process exits with status 130, drained or not. Must be called within a tokio runtime.
/// Fails only if the system refuses a signal handler.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "Ctrl-C",
        };
        tracing::info!(signal = name, "stopping; a second signal stops at once");
        shutdown.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!("stopping at once");
        #[expect(clippy::disallowed_methods, reason = "whoever asks twice wants no more Drop to be waited for")]
        std::process::exit(130);
    });
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[tokio::test]
    async fn sigterm_cancels_the_token() {
        let token = on_signals().expect("handlers can be set");
        assert!(!token.is_cancelled());
        kill_process(getpid(), Signal::TERM).expect("we may signal ourselves");
        token.cancelled().await;
    }
}
