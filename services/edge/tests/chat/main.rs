//! An edge over a log, as clients meet it: over the in-memory log, and where it matters over a real nats-server.

mod accounts;
mod behind;
mod issuer;
mod people;
mod poison;
mod strangers;
mod tls;
mod tokens;

use std::sync::{Arc, Mutex};

use klatch_eventlog::{Log, Options};
use klatch_testkit::NatsServer;
use people::{Edge, token_until};
use serde_json::{Value, json};

fn text(frame: &Value) -> &str {
    frame["data"]["message"].as_str().unwrap_or_default()
}

async fn over_nats(server: &NatsServer) -> Log {
    Log::open(Options { servers: server.url(), ..Options::default() }).await.expect("a log")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_two_edges_see_the_same_messages_in_the_same_order() {
    let server = NatsServer::start().await;
    let (one, two) =
        (Edge::start(&over_nats(&server).await, |_| ()).await, Edge::start(&over_nats(&server).await, |_| ()).await);
    let (mut ada, mut ben) = (one.connect("ada").await, two.connect("ben").await);
    let joined = ada.join("r", None).await;
    assert_eq!(joined["users"], json!([{"userId": "ada", "username": "ADA"}]));
    assert_eq!(joined["member"]["role"], "owner");
    ben.join("r", None).await;
    ada.wait(|frame| frame["event"] == "chat.userJoined" && frame["data"]["userId"] == "ben", "ben's arrival").await;
    for n in 0..20 {
        let (who, name) = if n % 2 == 0 { (&mut ada, "ada") } else { (&mut ben, "ben") };
        let ack = who.ask("chat.message", json!({"roomId": "r", "message": format!("{name} {n}")})).await.unwrap();
        assert!(ack["seq"].as_u64() > Some(0) && ack["messageId"].is_string() && ack["epoch"].is_string());
    }
    let mut seen = [Vec::new(), Vec::new()];
    for (client, seen) in [&mut ada, &mut ben].into_iter().zip(&mut seen) {
        let mut prev = None;
        for _ in 0..20 {
            let frame = client.hears("chat.message").await;
            assert!(prev.as_ref().is_none_or(|prev| frame["prev"] == *prev), "{frame} follows {prev:?}");
            prev = Some(frame["seq"].clone());
            seen.push(frame);
        }
    }
    assert_eq!(seen[0], seen[1]);
    ben.ask("chat.leave", json!({"roomId": "r"})).await.unwrap();
    ada.wait(|frame| frame["event"] == "chat.userLeft" && frame["data"]["userId"] == "ben", "ben's leave").await;
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test]
async fn an_edit_and_a_deletion_reach_everyone_and_only_those_who_may_make_them() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    let sent = ben.ask("chat.message", json!({"roomId": "r", "message": "helo"})).await.unwrap();
    let about = |more: Value| {
        let mut data = json!({"roomId": "r", "messageId": sent["messageId"], "seq": sent["seq"]});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let refused = ada.ask("chat.edit", about(json!({"message": "mine now"}))).await.unwrap_err();
    assert_eq!(refused["code"], "forbidden");
    ben.ask("chat.edit", about(json!({"message": "hello"}))).await.unwrap();
    assert_eq!(text(&ada.hears("chat.messageEdited").await), "hello");
    ada.ask("chat.delete", about(json!({}))).await.expect("an owner may delete");
    let deleted = ben.hears("chat.messageDeleted").await;
    assert_eq!(deleted["data"]["messageId"], sent["messageId"]);
    assert!(!deleted.to_string().contains("hello"));
    let elsewhere = json!({"roomId": "other", "messageId": sent["messageId"], "seq": sent["seq"]});
    ben.join("other", None).await;
    assert_eq!(ben.ask("chat.delete", elsewhere).await.unwrap_err()["code"], "not_found");
}

#[tokio::test]
async fn who_is_kicked_hears_the_notice_last_and_can_send_no_more() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    ada.ask("chat.kick", json!({"roomId": "r", "userId": "ben", "reason": "noise"})).await.unwrap();
    let notice = ben.wait(|frame| frame["data"]["change"] == "kicked", "the notice").await;
    assert_eq!((&notice["data"]["by"], &notice["data"]["reason"]), (&json!("ada"), &json!("noise")));
    let refused = ben.ask("chat.message", json!({"roomId": "r", "message": "but"})).await.unwrap_err();
    assert_eq!(refused["code"], "not_a_member");
    ada.ask("chat.message", json!({"roomId": "r", "message": "gone?"})).await.unwrap();
    ada.hears("chat.message").await;
    ben.ask("chat.ping", json!({})).await.unwrap();
    assert!(ben.untaken("chat.message").is_empty(), "nothing of the room after the notice");
    ada.wait(|frame| frame["event"] == "chat.userLeft", "ben's leave").await;
    ada.ask("chat.ban", json!({"roomId": "r", "userId": "ben"})).await.unwrap();
    assert_eq!(ben.ask("chat.join", json!({"roomId": "r"})).await.unwrap_err()["code"], "banned");
}

