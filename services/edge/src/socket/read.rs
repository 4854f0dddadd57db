//! Client frames out of bytes. fastwebsockets parses, unmasks and checks them; what it leaves open is settled here:
//! a frame is handed to it only when all of it is there (so that its reader never waits, and nothing is lost by
//! cancelling), unmasked and oversized frames are refused by their header alone, fragments are counted, and no
//! buffer is held while a connection is idle.

use std::cell::RefCell;
use std::io;

use fastwebsockets::{Frame, OpCode, Role, WebSocketError, after_handshake_split};
use futures_util::FutureExt;
use klatch_wire::{CloseCode, Limits};

use crate::transport::Transport;

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 16 * 1024;
/// RFC 6455, 5.5.
const CONTROL_BYTES_MAX: usize = 125;

thread_local! {
    /// One read buffer a thread: filled and emptied between two awaits.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Something whole that came from the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A message that is no text, for whoever wants to hear of such ([`Reader::tell_of_binary`]).
    Binary,
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// The client's close, to be answered with this code.
    Close(CloseCode),
}

/// What is left over between two reads of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    frame_bytes_max: usize,
    fragments_max: usize,
    /// The beginning of a frame that is not whole yet; holds no memory between frames.
    partial: Vec<u8>,
    /// The text message whose fragments are coming in.
    message: Option<Fragments>,
    tells_of_binary: bool,
}

#[derive(Debug)]
struct Fragments {
    text: Vec<u8>,
    count: usize,
}

/// How a read ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing more for now.
    Drained,
    /// More may be there: read again.
    More,
    /// The client is gone without a close frame.
    Gone,
}

impl Reader {
    pub(crate) fn new(limits: &Limits) -> Self {
        Reader {
            frame_bytes_max: limits.frame_bytes_max,
            fragments_max: limits.fragments_max,
            partial: Vec::new(),
            message: None,
            tells_of_binary: false,
        }
    }

    /// A message that is no text does not end the connection, but is told of.
    pub(crate) fn tell_of_binary(mut self) -> Self {
        self.tells_of_binary = true;
        self
    }

