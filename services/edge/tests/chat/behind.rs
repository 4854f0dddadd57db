//! A client comes from another edge and has heard more than this one has yet.

use klatch_domain::Seq;
use klatch_eventlog::Log;
use klatch_eventlog::memory::Delivery;
use serde_json::{Value, json};

use crate::people::{Client, Edge};

/// Says something that nobody here hears of until the next is said; where it lies.
async fn say_unheard(log: &Log, ada: &mut Client) -> Value {
    log.faults().expect("a log in memory").deliver([Delivery::Late]);
    let ack = ada.ask("chat.message", json!({"roomId": "r", "message": "unheard"})).await.unwrap();
    json!({"epoch": ack["epoch"], "seq": ack["seq"]})
}

#[tokio::test]
async fn nobody_waits_for_the_edge_and_nothing_is_told_again() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    let since = say_unheard(&log, &mut ada).await;
    let joined = ben.join("r", Some(since.clone())).await;
    assert_eq!(joined["recovered"], true, "{joined}");
    assert!(joined["seq"].as_u64() >= since["seq"].as_u64(), "{joined} for somebody who was at {since}");
    ada.ask("chat.message", json!({"roomId": "r", "message": "more"})).await.unwrap();
    ada.ask("chat.message", json!({"roomId": "r", "message": "last"})).await.unwrap();
    ben.wait(|frame| frame["data"]["message"] == "last", "the last").await;
    let missed = joined["events"].as_array().unwrap().iter().cloned();
    let told: Vec<Value> = missed.chain(ben.untaken("chat.message").into_iter().cloned()).collect();
    assert_eq!(told.iter().map(|frame| &frame["data"]["message"]).collect::<Vec<_>>(), ["more"], "{told:?}");
}

/// What an edge stored itself it knows at once, though word of it is lost on the way back.
#[tokio::test]
async fn a_room_is_archived_for_whoever_archived_it_in_the_same_moment() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    ada.ask("chat.message", json!({"roomId": "r", "message": "the last word"})).await.unwrap();
    log.faults().expect("a log in memory").deliver([Delivery::Drop; 4]);
    ada.ask("chat.archiveRoom", json!({"roomId": "r"})).await.unwrap();
    let refused = ada.ask("chat.message", json!({"roomId": "r", "message": "too late"})).await.unwrap_err();
    assert_eq!(refused["code"], "archived", "{refused}");
}

/// An older backup under a running edge, before its epoch was renewed: sequences are given a second time.
#[tokio::test]
async fn a_log_that_went_back_is_acknowledged_to_nobody_until_its_epoch_is_renewed() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    let mut last = Value::Null;
    for number in 0..5 {
        last = ada.ask("chat.message", json!({"roomId": "r", "message": number.to_string()})).await.unwrap();
    }
    let since = json!({"epoch": last["epoch"], "seq": last["seq"]});
    let faults = log.faults().expect("a log in memory");
    faults.go_back_to(Seq(last["seq"].as_u64().unwrap() - 3));
    for _ in 0..6 {
        let refused = ada.ask("chat.message", json!({"roomId": "r", "message": "again"})).await.unwrap_err();
        assert_eq!((&refused["code"], &refused["retryable"]), (&json!("unavailable"), &json!(true)), "{refused}");
    }
    let mut again = edge.connect("ada").await;
    let joined = again.join("r", Some(since)).await;
    assert_eq!(joined["recovered"], false, "what lies there now is others': {joined}");
    faults.renew_epoch();
    log.refresh_epoch().await.unwrap();
    let mut cleo = edge.connect("cleo").await;
    cleo.join("r", None).await;
    cleo.ask("chat.message", json!({"roomId": "r", "message": "a new life"})).await.unwrap();
}
