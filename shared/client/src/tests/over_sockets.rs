//! Over real sockets: what is sent, sent again, resumed and given up.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::server::{EPOCH, Server, kicked, said, stored};
use crate::*;

fn lobby() -> RoomId {
    RoomId::parse("lobby").unwrap()
}

async fn connected(server: &Server, limits: Limits) -> (Client, super::server::Peer) {
    let client = Client::builder(&server.url).token("ey.to.ken").limits(limits).connect();
    let (client, peer) = tokio::join!(client, server.welcome());
    (client.unwrap(), peer)
}

async fn next(events: &Events) -> Event {
    timeout(Duration::from_secs(20), events.next()).await.expect("nothing happens").expect("it is over")
}

/// The texts of messages heard until something that `end` wants.
async fn words_until(events: &Events, end: impl Fn(&Event) -> bool) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        let event = next(events).await;
        if end(&event) {
            return words;
        }
        if let Event::Timeline(event) = event {
            words.extend(event.text().map(str::to_owned));
        }
    }
}

#[tokio::test]
async fn it_says_who_it_is_in_the_header_and_speaks_klatch_v1() {
    let server = Server::start().await;
    let (client, peer) = connected(&server, Limits::default()).await;
    assert_eq!((peer.authorization.as_str(), peer.protocols.as_str()), ("Bearer ey.to.ken", "klatch.v1"));
    assert_eq!(client.user().user_id.as_str(), "ada");
    assert!(matches!(next(&client.events()).await, Event::Online { session_id, .. } if session_id == "s1"));
}

#[tokio::test]
async fn a_message_whose_ack_was_lost_is_sent_again_under_the_same_id() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let sending = tokio::spawn(async move { client.send(&lobby(), "hi").await });
    let (first, data) = peer.expect("chat.message").await;
    drop(peer);
    let mut peer = server.welcome().await;
    let (again, same) = peer.ack_message(7).await;
    assert_eq!((first, data), (again, same));
    assert_eq!(sending.await.unwrap().unwrap().seq, Seq(7));
}

#[tokio::test]
async fn a_message_that_may_work_later_is_tried_later_under_the_same_id() {
    let server = Server::start().await;
    let limits = Limits { reconnect_ms_min: 1, ..Limits::default() };
    let (client, mut peer) = connected(&server, limits).await;
    let sending = tokio::spawn(async move { client.send(&lobby(), "hi").await });
    let (first, _) = peer.expect("chat.message").await;
    let failure = json!({"code": "rate_limited", "message": "slow down", "retryable": true, "retryAfterMs": 1});
    peer.send(json!({"event": "error", "id": first, "data": failure})).await;
    let (again, _) = peer.ack_message(7).await;
    assert_eq!(first, again);
    assert!(sending.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_refusal_is_the_answer() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let sending = tokio::spawn(async move { client.send(&lobby(), "hi").await });
    let (id, _) = peer.expect("chat.message").await;
    let failure = json!({"code": "muted", "message": "be quiet", "retryable": false});
    peer.send(json!({"event": "error", "id": id, "data": failure})).await;
    assert_eq!(sending.await.unwrap().unwrap_err().code(), Some(Code::Muted));
}

#[tokio::test]
async fn no_message_overtakes_another_of_its_room_not_even_when_sent_again() {
    let server = Server::start().await;
    let limits = Limits { reconnect_ms_min: 1, ..Limits::default() };
    let (client, mut peer) = connected(&server, limits).await;
    let both = tokio::spawn(async move {
        let room = lobby();
        tokio::join!(client.send(&room, "one"), client.send(&room, "two"))
    });
    let (id, one) = peer.expect("chat.message").await;
    let failure = json!({"code": "unavailable", "message": "not now", "retryable": true});
    peer.send(json!({"event": "error", "id": id, "data": failure})).await;
    assert_eq!(peer.expect("chat.message").await, (id, one.clone()));
    drop(peer);
    let mut peer = server.welcome().await;
    let (_, again) = peer.ack_message(7).await;
    assert_eq!(one, again);
    let (_, two) = peer.ack_message(8).await;
    assert_eq!(two["message"], "two");
    let (first, second) = both.await.unwrap();
    assert!(first.unwrap().seq < second.unwrap().seq);
}

#[tokio::test]
async fn a_room_is_resumed_from_where_it_was_and_nothing_comes_twice() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let (room, events) = (lobby(), client.events());
    let (joined, since) = tokio::join!(client.join(&room, None), peer.join(3, None, vec![said(3, 0, None)]));
    assert_eq!((joined.unwrap().seq, since.is_null()), (Seq(3), true));
    peer.send(said(5, 3, None)).await;
    peer.send(said(5, 3, None)).await;
    peer.send(said(6, 5, Some("m3"))).await;
    peer.send(said(7, 6, None)).await;
    let until_7 = words_until(&events, |event| matches!(event, Event::Timeline(event) if event.seq == Seq(7))).await;
    assert_eq!(until_7, ["word 5"], "neither the repeat nor the message stored twice");
    drop(peer);
    let mut peer = server.welcome().await;
    let since = peer.join(9, Some(true), vec![said(8, 7, None), said(9, 8, None)]).await;
    assert_eq!(since, json!({"epoch": EPOCH, "seq": 7}));
    let missed = words_until(&events, |event| matches!(event, Event::Resumed(_))).await;
    assert_eq!(missed, ["word 8", "word 9"]);
    assert_eq!(client.position(&room).await.map(|position| position.seq), Some(Seq(9)));
}

