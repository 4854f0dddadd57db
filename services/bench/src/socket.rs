//! One client's connection: opened, written to, read frame by frame where what comes matters.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket as RawSocket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::error::Error;
use crate::{frames, port, wait};

/// No server takes so long for one connection, not even when ten thousand come at once on two cores.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 4 * 1024;
/// A server whose answer to an upgrade is longer is none of ours.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// A client's connection after its upgrade. What came and was not read yet is kept.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    buffer: Vec<u8>,
}

/// How to connect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dial<'a> {
    pub(crate) address: SocketAddr,
    /// Path of the upgrade.
    pub(crate) path: &'a str,
    /// A token to bring.
    pub(crate) token: Option<&'a str>,
    /// The client's number: it says from which loopback address it comes.
    pub(crate) number: usize,
    /// Bytes that the kernel buffers for this reader; the system's default otherwise.
    pub(crate) receive_bytes: Option<usize>,
}

impl Socket {
    /// Connects and upgrades.
    pub(crate) async fn open(dial: Dial<'_>) -> Result<Socket, Error> {
        let mut upgrade = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            dial.path, dial.address
        );
        if let Some(token) = dial.token {
            upgrade.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        upgrade.push_str("\r\n");
        let opening = async {
            let tcp = connect(dial).await.map_err(Error::socket("connecting"))?;
            let mut socket = Socket { tcp, buffer: Vec::new() };
            socket.tcp.write_all(upgrade.as_bytes()).await.map_err(Error::socket("upgrading"))?;
            socket.upgraded().await?;
            Ok(socket)
        };
        wait::bounded("a connection's upgrade", OPEN_WITHIN, opening).await
    }

    async fn upgraded(&mut self) -> Result<(), Error> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                break self.buffer.len();
            }
            self.fill().await?;
        };
        let answer: Vec<u8> = self.buffer.drain(..end).collect();
        if answer.starts_with(b"HTTP/1.1 101") {
            return Ok(());
        }
        let said = [answer, std::mem::take(&mut self.buffer)].concat();
        Err(Error::Refused { what: "a WebSocket".to_owned(), said: String::from_utf8_lossy(&said).into_owned() })
    }

    /// Sends bytes that are frames already.
    pub(crate) async fn send(&mut self, frames: &[u8]) -> Result<(), Error> {
        self.tcp.write_all(frames).await.map_err(Error::socket("sending"))
    }

    /// The next text frame's payload. Pings are answered meanwhile.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            while let Some((opcode, payload)) = self.take_frame() {
                match opcode {
                    0x9 => self.send(&frames::PONG).await?,
                    0x8 => {
                        let said = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                        return Err(Error::Refused { what: "to go on with a connection".to_owned(), said });
                    }
                    _ => return Ok(payload),
                }
            }
            self.fill().await?;
        }
    }

    /// The next text frame that holds `needle`.
    pub(crate) async fn next_with(&mut self, needle: &str) -> Result<Vec<u8>, Error> {
        loop {
            let text = self.next().await?;
            if contains(&text, needle) {
                return Ok(text);
            }
            if contains(&text, "\"event\":\"error\"") {
                let said = String::from_utf8_lossy(&text).into_owned();
                return Err(Error::Refused { what: format!("what should bring {needle}"), said });
            }
        }
    }

    /// The connection itself, and what was read of it but not looked at.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.tcp, self.buffer)
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (head, payload) = frames::header(&self.buffer)?;
        if self.buffer.len() < head + payload {
            return None;
        }
        let opcode = self.buffer[0] & 0xF;
        let frame: Vec<u8> = self.buffer.drain(..head + payload).skip(head).collect();
        Some((opcode, frame))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        self.buffer.reserve(READ_BYTES);
        let read = self.tcp.read_buf(&mut self.buffer).await.map_err(Error::socket("reading"))?;
        if read == 0 {
            return Err(Error::socket("reading")(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }
}

/// Whether a text is in some bytes.
pub(crate) fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

async fn connect(dial: Dial<'_>) -> io::Result<TcpStream> {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = dial.receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&SocketAddr::from((port::source(dial.number), 0)).into())?;
    let tcp = TcpSocket::from_std_stream(socket.into()).connect(dial.address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
