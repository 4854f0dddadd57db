//! Delivery to webhooks that do as they should, and the guard on where requests go.

use std::collections::HashSet;
use std::time::Duration;

use klatch_domain::MessageId;
use klatch_eventlog::WebhookName;
use klatch_service::outgoing::Outgoing;
use klatch_service::{Health, Metrics};
use klatch_testkit::eventually;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::receiver::{Manner, Receiver};
use super::scene::{BOUND, House, OTHER_SECRET, SECRET, config, room};
use crate::deliver::Line;
use crate::numbers::Numbers;
use crate::{RunError, SigningSecret};

#[tokio::test]
async fn a_webhook_is_told_the_same_signed_under_the_messages_id() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Takes).await;
    let notifier = house.notifier(&config(&[("crm", &receiver)])).await;
    let direct = house.direct("ada", "ben").await;
    let seq = house.say(&direct, "ada", "m1", "Hello!").await;
    receiver.has_taken(&["m1".to_owned()]).await;
    let stored_at = house.log.get(seq).await.unwrap().unwrap().at;
    let body = &receiver.requests()[0].body;
    assert_eq!(
        *body,
        json!({
            "eventType": "message.sent",
            "timestamp": stored_at.to_string(),
            "data": {
                "messageId": "m1",
                "roomId": direct.as_str(),
                "senderId": "ada",
                "receiverId": "ben",
                "message": "Hello!",
                "timestamp": 1_697_280_000_000_i64,
            }
        })
    );
    house.no_jobs_left().await;
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(notifier.number("webhook_delivered_total{webhook=\"crm\"}"), 1);
    assert_eq!(notifier.number("webhook_in_flight{webhook=\"crm\"}"), 0);
    notifier.stop().await;
}

#[tokio::test]
async fn while_a_secret_is_changed_the_old_and_the_new_one_both_verify() {
    let house = House::new().await;
    let old = Receiver::start(SECRET, Manner::Takes).await;
    let new = Receiver::start(OTHER_SECRET, Manner::Takes).await;
    let mut config = config(&[("old", &old), ("new", &new)]);
    for webhook in &mut config.webhooks {
        webhook.secrets = [OTHER_SECRET, SECRET].map(|secret| SigningSecret::parse(secret).unwrap()).into();
    }
    let notifier = house.notifier(&config).await;
    let ids = house.say_many("m", 1).await;
    old.has_taken(&ids).await;
    new.has_taken(&ids).await;
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_know_the_secret_takes_nothing() {
    let house = House::new().await;
    let stranger = Receiver::start(OTHER_SECRET, Manner::Takes).await;
    let notifier = house.notifier(&config(&[("crm", &stranger)])).await;
    house.say_many("m", 1).await;
    stranger.was_asked(2).await;
    assert_eq!(stranger.taken(), Vec::<String>::new());
    notifier.stop().await;
}

#[tokio::test]
async fn two_notifiers_never_have_one_job_in_two_requests() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Slow(Duration::from_millis(20))).await;
    let config = config(&[("crm", &receiver)]);
    let notifiers = [house.notifier(&config).await, house.notifier(&config).await];
    let ids = house.say_many("m", 200).await;
    receiver.has_taken(&ids).await;
    house.no_jobs_left().await;
    receiver.assert_no_overlap();
    assert_eq!(receiver.taken().into_iter().collect::<HashSet<_>>().len(), receiver.taken().len());
    let delivered = notifiers.each_ref().map(|one| one.number("webhook_delivered_total{webhook=\"crm\"}"));
    assert!(delivered.iter().all(|count| *count > 0), "one of them did nothing: {delivered:?}");
    assert!(receiver.open_most() <= 2 * config.webhook_in_flight_max, "{}", receiver.open_most());
    for notifier in notifiers {
        notifier.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_outlasts_the_consumers_patience_is_still_made_once() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Slow(Duration::from_millis(1_500))).await;
    let mut config = config(&[("crm", &receiver)]);
    house.notifier(&config).await.stop().await;
    config.outgoing.request_ms_max = 30_000;
    let (outgoing, numbers) = (Outgoing::new(&config.outgoing).unwrap(), Numbers::register(&Metrics::new()));
    let stop = CancellationToken::new();
    let lines = [(), ()].map(|()| {
        let mut line = Line::new(&config, &config.webhooks[0], &house.log, &outgoing, &numbers);
        line.ack_wait = Duration::from_millis(400);
        tokio::spawn(line.run(stop.clone()))
    });
    let seq = house.say(&room("r"), "ada", "m1", "hello").await;
    let job = json!({ "eventType": "message.sent", "messageId": "m1", "roomId": "r", "seq": seq });
    let job = serde_json::to_vec(&job).unwrap();
    house.log.put_job(&config.webhooks[0].name, &MessageId::parse("m1").unwrap(), None, job.into()).await.unwrap();
    receiver.has_taken(&["m1".to_owned()]).await;
    house.no_jobs_left().await;
    assert_eq!(receiver.begun(), 1);
    receiver.assert_no_overlap();
    stop.cancel();
    for line in lines {
        line.await.unwrap();
    }
}