#[tokio::test]
async fn a_private_room_is_not_there_for_others_and_an_invitation_reaches_who_has_no_room_open() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben, mut eve) = (edge.connect("ada").await, edge.connect("ben").await, edge.connect("eve").await);
    let room = json!({"roomId": "p", "type": "group", "name": "Private", "participants": ["ben"]});
    ada.ask("chat.createRoom", room.clone()).await.unwrap();
    let created = ben.hears("chat.roomCreated").await;
    assert_eq!((&created["data"]["roomId"], &created["data"]["name"]), (&json!("p"), &json!("Private")));
    for (event, data) in [
        ("chat.join", json!({"roomId": "p"})),
        ("chat.history", json!({"roomId": "p"})),
        ("chat.members", json!({"roomId": "p"})),
        ("chat.presence", json!({"roomId": "p"})),
        ("chat.typing", json!({"roomId": "p", "isTyping": true})),
        ("chat.message", json!({"roomId": "p", "message": "hi"})),
    ] {
        assert_eq!(eve.ask(event, data).await.unwrap_err()["code"], "not_found", "{event}");
    }
    ben.join("p", None).await;
    ada.ask("chat.invite", json!({"roomId": "p", "userId": "eve"})).await.unwrap();
    assert_eq!(eve.hears("chat.memberChanged").await["data"]["change"], "invited");
    eve.join("p", None).await;
}

#[tokio::test]
async fn a_resume_is_whole_or_says_that_it_is_not() {
    let edge =
        Edge::start(&Log::memory(), |config| config.limits = config.limits.clone().with_development_rates()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    let joined = ben.join("r", None).await;
    let position = json!({"epoch": joined["epoch"], "seq": joined["seq"]});
    ben.ask("chat.leave", json!({"roomId": "r"})).await.unwrap();
    for n in 0..300 {
        ada.ask("chat.message", json!({"roomId": "r", "message": n.to_string()})).await.unwrap();
    }
    let resumed = ben.join("r", Some(position.clone())).await;
    assert_eq!(resumed["recovered"], true);
    let texts: Vec<String> = resumed["events"].as_array().unwrap().iter().map(|frame| text(frame).to_owned()).collect();
    assert_eq!(texts, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
    for wrong in [
        json!({"epoch": "00000000-0000-0000-0000-000000000000", "seq": joined["seq"]}),
        json!({"epoch": joined["epoch"], "seq": 1_000_000}),
    ] {
        let refused = ben.join("r", Some(wrong)).await;
        assert_eq!((&refused["recovered"], &refused["events"]), (&json!(false), &json!([])));
        assert_eq!(refused["historyReady"], false, "nobody projects here");
    }
}

#[tokio::test]
async fn a_repeated_send_is_one_message_and_another_text_under_the_same_id_another() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    let mut acks = Vec::new();
    for text in ["once", "once", "twice"] {
        ada.send(json!({"event": "chat.message", "id": "same", "data": {"roomId": "r", "message": text}})).await;
        acks.push(ada.hears("ack").await["data"].take());
    }
    assert_eq!(acks[0]["seq"], acks[1]["seq"]);
    assert_ne!(acks[0]["messageId"], acks[2]["messageId"]);
    assert_eq!(text(&ada.hears("chat.message").await), "once");
    assert_eq!(text(&ada.hears("chat.message").await), "twice");
}

#[tokio::test]
async fn a_burst_is_answered_in_order_and_each_frame_once() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    for n in 0..90 {
        ada.send(
            json!({"event": "chat.message", "id": format!("b{n}"), "data": {"roomId": "r", "message": n.to_string()}}),
        )
        .await;
    }
    for n in 0..90 {
        assert_eq!(ada.hears("ack").await["id"], format!("b{n}"));
        assert_eq!(text(&ada.hears("chat.message").await), n.to_string());
    }
}

