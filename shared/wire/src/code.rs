//! The stable error codes: the same on WebSocket, REST and NATS. A code is never renamed and never changes class.

use klatch_domain::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What went wrong, for a program to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No token, or one that doesn't hold.
    NotAuthenticated,
    /// The token's time is over: get another.
    TokenExpired,
    /// Not allowed to this person.
    Forbidden,
    /// Not there, or not for this person to know of.
    NotFound,
    /// Not a JSON object with an `event`.
    InvalidFrame,
    /// A field, an event's name or a type that can't be so.
    InvalidField,
    /// Larger than the limit.
    TooLarge,
    /// Too many in too short a time: again after `retryAfterMs`.
    RateLimited,
    /// Contradicts what stands.
    Conflict,
    /// For members of the room only.
    NotAMember,
    /// Kept out of the room.
    Banned,
    /// May read but not write for now.
    Muted,
    /// The room is closed for writing.
    Archived,
    /// More connections than one person may have.
    TooManyConnections,
    /// More rooms than one session may attach to.
    TooManyRooms,
    /// The history asked for is not kept any more.
    HistoryGone,
    /// Not possible just now; nothing is wrong with the request.
    Unavailable,
    /// A fault of the server's own.
    Internal,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Code; 18] = [
        Code::NotAuthenticated,
        Code::TokenExpired,
        Code::Forbidden,
        Code::NotFound,
        Code::InvalidFrame,
        Code::InvalidField,
        Code::TooLarge,
        Code::RateLimited,
        Code::Conflict,
        Code::NotAMember,
        Code::Banned,
        Code::Muted,
        Code::Archived,
        Code::TooManyConnections,
        Code::TooManyRooms,
        Code::HistoryGone,
        Code::Unavailable,
        Code::Internal,
    ];

    /// The code as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotAuthenticated => "not_authenticated",
            Code::TokenExpired => "token_expired",
            Code::Forbidden => "forbidden",
            Code::NotFound => "not_found",
            Code::InvalidFrame => "invalid_frame",
            Code::InvalidField => "invalid_field",
            Code::TooLarge => "too_large",
            Code::RateLimited => "rate_limited",
            Code::Conflict => "conflict",
            Code::NotAMember => "not_a_member",
            Code::Banned => "banned",
            Code::Muted => "muted",
            Code::Archived => "archived",
            Code::TooManyConnections => "too_many_connections",
            Code::TooManyRooms => "too_many_rooms",
            Code::HistoryGone => "history_gone",
            Code::Unavailable => "unavailable",
            Code::Internal => "internal",
        }
    }

    /// Reads a code; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether the same request, under the same id, may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Code::RateLimited | Code::Unavailable | Code::Internal)
    }

    /// The HTTP status that goes with it (RFC 9110).
    pub fn http_status(self) -> u16 {
        match self {
            Code::NotAuthenticated | Code::TokenExpired => 401,
            Code::Forbidden | Code::NotAMember | Code::Banned | Code::Muted => 403,
            Code::NotFound => 404,
            Code::InvalidFrame | Code::InvalidField => 400,
            Code::TooLarge => 413,
            Code::RateLimited | Code::TooManyConnections | Code::TooManyRooms => 429,
            Code::Conflict | Code::Archived => 409,
            Code::HistoryGone => 410,
            Code::Unavailable => 503,
            Code::Internal => 500,
        }
    }
}

impl From<&Refusal> for Code {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoSuchRoom | Refusal::NoSuchMessage => Code::NotFound,
            Refusal::NotAMember => Code::NotAMember,
            Refusal::Banned { .. } => Code::Banned,
            Refusal::Muted { .. } => Code::Muted,
            Refusal::Forbidden(_) => Code::Forbidden,
            Refusal::Archived => Code::Archived,
            Refusal::Conflict(_) => Code::Conflict,
            Refusal::TooLarge { .. } => Code::TooLarge,
            Refusal::Invalid { .. } => Code::InvalidField,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_serde_writes_it_and_read_back() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
        assert_eq!(Code::parse("oops"), None);
    }

    #[test]
    fn every_code_and_close_code_has_its_place_in_the_documentation() {
        let page = include_str!("../../../docs/errors.md");
        for code in Code::ALL {
            let entry = format!("### {}\nHTTP {}, ", code.as_str(), code.http_status());
            let (_, rest) = page.split_once(&entry).unwrap_or_else(|| panic!("docs/errors.md lacks {entry:?}"));
            assert_eq!(rest.starts_with("retryable"), code.is_retryable(), "{}", code.as_str());
        }
        for close in crate::CloseCode::ALL.into_iter().map(crate::CloseCode::number) {
            assert!(page.contains(&format!("\n| {close} |")), "docs/errors.md lacks the close code {close}");
        }
    }
}
