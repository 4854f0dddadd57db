//! What must hold of the fold whatever lies in the log: seeded random logs of two rooms, four people and all kinds of
//! events, garbage and repeats among them.

use std::collections::{BTreeMap, HashSet};

use klatch_domain::{Access, Address, Entry, Event, HistoryFrom, MessageId, Role, Room, RoomId, Seq, Standing, UserId};
use klatch_eventlog::Stored;
use klatch_wire::query::{RoomsRequest, UNREAD_MAX};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::scene::{Views, at, deleted, edited, garbage, info, kicked, message_id, sent, standing, stored, user};
use crate::views::rooms;

const ROOMS: [&str; 2] = ["r", "q"];
const PEOPLE: [&str; 4] = ["ada", "ben", "cem", "dia"];

/// One line of a log; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Line {
    Info { room: usize, joined: bool },
    Standing { room: usize, who: usize, is_joined: bool },
    Say { room: usize, who: usize, mentions: Option<usize>, bytes: usize },
    Edit { which: usize, other: bool },
    Delete { which: usize },
    Kick { room: usize, who: usize },
    Repeat { which: usize },
    Garbage,
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        1 => (0..2_usize, any::<bool>()).prop_map(|(room, joined)| Line::Info { room, joined }),
        2 => (0..2_usize, 0..4_usize, any::<bool>())
            .prop_map(|(room, who, is_joined)| Line::Standing { room, who, is_joined }),
        // Mostly one room and small messages, so that pages fill by number; some large ones, so that they fill by bytes.
        24 => (0..8_usize, 0..4_usize, proptest::option::of(0..4_usize), prop_oneof![9 => 1..40_usize, 1 => 9_000..20_000_usize])
            .prop_map(|(room, who, mentions, bytes)| Line::Say { room: room / 7, who, mentions, bytes }),
        4 => (any::<usize>(), 0..8).prop_map(|(which, other)| Line::Edit { which, other: other == 0 }),
        3 => any::<usize>().prop_map(|which| Line::Delete { which }),
        1 => (0..2_usize, 0..4_usize).prop_map(|(room, who)| Line::Kick { room, who }),
        2 => any::<usize>().prop_map(|which| Line::Repeat { which }),
        1 => Just(Line::Garbage),
    ]
}

#[derive(Clone, Copy)]
struct Said {
    room: &'static str,
    author: &'static str,
    seq: u64,
}

/// The log that these lines say. Sequences have holes; every timeline event but the garbage has an id.
fn write(lines: &[Line]) -> Vec<Stored> {
    let mut log: Vec<Stored> = Vec::new();
    let mut said: Vec<Said> = Vec::new();
    let mut seq = 0;
    for line in lines {
        seq += 1 + u64::from(seq % 11 == 3);
        let id = format!("m{seq}");
        let pick = |which: usize| (!said.is_empty()).then(|| said[which % said.len()]);
        let event = match *line {
            Line::Info { room, joined } => {
                let history = if joined { HistoryFrom::Joined } else { HistoryFrom::Beginning };
                info(ROOMS[room], Access::Open, history, seq)
            }
            Line::Standing { room, who, is_joined } => {
                let how = if is_joined { Standing::Joined } else { Standing::Left };
                standing(ROOMS[room], PEOPLE[who], how, Role::Member, seq)
            }
            Line::Say { room, who, mentions, bytes } => {
                said.push(Said { room: ROOMS[room], author: PEOPLE[who], seq });
                let mentions: Vec<&str> = mentions.iter().map(|who| PEOPLE[*who]).collect();
                sent(ROOMS[room], PEOPLE[who], &id, &format!("{seq}:{}", "x".repeat(bytes)), &mentions, seq)
            }
            Line::Edit { which, other } => {
                let Some(Said { room, author, seq: target }) = pick(which) else { continue };
                let by = if other { "eve" } else { author };
                edited(room, by, &format!("m{target}"), &format!("edited at {seq}"), seq)
            }
            Line::Delete { which } => {
                let Some(Said { room, author, seq: target }) = pick(which) else { continue };
                deleted(room, "ada", author, &format!("m{target}"), target, seq)
            }
            Line::Kick { room, who } => kicked(ROOMS[room], PEOPLE[who], "ada", seq),
            Line::Repeat { which } => {
                let timeline: Vec<&Stored> = log
                    .iter()
                    .filter(|stored| stored.id.is_some() && matches!(stored.address, Address::Timeline(_)))
                    .collect();
                if timeline.is_empty() {
                    continue;
                }
                let again = timeline[which % timeline.len()].clone();
                log.push(Stored { seq: Seq(seq), at: at(seq), ..again });
                continue;
            }
            Line::Garbage => {
                log.push(garbage(seq, b"{\"event\":\"chat.message\",\"v\":1,\"data\":{}}"));
                continue;
            }
        };
        log.push(stored(seq, Some(&id), &event));
    }
    log
}

