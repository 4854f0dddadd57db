//! A server that does what a test tells it, on a port of its own.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Nothing here takes that long, unless it never happens.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const EPOCH: &str = "00000000-0000-0000-0000-000000000007";

pub(super) struct Server {
    listener: TcpListener,
    pub(super) url: String,
}

/// One connection, seen from the server.
pub(super) struct Peer {
    socket: WebSocketStream<TcpStream>,
    pub(super) authorization: String,
    pub(super) protocols: String,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/chat/ws", listener.local_addr().unwrap());
        Server { listener, url }
    }

    /// The next connection, upgraded and welcomed.
    pub(super) async fn welcome(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.send(json!({"event": "chat.welcome", "data": {
            "sessionId": "s1",
            "user": {"userId": "ada", "username": "Ada"},
            "limits": {"frameBytesMax": 65536, "somethingNew": 1},
            "serverTime": "2026-01-01T00:00:00.000Z",
            "retry": {"minMs": 1, "maxMs": 2},
        }}))
        .await;
        peer
    }

    /// The next connection, upgraded.
    #[allow(clippy::result_large_err)] // the signature is tungstenite's
    pub(super) async fn accept(&self) -> Peer {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap();
        let (mut authorization, mut protocols) = (String::new(), String::new());
        let upgrade = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let header = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
            authorization = header("authorization");
            protocols = header("sec-websocket-protocol");
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("klatch.v1"));
            Ok(response)
        };
        let socket = accept_hdr_async(stream, upgrade).await.unwrap();
        Peer { socket, authorization, protocols }
    }

    /// Answers the next upgrade with this status.
    #[allow(clippy::result_large_err)] // the signature is tungstenite's
    pub(super) async fn refuse(&self, status: u16) {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap();
        let refuse = |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = status.try_into().unwrap();
            Err(response)
        };
        assert!(accept_hdr_async(stream, refuse).await.is_err());
    }
}

impl Peer {
    pub(super) async fn send(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame, which must be this event; with its id and data.
    pub(super) async fn expect(&mut self, event: &str) -> (String, Value) {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("the client is silent");
            let Message::Text(text) = message.expect("the client hung up").unwrap() else { continue };
            let mut frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame["event"], event, "{frame}");
            return (frame["id"].as_str().unwrap_or_default().to_owned(), frame["data"].take());
        }
    }

    /// Takes a message and acknowledges it.
    pub(super) async fn ack_message(&mut self, seq: u64) -> (String, Value) {
        let (id, data) = self.expect("chat.message").await;
        self.send(stored(&id, seq)).await;
        (id, data)
    }

    /// Takes a join of the lobby and answers it; gives the `since` that came with it.
    pub(super) async fn join(&mut self, seq: u64, recovered: Option<bool>, events: Vec<Value>) -> Value {
        let (id, mut data) = self.expect("chat.join").await;
        self.send(joined(seq, recovered, events)).await;
        self.send(json!({"event": "ack", "id": id, "data": {}})).await;
        data["since"].take()
    }

    pub(super) async fn close(mut self, code: u16) {
        self.socket.close(Some(CloseFrame { code: code.into(), reason: "test".into() })).await.unwrap();
        // Until the client has heard it.
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, self.socket.next()).await {}
    }
}

pub(super) fn stored(id: &str, seq: u64) -> Value {
    json!({"event": "ack", "id": id, "data": {
        "roomId": "lobby", "messageId": "m", "seq": seq, "epoch": EPOCH, "timestamp": "2026-01-01T00:00:00.000Z",
    }})
}

pub(super) fn joined(seq: u64, recovered: Option<bool>, events: Vec<Value>) -> Value {
    let mut data = json!({
        "roomId": "lobby", "epoch": EPOCH, "seq": seq, "events": events, "more": false, "historyReady": true,
        "users": [], "userCount": 1, "member": null,
        "room": {"roomId": "lobby", "type": "group", "name": "lobby", "archived": false,
            "settings": {"access": "open", "history": "beginning", "somethingNew": true}},
    });
    if let Some(recovered) = recovered {
        data["recovered"] = json!(recovered);
    }
    json!({"event": "chat.joined", "data": data})
}

/// A message of ben's: its id is its sequence, unless another is given.
pub(super) fn said(seq: u64, prev: u64, id: Option<&str>) -> Value {
    json!({"event": "chat.message", "v": 1, "seq": seq, "prev": prev, "data": {
        "roomId": "lobby", "messageId": id.map_or_else(|| format!("m{seq}"), str::to_owned), "userId": "ben",
        "username": "Ben", "message": format!("word {seq}"), "messageType": "text",
        "timestamp": "2026-01-01T00:00:00.000Z",
    }})
}

pub(super) fn kicked(user: &str, seq: u64, prev: u64) -> Value {
    json!({"event": "chat.memberChanged", "v": 1, "seq": seq, "prev": prev, "data": {
        "roomId": "lobby", "userId": user, "username": "Ada", "change": "kicked", "by": "ben",
        "timestamp": "2026-01-01T00:00:00.000Z",
    }})
}
