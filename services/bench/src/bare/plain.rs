//! A hub of Tokio's sockets alone. It upgrades whoever asks without a look at the request, and knows of WebSocket frames
//! no more than their lengths.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::interval;

use crate::frames;

const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// What clients say here is short; the rest is read the next time.
const READ_BYTES: usize = 1024;
/// So many steps make a round of pings.
const PING_STEPS: u32 = 100;
/// Frames in one vectored write at most (writev(2), IOV_MAX).
const SLICES_MAX: usize = 1_024;

/// How a frame gets to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handing {
    /// Into their queues; each of them writes all that waits at once.
    Queued,
    /// Whoever said it writes to everybody.
    Written,
}

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Arc<Room>>>);

#[derive(Default)]
struct Room(Mutex<Vec<Arc<Peer>>>);

struct Peer {
    tcp: TcpStream,
    queue: Mutex<VecDeque<Bytes>>,
    wake: Notify,
}

pub(super) async fn serve(listener: TcpListener, handing: Handing, ping_every: Option<Duration>) -> io::Result<()> {
    let rooms = Arc::new(Rooms::default());
    if let Some(every) = ping_every {
        tokio::spawn(ping(rooms.clone(), every));
    }
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let rooms = rooms.clone();
        tokio::spawn(async move {
            // A connection's end is all that can be done about its error.
            let _ = client(tcp, rooms, handing).await;
        });
    }
}

async fn client(mut tcp: TcpStream, rooms: Arc<Rooms>, handing: Handing) -> io::Result<()> {
    let path = path_of(&head(&mut tcp).await?);
    tcp.write_all(ANSWER).await?;
    let room = locked(&rooms.0).entry(path).or_default().clone();
    let peer = Arc::new(Peer { tcp, queue: Mutex::default(), wake: Notify::new() });
    locked(&room.0).push(peer.clone());
    let ended = converse(&peer, &room, handing).await;
    locked(&room.0).retain(|other| !Arc::ptr_eq(other, &peer));
    ended
}

/// One loop for all: in each of its steps the next few are pinged, so that each is once in `every`.
async fn ping(rooms: Arc<Rooms>, every: Duration) {
    let mut step = interval(every / PING_STEPS);
    for number in (0..PING_STEPS as usize).cycle() {
        step.tick().await;
        let rooms: Vec<Arc<Room>> = locked(&rooms.0).values().cloned().collect();
        let mut met = 0;
        for room in rooms {
            for peer in locked(&room.0).iter() {
                if met % PING_STEPS as usize == number {
                    // Whoever has gone is noticed by their own task.
                    let _ = peer.tcp.try_write(&frames::PING);
                }
                met += 1;
            }
        }
    }
}

async fn converse(peer: &Peer, room: &Room, handing: Handing) -> io::Result<()> {
    let mut waiting = Vec::new();
    let mut partial = Vec::new();
    loop {
        tokio::select! {
            () = peer.wake.notified() => {
                waiting.extend(std::mem::take(&mut *locked(&peer.queue)));
                write_all(&peer.tcp, &mut waiting).await?;
            }
            readable = peer.tcp.readable() => {
                readable?;
                if !read(&peer.tcp, &mut partial)? {
                    return Ok(());
                }
                while let Some(text) = take_text(&mut partial) {
                    tell(room, handing, Bytes::from(frames::server_text(&text)));
                }
            }
        }
    }
}

fn tell(room: &Room, handing: Handing, frame: Bytes) {
    for peer in locked(&room.0).iter() {
        match handing {
            Handing::Queued => {
                locked(&peer.queue).push_back(frame.clone());
                peer.wake.notify_one();
            }
            // One frame always fits an empty buffer; whoever measures waits for each.
            Handing::Written => drop(peer.tcp.try_write(&frame)),
        }
    }
}

/// Writes all of it in as few calls as can be.
async fn write_all(tcp: &TcpStream, waiting: &mut Vec<Bytes>) -> io::Result<()> {
    while !waiting.is_empty() {
        let slices: Vec<IoSlice<'_>> = waiting.iter().take(SLICES_MAX).map(|frame| IoSlice::new(frame)).collect();
        let mut written = match tcp.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tcp.writable().await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let whole = waiting.iter().take_while(|frame| {
            let is_whole = frame.len() <= written;
            written -= if is_whole { frame.len() } else { 0 };
            is_whole
        });
        let whole = whole.count();
        waiting.drain(..whole);
        if let Some(first) = waiting.first_mut() {
            let _ = first.split_to(written);
        }
    }
    Ok(())
}

/// False at the connection's end.
fn read(tcp: &TcpStream, partial: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; READ_BYTES];
    match tcp.try_read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(read) => {
            partial.extend_from_slice(&buffer[..read]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// The next text in what came, its mask of zeros taken off; pongs are passed over.
fn take_text(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        let (head, payload) = frames::header(bytes)?;
        let head = head + 4;
        if bytes.len() < head + payload {
            return None;
        }
        let is_text = bytes[0] & 0xF == 1;
        let text: Vec<u8> = bytes.drain(..head + payload).skip(head).collect();
        if bytes.is_empty() {
            // An idle connection holds no buffer.
            *bytes = Vec::new();
        }
        if is_text {
            return Some(text);
        }
    }
}

async fn head(tcp: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if tcp.read_buf(&mut head).await? == 0 || head.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

fn path_of(head: &[u8]) -> String {
    String::from_utf8_lossy(head).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