#[tokio::test]
async fn without_a_token_nothing_goes_and_with_one_in_the_first_frame_everything() {
    let edge = Edge::start(&Log::memory(), |config| config.limits.auth_ms_max = 60_000).await;
    let mut nobody = edge.dial(None).await.unwrap();
    assert_eq!(nobody.ask("chat.join", json!({"roomId": "r"})).await.unwrap_err()["code"], "not_authenticated");
    assert_eq!(nobody.ask("chat.auth", json!({"token": "x"})).await.unwrap_err()["code"], "not_authenticated");
    let expired = token_until("ada", 1_000);
    assert_eq!(nobody.ask("chat.auth", json!({"token": expired})).await.unwrap_err()["code"], "token_expired");
    nobody.ask("chat.auth", json!({"token": people::token("ada")})).await.unwrap();
    nobody.hears("chat.welcome").await;
    nobody.join("r", None).await;
    assert!(edge.dial(Some("forged")).await.is_err());
}

#[tokio::test]
async fn who_never_says_a_token_is_closed_and_so_is_whose_token_ends() {
    let edge = Edge::start(&Log::memory(), |config| config.limits.auth_ms_max = 50).await;
    let mut nobody = edge.dial(None).await.unwrap();
    assert_eq!(u16::from(nobody.closed().await.unwrap().code), 4100);
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 1;
    let mut ada = edge.dial(Some(&token_until("ada", soon))).await.unwrap();
    assert_eq!(u16::from(ada.closed().await.unwrap().code), 4101);
}

#[tokio::test]
async fn bad_frames_are_answered_and_the_session_goes_on() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let mut ada = edge.connect("ada").await;
    for (text, code) in [
        ("", "invalid_frame"),
        ("hello", "invalid_frame"),
        (r#"{"event":"chat.fly"}"#, "invalid_field"),
        (r#"{"event":"chat.join","data":{"roomId":"a\nb"}}"#, "invalid_field"),
        (r#"{"event":"chat.join","data":{"roomId":"~dx"}}"#, "not_found"),
        (r#"{"event":"chat.message","data":{"roomId":"r","message":""}}"#, "not_found"),
    ] {
        ada.send_text(text).await;
        assert_eq!(ada.hears("error").await["data"]["code"], code, "{text}");
    }
    for id in ["a.b", "*", ">", "a b", "🦀", "=2E"] {
        assert_eq!(ada.join(id, None).await["roomId"], id);
        ada.ask("chat.message", json!({"roomId": id, "message": id})).await.unwrap();
        assert_eq!(text(&ada.hears("chat.message").await), id);
    }
    assert_eq!(
        ada.ask("chat.message", json!({"roomId": "*", "message": ""})).await.unwrap_err()["code"],
        "invalid_field"
    );
}

#[tokio::test]
async fn a_drain_says_goodbye_and_closes_with_a_code_that_says_resume() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    let stopping = tokio::spawn(edge.stop());
    let goodbye = ada.hears("chat.goodbye").await;
    assert_eq!(goodbye["data"]["resume"], true);
    assert_eq!(u16::from(ada.closed().await.unwrap().code), 4000);
    stopping.await.unwrap().expect("drained in time");
}

#[tokio::test]
async fn what_was_sent_right_before_a_close_is_still_carried_out() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    for n in 0..30 {
        ben.send(json!({"event": "chat.message", "data": {"roomId": "r", "message": n.to_string()}})).await;
    }
    ben.close().await;
    for n in 0..30 {
        assert_eq!(text(&ada.hears("chat.message").await), n.to_string());
    }
}

#[tokio::test]
async fn after_the_log_was_made_anew_sessions_are_told_to_resume_and_are_not_given_what_is_not_theirs() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let mut ada = edge.connect("ada").await;
    let joined = ada.join("r", None).await;
    let sent = ada.ask("chat.message", json!({"roomId": "r", "message": "before"})).await.unwrap();
    let faults = log.faults().expect("a log in memory");
    faults.recreate();
    faults.disrupt(); // The connection broke, too: as when a broker comes back with another disk.
    assert_eq!(u16::from(ada.closed().await.unwrap().code), 4002);
    let mut ada = edge.connect("ada").await;
    let again = ada.join("r", Some(json!({"epoch": joined["epoch"], "seq": sent["seq"]}))).await;
    assert_eq!(again["recovered"], false);
    assert_ne!(again["epoch"], joined["epoch"]);
    ada.ask("chat.message", json!({"roomId": "r", "message": "after"})).await.unwrap();
    assert_eq!(text(&ada.hears("chat.message").await), "after");
}

