//! What must hold whatever people do at once, and however often and in whatever pieces their events are folded.

mod fold;
mod guarded;

use proptest::prelude::*;

use crate::commands::scene::*;
use crate::*;

/// Something that somebody tries, on facts that may be old, each by so many events.
#[derive(Debug, Clone)]
struct Attempt {
    actor: usize,
    deed: Deed,
    target: usize,
    /// How many events ago the room's info, the actor's and the target's standing were read.
    age: [usize; 3],
    ms_later: i64,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Join,
    Exit,
    Kick,
    Ban,
    BanForAWhile,
    Unban,
    Mute,
    MuteForAWhile,
    Unmute,
    Invite,
    Role(Role),
    Say,
    Edit(usize),
    Delete(usize),
    MakePrivate(bool),
    Archive(bool),
}

const PEOPLE: [&str; 5] = ["ada", "ben", "cyd", "dan", "~system"];

fn deeds() -> impl Strategy<Value = Deed> {
    let roles = prop_oneof![Just(Role::Reader), Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)];
    prop_oneof![
        4 => Just(Deed::Join),
        1 => Just(Deed::Exit),
        2 => Just(Deed::Kick),
        1 => Just(Deed::Ban),
        1 => Just(Deed::BanForAWhile),
        1 => Just(Deed::Unban),
        1 => Just(Deed::Mute),
        1 => Just(Deed::MuteForAWhile),
        1 => Just(Deed::Unmute),
        1 => Just(Deed::Invite),
        3 => roles.prop_map(Deed::Role),
        6 => Just(Deed::Say),
        3 => any::<prop::sample::Index>().prop_map(|index| Deed::Edit(index.index(1 << 16))),
        2 => any::<prop::sample::Index>().prop_map(|index| Deed::Delete(index.index(1 << 16))),
        1 => any::<bool>().prop_map(Deed::MakePrivate),
        1 => prop::bool::weighted(0.2).prop_map(Deed::Archive),
    ]
}

fn attempts(age_max: usize) -> impl Strategy<Value = Vec<Attempt>> {
    let ages = prop::array::uniform3(0..=age_max);
    let attempt = (0..PEOPLE.len(), deeds(), 0..PEOPLE.len() - 1, ages, 0..50i64);
    let attempt =
        attempt.prop_map(|(actor, deed, target, age, ms_later)| Attempt { actor, deed, target, age, ms_later });
    prop::collection::vec(attempt, 0..150)
}

impl Attempt {
    fn actor(&self) -> Actor {
        person(PEOPLE[self.actor])
    }

    /// The command, about a message of the log where it is about one.
    fn command(&self, log: &Log, now: Timestamp) -> Command {
        let whom = PEOPLE[self.target];
        let soon = Some(Timestamp::from_ms(now.as_ms() + 40));
        match self.deed {
            Deed::Join => join(),
            Deed::Exit => exit(),
            Deed::Kick => kick(whom),
            Deed::Ban => ban(whom, None),
            Deed::BanForAWhile => ban(whom, soon),
            Deed::Unban => unban(whom),
            Deed::Mute => mute(whom, None),
            Deed::MuteForAWhile => mute(whom, soon),
            Deed::Unmute => unmute(whom),
            Deed::Invite => invite(whom, None),
            Deed::Role(to) => role(whom, to),
            Deed::Say => {
                let mut send = send(&format!("word {}", log.0.len()));
                if self.actor() == Actor::System {
                    send.message_type = MessageType::System;
                }
                Command::Send(send)
            }
            Deed::Edit(nth) => {
                let (text, seq) = said(log, nth);
                edit(&text, seq, &format!("other word {}", log.0.len()))
            }
            Deed::Delete(nth) => {
                let (text, seq) = said(log, nth);
                delete(&text, seq)
            }
            Deed::MakePrivate(private) => {
                let access = if private { Access::Private } else { Access::Open };
                update(None, commands::SettingsChange { access: Some(access), history: None })
            }
            Deed::Archive(archived) => archive(archived),
        }
    }
}

/// One of the messages in the log, or one that is not there.
fn said(log: &Log, nth: usize) -> (String, u64) {
    let said: Vec<(String, u64)> = log
        .0
        .iter()
        .zip(1..)
        .filter_map(|(event, seq)| match event {
            Event::MessageSent(sent) | Event::SystemSaid(sent) => Some((sent.message.clone(), seq)),
            _ => None,
        })
        .collect();
    if said.is_empty() { ("nothing".into(), 1) } else { said[nth % said.len()].clone() }
}

/// Tries it all, one after the other, against a log that keeps guards. `stored` sees the log before and after each
/// batch that was stored, and the time.
fn play(attempts: &[Attempt], mut stored: impl FnMut(&[Event], &[Event], Timestamp)) -> Log {
    let mut log = Log::default();
    let mut now = time("2026-01-01T00:00:00Z");
    for attempt in attempts {
        now = Timestamp::from_ms(now.as_ms() + attempt.ms_later);
        let (actor, command) = (attempt.actor(), attempt.command(&log, now));
        let ago = |events: usize| log.facts_as_of(log.0.len().saturating_sub(events), &actor, &command);
        let facts = Facts { info: ago(attempt.age[0]).info, own: ago(attempt.age[1]).own, ..ago(attempt.age[2]) };
        let Ok(Decision::Append(drafts)) = command.decide(&facts, now) else { continue };
        let before = log.0.len();
        match log.append(drafts) {
            Ok(_) => stored(&log.0[..before], &log.0[before..], now),
            Err(NotStored::Moved) => {}
            Err(NotStored::Tangled) => panic!("a batch that nats-server would always refuse: {command:?}"),
        }
    }
    log
}

fn standing_of<'a>(log: &'a [Event], user: &UserId) -> Option<&'a Membership> {
    log.iter().rev().find_map(|event| match event {
        Event::Member(member) if member.user_id == *user => Some(member),
        _ => None,
    })
}
