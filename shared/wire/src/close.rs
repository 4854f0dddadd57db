//! The WebSocket close codes, in ranges that say what to do: 4000 to 4099 reconnect and resume, 4100 to 4199
//! reconnect later or differently, 4200 to 4299 stay away. Below 4000 they are RFC 6455's own (section 7.4.1).

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: the client asked for it.
    Normal,
    /// 1002: a broken frame.
    Protocol,
    /// 1003: a binary message; the protocol is text.
    Unsupported,
    /// 1007: text that is no UTF-8.
    InvalidText,
    /// 1009: longer than `frame_bytes_max`.
    TooBig,
    /// 4000: the server stops; another one goes on. Resume.
    GoingAway,
    /// 4001: read too slowly. Resume.
    SlowReader,
    /// 4002: the log's live feed of a room was lost. Resume.
    LostFeed,
    /// 4003: nothing was heard for `idle_ms_max`. Resume.
    Idle,
    /// 4100: no valid token came within `auth_ms_max`.
    AuthTimeout,
    /// 4101: the token's time is over. Reconnect with another.
    TokenExpired,
    /// 4102: more connections than one person may have.
    TooManyConnections,
}

/// What a client should do after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Reconnect with back-off, and resume every room.
    Resume,
    /// Reconnect later, or with another token.
    Reconnect,
    /// Don't come again as you are.
    StayAway,
}

impl CloseCode {
    /// Every code that the server uses.
    pub const ALL: [CloseCode; 12] = [
        CloseCode::Normal,
        CloseCode::Protocol,
        CloseCode::Unsupported,
        CloseCode::InvalidText,
        CloseCode::TooBig,
        CloseCode::GoingAway,
        CloseCode::SlowReader,
        CloseCode::LostFeed,
        CloseCode::Idle,
        CloseCode::AuthTimeout,
        CloseCode::TokenExpired,
        CloseCode::TooManyConnections,
    ];

    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::Protocol => 1002,
            CloseCode::Unsupported => 1003,
            CloseCode::InvalidText => 1007,
            CloseCode::TooBig => 1009,
            CloseCode::GoingAway => 4000,
            CloseCode::SlowReader => 4001,
            CloseCode::LostFeed => 4002,
            CloseCode::Idle => 4003,
            CloseCode::AuthTimeout => 4100,
            CloseCode::TokenExpired => 4101,
            CloseCode::TooManyConnections => 4102,
        }
    }

    /// The reason beside the number; short enough for a control frame (RFC 6455, 5.5: 125 bytes).
    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "",
            CloseCode::Protocol => "broken frame",
            CloseCode::Unsupported => "text frames only",
            CloseCode::InvalidText => "not UTF-8",
            CloseCode::TooBig => "too_large",
            CloseCode::GoingAway => "going away: reconnect and resume",
            CloseCode::SlowReader => "reading too slowly: reconnect and resume",
            CloseCode::LostFeed => "feed lost: reconnect and resume",
            CloseCode::Idle => "idle: reconnect and resume",
            CloseCode::AuthTimeout => "not_authenticated: no token in time",
            CloseCode::TokenExpired => "token_expired: reconnect with another token",
            CloseCode::TooManyConnections => "too_many_connections",
        }
    }
}

/// What to do after a close with this number, RFC 6455's own included.
pub fn after(number: u16) -> After {
    match number {
        4100..=4199 => After::Reconnect,
        4200..=4299 | 1002 | 1003 | 1007 | 1009 => After::StayAway,
        _ => After::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_control_frame_and_numbers_differ() {
        let mut seen = std::collections::HashSet::new();
        for code in CloseCode::ALL {
            assert!(code.reason().len() + 2 <= 125);
            assert!(seen.insert(code.number()));
        }
        assert_eq!(after(CloseCode::SlowReader.number()), After::Resume);
        assert_eq!(after(CloseCode::TooBig.number()), After::StayAway);
        assert_eq!(after(4200), After::StayAway, "the range is kept free for it");
    }
}