/// Whichever projector answers must count from every mark that was acknowledged before, on any device.
#[tokio::test]
async fn a_list_of_rooms_asks_for_the_marks_up_to_their_end() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let (mut phone, mut desk) = (edge.connect("ada").await, edge.connect("ada").await);
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    log.faults().expect("a log in memory").answer("rooms", move |question| {
        asked.send(serde_json::from_slice::<Value>(&question).unwrap()["minMark"].clone()).unwrap();
        Ok(bytes::Bytes::from_static(
            br#"{"rooms": [], "epoch": "00000000-0000-0000-0000-000000000000", "seq": 1, "more": false}"#,
        ))
    });
    phone.join("r", None).await;
    for mark in 1..=3 {
        let sent = phone.ask("chat.message", json!({"roomId": "r", "message": "hi"})).await.unwrap();
        phone.ask("chat.read", json!({"roomId": "r", "seq": sent["seq"]})).await.unwrap();
        desk.ask("chat.rooms", json!({})).await.unwrap();
        assert_eq!(questions.recv().await.unwrap(), mark);
    }
}

#[tokio::test]
async fn when_the_last_connection_of_a_person_ends_the_moment_is_kept() {
    let log = Log::memory();
    let edge = Edge::start(&log, |_| ()).await;
    let (mut phone, mut desk) = (edge.connect("ada").await, edge.connect("ada").await);
    let mut marks = log.follow_marks(klatch_domain::Seq::ZERO);
    assert!(marks.next_batch(8).await.unwrap().seen.is_empty());
    phone.close().await;
    phone.closed().await;
    desk.ask("chat.ping", json!({})).await.unwrap();
    desk.close().await;
    let seen = marks.next_batch(8).await.unwrap().seen;
    assert_eq!(seen.iter().map(|seen| seen.user.as_str()).collect::<Vec<_>>(), ["ada"]);
}

#[tokio::test]
async fn long_answers_asked_for_in_one_go_all_come_to_who_reads_them() {
    let log = Log::memory();
    let page = json!({"roomId": "r", "events": ["x".repeat(12_000_000)], "more": false, "seq": 1,
        "epoch": "00000000-0000-0000-0000-000000000000"});
    let page = bytes::Bytes::from(page.to_string());
    log.faults().expect("a log in memory").answer("history", move |_| Ok(page.clone()));
    let edge = Edge::start(&log, |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    for n in 0..12 {
        ada.send(json!({"event": "chat.history", "id": format!("h{n}"), "data": {"roomId": "r"}})).await;
    }
    for n in 0..12 {
        let answer = ada.hears("ack").await;
        assert_eq!(answer["id"], format!("h{n}"));
    }
}

#[tokio::test]
async fn an_edit_that_comes_after_the_deletion_is_refused_and_a_retry_of_what_was_stored_is_not() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    let joined = ben.join("r", None).await;
    let send = json!({"event": "chat.message", "id": "s", "data": {"roomId": "r", "message": "words"}});
    ben.send(send.clone()).await;
    let sent = ben.hears("ack").await["data"].take();
    let about = |event: &str, id: &str, more: Value| {
        let mut data = json!({"roomId": "r", "messageId": sent["messageId"], "seq": sent["seq"]});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"event": event, "id": id, "data": data})
    };
    ben.send(about("chat.delete", "d", json!({}))).await;
    let deleted = ben.hears("ack").await["data"].take();
    ben.hears("chat.messageDeleted").await;
    ben.send(about("chat.edit", "e", json!({"message": "zombie"}))).await;
    assert_eq!(ben.hears("error").await["data"]["code"], "not_found");
    ben.send(about("chat.delete", "d", json!({}))).await;
    assert_eq!(ben.hears("ack").await["data"]["seq"], deleted["seq"], "the same deletion");
    ada.ask("chat.mute", json!({"roomId": "r", "userId": "ben"})).await.unwrap();
    ben.send(send).await;
    assert_eq!(ben.hears("ack").await["data"]["seq"], sent["seq"], "who spoke before they were muted has spoken");
    let muted = ben.ask("chat.message", json!({"roomId": "r", "message": "more"})).await.unwrap_err();
    assert_eq!(muted["code"], "muted");
    let again = ben.join("r", Some(json!({"epoch": joined["epoch"], "seq": joined["seq"]}))).await;
    assert_eq!(again["recovered"], true);
    assert!(!again["events"].to_string().contains("words"));
}