#[tokio::test]
async fn an_event_that_comes_again_makes_no_second_job() {
    let house = House::new().await;
    let (crm, other) = (WebhookName::parse("crm").unwrap(), WebhookName::parse("other").unwrap());
    let id = MessageId::parse("m1").unwrap();
    for webhook in [&crm, &crm, &other] {
        house.log.put_job(webhook, &id, None, "{}".into()).await.unwrap();
    }
    assert_eq!(house.stream("CHAT_PUSH").await.info().await.unwrap().state.messages, 2);
}

#[tokio::test]
async fn what_was_erased_before_it_was_delivered_is_told_to_nobody() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Says(500)).await;
    let mut config = config(&[("crm", &receiver)]);
    config.webhook_retry_ms = vec![200];
    let notifier = house.notifier(&config).await;
    let seq = house.say(&room("r"), "ada", "m1", "a slip of the tongue").await;
    receiver.was_asked(1).await;
    house.log.erase(seq).await.unwrap();
    receiver.behave(Manner::Takes);
    house.no_jobs_left().await;
    assert_eq!(receiver.taken(), Vec::<String>::new());
    assert_eq!(notifier.number("webhook_withdrawn_total{webhook=\"crm\"}"), 1);
    notifier.stop().await;
}

#[tokio::test]
async fn nothing_that_was_said_lies_in_the_queue_or_with_the_dead_letters() {
    let house = House::new().await;
    let gone = Receiver::start(SECRET, Manner::Says(410)).await;
    let waiting = Receiver::start(SECRET, Manner::Says(500)).await;
    let mut config = config(&[("gone", &gone), ("waiting", &waiting)]);
    config.webhook_retry_ms = vec![60_000];
    let notifier = house.notifier(&config).await;
    house.say(&room("r"), "ada", "m1", "the word nobody keeps").await;
    waiting.was_asked(1).await;
    for name in ["CHAT_PUSH", "CHAT_DEAD"] {
        let mut stream = house.stream(name).await;
        let first = stream.info().await.unwrap().state.first_sequence.max(1);
        let bytes = eventually(BOUND, name, || async { stream.get_raw_message(first).await }).await.payload;
        let text = String::from_utf8(bytes.into()).unwrap();
        assert!(text.contains("\"m1\"") && !text.contains("the word"), "{text}");
    }
    notifier.stop().await;
}

#[tokio::test]
async fn loopback_is_refused_unless_it_is_allowed() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Takes).await;
    let mut refusing = config(&[("crm", &receiver)]);
    refusing.outgoing.allow_networks.clear();
    let (log, health) = (house.log.clone(), Health::new());
    let (ready, stop, metrics) = (health.condition("notifier", "not begun"), CancellationToken::new(), Metrics::new());
    let refused = crate::run(refusing.clone(), log, stop, ready, &metrics).await.unwrap_err();
    assert!(matches!(refused, RunError::Config(_)) && refused.to_string().contains("not public"), "{refused}");

    // By name it is found out only when the name is looked up; then it is a dead letter with the reason.
    refusing.webhooks[0].url = format!("http://localhost:{}/hook", receiver.port).parse().unwrap();
    refusing.webhook_tries_max = 2;
    let notifier = house.notifier(&refusing).await;
    house.say_many("m", 1).await;
    let dead = house.stream("CHAT_DEAD").await;
    let letter = eventually(BOUND, "a dead letter", || dead.get_raw_message(1)).await;
    let letter: serde_json::Value = serde_json::from_slice(&letter.payload).unwrap();
    assert!(letter["reason"].as_str().unwrap().contains("localhost is at"), "{letter}");
    assert_eq!(letter["job"]["messageId"], json!(MessageId::parse("m0").unwrap()));
    assert_eq!(receiver.requests().len(), 0);
    notifier.stop().await;
}
