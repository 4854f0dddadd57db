//! Clients that nobody knows by a token: what they hear, and what they don't. They speak Socket.IO by hand (Engine.IO
//! protocol 4, Socket.IO protocol 5): `40` connects, `42` is an event.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use klatch_eventlog::Log;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::people::Edge;

/// What does not come within this time does not come.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A Socket.IO client in the default namespace.
struct Stranger(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Stranger {
    async fn connect(edge: &Edge) -> Stranger {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", edge.address);
        let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("an upgrade");
        let mut stranger = Stranger(socket);
        assert!(stranger.packet().await.starts_with('0'), "the handshake");
        stranger.0.send(Message::text("40")).await.expect("a socket");
        let connected = stranger.packet().await;
        assert!(connected.starts_with("40"), "{connected}");
        stranger
    }

    async fn emit(&mut self, event: &str, data: Value) {
        let packet = format!("42{}", json!([event, data]));
        self.0.send(Message::text(packet)).await.expect("a socket");
    }

    /// The next event, whatever it is.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(event) = self.packet().await.strip_prefix("42") {
                return serde_json::from_str(event).expect("a name and one value");
            }
        }
    }

    /// The next packet that is no heartbeat (`2`, answered by `3`).
    async fn packet(&mut self) -> String {
        loop {
            let message = tokio::time::timeout(WAIT_MAX, self.0.next()).await.expect("a packet in time");
            let packet = message.expect("no end").expect("no error").into_text().expect("text").to_string();
            if packet != "2" {
                return packet;
            }
            self.0.send(Message::text("3")).await.expect("a socket");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listened_before_a_room_was_made_private_hears_nothing_of_it() {
    let edge = Edge::start(&Log::memory(), |config| config.auth.trust_client_identity = true).await;
    let mut guest = Stranger::connect(&edge).await;
    let mut ada = edge.connect("ada").await;
    let lobby = json!({"roomId": "lobby", "type": "group", "settings": {"access": "private"}});
    ada.ask("chat.createRoom", lobby).await.unwrap();
    for n in 0..20 {
        ada.ask("chat.message", json!({"roomId": "lobby", "message": format!("secret {n}")})).await.unwrap();
    }
    guest.emit("sendMessage", json!("hello?")).await;
    let (event, refused) = guest.next().await;
    assert_eq!((event.as_str(), &refused["code"]), ("error", &json!("not_found")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_out_hears_nothing_more_though_they_never_joined() {
    let edge = Edge::start(&Log::memory(), |config| config.auth.trust_client_identity = true).await;
    let mut ada = edge.connect("ada").await;
    ada.join("lobby", None).await;
    let mut guest = Stranger::connect(&edge).await;
    guest.emit("sendMessage", json!("hello")).await;
    assert_eq!(guest.next().await, ("receiveMessage".to_owned(), json!("hello")));
    let said = ada.hears("chat.message").await;
    let guest_id = said["data"]["userId"].as_str().unwrap();
    assert!(guest_id.starts_with("guest-"), "{guest_id}");
    ada.ask("chat.ban", json!({"roomId": "lobby", "userId": guest_id})).await.unwrap();
    ada.ask("chat.message", json!({"roomId": "lobby", "message": "gone?"})).await.unwrap();
    guest.emit("sendMessage", json!("still here")).await;
    let (event, refused) = guest.next().await;
    assert_eq!((event.as_str(), &refused["code"]), ("error", &json!("banned")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_listens_and_is_muted_goes_on_listening() {
    let edge = Edge::start(&Log::memory(), |config| config.auth.trust_client_identity = true).await;
    let mut ada = edge.connect("ada").await;
    ada.join("lobby", None).await;
    let mut guest = Stranger::connect(&edge).await;
    let here = ada.ask("chat.presence", json!({"roomId": "lobby"})).await.unwrap();
    let people = here["users"].as_array().unwrap();
    let guest_id = people.iter().find_map(|user| user["userId"].as_str().filter(|id| id.starts_with("guest-")));
    ada.ask("chat.mute", json!({"roomId": "lobby", "userId": guest_id.expect("the guest is here")})).await.unwrap();
    ada.ask("chat.message", json!({"roomId": "lobby", "message": "quiet, please"})).await.unwrap();
    assert_eq!(guest.next().await, ("receiveMessage".to_owned(), json!("quiet, please")));
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_connections_that_an_edge_may_have_nobody_is_let_in_until_one_goes() {
    let edge = Edge::start(&Log::memory(), |config| {
        config.connections_max = 2;
        config.auth.trust_client_identity = true;
    })
    .await;
    let (first, _second) = (edge.connect("ada").await, Stranger::connect(&edge).await);
    let address = format!("ws://{}/socket.io/?EIO=4&transport=websocket", edge.address);
    assert!(tokio_tungstenite::connect_async(&address).await.is_err(), "a third");
    drop(first);
    klatch_testkit::eventually(WAIT_MAX, "a place to be free", || async {
        tokio_tungstenite::connect_async(&address).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_operators_permission_nobody_is_who_they_say_they_are() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("lobby", None).await;
    let mut stranger = Stranger::connect(&edge).await;
    ada.ask("chat.message", json!({"roomId": "lobby", "message": "among us"})).await.unwrap();
    for (event, data) in [
        ("sendMessage", json!("hello")),
        ("authenticate", json!({"userId": "ada", "username": "Ada"})),
        ("join_room", json!({"roomId": "lobby"})),
        ("no such event", json!(null)),
    ] {
        stranger.emit(event, data).await;
        let (answer, error) = stranger.next().await;
        assert_eq!((answer.as_str(), &error["message"]), ("error", &json!("Not authenticated")), "{event}");
    }
}