#[tokio::test]
async fn what_cannot_be_resumed_is_told_as_a_reset() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let (room, events) = (lobby(), client.events());
    let since = Position { epoch: Epoch(EPOCH.parse().unwrap()), seq: Seq(2) };
    let (joined, sent) =
        tokio::join!(client.join(&room, Some(since)), peer.join(9, Some(false), vec![said(9, 8, None)]));
    assert_eq!((joined.unwrap().recovered, sent), (Some(false), json!({"epoch": EPOCH, "seq": 2})));
    let missed = words_until(&events, |event| matches!(event, Event::Reset(_))).await;
    assert!(missed.is_empty());
}

#[tokio::test]
async fn a_gap_is_filled_before_anything_newer_is_handed_out() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let (room, events) = (lobby(), client.events());
    let (joined, _) = tokio::join!(client.join(&room, None), peer.join(3, None, vec![]));
    joined.unwrap();
    peer.send(said(6, 5, None)).await;
    // What comes while the room is joined again is held, and neither lost nor handed out twice.
    peer.send(said(7, 6, None)).await;
    let recovered = vec![said(5, 3, None), said(6, 5, None)];
    assert_eq!(peer.join(6, Some(true), recovered).await["seq"], 3);
    let words = words_until(&events, |event| matches!(event, Event::Resumed(_))).await;
    assert_eq!(words, ["word 5", "word 6", "word 7"]);
}

#[tokio::test]
async fn who_is_put_out_is_detached_and_does_not_come_back_by_itself() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let (room, events) = (lobby(), client.events());
    let (joined, _) = tokio::join!(client.join(&room, None), peer.join(3, None, vec![]));
    joined.unwrap();
    peer.send(kicked("ben", 4, 3)).await;
    peer.send(kicked("ada", 5, 4)).await;
    words_until(&events, |event| matches!(event, Event::Detached { why: Detached::Kicked, .. })).await;
    drop(peer);
    let mut peer = server.welcome().await;
    let _ping =
        tokio::spawn(async move { client.request::<serde_json::Value>(Request::Ping(Default::default())).await });
    peer.expect("chat.ping").await;
}

