//! Somebody wrote into a timeline what nobody can read: nobody is shown it, and nobody is held up by it.

use bytes::Bytes;
use klatch_domain::{Address, RoomId, UserId};
use klatch_eventlog::{Append, Entry, Log};
use serde_json::{Value, json};

use crate::people::Edge;

const POISON: [&[u8]; 4] = [b"\xff\xfe", b"{}", br#"{"event":"chat.message","v":1,"data":{"ro"#, br#"["event"]"#];

async fn poison(log: &Log) {
    for payload in POISON {
        let address = Address::Timeline(RoomId::parse("r").unwrap());
        let entry = Entry { address, payload: Bytes::from_static(payload), guard: None, id: None };
        log.append(Append { author: UserId::parse("mallory").unwrap(), entries: vec![entry] }).await.unwrap();
    }
}

/// Each frame names the one before it that was told.
fn is_chain(frames: &[Value], after: &Value) -> bool {
    let mut last = after;
    frames.iter().all(|frame| std::mem::replace(&mut last, &frame["seq"]) == &frame["prev"])
}

#[tokio::test]
async fn what_nobody_can_read_is_passed_over_live_and_on_resume_and_leaves_no_gap() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    let mut told = Vec::new();
    for word in ["before", "between", "after"] {
        ada.ask("chat.message", json!({"roomId": "r", "message": word})).await.unwrap();
        told.push(ben.hears("chat.message").await);
        poison(&log).await;
    }
    let words: Vec<_> = told.iter().map(|frame| frame["data"]["message"].as_str().unwrap()).collect();
    assert_eq!(words, ["before", "between", "after"]);
    assert!(is_chain(&told[1..], &told[0]["seq"]), "{told:?}");

    // From the room's memory, and from the log.
    for edge in [&edge, &Edge::start(&log, |_| ()).await] {
        let mut cleo = edge.connect("cleo").await;
        let epoch = cleo.join("r", None).await["epoch"].clone();
        cleo.ask("chat.leave", json!({"roomId": "r"})).await.unwrap();
        let joined = cleo.join("r", Some(json!({"epoch": epoch, "seq": told[0]["seq"]}))).await;
        assert_eq!(joined["recovered"], true);
        let missed = joined["events"].as_array().unwrap();
        assert_eq!(missed[..2], told[1..], "{missed:?}");
        assert!(is_chain(missed, &told[0]["seq"]), "{missed:?}");
        ada.ask("chat.message", json!({"roomId": "r", "message": "more"})).await.unwrap();
        let more = cleo.hears("chat.message").await;
        assert!(more["prev"].as_u64() <= joined["seq"].as_u64(), "a gap: {more} after {}", joined["seq"]);
    }
}
