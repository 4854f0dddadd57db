//! What the end of a connection means for the next one.

use std::fmt;
use std::time::Duration;

use klatch_wire::close::{After, after};

/// RFC 6455, 7.4.1: there was no close frame.
const ABNORMAL: u16 = 1006;

/// RFC 6455, 7.4.1: a policy was violated; what a refused upgrade counts as.
const REFUSED: u16 = 1008;

/// Our own code for a server that fell silent: in the range that RFC 6455 leaves to applications.
const SILENT: u16 = 4_900;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The WebSocket close code; 1006 where there was none, 1008 where the upgrade was refused for good.
    pub code: u16,
    /// Why, for a person to read.
    pub reason: String,
    /// No sooner than after this: from `chat.goodbye`, or from a `Retry-After`.
    pub not_before: Option<Duration>,
}

/// What to do after an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Come back, and resume.
    Reconnect,
    /// Come back with another token.
    RenewToken,
    /// Don't come back like this.
    StayAway,
}

impl Ending {
    pub(crate) fn closed(code: u16, reason: impl Into<String>) -> Self {
        Ending { code, reason: reason.into(), not_before: None }
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Ending::closed(ABNORMAL, reason)
    }

    pub(crate) fn silent(reason: impl Into<String>) -> Self {
        Ending::closed(SILENT, reason)
    }

    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Ending::closed(REFUSED, reason)
    }

    /// What to do about it. What is not known is worth another try: proxies have codes of their own.
    pub fn advice(&self) -> Advice {
        match (self.code, after(self.code)) {
            (4100 | 4101, _) => Advice::RenewToken,
            (REFUSED, _) | (_, After::StayAway) => Advice::StayAway,
            (_, After::Reconnect | After::Resume) => Advice::Reconnect,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klatch_wire::CloseCode;

    #[test]
    fn each_close_code_says_whether_to_come_back() {
        let advice = |code: CloseCode| Ending::closed(code.number(), "").advice();
        for code in [CloseCode::GoingAway, CloseCode::SlowReader, CloseCode::LostFeed, CloseCode::TooManyConnections] {
            assert_eq!(advice(code), Advice::Reconnect, "{code:?}");
        }
        assert_eq!(advice(CloseCode::TokenExpired), Advice::RenewToken);
        for code in [CloseCode::TooBig, CloseCode::Protocol] {
            assert_eq!(advice(code), Advice::StayAway, "{code:?}");
        }
        assert_eq!(Ending::lost("reset").advice(), Advice::Reconnect);
        assert_eq!(Ending::refused("401").advice(), Advice::StayAway);
    }
}
