//! What is told on NATS: what, of whom, from when on, and what a repeat looks like.

use std::collections::HashSet;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use klatch_domain::message::MessageEdited;
use klatch_domain::{Address, Event, MessageId, RoomId, Timestamp, UserId};
use klatch_eventlog::{Append, Entry, subject};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::receiver::{Manner, Receiver};
use super::scene::{BOUND, House, SECRET, config, room, said, user};

async fn listen(house: &House) -> Subscriber {
    let client = house.nats.client().await;
    let subscriber = client.subscribe(subject::MESSAGE_SENT).await.unwrap();
    // The server knows of it before it answers anything later on this connection.
    let _ = client.request("nobody.hears.this", "".into()).await;
    subscriber
}

async fn next(hearing: &mut Subscriber) -> (String, Value) {
    let message: Message = timeout(BOUND, hearing.next()).await.expect("something is told").unwrap();
    let id = message.headers.unwrap().get("Nats-Msg-Id").unwrap().to_string();
    (id, serde_json::from_slice(&message.payload).unwrap())
}

#[tokio::test]
async fn a_message_is_told_once_as_documented_and_nothing_else_is() {
    let house = House::new().await;
    let mut hearing = listen(&house).await;
    house.say(&room("r"), "ada", "before", "from before the first start").await;
    let notifier = house.notifier(&config(&[])).await;

    let system = said(&room("r"), "~system", "sys", "maintenance");
    house.append(&Event::SystemSaid(system), None).await;
    let edited = MessageEdited {
        room_id: room("r"),
        message_id: MessageId::parse("before").unwrap(),
        user_id: user("ada"),
        username: "ada".into(),
        message: "changed".into(),
        timestamp: Timestamp::from_ms(2),
    };
    house.append(&Event::MessageEdited(edited), None).await;
    let seq = house.say(&room("r"), "ada", "m1", "Hello!").await;
    let direct = house.direct("ada", "ben").await;
    house.say(&direct, "ben", "m2", "psst").await;

    let stored_at = house.log.get(seq).await.unwrap().unwrap().at;
    let (id, told) = next(&mut hearing).await;
    assert_eq!(id, "m1");
    assert_eq!(
        told,
        json!({
            "eventType": "message.sent",
            "timestamp": stored_at.to_string(),
            "data": {
                "messageId": "m1",
                "roomId": "r",
                "senderId": "ada",
                "message": "Hello!",
                "timestamp": 1_697_280_000_000_i64,
            }
        })
    );
    let (id, told) = next(&mut hearing).await;
    assert_eq!(id, "m2");
    assert_eq!((&told["data"]["senderId"], &told["data"]["receiverId"]), (&json!("ben"), &json!("ada")));
    notifier.counts("told_total", 2).await;
    notifier.stop().await;
}

#[tokio::test]
async fn what_is_stored_and_can_not_be_told_stops_nothing() {
    let house = House::new().await;
    let mut hearing = listen(&house).await;
    let notifier = house.notifier(&config(&[])).await;
    let stranger = Entry {
        address: Address::Timeline(room("r")),
        payload: r#"{"event":"chat.message","v":99,"data":{}}"#.into(),
        guard: None,
        id: None,
    };
    house.log.append(Append { author: UserId::system(), entries: vec![stranger] }).await.unwrap();
    // A direct room whose people nobody stored.
    house.say(&RoomId::direct(&user("ada"), &user("ben")), "ada", "m1", "psst").await;
    let (id, told) = next(&mut hearing).await;
    assert_eq!((id.as_str(), told["data"].get("receiverId")), ("m1", None));
    assert!(notifier.number("undecodable_events_total") > 0);
    house.say(&room("r"), "ada", "m2", "still here").await;
    assert_eq!(next(&mut hearing).await.0, "m2");
    notifier.stop().await;
}

#[tokio::test]
async fn what_is_said_while_no_notifier_runs_is_told_at_its_next_start() {
    let house = House::new().await;
    let mut hearing = listen(&house).await;
    house.notifier(&config(&[])).await.stop().await;
    house.say(&room("r"), "ada", "m1", "anybody there?").await;
    let notifier = house.notifier(&config(&[])).await;
    assert_eq!(next(&mut hearing).await.0, "m1");
    notifier.stop().await;
}

#[tokio::test]
async fn two_notifiers_share_the_work_and_nothing_is_told_twice() {
    let house = House::new().await;
    let mut hearing = listen(&house).await;
    let notifiers = [house.notifier(&config(&[])).await, house.notifier(&config(&[])).await];
    let ids = house.say_many("m", 300).await;
    let mut heard = HashSet::new();
    for _ in &ids {
        let (id, _) = next(&mut hearing).await;
        assert!(heard.insert(id.clone()), "{id} was told twice");
    }
    assert_eq!(heard, ids.into_iter().collect());
    for notifier in notifiers {
        notifier.stop().await;
    }
}

#[tokio::test]
async fn a_consumer_that_is_gone_begins_anew_where_the_notifier_stopped() {
    let house = House::new().await;
    let mut hearing = listen(&house).await;
    let notifier = house.notifier(&config(&[])).await;
    house.say(&room("r"), "ada", "m1", "one").await;
    assert_eq!(next(&mut hearing).await.0, "m1");
    let events = house.stream("CHAT_EVENTS").await;
    notifier.counts("told_total", 1).await;
    events.delete_consumer("notifier").await.unwrap();
    house.say(&room("r"), "ada", "m2", "said while there is no consumer").await;
    loop {
        // The first may be repeated: its acknowledgement can have gone down with the consumer.
        let (id, _) = next(&mut hearing).await;
        if id != "m1" {
            assert_eq!(id, "m2");
            break;
        }
    }
    notifier.stop().await;
}

#[tokio::test]
async fn a_notifier_that_is_killed_loses_nothing() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Takes).await;
    let config = config(&[("crm", &receiver)]);
    house.notifier(&config).await.stop().await;
    let mut ids = Vec::new();
    for round in 0..6 {
        let notifier = house.notifier(&config).await;
        let before = receiver.requests().len();
        ids.extend(house.say_many(&format!("r{round}-"), 40).await);
        // Somewhere in the middle of telling, putting jobs and delivering.
        receiver.was_asked(before + 1 + round).await;
        notifier.kill().await;
    }
    let notifier = house.notifier(&config).await;
    receiver.has_taken(&ids).await;
    notifier.stop().await;
}
