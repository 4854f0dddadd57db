//! One question to a running service, and its answer: over HTTP, or over NATS.

use std::time::Duration;

use klatch_testkit::eventually;
use serde_json::Value;

/// A projector that was just started answers within a second, ten under load.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// `GET`s a path; the status and the body as text.
pub async fn get(address: &str, path: &str) -> Result<(u16, String), String> {
    request(address, "GET", path, &[], "").await
}

/// One HTTP/1.1 request on a connection of its own; the status and the body as text.
pub async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String), String> {
    use http_body_util::BodyExt;
    let exchange = async {
        let socket = tokio::net::TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(body.to_owned())?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let bounded = tokio::time::timeout(Duration::from_secs(5), exchange);
    bounded.await.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())
}

/// A JSON answer of one of the projector's queries.
///
/// # Panics
/// When it answers with an error, or not within a minute.
pub async fn query(client: &async_nats::Client, name: &str, ask: &Value) -> Value {
    eventually(ANSWERED_WITHIN, &format!("an answer to chat.query.{name}"), || async {
        let payload = serde_json::to_vec(ask).expect("JSON is written").into();
        let answer = client.request(format!("chat.query.{name}"), payload).await.map_err(|error| error.to_string())?;
        match answer.headers.as_ref().and_then(|headers| headers.get("Nats-Service-Error-Code")) {
            Some(code) => Err(code.to_string()),
            None => serde_json::from_slice(&answer.payload).map_err(|error| error.to_string()),
        }
    })
    .await
}
