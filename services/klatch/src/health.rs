//! `klatch health`: is a server ready, and if not, why.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::http::uri::InvalidUri;
use hyper::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

use crate::AnyError;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Say whether a server is ready, and if not, why
#[derive(clap::Args)]
#[command(after_help = "Exit code: 0 ready, 1 not ready or not there. Good as a container's health check.")]
pub(crate) struct Args {
    /// The server's address; with https:// its certificate must be good for that name, by the system's authorities. With
    /// a path that one is asked in place of /readyz: nats-server's is /healthz
    #[arg(long, default_value = "http://127.0.0.1:5004")]
    url: String,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, AnyError> {
    let (is_ready, report) = readiness(&args.url).await?;
    writeln!(io::stdout(), "{}", if is_ready { "ready" } else { "not ready" })?;
    for (name, condition) in report["conditions"].as_object().into_iter().flatten() {
        let state = condition["state"].as_str().unwrap_or("?");
        let reason = condition["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        writeln!(io::stdout(), "  {name}: {state}{reason}")?;
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is asked for: the path that was told, else `/readyz`.
fn question(url: &str) -> Result<Uri, InvalidUri> {
    let told: Uri = url.parse()?;
    if told.path() == "/" { format!("{}/readyz", url.trim_end_matches('/')).parse() } else { Ok(told) }
}

/// Whether the server at `url` is ready, and what it says of its conditions.
pub(crate) async fn readiness(url: &str) -> Result<(bool, Value), AnyError> {
    let address = question(url)?;
    if !matches!(address.scheme_str(), Some("http" | "https")) {
        return Err(format!("--url {url}: only http:// and https:// addresses can be asked").into());
    }
    match timeout(ANSWER_WITHIN, ask(address)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{url} does not answer ({error}): is it running?").into()),
        Err(_) => Err(format!("{url} took longer than {ANSWER_WITHIN:?} to answer").into()),
    }
}

async fn ask(address: Uri) -> Result<(bool, Value), AnyError> {
    let is_encrypted = address.scheme_str() == Some("https");
    let request = Request::get(address).body(Empty::<Bytes>::new())?;
    let builder = Client::builder(TokioExecutor::new());
    let asked = if is_encrypted {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
        builder.build(connector).request(request).await
    } else {
        builder.build_http().request(request).await
    };
    let response = asked.map_err(innermost)?;
    let is_ready = response.status().is_success();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    Ok((is_ready, serde_json::from_slice(&body).unwrap_or_default()))
}

/// "Connection refused" says more than "client error (Connect)".
fn innermost(error: hyper_util::client::legacy::Error) -> AnyError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readyz_is_asked_unless_another_path_is_told() {
        for (told, asked) in [
            ("http://127.0.0.1:5004", "http://127.0.0.1:5004/readyz"),
            ("https://chat.example.com/", "https://chat.example.com/readyz"),
            ("http://127.0.0.1:8222/healthz", "http://127.0.0.1:8222/healthz"),
        ] {
            assert_eq!(question(told).expect("an address"), asked);
        }
        assert!(question("127.0.0.1 5004").is_err());
    }
}
