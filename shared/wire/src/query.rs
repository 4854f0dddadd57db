//! What edges ask the projector: requests and answers of the NATS micro service `klatch-projector`, as JSON.
//!
//! Each request goes to `chat.query.<name>` ([`name`]). An answer stands at `seq`, the sequence of the stream that the
//! projector has folded; a request's `minSeq` makes it wait until that is at least so far, a short while, else the
//! answer is the error `unavailable`. Errors come in the headers `Nats-Service-Error-Code` (a [`Code`](crate::Code)
//! as it is written) and `Nats-Service-Error` (words), with an empty body (ADR-32 of NATS, but for the code's text).
//!
//! Every request that shows a room's content names its `asker`, and the projector keeps to what that person may read:
//! an answer never holds an item after the moment at which their standing was read.

use klatch_domain::{Epoch, Membership, RoomId, RoomInfo, RoomType, Seq, Standing, Timestamp, UserId};
use klatch_domain::{Mute, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::native::catalogue::TimelineFrame;

/// The micro service's name, as `nats micro ls` shows it.
pub const SERVICE: &str = "klatch-projector";

/// The names of the queries: the last token of their subject.
pub mod name {
    /// A page of a room's history: [`HistoryRequest`](super::HistoryRequest).
    pub const HISTORY: &str = "history";
    /// A person's rooms by activity: [`RoomsRequest`](super::RoomsRequest).
    pub const ROOMS: &str = "rooms";
    /// A room's members by user id: [`MembersRequest`](super::MembersRequest).
    pub const MEMBERS: &str = "members";
    /// One person's standing in one room: [`MemberRequest`](super::MemberRequest).
    pub const MEMBER: &str = "member";
    /// Unread counts of some rooms: [`UnreadRequest`](super::UnreadRequest).
    pub const UNREAD: &str = "unread";
    /// The fold's digest at a sequence: [`DigestRequest`](super::DigestRequest).
    pub const DIGEST: &str = "digest";
    /// How far the projector is: no request body, [`StatusResponse`](super::StatusResponse).
    pub const STATUS: &str = "status";

    /// Every query.
    pub const ALL: [&str; 7] = [HISTORY, ROOMS, MEMBERS, MEMBER, UNREAD, DIGEST, STATUS];
}

/// The most items in one page of history.
pub const HISTORY_ITEMS_MAX: u32 = 200;
/// The most bytes of items in one page of history; a page that would be longer ends there, with `more: true`.
pub const HISTORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most rooms in one page of the room list.
pub const ROOMS_MAX: u32 = 200;
/// The most members in one page.
pub const MEMBERS_MAX: u32 = 200;
/// The most rooms that one request may ask the unread counts of.
pub const UNREAD_ROOMS_MAX: usize = 200;
/// The highest unread (or mentions) count; it stands for "999+".
pub const UNREAD_MAX: u32 = 1000;

/// Which items of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Window {
    /// The newest.
    #[default]
    Newest,
    /// The newest of those before this sequence.
    Before(Seq),
    /// The oldest of those after this sequence.
    After(Seq),
    /// Those nearest to this sequence, itself included: half of them (rounded up, with the item itself) at or before
    /// it, the rest after it; where one side has fewer, the other side does not get more.
    Around(Seq),
}

/// Asks for a page of a room's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryRequest {
    /// For whom.
    pub asker: UserId,
    /// The room.
    pub room_id: RoomId,
    /// Which items.
    #[serde(default)]
    pub window: Window,
    /// At most this many, at least 1; more than [`HISTORY_ITEMS_MAX`] counts as that.
    pub limit: u32,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
}

/// A page of a room's history.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryResponse {
    /// The room.
    pub room_id: RoomId,
    /// Oldest first, in their present state; each a whole frame object `{"event","seq","data"}`.
    #[schemars(with = "Vec<TimelineFrame>")]
    pub events: Vec<Box<RawValue>>,
    /// Whether the asker could read more in the direction of paging: newer items after a sequence, older ones
    /// otherwise; around a sequence, on either side.
    pub more: bool,
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// Everything of the room up to here that the asker may read is in reach of this page: nothing is missing.
    pub seq: Seq,
}

