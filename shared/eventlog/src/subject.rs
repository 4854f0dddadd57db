//! The only place that spells a subject: format, parse, escape, partition.
//!
//! A room's or a person's id is the client's own string, so each byte of it outside `[A-Za-z0-9_-]` is written
//! `=XX`. No id can then be a wildcard, a second token or somebody else's subject: nats-server 2.15.1 was seen to
//! *store* a publish to a literal `room.*`. Formatting and parsing are each other's inverse; what parses was written
//! by [`event`] and its siblings, anything else is none of ours.

use std::borrow::Cow;
use std::fmt::Write;

use klatch_domain::{Address, RoomId, UserId};

use crate::consumers::WebhookName;
use crate::presence::EdgeId;

/// Into how many parts rooms (and persons) are divided. One stream holds all of them today; more can bind ranges of them
/// without a subject changing.
pub const PARTITIONS: u32 = 64;

/// Everything stored in `CHAT_EVENTS`.
pub const EVENTS: &str = "chat.event.>";
/// Everything stored in `CHAT_MARKS`.
pub const MARKS: &str = "chat.mark.>";
/// The beginning of every subject that says when a person was last connected.
const SEEN: &str = "chat.mark.seen.";
/// The key-value bucket of accounts, sessions and keys.
pub const ACCOUNTS_BUCKET: &str = "CHAT_ACCOUNTS";
/// The stream that holds that bucket (ADR-8 of NATS).
pub const ACCOUNTS_STREAM: &str = "KV_CHAT_ACCOUNTS";
/// Everything stored in it.
pub const ACCOUNTS: &str = "$KV.CHAT_ACCOUNTS.>";
/// Everything stored in `CHAT_PRESENCE`.
pub const PRESENCE: &str = "chat.presence.>";
/// Every room's timeline, as stored.
pub const TIMELINES: &str = "chat.event.*.room.*.timeline";
/// Everything stored in `CHAT_PUSH`.
pub const PUSH: &str = "chat.push.>";
/// Everything stored in `CHAT_DEAD`.
pub const DEAD: &str = "chat.dead.>";
/// Where it is told that somebody said something; core NATS only.
pub const MESSAGE_SENT: &str = "chat.notify.message.sent";
/// Every entry of every room, as stored.
pub(crate) const PRESENCE_OF_ROOMS: &str = "chat.presence.*.room.*.presence.*.*";
/// Every edge's lease, as stored.
pub(crate) const LEASES: &str = "chat.presence.lease.*";
/// Every member event of every room, live.
pub(crate) const LIVE_MEMBERS: &str = "chat.live.*.room.*.member.*";
/// Every room's state, live.
pub(crate) const LIVE_INFOS: &str = "chat.live.*.room.*.info";
/// Every edge's lease, live.
pub(crate) const LIVE_LEASES: &str = "chat.live.lease.*";

/// FNV-1a with 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv): cheap, and the same in every language.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A room's partition, below [`PARTITIONS`].
pub fn partition(room: &RoomId) -> u32 {
    fnv1a(room.as_str().as_bytes()) % PARTITIONS
}