    /// Takes what the socket has, without waiting, and gives `each` what became whole.
    ///
    /// An error is the code to close with: the client broke the protocol.
    pub(crate) fn read(
        &mut self,
        socket: &Transport,
        each: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<Progress, CloseCode> {
        SCRATCH.with_borrow_mut(|scratch| match socket.try_read(scratch) {
            Ok(0) => Ok(Progress::Gone),
            Ok(n) => {
                self.feed(&scratch[..n], each)?;
                Ok(if n == scratch.len() { Progress::More } else { Progress::Drained })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Progress::Drained),
            Err(_) => Ok(Progress::Gone),
        })
    }

    /// Takes bytes as they came.
    pub(crate) fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CloseCode> {
        if self.partial.is_empty() {
            let whole = self.frames(bytes, each)?;
            self.partial.extend_from_slice(&bytes[whole..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let partial = std::mem::take(&mut self.partial);
            let whole = self.frames(&partial, each)?;
            self.partial.extend_from_slice(&partial[whole..]);
        }
        Ok(())
    }

    /// Handles the whole frames at the beginning of `bytes`; how many bytes they took.
    fn frames(&mut self, bytes: &[u8], each: &mut dyn FnMut(Incoming<'_>)) -> Result<usize, CloseCode> {
        let (mut whole, mut count, mut broken) = (0, 0, None);
        loop {
            match frame_len(&bytes[whole..], self.frame_bytes_max) {
                Ok(Some(len)) => {
                    whole += len;
                    count += 1;
                }
                Ok(None) => break,
                Err(code) => {
                    broken = Some(code);
                    break;
                }
            }
        }
        if count > 0 {
            let (mut parser, _) = after_handshake_split(&bytes[..whole], tokio::io::sink(), Role::Server);
            parser.set_auto_close(false);
            parser.set_auto_pong(false);
            parser.set_max_message_size(self.frame_bytes_max + 1);
            let mut nothing_to_send = |_: Frame<'_>| std::future::ready(Ok::<(), WebSocketError>(()));
            for _ in 0..count {
                let frame = parser.read_frame(&mut nothing_to_send).now_or_never();
                let frame = frame.expect("a whole frame is parsed without waiting").map_err(code_of)?;
                self.frame(&frame, each)?;
            }
        }
        broken.map_or(Ok(whole), Err)
    }

    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Incoming<'_>)) -> Result<(), CloseCode> {
        match frame.opcode {
            OpCode::Text if self.message.is_some() => return Err(CloseCode::Protocol),
            OpCode::Text if frame.fin => each(Incoming::Text(utf8(&frame.payload)?)),
            OpCode::Text => self.message = Some(Fragments { text: frame.payload.to_vec(), count: 1 }),
            OpCode::Continuation => {
                let message = self.message.as_mut().ok_or(CloseCode::Protocol)?;
                message.count += 1;
                if message.count > self.fragments_max {
                    return Err(CloseCode::Protocol);
                }
                if message.text.len() + frame.payload.len() > self.frame_bytes_max {
                    return Err(CloseCode::TooBig);
                }
                message.text.extend_from_slice(&frame.payload);
                if frame.fin
                    && let Some(message) = self.message.take()
                {
                    each(Incoming::Text(utf8(&message.text)?));
                }
            }
            OpCode::Binary if self.tells_of_binary && frame.fin && self.message.is_none() => each(Incoming::Binary),
            OpCode::Binary => return Err(CloseCode::Unsupported),
            OpCode::Ping => each(Incoming::Ping(&frame.payload)),
            OpCode::Pong => {}
            OpCode::Close => each(Incoming::Close(close_answer(&frame.payload)?)),
        }
        Ok(())
    }
}

/// Reads and throws away until the client closes its side.
pub(crate) async fn discard(socket: &Transport) {
    while socket.readable().await.is_ok() {
        let read = SCRATCH.with_borrow_mut(|scratch| socket.try_read(scratch));
        match read {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, CloseCode> {
    std::str::from_utf8(bytes).map_err(|_| CloseCode::InvalidText)
}

/// The length of the frame that `bytes` begins with, once all of it is there. Only what must be known before the
/// whole frame is waited for is looked at: mask, length, and the limits of both.
fn frame_len(bytes: &[u8], frame_bytes_max: usize) -> Result<Option<usize>, CloseCode> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if second & 0x80 == 0 {
        return Err(CloseCode::Protocol); // RFC 6455, 5.1: a client masks all its frames.
    }
    let (extended, payload) = match (second & 0x7F, rest) {
        (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
        (126 | 127, _) => return Ok(None),
        (len, _) => (0, u64::from(len)),
    };
    let is_control = first & 0x08 != 0;
    if is_control && payload > CONTROL_BYTES_MAX as u64 {
        return Err(CloseCode::Protocol);
    }
    if payload > frame_bytes_max as u64 {
        return Err(CloseCode::TooBig);
    }
    let len = 2 + extended + 4 + payload as usize;
    Ok((bytes.len() >= len).then_some(len))
}

/// RFC 6455, 7.4: which code answers the client's close.
fn close_answer(payload: &[u8]) -> Result<CloseCode, CloseCode> {
    match payload {
        [] => Ok(CloseCode::Normal),
        [_] => Err(CloseCode::Protocol),
        [high, low, reason @ ..] => {
            utf8(reason)?;
            let code = fastwebsockets::CloseCode::from(u16::from_be_bytes([*high, *low]));
            if code.is_allowed() { Ok(CloseCode::Normal) } else { Err(CloseCode::Protocol) }
        }
    }
}

fn code_of(error: WebSocketError) -> CloseCode {
    match error {
        WebSocketError::InvalidUTF8 => CloseCode::InvalidText,
        WebSocketError::FrameTooLarge => CloseCode::TooBig,
        _ => CloseCode::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len => {
                out.push(0x80 | 126);
                out.extend((len as u16).to_be_bytes());
            }
        }
        out.extend(MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    fn reader() -> Reader {
        Reader::new(&Limits { frame_bytes_max: 1_000, fragments_max: 4, ..Limits::default() })
    }

    fn texts(reader: &mut Reader, bytes: &[u8], step: usize) -> Result<Vec<String>, CloseCode> {
        let mut texts = Vec::new();
        for part in bytes.chunks(step) {
            reader.feed(part, &mut |incoming| {
                if let Incoming::Text(text) = incoming {
                    texts.push(text.to_owned());
                }
            })?;
        }
        Ok(texts)
    }

    #[test]
    fn however_the_bytes_are_cut_the_messages_are_the_same_and_nothing_is_held_afterwards() {
        let mut bytes = client_frame(0x81, b"one");
        bytes.extend(client_frame(0x01, "tw\u{f6}".as_bytes().split_at(3).0));
        bytes.extend(client_frame(0x89, b"ping between fragments"));
        bytes.extend(client_frame(0x80, "tw\u{f6}".as_bytes().split_at(3).1));
        bytes.extend(client_frame(0x81, &[b'x'; 900]));
        for step in [1, 2, 3, 7, 100, bytes.len()] {
            let mut reader = reader();
            let texts = texts(&mut reader, &bytes, step).unwrap();
            assert_eq!(texts, ["one".to_owned(), "tw\u{f6}".to_owned(), "x".repeat(900)]);
            assert_eq!((reader.partial.capacity(), reader.message.is_none()), (0, true));
        }
    }

    #[test]
    fn each_broken_frame_has_its_close_code() {
        let cases: [(&str, Vec<u8>, CloseCode); 12] = [
            ("unmasked", vec![0x81, 1, b'x'], CloseCode::Protocol),
            ("reserved bit", client_frame(0xC1, b"x"), CloseCode::Protocol),
            ("unknown opcode", client_frame(0x83, b"x"), CloseCode::Protocol),
            ("binary", client_frame(0x82, b"x"), CloseCode::Unsupported),
            ("no UTF-8", client_frame(0x81, b"\xff"), CloseCode::InvalidText),
            ("a declared length alone", vec![0x81, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], CloseCode::TooBig),
            ("too long", client_frame(0x81, &[b'x'; 1_001]), CloseCode::TooBig),
            ("long ping", client_frame(0x89, &[b'x'; 126]), CloseCode::Protocol),
            ("long pong", client_frame(0x8A, &[b'x'; 126]), CloseCode::Protocol),
            ("fragmented ping", client_frame(0x09, b"x"), CloseCode::Protocol),
            ("continuation of nothing", client_frame(0x80, b"x"), CloseCode::Protocol),
            ("close of one byte", client_frame(0x88, b"x"), CloseCode::Protocol),
        ];
        for (name, bytes, code) in cases {
            assert_eq!(texts(&mut reader(), &bytes, bytes.len()), Err(code), "{name}");
        }
    }

    #[test]
    fn fragments_are_bounded_in_number_and_together_in_bytes() {
        let mut many = client_frame(0x01, b"x");
        many.extend((0..4).flat_map(|_| client_frame(0x00, b"x")));
        assert_eq!(texts(&mut reader(), &many, many.len()), Err(CloseCode::Protocol));
        let mut long = client_frame(0x01, &[b'x'; 600]);
        long.extend(client_frame(0x80, &[b'x'; 600]));
        assert_eq!(texts(&mut reader(), &long, long.len()), Err(CloseCode::TooBig));
    }

    #[test]
    fn what_came_before_a_broken_frame_is_still_handled() {
        let mut bytes = client_frame(0x81, b"one");
        bytes.extend([0x81, 1, b'x']);
        let mut seen = 0;
        let result = reader().feed(&bytes, &mut |_| seen += 1);
        assert_eq!((result, seen), (Err(CloseCode::Protocol), 1));
    }

    #[test]
    fn a_close_is_answered() {
        let mut answers = Vec::new();
        let bytes = client_frame(0x88, &1000u16.to_be_bytes());
        reader()
            .feed(&bytes, &mut |incoming| {
                if let Incoming::Close(code) = incoming {
                    answers.push(code);
                }
            })
            .unwrap();
        assert_eq!(answers, [CloseCode::Normal]);
        let bytes = client_frame(0x88, &1005u16.to_be_bytes());
        assert_eq!(reader().feed(&bytes, &mut |_| {}), Err(CloseCode::Protocol));
    }
}