#[tokio::test]
async fn marks_are_for_members_and_the_server_is_no_person() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut eve) = (edge.connect("ada").await, edge.connect("eve").await);
    ada.join("r", None).await;
    let sent = ada.ask("chat.message", json!({"roomId": "r", "message": "hi"})).await.unwrap();
    let mark = json!({"roomId": "r", "seq": sent["seq"]});
    assert_eq!(eve.ask("chat.read", mark.clone()).await.unwrap_err()["code"], "not_a_member");
    assert_eq!(ada.ask("chat.read", mark).await.unwrap()["read"], sent["seq"]);
    for (event, data) in [
        ("chat.createRoom", json!({"type": "direct", "participants": ["~system"]})),
        ("chat.ban", json!({"roomId": "r", "userId": "~system"})),
        ("chat.mute", json!({"roomId": "r", "userId": "~system"})),
    ] {
        assert_eq!(ada.ask(event, data).await.unwrap_err()["code"], "invalid_field", "{event}");
    }
}

#[tokio::test]
async fn who_stops_writing_and_goes_on_at_once_is_seen_to() {
    let edge = Edge::start(&Log::memory(), |_| ()).await;
    let (mut ada, mut ben) = (edge.connect("ada").await, edge.connect("ben").await);
    ada.join("r", None).await;
    ben.join("r", None).await;
    for is_typing in [true, true, false, false, true] {
        ben.ask("chat.typing", json!({"roomId": "r", "isTyping": is_typing})).await.unwrap();
    }
    for is_typing in [true, false, true] {
        assert_eq!(ada.hears("chat.typing").await["data"]["isTyping"], is_typing);
    }
    for n in 0..100 {
        ben.ask("chat.typing", json!({"roomId": "r", "isTyping": n % 2 == 0})).await.unwrap();
    }
    ada.ask("chat.ping", json!({})).await.unwrap();
    assert!(ada.untaken("chat.typing").len() < 40, "to and fro is no flood");
}

/// The views decide once more who may see what; where nobody else can be asked, they decide alone.
#[tokio::test]
async fn while_the_log_has_no_leader_history_is_read_from_the_views() {
    let patience = std::time::Duration::from_millis(50);
    let log = Log::memory_with(klatch_eventlog::Options { read_deadline: patience, ..Default::default() });
    let edge = Edge::start(&log, |_| ()).await;
    let mut ada = edge.connect("ada").await;
    ada.join("r", None).await;
    let faults = log.faults().expect("a log in memory");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    faults.answer("history", move |body| {
        let request: Value = serde_json::from_slice(&body).unwrap();
        noted.lock().unwrap().push(request["minSeq"].as_u64().unwrap_or_default());
        Ok(bytes::Bytes::from_static(
            br#"{"roomId": "r", "events": [], "epoch": "00000000-0000-0000-0000-000000000000", "seq": 1, "more": false}"#,
        ))
    });
    ada.ask("chat.history", json!({"roomId": "r"})).await.unwrap();
    faults.fail_reads(usize::MAX);
    let refused = ada.ask("chat.history", json!({"roomId": "r"})).await.unwrap_err();
    assert_eq!(refused["code"], "unavailable", "a question without an answer is not the lack of a leader: {refused}");
    faults.lose_leader();
    ada.ask("chat.history", json!({"roomId": "r"})).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(
        matches!(asked[..], [seen, 0] if seen > 0),
        "as far as the edge has seen, or as far as they are: {asked:?}"
    );
    let presence = ada.ask("chat.presence", json!({"roomId": "r"})).await.unwrap_err();
    assert_eq!(presence["code"], "unavailable", "nobody decides a second time who is shown: {presence}");
}
