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
/// Room for `{"seq":…,"prev":…,` with two sequences of twenty digits.
const POSITION_BYTES_MAX: usize = 56;

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

/// A stored event in its live form: the text frame, and where in it the JSON begins.
#[derive(Debug, Clone)]
pub(crate) struct LiveFrame {
    bytes: Bytes,
    json_at: usize,
}

impl LiveFrame {
    /// Puts `seq` and `prev` before the stored bytes, and a frame header before all: one allocation, one copy.
    pub(crate) fn new(seq: Seq, prev: Seq, stored: &[u8]) -> Self {
        let mut json = BytesMut::with_capacity(HEADER_BYTES_MAX + POSITION_BYTES_MAX + stored.len());
        json.put_bytes(0, HEADER_BYTES_MAX);
        server::position_into(&mut json, seq, Some(prev), stored);
        let len = json.len() - HEADER_BYTES_MAX;
        let mut head = BytesMut::with_capacity(HEADER_BYTES_MAX);
        header(&mut head, TEXT, len);
        let start = HEADER_BYTES_MAX - head.len();
        json[start..HEADER_BYTES_MAX].copy_from_slice(&head);
        LiveFrame { bytes: json.freeze().slice(start..), json_at: head.len() }
    }

    /// As it goes over the socket.
    pub(crate) fn framed(&self) -> Bytes {
        self.bytes.clone()
    }

    /// As it stands in `chat.joined.events`.
    pub(crate) fn json(&self) -> &[u8] {
        &self.bytes[self.json_at..]
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
            assert_eq!(frame.framed(), text(frame.json()));
            let value: serde_json::Value = serde_json::from_slice(frame.json()).unwrap();
            assert_eq!(value["seq"], 12);
        }
    }

    #[test]
    fn a_close_frame_fits_its_limit() {
        for code in CloseCode::ALL {
            assert!(close(code).len() <= 127);
        }
    }
}
