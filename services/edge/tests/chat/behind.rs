//! A client comes from another edge and has heard more than this one has yet.

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