fn folded(log: &[Stored], cuts: &[usize], restarts: bool) -> Views {
    let mut views = Views::new();
    let mut rest = log;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, later) = rest.split_at((*cut).clamp(1, rest.len()));
        views.fold(batch);
        rest = later;
        if restarts {
            views.restart();
        }
    }
    views
}

fn whole(log: &[Stored]) -> Views {
    folded(log, &[log.len()], false)
}

/// What people see: every item, and everybody's room list.
fn seen(views: &Views) -> Vec<Value> {
    let items = ROOMS.iter().map(|room| json!(views.items(room)));
    let lists = PEOPLE.iter().map(|person| {
        let request =
            RoomsRequest { asker: user(person), limit: 100, cursor: None, min_seq: Seq::ZERO, min_mark: Seq::ZERO };
        let mut list = serde_json::to_value(rooms::page(&views.reading(), &request).unwrap()).unwrap();
        list["seq"] = Value::Null;
        list
    });
    items.chain(lists).collect()
}

/// The message whose words an event carries.
fn carries(stored: &Stored) -> Option<(RoomId, MessageId)> {
    match stored.event().ok()? {
        Event::MessageSent(sent) => Some((sent.room_id, sent.message_id)),
        Event::MessageEdited(edit) => Some((edit.room_id, edit.message_id)),
        _ => None,
    }
}