/// Asks for a page of the rooms that a person is a member of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoomsRequest {
    /// Whose rooms, and for whom.
    pub asker: UserId,
    /// At most this many, at least 1; more than [`ROOMS_MAX`] counts as that.
    pub limit: u32,
    /// The page after this one: what the page before gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
    /// Wait until the projector has folded the marks up to here, a sequence of their own stream.
    #[serde(default)]
    pub min_mark: Seq,
}

/// A page of a person's rooms: the one in which something happened last comes first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomsResponse {
    /// The rooms.
    pub rooms: Vec<RoomSummary>,
    /// Where the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
}

/// A room in somebody's list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// The room.
    pub room_id: RoomId,
    /// What kind of room it is.
    #[serde(rename = "type")]
    pub room_type: RoomType,
    /// What people call it; empty for a direct room.
    pub name: String,
    /// The newest message that the asker may read and that was not deleted, shaped like an item of history.
    #[schemars(with = "Option<TimelineFrame>")]
    pub last_message: Option<Box<RawValue>>,
    /// Messages of others after the asker's mark, deleted ones not counted; [`UNREAD_MAX`] stands for all above.
    pub unread: u32,
    /// Those of them that name the asker.
    pub mentions: u32,
    /// The last sequence of the room's timeline; what to mark as read.
    pub seq: Seq,
}

/// Asks for a page of a room's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MembersRequest {
    /// For whom.
    pub asker: UserId,
    /// The room.
    pub room_id: RoomId,
    /// At most this many, at least 1; more than [`MEMBERS_MAX`] counts as that.
    pub limit: u32,
    /// The page after this one: what the page before gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
}

/// A page of a room's members, by user id: the joined and the invited; for moderators and owners the banned, too.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembersResponse {
    /// The room.
    pub room_id: RoomId,
    /// The members.
    pub members: Vec<MemberSummary>,
    /// Where the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
}

/// A member in a room's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberSummary {
    /// The person.
    pub user_id: UserId,
    /// Their name when their standing was stored.
    pub username: String,
    /// Their picture, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Their role.
    pub role: Role,
    /// `standing`, and `until` for a ban that ends.
    #[serde(flatten)]
    pub standing: Standing,
    /// Whether they are muted, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Mute>,
    /// When their last connection to a server ended; none where none ever did. Who is attached is told by presence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

/// Asks for one person's standing in one room, for the service that asks, not for a person: nothing is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberRequest {
    /// The room.
    pub room_id: RoomId,
    /// The person.
    pub user_id: UserId,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
}

/// One person's standing in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberResponse {
    /// The room's state; none where nobody made it.
    pub room: Option<RoomInfo>,
    /// The person's standing; none where nothing of them was ever stored.
    pub member: Option<Membership>,
    /// The sequence of that standing.
    pub member_seq: Seq,
    /// They may read what lies after this sequence: [`Seq::ZERO`] for everything; none where they may read nothing.
    pub floor: Option<Seq>,
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
}

/// Asks for the unread counts of some rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnreadRequest {
    /// Whose counts, and for whom.
    pub asker: UserId,
    /// The rooms: at most [`UNREAD_ROOMS_MAX`].
    pub rooms: Vec<RoomId>,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
    /// Wait until it has folded the marks up to here, in the sequences of their own stream.
    #[serde(default)]
    pub min_mark: Seq,
}

/// The unread counts, in the order asked for; rooms that the asker may not read are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnreadResponse {
    /// The counts.
    pub rooms: Vec<RoomUnread>,
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
}

/// What is unread in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomUnread {
    /// The room.
    pub room_id: RoomId,
    /// As in [`RoomSummary::unread`].
    pub unread: u32,
    /// As in [`RoomSummary::mentions`].
    pub mentions: u32,
    /// The asker's read mark, or their own newest message where that is newer.
    pub read: Seq,
    /// The last sequence of the room's timeline.
    pub seq: Seq,
}

/// Asks for the digest of what was folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DigestRequest {
    /// The digest after everything up to here; without it, after everything folded so far. One that lies too far back
    /// is `history_gone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Seq>,
    /// Wait until the projector has folded up to here.
    #[serde(default)]
    pub min_seq: Seq,
}

