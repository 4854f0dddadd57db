//! `/livez`, `/readyz` and `/metrics` of a process, on an address of their own: for services that have no other surface,
//! and for whoever wants to keep numbers away from clients.
//!
//! Nothing is asked of who comes: listen where only those come who may know.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::health::Report;
use crate::{Health, Metrics, metrics};

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 16;
/// A request's head must be there within this time.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection is over after this time: those who don't read their answer would else keep out whoever asks for health.
const CONNECTION_WITHIN: Duration = Duration::from_secs(30);
/// Between tries to accept while that fails.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.listen: can't listen on {address}: {cause}")]
pub struct CantListen {
    address: SocketAddr,
    cause: std::io::Error,
}

/// Answers at `address` until `stop`, in a task of its own; says where, with the port that the system chose for 0.
pub async fn serve(
    address: SocketAddr,
    health: Health,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<SocketAddr, CantListen> {
    let failed = |cause| CantListen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, "answers /livez, /readyz and /metrics");
    tokio::spawn(async move { stop.run_until_cancelled(accept(listener, health, metrics)).await });
    Ok(bound)
}

/// Dropped, it drops the connections too.
async fn accept(listener: TcpListener, health: Health, metrics: Metrics) {
    let mut connections = JoinSet::new();
    loop {
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: not for ever, and not in a loop.
            tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            continue;
        };
        let (health, metrics) = (health.clone(), metrics.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let answered = answer(&request, &health, &metrics);
                async move { Ok::<_, Infallible>(answered) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // No keep-alive: who scrapes comes once in a while.
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).keep_alive(false);
            let serving = http.serve_connection(TokioIo::new(stream), answer);
            let _ = tokio::time::timeout(CONNECTION_WITHIN, serving).await;
        });
    }
}

fn answer<B>(request: &Request<B>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    if *request.method() != Method::GET {
        return said(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned());
    }
    let of = |report: &Report, is_well: bool| {
        let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = serde_json::to_string(report).expect("a report is JSON");
        said(status, "application/json", body)
    };
    let report = health.report();
    match request.uri().path() {
        "/livez" => of(&report, report.live),
        "/readyz" => of(&report, report.ready),
        "/metrics" => said(StatusCode::OK, metrics::CONTENT_TYPE, metrics.encode()),
        _ => said(StatusCode::NOT_FOUND, "text/plain", "there are /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn said(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header(header::CONTENT_TYPE, content_type);
    answer.body(Full::new(body.into())).expect("a status and a fixed header")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{address}{path}")).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    #[tokio::test]
    async fn it_says_what_holds_until_it_is_stopped() {
        let (health, metrics, stop) = (Health::new(), Metrics::new(), CancellationToken::new());
        let fold = health.condition("projector", "catching up 3 %");
        metrics.scope("projector").counter("events", "Events folded").inc_by(7);
        let address = "127.0.0.1:0".parse().expect("an address");
        let address = serve(address, health, metrics, stop.clone()).await.expect("a port");
        assert_eq!(get(address, "/livez").await.0, 200);
        let (status, body) = get(address, "/readyz").await;
        assert_eq!((status, body.contains("catching up 3 %")), (503, true), "{body}");
        fold.ready();
        assert_eq!(get(address, "/readyz").await.0, 200);
        assert!(get(address, "/metrics").await.1.contains("klatch_projector_events_total 7\n"));
        assert_eq!(get(address, "/").await.0, 404);
        stop.cancel();
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
