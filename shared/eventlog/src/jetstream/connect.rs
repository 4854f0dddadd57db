//! The connection, and what is told of its fate.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use tokio::time::Instant;

use crate::broker::Signals;
use crate::error::OpenError;
use crate::options::{Credentials, Options};

/// Two pings without an answer end a connection; the library's own 60 s would leave a frozen broker unnoticed for minutes.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Between tries to connect at the start.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// Between tries to connect again: 20 ms doubled each time up to this.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(1_000);

/// Connects within the deadline; a server that refuses our credentials ends it at once.
pub(super) async fn connect(options: &Options, signals: &Arc<Signals>) -> Result<Client, OpenError> {
    let servers: Vec<&str> = options.servers.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
    let deadline = Instant::now() + options.open_deadline;
    loop {
        let connecting = configure(options, signals).await?.connect(servers.as_slice());
        let error = match connecting.await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let hopeless = matches!(
            error.kind(),
            ConnectErrorKind::ServerParse | ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation
        );
        if hopeless || Instant::now() + RETRY_EVERY > deadline {
            return Err(OpenError::NoServer {
                servers: options.servers.clone(),
                within: options.open_deadline,
                cause: error.to_string(),
            });
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

async fn configure(options: &Options, signals: &Arc<Signals>) -> Result<ConnectOptions, OpenError> {
    let unreadable = |error: std::io::Error| OpenError::Credentials(error.to_string());
    let connect = match &options.credentials {
        None => ConnectOptions::new(),
        Some(Credentials::File(path)) => ConnectOptions::with_credentials_file(path).await.map_err(unreadable)?,
        Some(Credentials::UserPassword { user, password }) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
    };
    let signals = Arc::clone(signals);
    let connect = connect
        .name(&options.name)
        .ping_interval(PING_EVERY)
        .connection_timeout(options.open_deadline.min(Duration::from_secs(5)))
        .subscription_capacity(options.live_buffered_max)
        .reconnect_delay_callback(pause_before)
        .event_callback(move |event| {
            let signals = Arc::clone(&signals);
            async move { note(&signals, event) }
        });
    Ok(match &options.inbox_prefix {
        Some(prefix) => connect.custom_inbox_prefix(prefix),
        None => connect,
    })
}

/// Full jitter, so that a thousand edges don't come back in one moment.
fn pause_before(attempt: usize) -> Duration {
    let doubled = Duration::from_millis(20) * 2_u32.saturating_pow(attempt.min(6) as u32);
    doubled.min(RECONNECT_PAUSE_MAX).mul_f64(rand::random_range(0.5..1.0))
}

fn note(signals: &Signals, event: Event) {
    match event {
        Event::Connected => {
            let was_connected = signals.connected.send_replace(true);
            signals.count(|numbers| {
                numbers.connected.set(1);
            });
            if !was_connected {
                signals.count(|numbers| {
                    numbers.reconnects.inc();
                });
                tracing::info!("connected to NATS again");
                signals.reconnects.send_modify(|count| *count += 1);
                signals.disrupted();
            }
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(%event, "no connection to NATS");
            signals.connected.send_replace(false);
            signals.count(|numbers| {
                numbers.connected.set(0);
            });
        }
        Event::SlowConsumer(_) => {
            // Said once for every message that is dropped: too often to log each.
            tracing::debug!(%event, "live messages dropped");
            signals.count(|numbers| {
                numbers.dropped.inc();
            });
            signals.disrupted();
        }
        Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "NATS"),
        Event::LameDuckMode | Event::Draining => tracing::info!(%event, "NATS"),
    }
}
