//! WebSocket frames as a client sees them (RFC 6455), cheaply: a load generator that costs as much as the server would
//! measure itself.
//!
//! What comes is scanned, not kept: of each frame only the first bytes are looked at, wherever the reads cut it. What is
//! sent is masked with zeros, which a server unmasks like any other mask.

const FIN_TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;

/// How a live frame begins: a stored event behind its position.
const LIVE: &[u8] = b"{\"seq\":";
const ACK: &[u8] = b"{\"event\":\"ack";
const ERROR: &[u8] = b"{\"event\":\"err";
/// As much of a payload as tells what it is.
const BEGINNING: usize = 13;
/// The longest header of an unmasked frame.
const HEADER: usize = 10;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event of a room's timeline.
    Live,
    /// A command was done.
    Ack,
    /// A command was refused.
    Error,
    /// Any other text.
    Other,
    /// The server wants a pong.
    Ping,
    /// The server ends the connection.
    Close,
}

impl Kind {
    fn of(opcode: u8, beginning: &[u8]) -> Kind {
        match opcode {
            0x8 => Kind::Close,
            0x9 => Kind::Ping,
            _ if beginning.starts_with(LIVE) => Kind::Live,
            _ if beginning.starts_with(ACK) => Kind::Ack,
            _ if beginning.starts_with(ERROR) => Kind::Error,
            _ => Kind::Other,
        }
    }
}

/// Tells frames apart in a stream of bytes. Holds no more than a header and a beginning.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    head: [u8; HEADER + BEGINNING],
    len: usize,
    /// Bytes of the present frame that need not be looked at.
    skip: usize,
}

impl Scanner {
    /// Tells `each` what every frame is about whose bytes are through.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Kind)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            bytes = &bytes[skipped..];
            self.skip -= skipped;
            if self.skip > 0 {
                return;
            }
            let Some((looked_at, payload)) = self.wanted() else {
                // The length is not there yet.
                let Some((&byte, rest)) = bytes.split_first() else { return };
                self.head[self.len] = byte;
                self.len += 1;
                bytes = rest;
                continue;
            };
            let taken = (looked_at - self.len).min(bytes.len());
            self.head[self.len..self.len + taken].copy_from_slice(&bytes[..taken]);
            self.len += taken;
            bytes = &bytes[taken..];
            if self.len < looked_at {
                return;
            }
            let beginning = payload.min(BEGINNING);
            each(Kind::of(self.head[0] & 0xF, &self.head[looked_at - beginning..looked_at]));
            self.skip = payload - beginning;
            self.len = 0;
        }
    }

    /// How many bytes to look at, and how long the payload is; none as long as the header doesn't say.
    fn wanted(&self) -> Option<(usize, usize)> {
        let (header, payload) = header(&self.head[..self.len])?;
        Some((header + payload.min(BEGINNING), payload))
    }
}

/// The lengths of an unmasked frame's header and payload, once enough of it is there.
pub(crate) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match (bytes.get(1)? & 0x7F, bytes) {
        (126, [_, _, high, low, ..]) => Some((4, usize::from(u16::from_be_bytes([*high, *low])))),
        (127, [_, _, length @ ..]) => {
            let length = length.first_chunk::<8>()?;
            Some((10, usize::try_from(u64::from_be_bytes(*length)).ok()?))
        }
        (126, _) => None,
        (short, _) => Some((2, usize::from(short))),
    }
}

/// A client's text frame.
pub(crate) fn text(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(FIN_TEXT);
    match payload.len() {
        short @ 0..=125 => frame.push(MASKED | u8::try_from(short).unwrap_or(125)),
        middle @ 126..=0xFFFF => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&u16::try_from(middle).unwrap_or(u16::MAX).to_be_bytes());
        }
        long => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// A server's text frame.
pub(crate) fn server_text(payload: &[u8]) -> Vec<u8> {
    let mut frame = text(payload);
    let mask = frame.len() - payload.len() - 4;
    frame.drain(mask..mask + 4);
    frame[1] &= !MASKED;
    frame
}

/// A client's answer to a ping without payload, which is what servers here send.
pub(crate) const PONG: [u8; 6] = [0x8A, MASKED, 0, 0, 0, 0];
/// A server's ping without payload.
pub(crate) const PING: [u8; 2] = [0x89, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_however_the_reads_cut_them() {
        let long = format!(r#"{{"seq":7,"data":"{}"}}"#, "x".repeat(70_000));
        let mut bytes = Vec::new();
        let mut wanted = Vec::new();
        for (payload, kind) in [
            (r#"{"seq":1}"#, Kind::Live),
            (r#"{"event":"ack","id":"1"}"#, Kind::Ack),
            ("", Kind::Other),
            (r#"{"event":"error"}"#, Kind::Error),
            (&long, Kind::Live),
            (&format!(r#"{{"event":"chat.joined","data":"{}"}}"#, "y".repeat(300)), Kind::Other),
        ] {
            bytes.extend(server_text(payload.as_bytes()));
            wanted.push(kind);
        }
        bytes.extend(PING);
        wanted.push(Kind::Ping);
        for step in [1, 2, 3, 7, 64, 1_000, bytes.len()] {
            let (mut scanner, mut seen) = (Scanner::default(), Vec::new());
            bytes.chunks(step).for_each(|piece| scanner.feed(piece, |kind| seen.push(kind)));
            assert_eq!(seen, wanted, "in pieces of {step}");
        }
    }

    #[test]
    fn a_servers_frame_says_its_length() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let frame = server_text(&vec![b'x'; len]);
            let (head, payload) = header(&frame).expect("whole");
            assert_eq!((payload, head + payload), (len, frame.len()));
        }
    }
}
