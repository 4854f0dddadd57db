//! Frames that clients send. Strict: an unknown event or field, a duplicate key or a wrong type is `invalid_field`;
//! what is no JSON object with an `event` is `invalid_frame`. Neither closes the connection.

use std::borrow::Cow;

use klatch_domain::ClientId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Request, object};
use crate::Code;

/// A frame that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// The client's id; with one, the command gets exactly one answer and may be repeated safely.
    pub id: Option<ClientId>,
    /// What it asks for.
    pub request: Request,
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFrame {
    /// The frame's id as it stood, wherever the frame was JSON with a string `id`.
    pub id: Option<String>,
    /// [`Code::InvalidFrame`] or [`Code::InvalidField`].
    pub code: Code,
    /// What is wrong, for a person to read.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

impl ClientFrame {
    /// Reads a text frame.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        if !object::is_object(text) {
            return Err(not_a_frame(None));
        }
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| bad_envelope(text, &error))?;
        let bad = |message: String| BadFrame {
            id: envelope.id.as_deref().map(str::to_owned),
            code: Code::InvalidField,
            message,
        };
        let id = match &envelope.id {
            None => None,
            Some(id) => Some(ClientId::parse(id).map_err(|why| bad(format!("id: {why}")))?),
        };
        let data = envelope.data.map_or("{}", RawValue::get);
        if !object::is_object(data) {
            return Err(bad("data: expected an object".to_owned()));
        }
        let request = Request::parse(&envelope.event, data).map_err(bad)?;
        Ok(ClientFrame { id, request })
    }

    /// Writes the frame, as a client does.
    pub fn encode(&self) -> String {
        #[derive(Serialize)]
        struct Out<'a> {
            #[serde(flatten)]
            request: &'a Request,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'a ClientId>,
        }
        serde_json::to_string(&Out { request: &self.request, id: self.id.as_ref() }).expect("frames have string keys")
    }
}

/// Not an envelope: finds out whether it is JSON at all, and whether it has an id to answer to.
fn bad_envelope(text: &str, error: &serde_json::Error) -> BadFrame {
    let frame: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).ok();
    let id = frame.as_ref().and_then(|frame| frame.get("id")?.as_str().map(str::to_owned));
    let (code, message) = match &frame {
        Some(frame) if frame.contains_key("event") => (Code::InvalidField, explain(error)),
        _ => return not_a_frame(id),
    };
    BadFrame { id, code, message }
}

fn not_a_frame(id: Option<String>) -> BadFrame {
    let message = "a frame is a JSON object {\"event\", \"data\", \"id\"?}".to_owned();
    BadFrame { id, code: Code::InvalidFrame, message }
}

/// Reads what a frame is about. What is wrong with it is told with the field's name, which takes a second reading.
pub(super) fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, String> {
    serde_json::from_str(data).map_err(|error| {
        let mut again = serde_json::Deserializer::from_str(data);
        let found = serde_path_to_error::deserialize::<_, T>(&mut again).err();
        let field = found.map(|error| error.path().to_string()).filter(|path| path != ".");
        let why = explain(&error);
        field.map_or_else(|| why.clone(), |field| format!("{field}: {why}"))
    })
}

/// serde's own words, without the place: columns count within `data`, which would mislead.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use klatch_domain::RoomId;

    use super::*;
    use crate::native::request::Join;

    fn bad(text: &str) -> (Option<String>, Code) {
        let bad = ClientFrame::parse(text).unwrap_err();
        (bad.id, bad.code)
    }

    #[test]
    fn a_frame_of_seed_004_is_read_as_its_document_writes_it() {
        let frame = ClientFrame::parse(
            r#"{"event":"chat.message","data":{"roomId":"test-room","message":"Hello!","username":"TestUser"}}"#,
        )
        .unwrap();
        let Request::Message(message) = frame.request else { panic!("a message") };
        assert_eq!((message.room_id.as_str(), message.message.as_str()), ("test-room", "Hello!"));
        assert_eq!(frame.id, None);
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        for (data, said) in [
            (r#"{"roomId":""}"#, "roomId: "),
            (r#"{"roomId":null}"#, "roomId: "),
            (r#"{"roomId":"r","since":{"epoch":"x","seq":1}}"#, "since.epoch: "),
            (r#"{"roomId":"r","since":{"epoch":"00000000-0000-0000-0000-000000000000","seq":-1}}"#, "since.seq: "),
            ("{}", "missing field `roomId`"),
        ] {
            let bad = ClientFrame::parse(&format!(r#"{{"event":"chat.join","data":{data}}}"#)).unwrap_err();
            assert!(bad.message.starts_with(said), "{data}: {}", bad.message);
        }
    }

    #[test]
    fn what_is_no_frame_is_invalid_frame() {
        for text in
            ["", "hello", "[]", r#"["chat.ping",{},"7"]"#, "1", "null", "{", r#"{"data":{}}"#, &"[".repeat(10_000)]
        {
            assert_eq!(bad(text), (None, Code::InvalidFrame), "{text:.40}");
        }
        assert_eq!(bad(r#"{"id":"7"}"#), (Some("7".into()), Code::InvalidFrame));
    }

    #[test]
    fn a_bad_field_is_invalid_field_and_carries_the_id() {
        for text in [
            r#"{"event":"chat.nothing","id":"7"}"#,
            r#"{"event":"chat.join","data":{},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":5},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":""},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a","roomId":"b"},"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a","colour":1},"id":"7"}"#,
            r#"{"event":"chat.join","data":null,"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a"},"id":"7","id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"a"},"more":1,"id":"7"}"#,
            r#"{"event":5,"id":"7"}"#,
            r#"{"event":"chat.join","data":["r"],"id":"7"}"#,
            r#"{"event":"chat.ping","data":[],"id":"7"}"#,
            r#"{"event":"chat.join","data":{"roomId":"r","since":["00000000-0000-0000-0000-000000000000",1]},"id":"7"}"#,
            r#"{"event":"chat.message","data":{"roomId":"r","message":"m","replyTo":["m",1]},"id":"7"}"#,
            r#"{"event":"chat.message","data":{"roomId":"r","message":"m","attachments":[["u"]]},"id":"7"}"#,
            r#"{"event":"chat.createRoom","data":{"type":"group","settings":["open"]},"id":"7"}"#,
            r#"{"event":"chat.updateRoom","data":{"roomId":"r","settings":[]},"id":"7"}"#,
        ] {
            assert_eq!(bad(text), (Some("7".into()), Code::InvalidField), "{text}");
        }
        assert_eq!(bad(r#"{"event":"chat.ping","id":7}"#), (None, Code::InvalidField));
    }

    #[test]
    fn what_a_client_writes_is_what_the_server_reads() {
        let frame = ClientFrame {
            id: Some(ClientId::parse("a").unwrap()),
            request: Request::Join(Join { room_id: RoomId::parse("r").unwrap(), since: None, limit: Some(5) }),
        };
        assert_eq!(ClientFrame::parse(&frame.encode()), Ok(frame));
    }
}
