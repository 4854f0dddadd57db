//! The edge: frames become commands, commands become guarded appends, and what the log accepts becomes frames again.
//! It holds nothing that another edge would need: any edge serves anyone.
//!
//! ```text
//! frame → append   socket/read → wire → session → act (domain::decide) → eventlog → ack
//! event → frame    eventlog::LiveRoom → room → outbox → socket/write
//! ```

pub mod config;
pub mod token;

mod accept;
mod accounts;
mod act;
mod announce;
mod client;
mod facts;
mod gone_back;
mod history;
mod http;
mod hub;
mod infos;
mod interest;
mod interpreter;
mod listener;
mod metrics;
mod of_life;
mod outbox;
mod past;
mod people;
mod presence;
mod ready;
mod resume;
mod ring;
mod room;
mod roster;
mod session;
mod session_id;
#[cfg(feature = "simulation")]
pub mod simulation;
mod socket;
mod socketio;
mod standing;
mod stream;
pub mod tls;
mod transport;
mod voice;
mod watermark;

pub use config::Config;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use klatch_eventlog::Log;
use klatch_service::{Health, Metrics};
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::tls::{BadCertificate, Certificate};
use crate::token::{BadKeys, Verifier};

/// Why an edge can't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody could be believed.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// The certificate can't be used.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// Demonstration people, where others than this machine could sign in as them.
    #[error("demonstration people are for loopback only: {0} is not")]
    DemoInPublic(SocketAddr),
}

/// Runs an edge until `shutdown`; then drains: not ready, goodbye to every session, and the end within
/// `drain_ms_max`.
///
/// `bound` hears the addresses that are listened on, with the ports that the system chose where 0 was asked for.
pub async fn run(
    config: Config,
    log: Log,
    health: Health,
    metrics: &Metrics,
    bound: impl FnOnce(&[SocketAddr]),
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let verifier = Verifier::new(&config.auth)?;
    if let Some(address) = config.listen.iter().find(|address| !address.ip().is_loopback())
        && !config.demo.is_empty()
    {
        return Err(RunError::DemoInPublic(*address));
    }
    if config.auth.trust_client_identity {
        tracing::warn!("auth.trust_client_identity: clients of older protocols are whoever they say they are");
    }
    let certificate = Certificate::open(&config.tls)?.map(Arc::new);
    let listeners = listen(&config)?;
    log.count_into(metrics);
    let hub = Arc::new(Hub::new(config, log, verifier, health, metrics::Metrics::new(metrics)));
    bound(&listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect::<Vec<_>>());

    let background = CancellationToken::new();
    let upkeep = tokio::spawn(background.clone().run_until_cancelled_owned(upkeep(hub.clone())));
    if let Some(certificate) = certificate.clone() {
        tokio::spawn(background.clone().run_until_cancelled_owned(certificate.keep()));
    }
    let routes = http::routes(hub.clone());
    for listener in listeners {
        tokio::spawn(accept::accept(hub.clone(), listener, routes.clone(), certificate.clone()));
    }

    shutdown.cancelled().await;
    hub.health.condition("drain", "this server stops");
    hub.draining.cancel();
    let drained = hub.tasks.finish(Duration::from_millis(hub.config.drain_ms_max)).await;
    background.cancel();
    let _ = upkeep.await;
    if let Err(error) = hub.log.end_lease(&hub.edge).await {
        tracing::warn!(%error, "can't give up the presence lease: it lapses by itself");
    }
    if let Err(cut_off) = drained {
        tracing::warn!(%cut_off, "clients that did not take their close frame");
    }
    Ok(())
}

/// The text messages in a client's bytes, which come in pieces of `step`; or the number of the close code that they
/// earn. For fuzz targets: the way that every client's bytes go, without a socket.
#[doc(hidden)]
pub fn messages_in(bytes: &[u8], step: usize) -> (Vec<String>, Option<u16>) {
    let mut reader = socket::read::Reader::new(&klatch_wire::Limits::default());
    let mut texts = Vec::new();
    let mut each = |incoming: socket::read::Incoming<'_>| {
        if let socket::read::Incoming::Text(text) = incoming {
            texts.push(text.to_owned());
        }
    };
    let broken = bytes.chunks(step).find_map(|piece| reader.feed(piece, &mut each).err());
    (texts, broken.map(klatch_wire::CloseCode::number))
}

/// Registers what an edge counts, without running one: for the catalogue.
pub fn register_numbers(registry: &Metrics) {
    metrics::Metrics::new(registry);
}

fn listen(config: &Config) -> Result<Vec<tokio::net::TcpListener>, RunError> {
    let bind = |address: &SocketAddr| {
        accept::bind(*address, config.accept_backlog).map_err(|cause| RunError::Listen { address: *address, cause })
    };
    config.listen.iter().map(bind).collect()
}

/// What an edge does beside serving.
async fn upkeep(hub: Arc<Hub>) {
    tokio::join!(
        ready::watch(hub.clone()),
        presence::keep(hub.clone()),
        hub.announcements.run(&hub.log, &hub.edge),
        facts::follow(hub.clone()),
        http::answer_census(hub.clone()),
        token::keep_keys(hub.clone()),
        metrics::keep(hub.clone()),
    );
}
