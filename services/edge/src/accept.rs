//! Listening sockets and the HTTP connections on them, each with a limit on how long a request's head may take.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service;

use crate::http::Peer;
use crate::hub::Hub;
use crate::stream::Stream;
use crate::tls::Certificate;
use crate::transport::Transport;

/// Bytes of a request's head at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// A request's body must have come, and its answer be made, within this time: longer than the log's own deadline.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// After a failed accept (no file descriptor left, say) the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds an address, so that a mistake is told before anything is served.
pub(crate) fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Accepts until the edge drains; with a certificate, over TLS alone.
pub(crate) async fn accept(
    hub: Arc<Hub>,
    listener: TcpListener,
    routes: Router,
    certificate: Option<Arc<Certificate>>,
) {
    loop {
        let accepted = tokio::select! {
            () = hub.draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let Ok(slot) = hub.slots.clone().try_acquire_owned() else {
                    // Each would fill the log as well.
                    tracing::debug!(connections_max = hub.config.connections_max, "closed a connection: too many");
                    continue;
                };
                let _ = tcp.set_nodelay(true);
                let (hub_too, routes, certificate) = (hub.clone(), routes.clone(), certificate.clone());
                hub.tasks.spawn(async move {
                    let Some(transport) = secured(&hub_too, tcp, certificate).await else { return };
                    serve(hub_too, transport, slot, Peer(peer), routes).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection after its handshake, where there is to be one: that has the time of a request's head.
async fn secured(hub: &Hub, tcp: TcpStream, certificate: Option<Arc<Certificate>>) -> Option<Transport> {
    let Some(certificate) = certificate else { return Some(Transport::Plain(tcp)) };
    let within = Duration::from_millis(hub.config.request_head_ms_max);
    let handshake = tokio::time::timeout(within, certificate.secure(tcp));
    match hub.draining.run_until_cancelled(handshake).await? {
        Ok(Ok(transport)) => Some(transport),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_late) => {
            tracing::debug!("a TLS handshake took too long");
            None
        }
    }
}

async fn serve(hub: Arc<Hub>, transport: Transport, slot: OwnedSemaphorePermit, peer: Peer, routes: Router) {
    let (stream, wire) = Stream::new(transport, Duration::from_millis(hub.config.write_ms_max), slot);
    let wire = Arc::downgrade(&wire);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let mut routes = routes.clone();
        request.extensions_mut().insert(wire.clone());
        request.extensions_mut().insert(peer);
        async move {
            let answer = tokio::time::timeout(ANSWER_WITHIN, routes.call(request.map(Body::new))).await;
            Ok::<_, Infallible>(match answer {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            })
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(hub.config.request_head_ms_max))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = hub.draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended badly");
    }
}