/// What the eraser leaves of a log: nothing of what was deleted in it.
fn erased(log: &[Stored]) -> Vec<Stored> {
    let gone: HashSet<(RoomId, MessageId)> = log
        .iter()
        .filter_map(|stored| match stored.event() {
            Ok(Event::MessageDeleted(deletion)) => Some((deletion.room_id, deletion.message_id)),
            _ => None,
        })
        .collect();
    let stays = |stored: &&Stored| carries(stored).is_none_or(|message| !gone.contains(&message));
    log.iter().filter(stays).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn how_the_log_is_cut_into_batches_shows_nowhere(
        lines in vec(line(), 1..400),
        cuts in vec(1..90_usize, 1..8),
        restarts in any::<bool>(),
    ) {
        let log = write(&lines);
        let (once, cut) = (whole(&log), folded(&log, &cuts, restarts));
        prop_assert_eq!(once.fold.digest(), cut.fold.digest());
        prop_assert_eq!(seen(&once), seen(&cut));
        for kind in [b'p', b'i', b's', b'u', b'e', b'z'] {
            prop_assert_eq!(once.rows(kind), cut.rows(kind), "rows {}", kind as char);
        }
    }

    #[test]
    fn what_is_said_twice_under_one_id_changes_nothing(lines in vec(line(), 1..300), cuts in vec(1..90_usize, 1..4)) {
        let log = write(&lines);
        let mut ids = HashSet::new();
        let fresh: Vec<Stored> = log
            .iter()
            .filter(|stored| {
                let is_notice = matches!(stored.event(), Ok(Event::MemberChanged(_) | Event::RoomUpdated(_)));
                let is_said = matches!(stored.address, Address::Timeline(_)) && !is_notice;
                !is_said || stored.id.as_ref().is_none_or(|id| ids.insert((stored.address.room().clone(), id.clone())))
            })
            .cloned()
            .collect();
        let mut views = folded(&log, &cuts, false);
        prop_assert_eq!(views.fold.digest(), whole(&fresh).fold.digest());
        prop_assert_eq!(seen(&views), seen(&whole(&fresh)));
        // The same sequences again, as after a reconnect.
        let checkpoint = views.fold.checkpoint().clone();
        views.fold(&log);
        prop_assert_eq!(views.fold.checkpoint(), &checkpoint);
    }

    #[test]
    fn a_log_whose_deleted_messages_were_erased_folds_to_the_same(
        lines in vec(line(), 1..400),
        cuts in vec(1..90_usize, 1..4),
    ) {
        let log = write(&lines);
        let (full, holes) = (whole(&log), folded(&erased(&log), &cuts, true));
        prop_assert_eq!(seen(&full), seen(&holes));
        prop_assert_eq!(full.fold.digest(), holes.fold.digest());
    }

    #[test]
    fn everything_that_carries_words_of_a_deleted_message_is_to_be_erased(lines in vec(line(), 1..300)) {
        let log = write(&lines);
        let kept: HashSet<Seq> = erased(&log).iter().map(|stored| stored.seq).collect();
        let mut gone: Vec<u64> = log.iter().map(|stored| stored.seq).filter(|seq| !kept.contains(seq)).map(|seq| seq.0).collect();
        gone.sort_unstable();
        // An edit that came again under its own id leaves no trace: the first is traced, and a repeat is none of a message.
        let mut ids = HashSet::new();
        let repeated_edits: HashSet<u64> = log
            .iter()
            .filter(|stored| !ids.insert(stored.id.clone()) && matches!(stored.event(), Ok(Event::MessageEdited(_))))
            .map(|stored| stored.seq.0)
            .collect();
        gone.retain(|seq| !repeated_edits.contains(seq));
        prop_assert_eq!(whole(&log).to_erase(), gone);
    }

    #[test]
    fn the_views_say_what_the_domain_says(lines in vec(line(), 1..400)) {
        let log = write(&lines);
        let mut rooms: BTreeMap<&str, Room> = ROOMS.iter().map(|room| (*room, Room::default())).collect();
        for stored in &log {
            if let (Ok(event), Some(room)) = (stored.event(), rooms.get_mut(stored.address.room().as_str())) {
                room.evolve(stored.seq, &event, stored.id.as_ref());
            }
        }
        let views = whole(&log);
        for (name, room) in &rooms {
            if room.info.is_none() {
                continue;
            }
            let items = room.timeline.entries().map(|(seq, entry)| match entry {
                Entry::Message(message) => json!({"event": message.event().0, "seq": seq, "data": message.item()}),
                Entry::MemberChanged(notice) => json!({"event": "chat.memberChanged", "seq": seq, "data": notice}),
                Entry::RoomUpdated(notice) => json!({"event": "chat.roomUpdated", "seq": seq, "data": notice}),
            });
            prop_assert_eq!(views.items(name), items.collect::<Vec<_>>());
        }
        for person in PEOPLE.map(user) {
            prop_assert_eq!(unread_in_views(&views, &person), unread_in_domain(&rooms, &person));
        }
    }
}

fn unread_in_views(views: &Views, person: &UserId) -> BTreeMap<String, u32> {
    let request =
        RoomsRequest { asker: person.clone(), limit: 100, cursor: None, min_seq: Seq::ZERO, min_mark: Seq::ZERO };
    let list = rooms::page(&views.reading(), &request).unwrap();
    list.rooms.into_iter().map(|room| (room.room_id.to_string(), room.unread)).collect()
}

fn unread_in_domain(rooms: &BTreeMap<&str, Room>, person: &UserId) -> BTreeMap<String, u32> {
    let counts = rooms.iter().filter_map(|(name, room)| {
        let seat = room.roster.seat(person).filter(|seat| seat.membership.is_joined())?;
        let info = room.info.as_ref().map(|(_, info)| info);
        let floor = klatch_domain::roster::floor(info, Some(seat), at(1_000_000))?;
        let unread = room.timeline.unread(person, Seq::ZERO, floor) as u32;
        Some(((*name).to_owned(), unread.min(UNREAD_MAX)))
    });
    counts.collect()
}

#[test]
fn the_lines_make_logs_that_cross_pages_and_hold_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let lines = vec(line(), 400).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let log = write(&lines);
    let views = whole(&log);
    assert!(views.rows(b'p').len() > 4, "more than one page a room");
    assert!(!views.to_erase().is_empty() && !views.rows(b'e').is_empty());
    assert!(views.fold.checkpoint().undecodable > 0);
    assert!(views.items("r").iter().any(|item| item["data"]["editedAt"].is_string()));
    assert_eq!(message_id("m1").as_str(), "m1");
}
