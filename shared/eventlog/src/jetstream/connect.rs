//! The connection, and what is told of its fate and of what it may not do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use tokio::time::Instant;

use super::denial::{Denial, Denials};
use crate::broker::Signals;
use crate::error::OpenError;
use crate::options::{Credentials, Options, Tls};

/// Two pings without an answer end a connection; the library's own 60 s would leave a frozen broker unnoticed for minutes.
const PING_EVERY: Duration = Duration::from_secs(10);
/// Between tries to connect at the start.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// Between tries to connect again: 20 ms doubled each time up to this.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(1_000);

/// What is heard of a connection while it lasts.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) signals: Signals,
    pub(super) denials: Denials,
}

/// A connection alone, for whoever has no business with the log: within the options' deadline.
pub async fn connect(options: &Options) -> Result<Client, OpenError> {
    open(options, &Arc::default()).await
}

/// Connects within the deadline; a server that refuses our credentials ends it at once.
pub(super) async fn open(options: &Options, told: &Arc<Told>) -> Result<Client, OpenError> {
    let servers: Vec<&str> = options.servers.split(',').map(str::trim).filter(|server| !server.is_empty()).collect();
    let deadline = Instant::now() + options.open_deadline;
    loop {
        let connecting = configure(options, told).await?.connect(servers.as_slice());
        let error = match connecting.await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                let nobody = || "a connection without a user".to_owned();
                return Err(OpenError::NotTaken {
                    servers: options.servers.clone(),
                    who: options.credentials.as_ref().map_or_else(nobody, Credentials::who),
                    cause: error.to_string(),
                });
            }
            kind if kind == ConnectErrorKind::ServerParse || Instant::now() + RETRY_EVERY > deadline => {
                return Err(OpenError::NoServer {
                    servers: options.servers.clone(),
                    within: options.open_deadline,
                    cause: error.to_string(),
                });
            }
            _ => tokio::time::sleep(RETRY_EVERY).await,
        }
    }
}

async fn configure(options: &Options, told: &Arc<Told>) -> Result<ConnectOptions, OpenError> {
    let unreadable = |error: std::io::Error| OpenError::Credentials(error.to_string());
    let mut connect = match &options.credentials {
        None => ConnectOptions::new(),
        Some(Credentials::File(path)) => ConnectOptions::with_credentials_file(path).await.map_err(unreadable)?,
        Some(Credentials::UserPassword { user, password }) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
    };
    if let Some(tls) = &options.tls {
        connect = encrypt(connect, tls).await?;
    }
    if let Some(prefix) = &options.inbox_prefix {
        connect = connect.custom_inbox_prefix(prefix);
    }
    let told = Arc::clone(told);
    Ok(connect
        .name(&options.name)
        .ping_interval(PING_EVERY)
        .connection_timeout(options.open_deadline.min(Duration::from_secs(5)))
        .subscription_capacity(options.live_buffered_max)
        .reconnect_delay_callback(pause_before)
        .event_callback(move |event| {
            let told = Arc::clone(&told);
            async move { note(&told, event) }
        }))
}

/// The library reads the files at each connection; a first look here tells of a wrong path at once.
async fn encrypt(connect: ConnectOptions, tls: &Tls) -> Result<ConnectOptions, OpenError> {
    let Tls { ca, identity } = tls;
    let mut connect = connect.require_tls(true);
    if let Some(ca) = ca {
        readable(ca).await?;
        connect = connect.add_root_certificates(ca.clone());
    }
    if let Some((cert, key)) = identity {
        readable(cert).await?;
        readable(key).await?;
        connect = connect.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(connect)
}

async fn readable(path: &Path) -> Result<(), OpenError> {
    let read = tokio::fs::read(path).await;
    read.map(drop).map_err(|error| OpenError::Tls(format!("{}: {error}", path.display())))
}

/// Full jitter, so that a thousand edges don't come back in one moment.
fn pause_before(attempt: usize) -> Duration {
    let doubled = Duration::from_millis(20) * 2_u32.saturating_pow(attempt.min(6) as u32);
    doubled.min(RECONNECT_PAUSE_MAX).mul_f64(rand::random_range(0.5..1.0))
}

fn note(told: &Told, event: Event) {
    let Told { signals, denials } = told;
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
        Event::ServerError(ServerError::Other(said)) => match Denial::parse(&said) {
            Some(denial) => denials.note(denial),
            None => tracing::warn!(said, "NATS"),
        },
        Event::ServerError(_) | Event::ClientError(_) => tracing::warn!(%event, "NATS"),
        Event::LameDuckMode | Event::Draining => tracing::info!(%event, "NATS"),
    }
}
