//! A WebSocket spoken by hand, so that it can be spoken wrongly (RFC 6455).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Whatever the server does, it does it within this time.
const BOUND: Duration = Duration::from_secs(15);

pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;
pub(super) const FIN: u8 = 0x80;
pub(super) const MASKED: u8 = 0x80;

/// A connection after its upgrade.
pub(super) struct RawSocket {
    tcp: TcpStream,
    received: Vec<u8>,
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: u8,
    pub(super) payload: Vec<u8>,
}

/// A client's frame: masked, with this first byte.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = header(first, MASKED, payload.len() as u64);
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The beginning of a frame, up to its length, which need not be true.
pub(super) fn header(first: u8, masked: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(masked | length as u8),
        126..=0xFFFF => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

impl RawSocket {
    /// Upgrades, and takes the welcome where there is a token.
    pub(super) async fn open(address: &str, token: Option<&str>) -> Self {
        let mut tcp = TcpStream::connect(address).await.expect("the edge listens");
        let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /chat/ws HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{bearer}\r\n"
        );
        tcp.write_all(request.as_bytes()).await.expect("it takes the request");
        let mut socket = Self { tcp, received: Vec::new() };
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        if token.is_some() {
            let welcome = socket.next().await.expect("a welcome");
            assert!(String::from_utf8_lossy(&welcome.payload).contains("chat.welcome"), "{welcome:?}");
        }
        socket
    }

    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a head is text");
            }
            assert!(self.fill().await.expect("an answer") > 0, "closed before the end of the answer's head");
        }
    }

    /// Sends these bytes. That the server may have closed already is no failure: its answer is what counts.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes).await;
    }

    /// The next frame; none when the server closed the connection.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            match self.fill().await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => panic!("the server says nothing"),
                Err(error) => panic!("the connection broke instead of being closed: {error}"),
            }
        }
    }

    /// The code that the server closes with, whatever it sends before; then the connection must end.
    pub(super) async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Frame { opcode: CLOSE, payload }) => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    self.send(&frame(FIN | CLOSE, &code.to_be_bytes())).await;
                    assert_eq!(self.next().await, None, "more after the close");
                    return code;
                }
                Some(_) => {}
                None => panic!("closed without a close frame"),
            }
        }
    }

    /// The next text frame, as JSON.
    pub(super) async fn json(&mut self) -> serde_json::Value {
        loop {
            match self.next().await {
                Some(Frame { opcode: TEXT, payload }) => return serde_json::from_slice(&payload).expect("JSON"),
                Some(Frame { opcode: CLOSE, payload }) => panic!("closed: {}", String::from_utf8_lossy(&payload)),
                Some(_) => {}
                None => panic!("closed"),
            }
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let [first, second, rest @ ..] = self.received.as_slice() else { return None };
        assert_eq!(second & MASKED, 0, "a server masks nothing");
        let (extended, length) = match (second, rest) {
            (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize),
            (126 | 127, _) => return None,
            (length, _) => (0, usize::from(*length)),
        };
        let opcode = first & 0x0F;
        let payload = rest.get(extended..extended + length)?.to_vec();
        self.received.drain(..2 + extended + length);
        Some(Frame { opcode, payload })
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let reading = timeout(BOUND, self.tcp.read_buf(&mut self.received));
        reading.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
