//! Frames as the server writes them (RFC 6455, 5.2). They are not masked, so the bytes of a live frame are the same
//! for everybody: put together once, shared by all.

use bytes::{BufMut, Bytes, BytesMut};
use klatch_domain::Seq;
use klatch_wire::CloseCode;
use klatch_wire::native::server;

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The longest header of an unmasked frame.
const HEADER_BYTES_MAX: usize = 10;

fn header(out: &mut BytesMut, opcode: u8, len: usize) {
    out.put_u8(FIN | opcode);
    match len {
        0..=125 => out.put_u8(len as u8),
        126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(len as u16);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
}

fn framed(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
    header(&mut out, opcode, payload.len());
    out.put_slice(payload);
    out.freeze()
}

/// A text frame.
pub(crate) fn text(json: &[u8]) -> Bytes {
    framed(TEXT, json)
}

/// A ping; what it carries comes back in the pong.
pub(crate) fn ping() -> Bytes {
    framed(PING, b"")
}

/// A pong with the ping's payload, which the reader has held to 125 bytes.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    framed(PONG, payload)
}

/// A close frame with its code and reason.
pub(crate) fn close(code: CloseCode) -> Bytes {
    let mut payload = BytesMut::with_capacity(125);
    payload.put_u16(code.number());
    payload.put_slice(code.reason().as_bytes());
    framed(CLOSE, &payload)
}

/// A stored event in its live form: the text frame, and where in it its parts begin.
#[derive(Debug, Clone)]
pub(crate) struct LiveFrame {
    bytes: Bytes,
    json_at: usize,
    body_at: usize,
}

impl LiveFrame {
    /// Puts `seq` and `prev` before the stored bytes, and a frame header before all: one allocation, one copy.
    pub(crate) fn new(seq: Seq, prev: Seq, stored: &[u8]) -> Self {
        let body = stored.get(1..).unwrap_or_default();
        let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + server::POSITION_BYTES_MAX + body.len());
        out.put_bytes(0, HEADER_BYTES_MAX);
        server::position_into(&mut out, seq, Some(prev));
        let body_at = out.len();
        out.put_slice(body);
        let mut head = BytesMut::with_capacity(HEADER_BYTES_MAX);
        header(&mut head, TEXT, out.len() - HEADER_BYTES_MAX);
        let start = HEADER_BYTES_MAX - head.len();
        out[start..HEADER_BYTES_MAX].copy_from_slice(&head);
        LiveFrame { bytes: out.freeze().slice(start..), json_at: head.len(), body_at: body_at - start }
    }

    /// As it goes over the socket.
    pub(crate) fn framed(&self) -> Bytes {
        self.bytes.clone()
    }

    /// What was stored, without its opening brace.
    pub(crate) fn body(&self) -> Bytes {
        self.bytes.slice(self.body_at..)
    }

    /// Bytes of JSON in it.
    pub(crate) fn json_len(&self) -> usize {
        self.bytes.len() - self.json_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        for (len, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            assert_eq!(text(&vec![b'x'; len]).len(), head + len);
        }
    }

    #[test]
    fn a_live_frame_is_the_text_frame_of_its_json() {
        for len in [0, 60, 200, 70_000] {
            let stored = format!(r#"{{"event":"chat.message","v":1,"data":"{}"}}"#, "x".repeat(len));
            let frame = LiveFrame::new(Seq(12), Seq(u64::MAX), stored.as_bytes());
            let json = server::positioned(Seq(12), Some(Seq(u64::MAX)), stored.as_bytes());
            assert_eq!(frame.framed(), text(&json));
            assert_eq!((frame.json_len(), &frame.body()[..]), (json.len(), &stored.as_bytes()[1..]));
        }
    }

    #[test]
    fn a_close_frame_fits_its_limit() {
        for code in CloseCode::ALL {
            assert!(close(code).len() <= 127);
        }
    }
}
