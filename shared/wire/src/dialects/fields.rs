//! The fields of what a client sent: one object, as these clients send it. What is more in it is ignored, as their own
//! servers did.

use klatch_domain::MessageType;
use serde_json::{Map, Value};

use super::{Heard, invalid};
use crate::native::server::Failure;

/// The largest integer that every JSON reader has exactly: 2^53 - 1.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The one object of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The event's only argument, which must be an object.
    pub(super) fn of(heard: Heard<'a>) -> Result<Self, Failure> {
        match heard.args {
            [Value::Object(fields)] => Ok(Fields(fields)),
            [] | [_] => Err(invalid(format!("{} comes with an object", heard.event))),
            _ => Err(invalid(format!("{} comes with one object, and nothing else", heard.event))),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(self, name: &str) -> Result<&'a str, Failure> {
        match self.given(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            None | Some(Value::Null | Value::String(_)) => Err(empty(name)),
            Some(_) => Err(invalid(format!("{name} must be a string"))),
        }
    }

    /// A text that may be missing.
    pub(super) fn optional_text(self, name: &str) -> Result<Option<&'a str>, Failure> {
        self.given(name).map(|_| self.text(name)).transpose()
    }

    /// An id that is a text.
    pub(super) fn id<T>(self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
        parse(self.text(name)?).ok_or_else(|| bad_id(name))
    }

    /// An id that is a text, or a whole number as its decimal digits.
    pub(super) fn numeric_id<T>(self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
        let number = self.given(name).and_then(Value::as_u64).filter(|number| *number <= INTEGER_MAX);
        match (number, self.given(name)) {
            (Some(number), _) => parse(&number.to_string()).ok_or_else(|| bad_id(name)),
            (None, None | Some(Value::Null | Value::String(_))) => self.id(name, parse),
            (None, Some(_)) => Err(invalid(format!("{name} must be a whole number or a string"))),
        }
    }

    /// Yes or no.
    pub(super) fn flag(self, name: &str) -> Result<bool, Failure> {
        match self.given(name) {
            Some(Value::Bool(flag)) => Ok(*flag),
            None | Some(Value::Null) => Err(empty(name)),
            Some(_) => Err(invalid(format!("{name} must be a boolean"))),
        }
    }

    /// What a message is; text where nothing is said.
    pub(super) fn message_type(self, name: &str) -> Result<MessageType, Failure> {
        match self.optional_text(name)? {
            None | Some("text") => Ok(MessageType::Text),
            Some("image") => Ok(MessageType::Image),
            Some("file") => Ok(MessageType::File),
            Some(_) => Err(invalid(format!("{name} must be one of text, image, file"))),
        }
    }

    /// A field, if it is there.
    pub(super) fn given(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }
}

/// In the words of class-validator, which seed 002's clients know.
fn empty(name: &str) -> Failure {
    invalid(format!("{name} should not be empty"))
}

fn bad_id(name: &str) -> Failure {
    invalid(format!("{name} must be 1 to 64 bytes without control characters"))
}

/// What a message is, in words that these clients have: `text`, `image`, `file`, `system`.
pub(super) fn name_of(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::Text | MessageType::Json => "text",
        MessageType::Image => "image",
        MessageType::File => "file",
        MessageType::System => "system",
    }
}

/// An id as those see it who count with numbers: a canonical decimal up to 2^53 - 1 is a number.
pub(super) fn as_number(id: &str) -> Value {
    let number = id.parse().ok().filter(|number: &u64| *number <= INTEGER_MAX && number.to_string() == id);
    number.map_or_else(|| Value::from(id), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_canonical_decimals_that_every_reader_has_exactly_are_numbers() {
        for (id, seen) in [
            ("5", json!(5)),
            ("0", json!(0)),
            ("9007199254740991", json!(9_007_199_254_740_991_u64)),
            ("9007199254740992", json!("9007199254740992")),
            ("05", json!("05")),
            ("-1", json!("-1")),
            ("1e3", json!("1e3")),
            ("", json!("")),
            ("ada", json!("ada")),
        ] {
            assert_eq!(as_number(id), seen);
        }
    }

    #[test]
    fn an_id_may_be_a_number_where_its_seed_says_so() {
        let read = |value: Value| {
            let args = [json!({ "id": value })];
            let fields = Fields::of(Heard { event: "e", args: &args }).unwrap();
            fields.numeric_id("id", |id| Some(id.to_owned())).map_err(|failure| failure.message)
        };
        assert_eq!(read(json!(5)), Ok("5".to_owned()));
        assert_eq!(read(json!("room")), Ok("room".to_owned()));
        assert_eq!(read(json!(null)), Err("id should not be empty".to_owned()));
        for wrong in [json!(-1), json!(1.5), json!(9_007_199_254_740_992_u64), json!([]), json!(true)] {
            assert_eq!(read(wrong), Err("id must be a whole number or a string".to_owned()));
        }
    }
}
