//! Webhooks in trouble: each message arrives all the same, under its own id, and nobody else waits.

use std::time::Duration;

use klatch_testkit::eventually;
use serde_json::{Value, json};

use super::receiver::{Manner, Receiver};
use super::scene::{BOUND, House, SECRET, config};

/// Through the trouble, and after it, everything arrives; a neighbour never notices.
async fn everything_arrives_after(trouble: Manner) {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, trouble).await;
    let neighbour = Receiver::start(SECRET, Manner::Takes).await;
    let config = config(&[("crm", &receiver), ("neighbour", &neighbour)]);
    let notifier = house.notifier(&config).await;
    let ids = house.say_many("m", 50).await;
    neighbour.has_taken(&ids).await;
    assert_eq!(receiver.taken(), Vec::<String>::new());
    receiver.was_asked(20).await;
    assert!(receiver.open_most() <= config.webhook_in_flight_max);
    receiver.behave(Manner::Takes);
    receiver.has_taken(&ids).await;
    house.no_jobs_left().await;
    receiver.assert_no_overlap();
    assert_eq!(neighbour.requests().len(), ids.len(), "a neighbour was told twice");
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_that_fails_gets_everything_once_it_does_not() {
    everything_arrives_after(Manner::Says(500)).await;
}

#[tokio::test]
async fn a_receiver_that_redirects_is_not_followed_and_gets_everything_once_it_does_not() {
    everything_arrives_after(Manner::Redirects).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_gets_everything_once_it_does_not() {
    everything_arrives_after(Manner::Hangs).await;
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_once_it_is_up() {
    let house = House::new().await;
    let mut receiver = Receiver::down(SECRET, Manner::Takes);
    let neighbour = Receiver::start(SECRET, Manner::Takes).await;
    let notifier = house.notifier(&config(&[("crm", &receiver), ("neighbour", &neighbour)])).await;
    let ids = house.say_many("m", 50).await;
    neighbour.has_taken(&ids).await;
    receiver.up().await;
    receiver.has_taken(&ids).await;
    house.no_jobs_left().await;
    assert!(notifier.number("webhook_failed_total{webhook=\"crm\"}") > 0);
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_that_names_a_time_is_left_alone_until_then() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Overloaded { seconds: 1 }).await;
    let notifier = house.notifier(&config(&[("crm", &receiver)])).await;
    let ids = house.say_many("m", 1).await;
    receiver.was_asked(1).await;
    receiver.behave(Manner::Takes);
    receiver.has_taken(&ids).await;
    let requests = receiver.requests();
    let waited = requests[1].at - requests[0].at;
    // The schedule alone would have come again after 10 ms.
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    notifier.stop().await;
}

#[tokio::test]
async fn however_many_jobs_wait_for_their_next_try_a_new_one_is_tried_at_once() {
    const FAILED: usize = 1_100;
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Says(500)).await;
    let mut config = config(&[("crm", &receiver)]);
    config.webhook_retry_ms = vec![3_600_000];
    let notifier = house.notifier(&config).await;
    house.say_many("old", FAILED).await;
    notifier.counts("webhook_failed_total{webhook=\"crm\"}", FAILED as u64).await;
    receiver.behave(Manner::Takes);
    let new = house.say_many("new", 1).await;
    receiver.has_taken(&new).await;
    assert_eq!(receiver.taken(), new);
    notifier.stop().await;
}

#[tokio::test]
async fn after_the_named_number_of_tries_a_job_is_a_dead_letter_that_can_be_put_back() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Says(500)).await;
    let mut config = config(&[("crm", &receiver)]);
    config.webhook_tries_max = 4;
    let notifier = house.notifier(&config).await;
    let ids = house.say_many("m", 1).await;
    let letter = dead_letter(&house).await;
    house.no_jobs_left().await;
    assert_eq!(receiver.requests().len(), 4);
    assert_eq!(letter["tries"], json!(4));
    assert_eq!(letter["reason"], json!("it answered 500 Internal Server Error"));
    assert_eq!(notifier.number("webhook_dead_total{webhook=\"crm\"}"), 1);

    receiver.behave(Manner::Takes);
    let client = house.nats.client().await;
    client.publish("chat.push.webhook.crm", serde_json::to_vec(&letter["job"]).unwrap().into()).await.unwrap();
    receiver.has_taken(&ids).await;
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_asked_once() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Says(410)).await;
    let notifier = house.notifier(&config(&[("crm", &receiver)])).await;
    house.say_many("m", 1).await;
    let letter = dead_letter(&house).await;
    house.no_jobs_left().await;
    assert_eq!((receiver.requests().len(), &letter["tries"]), (1, &json!(1)));
    notifier.stop().await;
}

#[tokio::test]
async fn a_request_that_a_stop_cuts_off_is_made_again_at_once_and_is_never_the_last() {
    let house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Hangs).await;
    let mut config = config(&[("crm", &receiver)]);
    config.outgoing.request_ms_max = 60_000;
    config.webhook_retry_ms = vec![3_600_000];
    config.webhook_tries_max = 1;
    let notifier = house.notifier(&config).await;
    let ids = house.say_many("m", 1).await;
    receiver.was_asked(1).await;
    let first = notifier.metrics.clone();
    notifier.stop().await;
    assert!(first.encode().contains("klatch_notifier_webhook_dead_total{webhook=\"crm\"} 0"), "{}", first.encode());
    receiver.behave(Manner::Takes);
    let notifier = house.notifier(&config).await;
    notifier.counts("webhook_delivered_total{webhook=\"crm\"}", 1).await;
    assert_eq!(receiver.taken().last(), ids.last());
    house.no_jobs_left().await;
    notifier.stop().await;
}

async fn dead_letter(house: &House) -> Value {
    let dead = house.stream("CHAT_DEAD").await;
    let letter = eventually(BOUND, "a dead letter", || dead.get_raw_message(1)).await;
    assert_eq!(letter.subject.as_str(), "chat.dead.webhook.crm");
    serde_json::from_slice(&letter.payload).unwrap()
}

#[tokio::test]
async fn a_broker_that_is_restarted_loses_no_message_and_no_job() {
    let mut house = House::new().await;
    let receiver = Receiver::start(SECRET, Manner::Says(500)).await;
    let notifier = house.notifier(&config(&[("crm", &receiver)])).await;
    let mut ids = house.say_many("before", 30).await;
    receiver.was_asked(1).await;
    house.nats.restart().await;
    ids.extend(house.say_many("after", 30).await);
    receiver.behave(Manner::Takes);
    receiver.has_taken(&ids).await;
    house.no_jobs_left().await;
    receiver.assert_no_overlap();
    notifier.stop().await;
}
