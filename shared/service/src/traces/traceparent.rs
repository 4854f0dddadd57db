//! The header `traceparent`: which trace something belongs to, and which span of it came before (W3C Trace Context).

use std::fmt;

/// Where something stands in a trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traceparent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Traceparent {
    /// The header's name, in HTTP and in NATS messages.
    pub const HEADER: &'static str = "traceparent";

    /// None where an id is zero: that is no trace.
    pub(super) fn new(trace: u128, span: u64, flags: u8) -> Option<Traceparent> {
        (trace != 0 && span != 0).then_some(Traceparent { trace, span, flags })
    }

    /// Reads the header's value. None where it is malformed: then a trace begins anew, as W3C Trace Context asks.
    ///
    /// A later version may have more behind the flags, and is read as far as it is known.
    pub fn parse(text: &str) -> Option<Traceparent> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = match version {
            "00" => parts.next().is_none(),
            "ff" => false,
            _ => is_hex(version, 2),
        };
        if !is_known || !is_hex(trace, 32) || !is_hex(span, 16) || !is_hex(flags, 2) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        Traceparent::new(trace, u64::from_str_radix(span, 16).ok()?, u8::from_str_radix(flags, 16).ok()?)
    }

    /// The trace, the same for all that belongs to it.
    pub fn trace(self) -> u128 {
        self.trace
    }

    /// The span that came before.
    pub fn span(self) -> u64 {
        self.span
    }

    /// Whether it is recorded: who began the trace has decided, for everybody.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }

    pub(super) fn flags(self) -> u8 {
        self.flags
    }
}

/// The header's value.
impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Small letters only, as the specification has it.
fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_the_same() {
        let read = Traceparent::parse(EXAMPLE).unwrap();
        assert_eq!(read.to_string(), EXAMPLE);
        assert!(read.is_sampled());
        assert!(!Traceparent::parse(&EXAMPLE.replace("-01", "-00")).unwrap().is_sampled());
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = format!("cc{}-what-comes", &EXAMPLE[2..]);
        assert_eq!(Traceparent::parse(&later), Traceparent::parse(EXAMPLE));
    }

    #[test]
    fn what_is_malformed_is_no_trace() {
        let zero_trace = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let zero_span = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let more = format!("{EXAMPLE}-more");
        let forbidden = format!("ff{}", &EXAMPLE[2..]);
        let upper = EXAMPLE.to_uppercase();
        for text in ["", "00", "00---", zero_trace, zero_span, &more, &forbidden, &upper, "00-+af-+b7-01"] {
            assert_eq!(Traceparent::parse(text), None, "{text}");
        }
    }
}
