//! What each dialect makes of what its clients send, and what they hear of everything that happens, as golden files.

use std::collections::{BTreeMap, BTreeSet};

use klatch_domain::Timestamp;
use klatch_wire::Code;
use klatch_wire::dialects::{ALL, Ask, Dialect, Door, Happening, Heard, Sent, Spoken, at};
use klatch_wire::native::server::{self, Failure};
use klatch_wire::native::{ClientFrame, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::client_examples::message_id;
use super::dialect_examples::{self as examples, hearer, room, speaker};
use super::{folder, hold};

/// Holds a folder to these files, each a list of lines, and to no others.
fn hold_folder(path: &str, files: &BTreeMap<String, Vec<String>>) {
    for (name, lines) in files {
        hold(&format!("{path}/{name}.json"), &format!("[\n  {}\n]\n", lines.join(",\n  ")));
    }
    let there = std::fs::read_dir(folder().join(path)).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> = there.map(|name| name.into_string().unwrap()).collect();
    let expected: BTreeSet<String> = files.keys().map(|name| format!("{name}.json")).collect();
    assert_eq!(there, expected, "schemas/{path}");
}

/// What becomes of an event, for a reader.
fn outcome(dialect: &dyn Dialect, heard: Heard<'_>) -> String {
    let refused = |failure| {
        let Spoken { event, data, .. } = dialect.refused(heard.event, &failure);
        format!(r#""hears":"{event}","data":{data}"#)
    };
    match dialect.claim(heard) {
        Some(Ok(claim)) => {
            let id = claim.user_id.map(|id| id.to_string());
            return format!(r#""claims":{}"#, json!({"userId": id, "username": claim.username, "token": claim.token}));
        }
        Some(Err(failure)) => return refused(failure),
        None => {}
    }
    let asks = match dialect.read(heard, &speaker()) {
        Ok(Ask::Request(request)) => ClientFrame { id: None, request }.encode(),
        Ok(Ask::SayHere(message)) => {
            let frame = ClientFrame { id: None, request: Request::Message(message) }.encode();
            return format!(r#""asksAsMember":{frame}"#);
        }
        Ok(Ask::SayTo { receiver, message }) => json!({"sayTo": receiver, "message": message}).to_string(),
        Ok(Ask::Quiet(room)) => json!({"hearNoMoreOf": room}).to_string(),
        Err(failure) => return refused(failure),
    };
    format!(r#""asks":{asks}"#)
}

/// Every way to get an event's arguments wrong, and those that turn out to be right.
fn spoilt(good: &Value) -> Vec<Vec<Value>> {
    let mut all = vec![
        vec![],
        vec![Value::Null],
        vec![json!(true)],
        vec![json!(7)],
        vec![json!("")],
        vec![json!([good])],
        vec![json!({})],
        vec![good.clone(), good.clone()],
        vec![good.clone(), Value::Null],
    ];
    for name in good.as_object().into_iter().flat_map(|fields| fields.keys()) {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        all.push(vec![missing]);
        for wrong in [json!(null), json!(""), json!(7), json!(1.5), json!([]), json!({}), json!(true), json!("a\nb")] {
            let mut fields = good.clone();
            fields[name] = wrong;
            all.push(vec![fields]);
        }
    }
    all
}

#[test]
fn every_event_that_clients_send_becomes_what_its_golden_file_says() {
    for dialect in ALL {
        let mut files = BTreeMap::new();
        for examples::Sent { event, good, more } in examples::sent(dialect.name()) {
            assert!(dialect.knows(event), "{event}");
            let good_args = [vec![good.clone()]].into_iter().chain(more.into_iter().map(|args| vec![args]));
            let all = good_args.chain(spoilt(&good));
            let line = |args: Vec<Value>| {
                let outcome = outcome(*dialect, Heard { event, args: &args });
                format!(r#"{{"sends":"{event}","args":{},{outcome}}}"#, Value::Array(args))
            };
            files.insert(event.to_owned(), all.map(line).collect());
        }
        hold_folder(&format!("golden/dialects/{}/sent", dialect.name()), &files);
    }
}

/// Fails to compile when something new can happen, so that nobody forgets its example.
fn kind(happening: &Happening<'_>) -> &'static str {
    match happening {
        Happening::Timeline(_) => "timeline",
        Happening::MemberChanged(_) => "member changed",
        Happening::Came(_) => "came",
        Happening::Went(_) => "went",
        Happening::Typing(_) => "typing",
        Happening::Marked(_) => "marked",
        Happening::Counted(_) => "counted",
        Happening::RoomCreated(_) => "room created",
        Happening::Invited(_) => "invited",
    }
}

/// What its clients hear, by event; and of what they hear nothing.
fn heard(dialect: &dyn Dialect) -> BTreeMap<String, Vec<String>> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut hears = |of: &str, native: &str, spoken: Spoken| {
        let Spoken { event, data, except } = spoken;
        let except = except.map(|user| format!(r#","but":"{user}""#)).unwrap_or_default();
        let line = format!(r#"{{"of":"{of}","native":{native},"event":"{event}","data":{data}{except}}}"#);
        // A colon is no part of a file's name everywhere.
        files.entry(event.replace(':', "-")).or_default().push(line);
    };
    let mut silent = Vec::new();
    examples::with_happenings(|name, happening| match dialect.tell(happening, &hearer()) {
        Some(spoken) => hears(name, std::str::from_utf8(&happening.native()).unwrap(), spoken),
        None => silent.push(json!(name).to_string()),
    });
    let joined = examples::joined();
    let native = server::frame("chat.joined", &joined);
    for spoken in dialect.joined(&joined) {
        hears("coming into a room", std::str::from_utf8(&native).unwrap(), spoken);
    }
    let message = klatch_wire::native::request::Message::text(room(), "Hello world!");
    let sent = Sent {
        message: &message,
        author: &speaker(),
        message_id: &message_id(),
        timestamp: Timestamp::parse("2026-11-21T10:00:00.007Z").unwrap(),
    };
    match dialect.sent(&sent) {
        Some(spoken) => hears("its own message, stored", "null", spoken),
        None => silent.push(json!("its own message, stored").to_string()),
    }
    let events = examples::sent(dialect.name()).into_iter().map(|sent| sent.event).chain(["fly"]);
    for event in events {
        for (code, why) in [(Code::NotAuthenticated, "Not authenticated"), (Code::Muted, "you are muted here")] {
            let failure = Failure::new(code, why);
            let native = server::error(None, &failure);
            hears(
                &format!("a refusal of {event}"),
                std::str::from_utf8(&native).unwrap(),
                dialect.refused(event, &failure),
            );
        }
    }
    files.insert("nothing".to_owned(), silent);
    files
}

#[test]
fn everything_that_happens_is_told_as_its_golden_file_says_or_not_at_all() {
    let mut kinds = BTreeSet::new();
    examples::with_happenings(|_, happening| {
        kinds.insert(kind(happening));
    });
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    for dialect in ALL {
        hold_folder(&format!("golden/dialects/{}/heard", dialect.name()), &heard(*dialect));
    }
}

#[test]
fn what_is_told_in_a_room_of_many_is_the_same_for_all() {
    let others = klatch_domain::UserId::parse("cem").unwrap();
    for dialect in ALL.iter().filter(|dialect| !dialect.hears_direct()) {
        examples::with_happenings(|name, happening| {
            let said = |hearer| dialect.tell(happening, hearer).map(|spoken| (spoken.event, spoken.data.to_string()));
            assert_eq!(said(&hearer()), said(&others), "{}: {name}", dialect.name());
        });
    }
}

#[test]
fn no_two_dialects_have_a_name_and_each_has_a_door_where_its_clients_are_understood() {
    let names: BTreeSet<_> = ALL.iter().map(|dialect| dialect.name()).collect();
    assert_eq!(names.len(), ALL.len());
    for dialect in ALL {
        assert!(!dialect.doors().is_empty(), "{}", dialect.name());
        for door in dialect.doors() {
            assert!(at(*door).any(|at| at.name() == dialect.name()));
            if let Door::Namespace(name) | Door::WebSocket(name) = door {
                assert!(name.starts_with('/'), "{name}");
            }
        }
        let events: Vec<_> = examples::sent(dialect.name()).into_iter().map(|sent| sent.event).collect();
        let understood = |door: &Door| {
            events
                .iter()
                .all(|event| at(*door).find(|at| at.knows(event)).is_some_and(|at| at.name() == dialect.name()))
        };
        assert!(dialect.doors().iter().all(understood), "{}: another one at its door takes its events", dialect.name());
    }
    // Whoever brings nothing is let in somewhere, and so is whoever brings a token.
    assert!(at(Door::Plain).next().is_some() && at(Door::Token).next().is_some());
}

/// JSON such as clients could send, with the names and values that dialects look for among it.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        prop::sample::select(vec!["1", "5", "ben", "text", "image", "~system", "~dx", ""]).prop_map(Value::from),
    ];
    let names = "roomId|conversationId|conversation_id|userId|sender_id|sender|receiver|username|token|text|content\
        |message|messageType|message_type|isTyping|[a-z]{0,4}";
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(names, inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_understood_or_refused_and_only_what_the_dialect_knows_is_understood(
        own in any::<prop::sample::Index>(),
        unknown in ".{0,12}",
        args in prop::collection::vec(json(), 0..3),
    ) {
        for dialect in ALL {
            let sent = examples::sent(dialect.name());
            for event in [sent[own.index(sent.len())].event, unknown.as_str()] {
                let heard = Heard { event, args: &args };
                let (claim, ask) = (dialect.claim(heard), dialect.read(heard, &speaker()));
                if !dialect.knows(event) {
                    prop_assert!(claim.is_none() && ask.is_err(), "{}: {event}", dialect.name());
                }
                for failure in claim.and_then(Result::err).into_iter().chain(ask.err()) {
                    prop_assert_eq!(failure.code, Code::InvalidField);
                    dialect.refused(event, &failure);
                }
            }
        }
    }
}