/// A person's shard, below [`PARTITIONS`].
pub fn shard(user: &UserId) -> u32 {
    fnv1a(user.as_str().as_bytes()) % PARTITIONS
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn push_escaped(subject: &mut String, id: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in id.bytes() {
        if is_plain(byte) {
            subject.push(char::from(byte));
        } else {
            subject.push('=');
            subject.push(char::from(HEX[usize::from(byte >> 4)]));
            subject.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// An id as one token of a subject.
pub fn escape(id: &str) -> String {
    let mut token = String::with_capacity(id.len() + 8);
    push_escaped(&mut token, id);
    token
}

/// The id that [`escape`] made this token of; none where it made no such token.
pub fn unescape(token: &str) -> Option<String> {
    let hex = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if is_plain(first) {
            bytes.push(first);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk::<2>()?;
        let byte = hex(high)? << 4 | hex(low)?;
        if first != b'=' || is_plain(byte) {
            return None;
        }
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn room_token(token: &str) -> Option<RoomId> {
    RoomId::parse(unescaped(token)?).ok()
}

fn user_token(token: &str) -> Option<UserId> {
    UserId::parse(unescaped(token)?).ok()
}

/// As [`unescape`]; most ids were never escaped, and need no string of their own.
fn unescaped(token: &str) -> Option<Cow<'_, str>> {
    if token.bytes().all(is_plain) { Some(Cow::Borrowed(token)) } else { unescape(token).map(Cow::Owned) }
}

/// `<root>.<pp>.room.<room>.`
fn room_prefix(root: &str, room: &RoomId) -> String {
    // Room for the longest tail but a presence entry's without growing.
    let mut subject = String::with_capacity(root.len() + room.as_str().len() + 64);
    write!(subject, "{root}.{:02}.room.", partition(room)).expect("a String takes everything");
    push_escaped(&mut subject, room.as_str());
    subject.push('.');
    subject
}

fn with(mut subject: String, tail: &str, id: &str) -> String {
    subject.push_str(tail);
    push_escaped(&mut subject, id);
    subject
}

/// Where an event is stored.
pub fn event(address: &Address) -> String {
    let mut subject = room_prefix("chat.event", address.room());
    match address {
        Address::Timeline(_) => subject.push_str("timeline"),
        Address::Info(_) => subject.push_str("info"),
        Address::Member(_, user) => return with(subject, "member.", user.as_str()),
    }
    subject
}

/// The address that [`event`] made this subject of.
pub fn parse_event(subject: &str) -> Option<Address> {
    parse_room_event(subject.strip_prefix("chat.event.")?)
}

/// The address of an event as it was republished: the same under `chat.live.`.
pub(crate) fn parse_live_event(subject: &str) -> Option<Address> {
    parse_room_event(subject.strip_prefix("chat.live.")?)
}

fn parse_room_event(rest: &str) -> Option<Address> {
    let (room, tail) = parse_room(rest)?;
    match Tail::parse(tail)? {
        Tail::Timeline => Some(Address::Timeline(room)),
        Tail::Info => Some(Address::Info(room)),
        Tail::Member(user) => Some(Address::Member(room, user)),
        _ => None,
    }
}

/// `<pp>.room.<room>.<tail>`; the partition must be the room's own.
fn parse_room(rest: &str) -> Option<(RoomId, &str)> {
    let (part, rest) = rest.split_once(".room.")?;
    let (room, tail) = rest.split_once('.')?;
    let room = room_token(room)?;
    let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits && part.parse() == Ok(partition(&room))).then_some((room, tail))
}

/// What follows a room's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tail {
    Timeline,
    Info,
    Member(UserId),
    Mark(UserId),
    Presence(UserId, EdgeId),
    Typing(UserId),
    Signal(UserId),
}

impl Tail {
    pub(crate) fn parse(tail: &str) -> Option<Tail> {
        let Some((kind, id)) = tail.split_once('.') else {
            return match tail {
                "timeline" => Some(Tail::Timeline),
                "info" => Some(Tail::Info),
                _ => None,
            };
        };
        match kind {
            "member" => user_token(id).map(Tail::Member),
            "mark" => user_token(id).map(Tail::Mark),
            "typing" => user_token(id).map(Tail::Typing),
            "signal" => user_token(id).map(Tail::Signal),
            "presence" => {
                let (user, edge) = id.split_once('.')?;
                Some(Tail::Presence(user_token(user)?, EdgeId::parse(edge)?))
            }
            _ => None,
        }
    }
}

/// What precedes everything live of a room.
pub(crate) fn live_room_prefix(room: &RoomId) -> String {
    room_prefix("chat.live", room)
}

/// Everything live of a room: the republish of its events, marks and presence, and what is never stored.
pub fn live_room(room: &RoomId) -> String {
    live_room_prefix(room) + ">"
}

/// Where a person's typing in a room is told; core NATS only.
pub fn typing(room: &RoomId, user: &UserId) -> String {
    with(live_room_prefix(room), "typing.", user.as_str())
}

/// Where a person's call signalling in a room is told; core NATS only.
pub fn room_signal(room: &RoomId, user: &UserId) -> String {
    with(live_room_prefix(room), "signal.", user.as_str())
}

/// Where a person's delivered and read marks in a room are stored.
pub fn mark(room: &RoomId, user: &UserId) -> String {
    with(room_prefix("chat.mark", room), "mark.", user.as_str())
}

/// Where it is stored when a person was last connected.
pub fn seen(user: &UserId) -> String {
    with(SEEN.to_owned(), "", user.as_str())
}

/// The person of whom it is stored there when they were last connected.
pub fn parse_seen(subject: &str) -> Option<UserId> {
    UserId::parse(unescape(subject.strip_prefix(SEEN)?)?).ok()
}

/// The room and person whose marks are stored there.
pub fn parse_mark(subject: &str) -> Option<(RoomId, UserId)> {
    let (room, tail) = parse_room(subject.strip_prefix("chat.mark.")?)?;
    match Tail::parse(tail)? {
        Tail::Mark(user) => Some((room, user)),
        _ => None,
    }
}

/// Where it is stored that a person is attached to a room through an edge.
pub fn presence(room: &RoomId, user: &UserId, edge: &EdgeId) -> String {
    let mut subject = with(room_prefix("chat.presence", room), "presence.", user.as_str());
    subject.push('.');
    subject.push_str(edge.as_str());
    subject
}

/// The room, person and edge of a stored presence entry.
pub fn parse_presence(subject: &str) -> Option<(RoomId, UserId, EdgeId)> {
    let (room, tail) = parse_room(subject.strip_prefix("chat.presence.")?)?;
    match Tail::parse(tail)? {
        Tail::Presence(user, edge) => Some((room, user, edge)),
        _ => None,
    }
}

/// All presence entries of a room.
pub(crate) fn presence_of_room(room: &RoomId) -> String {
    room_prefix("chat.presence", room) + "presence.*.*"
}

/// All presence entries of an edge.
pub(crate) fn presence_of_edge(edge: &EdgeId) -> String {
    format!("chat.presence.*.room.*.presence.*.{edge}")
}

/// Where an edge's lease is stored.
pub fn lease(edge: &EdgeId) -> String {
    format!("chat.presence.lease.{edge}")
}

/// The edge of a lease, as stored or as republished.
pub fn parse_lease(subject: &str) -> Option<EdgeId> {
    let edge = subject.strip_prefix("chat.presence.lease.").or_else(|| subject.strip_prefix("chat.live.lease."))?;
    EdgeId::parse(edge)
}

/// Where a person's own edges hear of calls; core NATS only.
pub fn user_signal(user: &UserId) -> String {
    user_subject(user, ".signal")
}

/// Where a person's own edges are told what to do with their sockets; core NATS only.
pub fn user_control(user: &UserId) -> String {
    user_subject(user, ".control")
}

fn user_subject(user: &UserId, tail: &str) -> String {
    with(format!("chat.user.{:02}.", shard(user)), "", user.as_str()) + tail
}

/// Everything for the persons of a shard.
pub fn user_shard(shard: u32) -> String {
    format!("chat.user.{shard:02}.>")
}

/// Where a projector query is asked.
pub fn query(name: &str) -> String {
    format!("chat.query.{name}")
}

/// Where the accounts are asked for something.
pub fn account(name: &str) -> String {
    format!("chat.account.{name}")
}

/// Where the value of a key of the accounts' bucket is stored.
pub fn account_key(key: &str) -> String {
    format!("$KV.{ACCOUNTS_BUCKET}.{key}")
}

/// Where jobs for a webhook are stored.
pub fn push_webhook(webhook: &WebhookName) -> String {
    format!("chat.push.webhook.{webhook}")
}

/// The webhook whose jobs are stored there.
pub fn parse_push_webhook(subject: &str) -> Option<WebhookName> {
    WebhookName::parse(subject.strip_prefix("chat.push.webhook.")?)
}

/// Where the jobs are stored that were given up for a webhook.
pub fn dead_webhook(webhook: &WebhookName) -> String {
    format!("chat.dead.webhook.{webhook}")
}

/// Every person's standing in a room, as stored.
pub(crate) fn members_of_room(room: &RoomId) -> String {
    room_prefix("chat.event", room) + "member.*"
}

/// Whether a subject is among those that a pattern with `*` and `>` names (docs.nats.io, subject-based messaging).
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (">", token) => return token.is_some(),
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    #[test]
    fn subjects_are_spelled_as_the_design_says() {
        let (general, ada) = (room("general"), user("ada.l"));
        let edge = EdgeId::parse("e1").unwrap();
        // FNV-1a-32("general") = 0x24b9216b by an independent implementation; mod 64 = 43.
        assert_eq!(event(&Address::Timeline(general.clone())), "chat.event.43.room.general.timeline");
        assert_eq!(event(&Address::Info(general.clone())), "chat.event.43.room.general.info");
        let member = event(&Address::Member(general.clone(), ada.clone()));
        assert_eq!(member, "chat.event.43.room.general.member.ada=2El");
        assert_eq!(live_room(&general), "chat.live.43.room.general.>");
        assert_eq!(typing(&general, &ada), "chat.live.43.room.general.typing.ada=2El");
        assert_eq!(mark(&general, &ada), "chat.mark.43.room.general.mark.ada=2El");
        assert_eq!(presence(&general, &ada, &edge), "chat.presence.43.room.general.presence.ada=2El.e1");
        assert_eq!(lease(&edge), "chat.presence.lease.e1");
        assert_eq!(query("history"), "chat.query.history");
        assert_eq!(account("login"), "chat.account.login");
        assert!(matches(ACCOUNTS, &account_key("account.ada")));
        assert_eq!(ACCOUNTS_STREAM, format!("KV_{ACCOUNTS_BUCKET}"));
        let crm = WebhookName::parse("crm").unwrap();
        assert_eq!(push_webhook(&crm), "chat.push.webhook.crm");
        assert_eq!(dead_webhook(&crm), "chat.dead.webhook.crm");
        assert_eq!(parse_push_webhook(&push_webhook(&crm)), Some(crm));
        assert_eq!(user_control(&user("ben")), format!("chat.user.{:02}.ben.control", shard(&user("ben"))));
    }

    #[test]
    fn no_id_is_a_wildcard_or_a_second_token() {
        for id in ["*", ">", "a.b", "room.*", "a b", "=2E", "🦀", "~dabc"] {
            let subject = event(&Address::Timeline(room(id)));
            assert_eq!(subject.split('.').count(), 6, "{subject}");
            assert!(subject.bytes().all(|byte| is_plain(byte) || byte == b'.' || byte == b'='), "{subject}");
        }
    }

    #[test]
    fn what_we_did_not_write_is_no_address() {
        let foreign = [
            "",
            "chat.event",
            "chat.event.43.room.general",
            "chat.event.43.room.general.timeline.x",
            "chat.event.44.room.general.timeline",
            "chat.event.+3.room.general.timeline",
            "chat.event.43.room.general.member.",
            "chat.event.43.room.general.member.a.b",
            "chat.event.43.room.gener=61l.timeline",
            "chat.event.43.room.general.member.=2e",
            "chat.event.43.room.general.member.=2",
            "chat.event.43.room.general.member.=FF",
            "chat.event.43.room.general.mark.ada",
            "chat.mark.43.room.general.mark.ada",
        ];
        for subject in foreign {
            assert_eq!(parse_event(subject), None, "{subject}");
        }
    }

    #[test]
    fn patterns_match_as_the_server_matches() {
        assert!(matches("chat.live.*.room.*.member.*", "chat.live.43.room.general.member.ada"));
        assert!(!matches("chat.live.*.room.*.member.*", "chat.live.43.room.general.timeline"));
        assert!(matches("chat.event.>", "chat.event.43.room"));
        assert!(matches(TIMELINES, "chat.event.43.room.general.timeline"));
        assert!(!matches(TIMELINES, "chat.event.43.room.general.info"));
        assert!(!matches("chat.event.>", "chat.event"));
        assert!(!matches("chat.event.*", "chat.event.43.room"));
    }

    proptest! {
        #[test]
        fn every_id_comes_back_from_its_subject(room in "[^\\p{Cc}]{1,16}", user in "[^\\p{Cc}]{1,16}") {
            let (room, user) = (RoomId::parse(room).unwrap(), UserId::parse(user).unwrap());
            let edge = EdgeId::fresh();
            for address in [
                Address::Timeline(room.clone()),
                Address::Info(room.clone()),
                Address::Member(room.clone(), user.clone()),
            ] {
                let subject = event(&address);
                prop_assert_eq!(parse_event(&subject), Some(address.clone()));
                let live = subject.replacen("chat.event.", "chat.live.", 1);
                prop_assert_eq!(parse_live_event(&live), Some(address));
            }
            prop_assert!(matches(&members_of_room(&room), &event(&Address::Member(room.clone(), user.clone()))));
            prop_assert_eq!(parse_mark(&mark(&room, &user)), Some((room.clone(), user.clone())));
            prop_assert_eq!(parse_seen(&seen(&user)), Some(user.clone()));
            prop_assert_eq!(parse_mark(&seen(&user)), None);
            let entry = presence(&room, &user, &edge);
            prop_assert!(matches(&presence_of_room(&room), &entry));
            prop_assert!(matches(&presence_of_edge(&edge), &entry));
            prop_assert_eq!(parse_presence(&entry), Some((room, user, edge.clone())));
            prop_assert_eq!(parse_lease(&lease(&edge)), Some(edge));
        }

        #[test]
        fn any_token_either_is_canonical_or_is_refused(token in "[=A-Fa-f0-9_.*>-]{0,12}") {
            if let Some(id) = unescape(&token) {
                prop_assert_eq!(escape(&id), token);
            }
        }
    }
}
