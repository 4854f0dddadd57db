//! Every event version ever stored decodes for ever: `schemas/golden/events/` holds an example of each, as the
//! bytes that lie in the log (and a line end). A file that is there is never changed; a new version brings a new one.
//!
//! `UPDATE_SCHEMAS=1` writes the examples that are missing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use klatch_domain::*;
use uuid::Uuid;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/golden/events")
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn room() -> RoomId {
    RoomId::parse("room123").unwrap()
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn message() -> MessageSent {
    MessageSent {
        room_id: room(),
        message_id: MessageId::parse("f2hbjyx4ztb2xdqmd3u7qvl6ca4wjv5k").unwrap(),
        user_id: user("ada"),
        username: "Ada".into(),
        avatar: Some("https://example.org/ada.png".into()),
        message: "Hello, <b>world</b> \u{1F44B}".into(),
        message_type: MessageType::Text,
        timestamp: at("2026-11-21T10:00:00.007Z"),
        reply_to: Some(MessageId::parse("b5w3r7xq2k4mzy6tnc1d8fgh9jvpaels").unwrap()),
        attachments: vec![Attachment {
            url: "/api/files/1".into(),
            name: Some("plan.pdf".into()),
            content_type: Some("application/pdf".into()),
            size: Some(1024),
        }],
        mentions: vec![user("ben")],
    }
}

fn plain_message() -> MessageSent {
    MessageSent { avatar: None, reply_to: None, attachments: vec![], mentions: vec![], ..message() }
}

fn notice(change: Change) -> MemberChanged {
    MemberChanged {
        room_id: room(),
        user_id: user("ben"),
        username: "Ben".into(),
        change,
        role: None,
        by: Some(user("ada")),
        reason: Some("spam".into()),
        until: Some(at("2026-12-01T00:00:00.000Z")),
        timestamp: at("2026-11-21T10:00:03.000Z"),
    }
}

fn member(standing: Standing, cause: Cause) -> Membership {
    Membership {
        room_id: room(),
        user_id: user("ben"),
        username: "Ben".into(),
        avatar: Some("https://example.org/ben.png".into()),
        standing,
        role: Role::Member,
        muted: Some(Mute { until: Some(at("2026-12-01T00:00:00.000Z")) }),
        cause,
        timestamp: at("2026-11-21T10:00:03.000Z"),
    }
}

fn settings() -> Settings {
    Settings { access: Access::Private, history: HistoryFrom::Joined }
}

/// The examples of today's versions: file name and event.
fn examples() -> impl Iterator<Item = (&'static str, Event)> {
    of_timelines().into_iter().chain(of_states())
}

fn of_timelines() -> Vec<(&'static str, Event)> {
    vec![
        ("chat.message.v1.json", Event::MessageSent(message())),
        ("chat.message.v1.plain.json", Event::MessageSent(plain_message())),
        (
            "chat.system.v1.json",
            Event::SystemSaid(MessageSent {
                user_id: UserId::system(),
                username: "System".into(),
                message: "Server maintenance in 5 minutes".into(),
                message_type: MessageType::System,
                ..plain_message()
            }),
        ),
        (
            "chat.messageEdited.v1.json",
            Event::MessageEdited(MessageEdited {
                room_id: room(),
                message_id: message().message_id,
                user_id: user("ada"),
                username: "Ada".into(),
                message: "Hello, everybody".into(),
                timestamp: at("2026-11-21T10:00:01.000Z"),
            }),
        ),
        (
            "chat.messageDeleted.v1.json",
            Event::MessageDeleted(MessageDeleted {
                room_id: room(),
                message_id: message().message_id,
                user_id: user("mod"),
                username: "Mod".into(),
                author: user("ada"),
                position: Position { epoch: Epoch(Uuid::from_u128(0x0193_4b5e)), seq: Seq(1042) },
                sent_at: at("2026-11-21T10:00:00.007Z"),
                timestamp: at("2026-11-21T10:00:02.000Z"),
            }),
        ),
        ("chat.memberChanged.v1.json", Event::MemberChanged(notice(Change::Banned))),
        (
            "chat.memberChanged.v1.role.json",
            Event::MemberChanged(MemberChanged {
                role: Some(Role::Moderator),
                reason: None,
                until: None,
                ..notice(Change::Role)
            }),
        ),
        (
            "chat.roomUpdated.v1.json",
            Event::RoomUpdated(RoomUpdated {
                room_id: room(),
                name: "Lounge".into(),
                settings: settings(),
                archived: false,
                by: user("ada"),
                timestamp: at("2026-11-21T10:00:04.000Z"),
            }),
        ),
    ]
}

fn of_states() -> Vec<(&'static str, Event)> {
    let seen_first =
        Membership { username: String::new(), avatar: None, muted: None, ..member(Standing::Invited, Cause::Noticed) };
    vec![
        ("chat.member.v1.json", Event::Member(member(Standing::Joined, Cause::Accepted))),
        (
            "chat.member.v1.banned.json",
            Event::Member(member(Standing::Banned { until: Some(at("2026-12-01T00:00:00.000Z")) }, Cause::Noticed)),
        ),
        ("chat.member.v1.invited.json", Event::Member(seen_first)),
        (
            "chat.room.v1.json",
            Event::Room(RoomInfo {
                room_id: room(),
                room_type: RoomType::Group,
                name: "Lounge".into(),
                owners: vec![user("ada"), user("ben")],
                settings: settings(),
                archived: true,
                created_by: user("ada"),
                created_at: at("2026-11-21T09:00:00.000Z"),
                timestamp: at("2026-11-21T10:00:04.000Z"),
            }),
        ),
    ]
}

#[test]
fn every_event_ever_stored_decodes() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).expect("schemas/golden/events") {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let event = Event::decode(&bytes).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(file.starts_with(&format!("{}.v", event.name().0)), "{file} holds a {:?}", event.name());
        names.insert(event.name().0);
    }
    let known: BTreeSet<&str> = examples().map(|(_, event)| event.name().0).collect();
    assert_eq!(names, known);
}

#[test]
fn todays_events_are_stored_byte_by_byte_as_the_examples_say() {
    for (file, event) in examples() {
        let path = folder().join(file);
        let mut bytes = event.encode();
        bytes.push(b'\n');
        if std::env::var_os("UPDATE_SCHEMAS").is_some() && !path.exists() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let golden = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert_eq!(
            String::from_utf8_lossy(&golden),
            String::from_utf8_lossy(&bytes),
            "{file}: what is stored has changed; that takes a new version, and a new example beside this one"
        );
    }
}

#[test]
fn an_example_stands_for_every_kind_of_event() {
    // Fails to compile when a kind is added, so that nobody forgets its example.
    let example = |event: &Event| match event {
        Event::MessageSent(_) => "chat.message.v1.json",
        Event::SystemSaid(_) => "chat.system.v1.json",
        Event::MessageEdited(_) => "chat.messageEdited.v1.json",
        Event::MessageDeleted(_) => "chat.messageDeleted.v1.json",
        Event::MemberChanged(_) => "chat.memberChanged.v1.json",
        Event::RoomUpdated(_) => "chat.roomUpdated.v1.json",
        Event::Member(_) => "chat.member.v1.json",
        Event::Room(_) => "chat.room.v1.json",
    };
    let files: BTreeSet<&str> = examples().map(|(file, _)| file).collect();
    for (_, event) in examples() {
        assert!(files.contains(example(&event)));
    }
}
