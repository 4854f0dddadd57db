//! Opening the log; and what is no part of it, but goes the same way.

use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use klatch_domain::event::Undecodable;
use klatch_eventlog::{EdgeId, Log, Missing, OpenError, Options, QueryError, Stream};
use klatch_testkit::{NatsServer, eventually};

use crate::ground::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_open_at_once_agree_on_the_epoch() {
    let server = NatsServer::start().await;
    let opening = (0..6).map(|_| Log::open(options(&server.url())));
    let logs = futures_util::future::try_join_all(opening).await.unwrap();
    let epoch = logs[0].epoch();
    for log in &logs {
        assert_eq!(log.epoch(), epoch);
        assert_eq!(log.refresh_epoch().await.unwrap(), epoch);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_epoch_outlives_a_restart_of_the_broker() {
    let mut ground = Ground::jetstream().await;
    let epoch = ground.log.epoch();
    ground.server().restart().await;
    assert_eq!(ground.another().await.epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_create_streams_waits_for_them_and_says_so_in_the_end() {
    let server = NatsServer::start().await;
    let waiting = |within| Options { missing: Missing::Await, open_deadline: within, ..options(&server.url()) };
    let missing = Log::open(waiting(Duration::from_millis(300))).await.expect_err("nobody created them");
    assert!(missing.to_string().contains("klatch projector"), "{missing}");
    let context = jetstream::new(server.client().await);
    assert!(context.get_stream("CHAT_EVENTS").await.is_err(), "it was created nevertheless");

    let opening = tokio::spawn(Log::open(waiting(BOUND)));
    let creator = Log::open(options(&server.url())).await.unwrap();
    assert_eq!(opening.await.unwrap().unwrap().epoch(), creator.epoch());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_looks_at_the_streams_that_it_works_with_and_no_others() {
    let server = NatsServer::start().await;
    let some = vec![Stream::Events, Stream::Marks];
    Log::open(Options { streams: some, ..options(&server.url()) }).await.unwrap();
    let context = jetstream::new(server.client().await);
    assert!(context.get_stream("CHAT_MARKS").await.is_ok());
    assert!(context.get_stream("CHAT_PRESENCE").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presence_that_the_broker_lost_is_made_again_for_those_who_may_not_create_it() {
    let mut ground = Ground::jetstream().await;
    let edges = Options { missing: Missing::Await, ..options(&ground.server().url()) };
    let edge = Log::open(edges).await.unwrap();
    ground.server().restart().await;
    let (me, room, ada) = (EdgeId::fresh(), room("r"), user("ada"));
    let attach = || edge.attach(&room, &ada, &me, "Ada");
    eventually(BOUND, "somewhere to say who is there", attach).await;
    assert_eq!(edge.attached(&room).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_forget_is_refused() {
    let ground = Ground::jetstream().await;
    let context = jetstream::new(ground.log.client().unwrap().clone());
    let mut config = context.get_stream("CHAT_EVENTS").await.unwrap().cached_info().config.clone();
    config.max_age = Duration::from_secs(3_600);
    context.update_stream(config).await.unwrap();
    match Log::open(options(&ground.url().unwrap())).await {
        Err(OpenError::Drift { stream: "CHAT_EVENTS", differences }) => {
            assert_eq!(differences, "max_age is 3600s, not 0ns");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn no_server_is_said_with_its_address() {
    let url = format!("nats://127.0.0.1:{}", klatch_testkit::free_port());
    let options = Options { open_deadline: Duration::from_millis(300), ..options(&url) };
    match Log::open(options).await {
        Err(error @ OpenError::NoServer { .. }) => assert!(error.to_string().contains(&url), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_us_is_not_asked_again() {
    let users = "authorization { user: klatch, password: right }";
    let server = NatsServer::builder().extra_config(users).start().await;
    let credentials = |password: &str| {
        let (user, password) = ("klatch".to_owned(), password.to_owned());
        Some(klatch_eventlog::Credentials::UserPassword { user, password })
    };
    let open = |password| Log::open(Options { credentials: credentials(password), ..options(&server.url()) });
    let refused = tokio::time::timeout(Duration::from_secs(5), open("wrong")).await.expect("at once");
    assert!(matches!(refused, Err(OpenError::NotTaken { .. })), "{refused:?}");
    assert!(open("right").await.unwrap().is_connected());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_none_of_ours_is_passed_over() {
    let ground = Ground::jetstream().await;
    let (log, ours) = (&ground.log, room("r"));
    let mut live = log.live_room(&ours).await.unwrap();
    let context = jetstream::new(log.client().unwrap().clone());
    let prefix = klatch_eventlog::subject::live_room(&ours).replace("chat.live", "chat.event").replace('>', "");
    for tail in ["odd", "timeline.x", "member", "member.=zz"] {
        context.publish(prefix.clone() + tail, Bytes::from_static(b"\xff")).await.unwrap().await.unwrap();
    }
    context.publish(prefix.clone() + "timeline", Bytes::from_static(b"\xff")).await.unwrap().await.unwrap();
    let mut follow = log.follow(klatch_domain::Seq::ZERO);
    let mut seqs = Vec::new();
    while seqs.is_empty() {
        let batch = tokio::time::timeout(BOUND, follow.next_batch(10)).await.unwrap().unwrap();
        seqs.extend(batch.events.iter().map(|stored| stored.seq.0));
        for stored in &batch.events {
            assert!(matches!(stored.event(), Err(Undecodable::Malformed(_))));
        }
    }
    assert_eq!(seqs, [5]);
    let client = log.client().unwrap();
    let live_prefix = prefix.replace("chat.event", "chat.live");
    for tail in ["timeline", "presence.a.b.c", "presence.a", "mark.a", "typing", ""] {
        let _ = client.publish(live_prefix.clone() + tail, Bytes::from_static(b"\xff")).await;
    }
    say(log, &ours, "fine").await;
    loop {
        match next(&mut live).await {
            klatch_eventlog::LiveEvent::Timeline { seq, payload, .. } if seq.0 == 6 => {
                assert_eq!(words(&payload), "fine");
                break;
            }
            klatch_eventlog::LiveEvent::Timeline { seq, .. } => assert_eq!(seq.0, 5),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_answered_refused_or_not_answered() {
    let ground = Ground::jetstream().await;
    let (log, client) = (&ground.log, ground.another().await.client().unwrap().clone());
    let ask = |name: &'static str, wait| log.request(name, Bytes::from_static(b"{}"), Duration::from_millis(wait));
    assert_eq!(ask("history", 1_000).await, Err(QueryError::NoResponder));

    use futures_util::StreamExt;
    let mut asked = client.subscribe("chat.query.*").await.unwrap();
    tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            let reply = question.reply.unwrap();
            match question.subject.as_str() {
                "chat.query.history" => client.publish(reply, Bytes::from_static(b"[]")).await.unwrap(),
                "chat.query.rooms" => {
                    let mut headers = async_nats::HeaderMap::new();
                    headers.insert("Nats-Service-Error-Code", "not_found");
                    headers.insert("Nats-Service-Error", "no such room");
                    client.publish_with_headers(reply, headers, Bytes::new()).await.unwrap();
                }
                _ => {}
            }
        }
    });
    let answer = klatch_testkit::eventually(BOUND, "an answer", || ask("history", 5_000)).await;
    assert_eq!(answer, "[]");
    let refused = QueryError::Service { code: "not_found".to_owned(), message: "no such room".to_owned() };
    assert_eq!(ask("rooms", 5_000).await, Err(refused));
    assert_eq!(ask("slow", 100).await, Err(QueryError::TimedOut));
}

#[tokio::test]
async fn a_log_in_memory_answers_queries_as_it_is_told() {
    let ground = Ground::memory();
    let ask = || ground.log.request("history", Bytes::from_static(b"?"), Duration::from_secs(1));
    assert_eq!(ask().await, Err(QueryError::NoResponder));
    ground.faults().answer("history", Ok);
    assert_eq!(ask().await, Ok(Bytes::from_static(b"?")));
}