#[tokio::test]
async fn events_that_nobody_takes_are_resumed_once_somebody_does() {
    let server = Server::start().await;
    let limits = Limits { events_max: 8, held_frames_max: 2, ..Limits::default() };
    let (client, mut peer) = connected(&server, limits).await;
    let (room, events) = (lobby(), client.events());
    let (joined, _) = tokio::join!(client.join(&room, None), peer.join(1, None, vec![]));
    joined.unwrap();
    for seq in 2..=20 {
        peer.send(said(seq, seq - 1, None)).await;
    }
    // An answer comes all the same: the connection doesn't wait for who listens.
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.send(&lobby(), "hi").await }
    });
    let (id, _) = peer.expect("chat.message").await;
    peer.send(stored(&id, 21)).await;
    assert!(sending.await.unwrap().is_ok());
    let mut heard = Vec::new();
    while heard.len() < 6 {
        if let Event::Timeline(event) = next(&events).await {
            heard.push(event.seq.0);
        }
    }
    let (id, data) = peer.expect("chat.join").await;
    assert_eq!((id.is_empty(), &data["since"]["seq"]), (false, &json!(7)), "from what had found space");
    let missed = (8..=20).map(|seq| said(seq, seq - 1, None)).collect();
    peer.send(super::server::joined(20, Some(true), missed)).await;
    while heard.len() < 19 {
        if let Event::Timeline(event) = next(&events).await {
            heard.push(event.seq.0);
        }
    }
    assert_eq!(heard, (2..=20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_close_that_says_stay_away_ends_it_for_whoever_waits() {
    let server = Server::start().await;
    let (client, mut peer) = connected(&server, Limits::default()).await;
    let events = client.events();
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.send(&lobby(), "hi").await }
    });
    peer.expect("chat.message").await;
    peer.close(4200).await;
    assert!(matches!(sending.await.unwrap(), Err(Failure::StayAway(ending)) if ending.code == 4200));
    words_until(&events, |event| matches!(event, Event::Stopped(_))).await;
    assert!(events.next().await.is_none());
    assert!(client.send(&lobby(), "hi").await.is_err());
}

#[tokio::test]
async fn a_refused_upgrade_is_final_or_not_by_its_status() {
    let server = Server::start().await;
    let builder = Client::builder(&server.url).token("old");
    let (client, ()) = tokio::join!(builder.clone().connect(), server.refuse(401));
    assert!(matches!(client, Err(Failure::StayAway(_))));
    let limits = Limits { reconnect_ms_min: 1, ..Limits::default() };
    let (client, ()) = tokio::join!(builder.limits(limits).connect(), async {
        server.refuse(503).await;
        server.welcome().await;
    });
    assert!(client.is_ok());
}

#[tokio::test]
async fn no_connection_in_time_says_why() {
    let server = Server::start().await;
    let url = server.url.clone();
    drop(server);
    let limits = Limits { first_connect_ms_max: 50, reconnect_ms_min: 1, ..Limits::default() };
    let failure = Client::builder(url).token("t").limits(limits).connect().await.unwrap_err();
    assert!(matches!(&failure, Failure::NoConnection(ending) if ending.reason.contains("refused")), "{failure}");
    let failure = Client::builder("http://127.0.0.1/").token("t").connect().await.unwrap_err();
    assert!(matches!(failure, Failure::BadAddress(_)));
}

#[tokio::test]
async fn limits_are_kept_and_to_close_ends_everything() {
    let server = Server::start().await;
    let limits = Limits { sends_max: 1, requests_max: 2, ..Limits::default() };
    let (client, mut peer) = connected(&server, limits).await;
    let sending = tokio::spawn({
        let client = client.clone();
        async move { client.send(&lobby(), "one").await }
    });
    peer.expect("chat.message").await;
    assert!(matches!(client.send(&lobby(), "two").await, Err(Failure::TooManyPending(_))));
    let long = client.request::<Stored>(Request::Leave(klatch_wire::native::request::InRoom { room_id: lobby() }));
    let _waiting = tokio::spawn({
        let client = client.clone();
        async move { client.read(&lobby(), Seq(1)).await }
    });
    peer.expect("chat.read").await;
    assert!(matches!(long.await, Err(Failure::TooManyPending(_))));
    client.close().await;
    assert!(matches!(sending.await.unwrap(), Err(Failure::Closed(_))));
    assert!(matches!(client.events().next().await, Some(Event::Online { .. })));
    assert!(client.events().next().await.is_none());
}