/// A digest over the logical content of the fold: independent of pages, batches and the order in which rooms were
/// folded. Two projectors that folded the same log up to the same sequence agree on it, as long as no message before it
/// was erased after one of them folded it and whose deletion lies behind that sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestResponse {
    /// The stream's life that the sequences count in.
    pub epoch: Epoch,
    /// After everything up to here.
    pub at: Seq,
    /// 256 bits, hexadecimal.
    pub digest: String,
    /// The version of the views' schema; digests of different versions say nothing about each other.
    pub schema: u32,
    /// Folded up to here.
    pub seq: Seq,
}

/// What the projector is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Phase {
    /// Not folding yet.
    Starting,
    /// Folding from the beginning into a fresh folder; queries answer `unavailable`.
    Rebuilding {
        /// How much of the log is folded, in percent.
        percent: u8,
        /// Why.
        reason: String,
    },
    /// Folding from the checkpoint to where the stream ended at start.
    CatchingUp {
        /// How much of the log is folded, in percent.
        percent: u8,
    },
    /// Everything up to where the stream ended at start is folded, and the rest as it comes.
    Live,
    /// The log can't be read or the views can't be written just now; it is tried again.
    Waiting {
        /// Why.
        reason: String,
    },
}

/// How far the projector is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusResponse {
    /// What it is about.
    #[serde(flatten)]
    pub phase: Phase,
    /// The stream's life.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
    /// The stream's end, as last heard.
    pub end: Seq,
    /// Events folded into these views since they were begun.
    pub folded: u64,
    /// Events among them that this version could not decode, and passed over.
    pub undecodable: u64,
    /// Messages that wait to be erased.
    pub to_erase: u64,
    /// The version of the views' schema.
    pub schema: u32,
}

/// How far one projector of several is: `data` of the endpoint `status` in the micro service's stats, which each answers
/// for itself (`$SRV.STATS.klatch-projector`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// What it is about.
    #[serde(flatten)]
    pub phase: Phase,
    /// The stream's life that its views are of.
    pub epoch: Epoch,
    /// Folded up to here.
    pub seq: Seq,
    /// Events that this version could not decode, and passed over.
    pub undecodable: u64,
    /// The version of the views' schema.
    pub schema: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_json_that_this_page_says() {
        let request: HistoryRequest =
            serde_json::from_str(r#"{"asker":"ada","roomId":"r","window":{"before":9},"limit":50,"minSeq":7}"#)
                .unwrap();
        assert_eq!(request.window, Window::Before(Seq(9)));
        assert_eq!(request.min_seq, Seq(7));
        let newest: HistoryRequest = serde_json::from_str(r#"{"asker":"ada","roomId":"r","limit":50}"#).unwrap();
        assert_eq!((newest.window, newest.min_seq), (Window::Newest, Seq::ZERO));
    }

    #[test]
    fn an_answer_carries_its_items_untouched() {
        let text = r#"{"roomId":"r","events":[{"event":"chat.message","seq":3,"data":{"x":  1}}],"more":false,"epoch":"00000000-0000-0000-0000-000000000000","seq":3}"#;
        let page: HistoryResponse = serde_json::from_str(text).unwrap();
        assert_eq!(page.events[0].get(), r#"{"event":"chat.message","seq":3,"data":{"x":  1}}"#);
        assert_eq!(serde_json::to_string(&page).unwrap(), text);
    }

    #[test]
    fn a_status_says_its_phase_in_one_flat_object() {
        let status = StatusResponse {
            phase: Phase::Rebuilding { percent: 45, reason: "no checkpoint".into() },
            epoch: Epoch(Default::default()),
            seq: Seq(45),
            end: Seq(100),
            folded: 45,
            undecodable: 0,
            to_erase: 0,
            schema: 1,
        };
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!((json["state"].as_str(), json["percent"].as_u64()), (Some("rebuilding"), Some(45)));
        assert_eq!(serde_json::from_value::<StatusResponse>(json).unwrap(), status);
    }
}
