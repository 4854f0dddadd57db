//! What a server answers and tells, as the recording has it. What is missing is read as nothing: to judge is the checker's.

use serde_json::Value;

use crate::checker::history::{Answer, Command, Frame, Joined, Listed, Position};
use crate::checker::name::{MessageId, Person, Seq};

/// The count that stands for "999+" in a list of rooms (`shared/wire`, `query::UNREAD_MAX`).
const UNREAD_CAP: i64 = 1000;

pub(super) fn read_answer(command: &Command, data: &Value) -> Answer {
    let people = |list: &str| {
        let people = data[list].as_array().into_iter().flatten();
        people.filter_map(|person| person["userId"].as_str()).map(Person::from).collect()
    };
    match command {
        Command::Page { .. } => {
            Answer::Page { at: read_position(data), items: read_frames(&data["events"]), more: data["more"] == true }
        }
        Command::Rooms => {
            let rooms = data["rooms"].as_array().into_iter().flatten();
            Answer::Rooms { rooms: rooms.map(read_listed).collect() }
        }
        Command::Members { .. } => Answer::Members { people: people("members") },
        Command::Presence { .. } => Answer::Present { people: people("users") },
        _ if data["seq"].is_u64() && data["epoch"].is_string() => {
            Answer::Stored { message: data["messageId"].as_str().map(MessageId::from), at: read_position(data) }
        }
        _ => Answer::Done,
    }
}

pub(super) fn read_joined(data: &Value) -> Joined {
    let users = data["users"].as_array().into_iter().flatten();
    Joined {
        at: read_position(data),
        recovered: data["recovered"].as_bool(),
        events: read_frames(&data["events"]),
        more: data["more"] == true,
        history_ready: data["historyReady"] != false,
        users: users.filter_map(|user| user["userId"].as_str()).map(Person::from).collect(),
        user_count: data["userCount"].as_u64().unwrap_or_default(),
    }
}

fn read_listed(data: &Value) -> Listed {
    let unread = data["unread"].as_i64().unwrap_or(i64::MIN);
    Listed {
        room: data["roomId"].as_str().unwrap_or_default().into(),
        seq: Seq(data["seq"].as_u64().unwrap_or_default()),
        unread,
        capped: unread >= UNREAD_CAP,
    }
}

fn read_position(data: &Value) -> Position {
    let epoch = data["epoch"].as_str().unwrap_or_default().into();
    Position { epoch, seq: Seq(data["seq"].as_u64().unwrap_or_default()) }
}

fn read_frames(list: &Value) -> Vec<Frame> {
    list.as_array().into_iter().flatten().map(read_frame).collect()
}

pub(super) fn read_frame(frame: &Value) -> Frame {
    Frame {
        event: frame["event"].as_str().unwrap_or_default().to_owned(),
        seq: Seq(frame["seq"].as_u64().unwrap_or_default()),
        prev: frame["prev"].as_u64().map(Seq),
        data: frame["data"].clone(),
    }
}
