//! People with sockets, for tests of an edge.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header, encode};
use klatch_edge::Config;
use klatch_edge::token::{AuthConfig, KeyConfig, Secret};
use klatch_eventlog::Log;
use klatch_service::{Health, Metrics};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, error::Error};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "a-test-secret-of-more-than-32-bytes!";
/// What does not come within this time does not come.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// What the system takes for a client that does not read.
const RECEIVE_BYTES: u32 = 64 * 1024;

/// An edge in this process.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    /// Where it speaks TLS: whom those who connect believe.
    pub(crate) believed: Option<Arc<rustls::ClientConfig>>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<Result<(), klatch_edge::RunError>>,
}

impl Edge {
    /// Starts one on a free port.
    pub(crate) async fn start(log: &Log, change: impl FnOnce(&mut Config)) -> Edge {
        let key = KeyConfig::HS256 { secret: Secret::new(SECRET), kid: None };
        let mut config = Config {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            auth: AuthConfig { keys: vec![key], ..AuthConfig::default() },
            query_ms_max: 300,
            ..Config::default()
        };
        change(&mut config);
        let (tell, told) = oneshot::channel();
        let stop = CancellationToken::new();
        let (log, shutdown) = (log.clone(), stop.clone());
        let running = tokio::spawn(async move {
            let bound = |addresses: &[SocketAddr]| tell.send(addresses[0]).expect("the test waits");
            klatch_edge::run(config, log, Health::new(), &Metrics::new(), bound, shutdown).await
        });
        Edge { address: told.await.expect("the edge listens"), believed: None, stop, running }
    }

    /// Stops it, as SIGTERM does.
    pub(crate) async fn stop(self) -> Result<(), klatch_edge::RunError> {
        self.stop.cancel();
        self.running.await.expect("no panic")
    }

    /// Somebody connects with a token.
    pub(crate) async fn connect(&self, user: &str) -> Client {
        let mut client = self.dial(Some(&token(user))).await.expect("the edge accepts");
        client.hears("chat.welcome").await;
        client
    }

    /// Somebody connects, with or without a token.
    pub(crate) async fn dial(&self, token: Option<&str>) -> Result<Client, Error> {
        let scheme = if self.believed.is_some() { "wss" } else { "ws" };
        let mut request = format!("{scheme}://{}/chat/ws", self.address).into_client_request()?;
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("printable"));
        }
        let connector = self.believed.clone().map_or(Connector::Plain, Connector::Rustls);
        // A small buffer: who does not read is soon felt.
        let tcp = tokio::net::TcpSocket::new_v4()?;
        tcp.set_recv_buffer_size(RECEIVE_BYTES)?;
        let tcp = tcp.connect(self.address).await?;
        let (socket, _) = tokio_tungstenite::client_async_tls_with_config(request, tcp, None, Some(connector)).await?;
        Ok(Client { socket, next: 1, heard: Vec::new() })
    }
}

/// A token that holds until 2100.
pub(crate) fn token(user: &str) -> String {
    token_until(user, 4_102_444_800)
}

/// A token that holds until a second of the Unix epoch.
pub(crate) fn token_until(user: &str, exp: u64) -> String {
    let claims = json!({"sub": user, "name": user.to_uppercase(), "exp": exp, "iss": "klatch", "aud": "klatch"});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}

/// Somebody's socket.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    heard: Vec<Value>,
}

impl Client {
    /// Asks and gets the ack's data, or the error's.
    pub(crate) async fn ask(&mut self, event: &str, data: Value) -> Result<Value, Value> {
        let id = self.next.to_string();
        self.next += 1;
        self.send(json!({"event": event, "data": data, "id": id})).await;
        let answer = self.wait(|frame| frame["id"] == *id, event).await;
        let data = answer["data"].clone();
        if answer["event"] == "ack" { Ok(data) } else { Err(data) }
    }

    /// Joins a room; `chat.joined`'s data.
    pub(crate) async fn join(&mut self, room: &str, since: Option<Value>) -> Value {
        let mut data = json!({"roomId": room});
        if let Some(since) = since {
            data["since"] = since;
        }
        self.ask("chat.join", data).await.expect("may join");
        self.hears("chat.joined").await["data"].take()
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the socket is open");
    }

    /// The first frame of this event that was not taken yet.
    pub(crate) async fn hears(&mut self, event: &str) -> Value {
        self.wait(|frame| frame["event"] == event, event).await
    }

    /// The first frame that fits and was not taken yet.
    pub(crate) async fn wait(&mut self, fits: impl Fn(&Value) -> bool, what: &str) -> Value {
        if let Some(at) = self.heard.iter().position(&fits) {
            return self.heard.remove(at);
        }
        let waiting = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                        if fits(&frame) {
                            return frame;
                        }
                        self.heard.push(frame);
                    }
                    Some(Ok(_)) => {}
                    ended => panic!("ended while waiting for {what}: {ended:?}; heard {:#?}", self.heard),
                }
            }
        };
        match tokio::time::timeout(WAIT_MAX, waiting).await {
            Ok(frame) => frame,
            Err(_) => panic!("no {what}; heard {:#?}", self.heard),
        }
    }

    /// Says goodbye, as a client that has had enough.
    pub(crate) async fn close(&mut self) {
        self.socket.close(None).await.expect("the socket is open");
    }

    /// How the server closes.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let waiting = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame,
                    Some(Ok(Message::Text(text))) => self.heard.push(serde_json::from_str(&text).expect("JSON")),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(WAIT_MAX, waiting).await.expect("the server closes")
    }

    /// What was heard and not taken.
    pub(crate) fn untaken(&self, event: &str) -> Vec<&Value> {
        self.heard.iter().filter(|frame| frame["event"] == event).collect()
    }
}
