//! Who a client is taken for, and what it listens to, by the events that it sends.

use std::collections::VecDeque;
use std::future::ready;

use jsonwebtoken::{EncodingKey, Header, encode};
use klatch_domain::RoomId;
use klatch_eventlog::Log;
use klatch_service::Health;
use klatch_testkit::eventually;

use super::*;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::outbox::Frame;
use crate::token::{AuthConfig, KeyConfig, Secret, Verifier};

const SECRET: &str = "a-test-secret-of-more-than-32-bytes!";
const WAIT_MAX: Duration = Duration::from_secs(10);

/// An edge without sockets. `trusts`: whether clients are whoever they say they are.
fn hub(trusts: bool) -> Arc<Hub> {
    let keys = vec![KeyConfig::HS256 { secret: Secret::new(SECRET), kid: None }];
    let auth = AuthConfig { keys, trust_client_identity: trusts, ..AuthConfig::default() };
    let config = Config { auth, ..Config::default() };
    let verifier = Verifier::new(&config.auth).unwrap();
    let metrics = Metrics::new(&klatch_service::Metrics::new());
    Arc::new(Hub::new(config, Log::memory(), verifier, Health::new(), metrics))
}

fn token(user: &str) -> String {
    let claims =
        json!({"sub": user, "name": user.to_uppercase(), "exp": 4_102_444_800_u64, "iss": "klatch", "aud": "klatch"});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn proven(hub: &Hub, user: &str) -> Caller {
    Caller::Proven(hub.verifier.verify(&token(user)).unwrap())
}

fn claims(user: &str) -> Caller {
    Caller::Claims(Claim { user_id: UserId::parse(user).ok(), username: None, token: None })
}

/// A client, as its transport sees it.
struct Client {
    interpreter: Interpreter,
    outbox: Arc<Outbox>,
    heard: Vec<(String, Value)>,
}

impl Client {
    async fn comes(hub: &Arc<Hub>, door: Door, caller: Caller) -> Client {
        let outbox = Arc::new(Outbox::new(1_000_000));
        let mut interpreter = Interpreter::new(hub.clone(), outbox.clone(), door);
        interpreter.begin(caller).await.unwrap();
        Client { interpreter, outbox, heard: Vec::new() }
    }

    /// Sends an event; the acknowledgement's data.
    async fn says(&mut self, event: &str, data: Value) -> Value {
        self.interpreter.hear(event, &[data]).await
    }

    fn user(&self) -> &str {
        self.interpreter.user().map_or("", UserId::as_str)
    }

    /// The next event of this name.
    async fn hears(&mut self, event: &str) -> Value {
        let (outbox, heard) = (self.outbox.clone(), &mut self.heard);
        eventually(WAIT_MAX, event, || {
            heard.extend(taken(&outbox));
            let at = heard.iter().position(|(name, _)| name == event);
            ready(at.map(|at| heard.remove(at).1).ok_or(format!("{heard:?}")))
        })
        .await
    }

    /// What it has heard up to now, and nobody looked at.
    fn untaken(&mut self) -> Vec<(String, Value)> {
        self.heard.extend(taken(&self.outbox));
        std::mem::take(&mut self.heard)
    }
}

fn taken(outbox: &Outbox) -> Vec<(String, Value)> {
    let mut items = VecDeque::new();
    outbox.take(&mut items);
    let event = |frame| match frame {
        Frame::SocketIo(event, data) => Some((event.to_owned(), serde_json::from_str(data.get()).unwrap())),
        Frame::WebSocket(bytes) => {
            let json = bytes.iter().position(|byte| *byte == b'{').expect("a header, then JSON");
            let frame: Value = serde_json::from_slice(&bytes[json..]).unwrap();
            Some((frame["event"].as_str().unwrap().to_owned(), frame["data"].clone()))
        }
        Frame::Nothing => None,
    };
    items.into_iter().filter_map(|item| event(item.frame)).collect()
}

/// Who listens to a room.
fn listeners(hub: &Hub, room: &str) -> Vec<String> {
    let room = hub.interest.room(&RoomId::parse(room).unwrap());
    let mut people: Vec<_> =
        room.into_iter().flat_map(|room| room.local_entries()).map(|(user, _)| user.to_string()).collect();
    people.sort();
    people
}

/// An event of each dialect that says something.
type Saying = (&'static str, fn() -> Value);

const SAYINGS: [Saying; 4] = [
    ("sendMessage", || json!("hi")),
    ("join_room", || json!({"roomId": "r"})),
    ("send_message", || json!({"roomId": "r", "message": "hi"})),
    ("send-message", || json!({"sender_id": "ada", "conversation_id": "r", "content": "hi"})),
];

#[tokio::test]
async fn a_guest_talks_in_the_lobby_and_is_nobody_elsewhere_until_it_says_who_it_is() {
    let hub = hub(true);
    let mut client = Client::comes(&hub, Door::Plain, Caller::Nobody).await;
    assert!(client.user().starts_with(GUEST), "{}", client.user());
    assert!(client.says("sendMessage", json!("hi")).await["messageId"].is_string());
    assert_eq!(client.hears("receiveMessage").await, "hi");
    for (event, data) in
        [("join_room", json!({"roomId": "r"})), ("send_message", json!({"roomId": "lobby", "message": "x"}))]
    {
        assert_eq!(client.says(event, data).await["code"], "not_authenticated");
        assert_eq!(client.hears("error").await["message"], NOT_AUTHENTICATED);
    }
    assert_eq!(
        client.says("authenticate", json!({"userId": "ada", "username": "Ada"})).await,
        json!({"userId": "ada"})
    );
    client.says("join_room", json!({"roomId": "r"})).await;
    assert_eq!(client.hears("room_users").await, json!([{"roomId": "r", "userId": "ada", "username": "Ada"}]));
    assert_eq!(hub.people.ids().len(), 1, "the guest is gone");
}

#[tokio::test]
async fn without_the_operators_permission_a_client_without_a_token_hears_only_that_it_is_not_authenticated() {
    let hub = hub(false);
    let first = hub.log.last_seq().await.unwrap();
    for (door, caller) in [
        (Door::Plain, Caller::Nobody),
        (Door::WebSocket("/"), Caller::Nobody),
        (Door::Namespace("/chat"), Caller::Nobody),
        (Door::Namespace("/chat"), claims("ada")),
    ] {
        let mut client = Client::comes(&hub, door, caller).await;
        let who = ("authenticate", json!({"userId": "ada", "username": "Ada"}));
        let events: Vec<_> = [who].into_iter().chain(SAYINGS.map(|(event, data)| (event, data()))).collect();
        let sent = events.len();
        for (event, data) in events {
            assert_eq!(client.says(event, data).await["code"], "not_authenticated", "{event} at {door:?}");
        }
        assert_eq!(client.user(), "");
        let heard = client.untaken();
        assert_eq!(heard.len(), sent);
        assert!(
            heard.iter().all(|(event, data)| event == "error" && data["message"] == NOT_AUTHENTICATED),
            "{heard:?}"
        );
    }
    assert_eq!(hub.log.last_seq().await.unwrap(), first, "nothing was stored");
    assert_eq!(hub.people.ids(), []);
}

#[tokio::test]
async fn what_a_token_says_no_claim_changes() {
    let hub = hub(true);
    for door in [Door::Plain, Door::Token, Door::WebSocket("/")] {
        let mut client = Client::comes(&hub, door, proven(&hub, "ada")).await;
        let claim = json!({"userId": "ben", "username": "Ben"});
        assert_eq!(client.says("authenticate", claim).await, json!({"userId": "ada"}), "{door:?}");
        client.says("join_room", json!({"roomId": "r"})).await;
        client.says("send_message", json!({"roomId": "r", "message": "hi", "userId": "ben", "username": "Ben"})).await;
        let said = client.hears("new_message").await;
        assert_eq!((&said["userId"], &said["username"]), (&json!("ada"), &json!("ADA")), "{door:?}");
    }
}

#[tokio::test]
async fn a_token_in_authenticate_names_its_person_also_where_nobody_is_believed() {
    let hub = hub(false);
    let mut client = Client::comes(&hub, Door::WebSocket("/"), Caller::Nobody).await;
    let claim = json!({"userId": "ben", "username": "Ben", "token": token("ada")});
    assert_eq!(client.says("authenticate", claim).await, json!({"userId": "ada"}));
    let forged = json!({"userId": "ben", "token": "forged"});
    assert_eq!(client.says("authenticate", forged).await["code"], "not_authenticated");
    assert_eq!(client.user(), "ada", "what holds stays");
}

#[tokio::test]
async fn nobody_speaks_for_another_in_any_dialect() {
    let hub = hub(true);
    let mut chat = Client::comes(&hub, Door::Namespace("/chat"), claims("ada")).await;
    let forged = json!({"sender_id": "ben", "conversation_id": 5, "content": "hi"});
    chat.says("join-conversation", json!({"conversationId": 5, "userId": "ada"})).await;
    assert_eq!(chat.says("send-message", forged).await["code"], "invalid_field");
    assert_eq!(chat.hears("message-error").await["error"], "sender_id is not you");
    let mut direct = Client::comes(&hub, Door::Token, proven(&hub, "ada")).await;
    let forged = json!({"sender": "ben", "receiver": "cem", "text": "hi"});
    assert_eq!(direct.says("sendMessage", forged).await["code"], "invalid_field");
    assert_eq!(direct.hears("error").await["message"], "sender is not you");
    let mut reserved = Client::comes(&hub, Door::Plain, Caller::Nobody).await;
    for id in ["~system", "~guest-1"] {
        let claim = json!({"userId": id, "username": "System"});
        assert_eq!(reserved.says("authenticate", claim).await["code"], "invalid_field");
        assert!(reserved.user().starts_with(GUEST) && reserved.user() != id);
    }
}

#[tokio::test]
async fn who_takes_up_another_dialect_gives_up_what_it_heard_in_the_first() {
    let hub = hub(false);
    let mut client = Client::comes(&hub, Door::Plain, proven(&hub, "ada")).await;
    assert_eq!(listeners(&hub, "lobby"), ["ada"]);
    client.says("join_room", json!({"roomId": "r"})).await;
    assert_eq!((listeners(&hub, "lobby"), listeners(&hub, "r")), (vec![], vec!["ada".to_owned()]));
    assert_eq!((client.interpreter.dialect().name(), client.user()), ("001", "ada"));
    client.says("sendMessage", json!("back")).await;
    assert_eq!(client.hears("receiveMessage").await, "back");
    assert_eq!((listeners(&hub, "lobby"), listeners(&hub, "r")), (vec!["ada".to_owned()], vec![]));
    assert_eq!(hub.people.sessions_of(&UserId::parse("ada").unwrap()).len(), 1);
}

#[tokio::test]
async fn who_brings_a_token_hears_what_was_written_to_them_unless_they_say_first_that_they_are_others() {
    let hub = hub(false);
    let mut silent = Client::comes(&hub, Door::Token, proven(&hub, "ada")).await;
    assert_eq!(silent.interpreter.prompted().await, Prompt::Settle);
    silent.interpreter.follow(Prompt::Settle).await;
    assert_eq!(silent.interpreter.prompted().await, Prompt::Look);
    let mut other = Client::comes(&hub, Door::Token, proven(&hub, "ben")).await;
    other.says("join_room", json!({"roomId": "r"})).await;
    assert!(other.interpreter.settles_at.is_none() && other.interpreter.looks_at.is_none());
    assert_eq!(other.interpreter.dialect().name(), "001");
}

#[tokio::test]
async fn an_event_that_nobody_knows_is_refused_and_changes_nothing() {
    let hub = hub(true);
    let mut client = Client::comes(&hub, Door::Plain, Caller::Nobody).await;
    assert_eq!(client.says("fly", json!({"to": "the moon"})).await["code"], "invalid_field");
    assert_eq!(client.hears("error").await["message"], r#"there is no event "fly""#);
    assert_eq!((client.interpreter.dialect().name(), listeners(&hub, "lobby").len()), ("000", 1));
}
