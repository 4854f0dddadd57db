//! A client's connection, whoever reads and writes it: its owner can see how much of what was said is with the
//! kernel, and can end it.
//!
//! Both are needed because Socket.IO's library owns its WebSockets: it neither says when an event is out, nor can it end
//! a connection whose client takes nothing (socketioxide 0.18.9: `disconnect` fails while its queue is full).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};

use crate::transport::Transport;

/// What there is to know and do about a connection. Others hold it weakly or for a moment: it keeps the file descriptor.
#[derive(Debug)]
pub(crate) struct Wire {
    transport: Transport,
    /// The next answer is the last one before frames.
    upgrades: AtomicBool,
    events_out: AtomicU64,
    listener: Mutex<Option<Arc<dyn Progress>>>,
    /// One of the connections that an edge may have.
    slot: OwnedSemaphorePermit,
}

/// Somebody who waits for what was written to be out.
pub(crate) trait Progress: fmt::Debug + Send + Sync {
    /// More events are with the kernel.
    fn more_is_out(&self);
}

impl Wire {
    /// Ends both directions at once: who reads it finds the end, who writes an error.
    pub(crate) fn cut(&self) {
        self.transport.cut();
    }

    /// Events of Socket.IO that the kernel has taken whole.
    pub(crate) fn events_out(&self) -> u64 {
        self.events_out.load(Ordering::Acquire)
    }

    /// The answer that is written next is an upgrade to a WebSocket.
    pub(crate) fn upgrades(&self) {
        self.upgrades.store(true, Ordering::Release);
    }

    /// Tells somebody whenever more events are out, for as long as the connection lasts.
    pub(crate) fn tell(&self, listener: Arc<dyn Progress>) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    }

    fn wrote(&self, events: u64) {
        if events > 0 {
            self.events_out.fetch_add(events, Ordering::Release);
            if let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
                listener.more_is_out();
            }
        }
    }
}

/// What is read and written.
#[derive(Debug)]
pub(crate) struct Stream {
    /// None: the transport was taken out.
    wire: Option<Arc<Wire>>,
    frames: Frames,
    write_within: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// A client that takes nothing of what is written to it for `write_within` is cut.
    pub(crate) fn new(transport: Transport, write_within: Duration, slot: OwnedSemaphorePermit) -> (Self, Arc<Wire>) {
        let wire = Arc::new(Wire {
            transport,
            upgrades: AtomicBool::new(false),
            events_out: AtomicU64::new(0),
            listener: Mutex::default(),
            slot,
        });
        (Stream { wire: Some(wire.clone()), frames: Frames::default(), write_within, stalled: None }, wire)
    }

    /// For the edge's own WebSocket, which reads and writes by itself. None while somebody else holds the wire.
    pub(crate) fn into_transport(mut self) -> Option<(Transport, OwnedSemaphorePermit)> {
        Arc::into_inner(self.wire.take()?).map(|wire| (wire.transport, wire.slot))
    }

    /// Waits for room with the kernel, as long as the client's patience is.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire()?.transport.poll_write_ready(cx)?.is_pending() {
            let write_within = self.write_within;
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(write_within)));
            ready!(stalled.as_mut().poll(cx));
            // The half that reads ends, too, and with it whatever waits for that.
            self.wire()?.cut();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.stalled = None;
        Poll::Ready(Ok(()))
    }

    fn wire(&self) -> io::Result<&Wire> {
        self.wire.as_deref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Stream {
    /// Whoever still holds the wire does not keep the connection open.
    fn drop(&mut self) {
        if let Some(wire) = &self.wire {
            wire.cut();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.wire()?;
        loop {
            ready!(wire.transport.poll_read_ready(cx))?;
            match wire.transport.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_room(cx))?;
            match self.wire()?.transport.try_write(buf) {
                Ok(written) => {
                    if self.wire()?.upgrades.load(Ordering::Acquire) {
                        let events = self.frames.took(&buf[..written]);
                        self.wire()?.wrote(events);
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.wire()?.transport.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_room(cx))?,
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.wire()?.transport.shut_down())
    }
}

/// Counts whole events of Socket.IO in what a server writes: the head of the answer to an upgrade, then unmasked and
/// unfragmented frames (RFC 6455, 5.2). A text frame that begins with `42` is an event: Engine.IO's message, Socket.IO's
/// event (Engine.IO protocol 4, Socket.IO protocol 5).
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    in_frames: bool,
    left: u64,
    is_event: bool,
}

impl Frames {
    /// The events that end in these bytes.
    fn took(&mut self, mut bytes: &[u8]) -> u64 {
        let mut events = 0;
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len() as u64);
                self.left -= skipped;
                bytes = &bytes[skipped as usize..];
                events += u64::from(self.left == 0 && self.is_event);
                continue;
            }
            self.head.push(first);
            bytes = rest;
            if self.in_frames {
                events += u64::from(self.begin_frame());
            } else {
                self.answer();
            }
        }
        events
    }

    /// One more byte of the head of the answer to an upgrade. Frames follow it.
    fn answer(&mut self) {
        if self.head.ends_with(b"\r\n\r\n") {
            self.in_frames = true;
            self.head = Vec::new();
        }
    }

    /// One more byte of a frame's beginning. Whether an event has ended with it.
    fn begin_frame(&mut self) -> bool {
        let Some((size, header)) = size(&self.head) else { return false };
        let looked_at = header + usize::try_from(size).unwrap_or(usize::MAX).min(2);
        if self.head.len() < looked_at {
            return false;
        }
        self.is_event = self.head[0] & 0x0F == 0x1 && &self.head[header..looked_at] == b"42";
        self.left = size - (looked_at - header) as u64;
        self.head.clear();
        self.left == 0 && self.is_event
    }
}

/// A frame's length, and that of its header, once the header is there.
fn size(head: &[u8]) -> Option<(u64, usize)> {
    match head.get(1)? & 0x7F {
        126 => Some((u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?)), 4)),
        127 => Some((u64::from_be_bytes(head.get(2..10)?.try_into().ok()?), 10)),
        short => Some((u64::from(short), 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => frame.push(len as u8),
            len @ 126..=0xFFFF => {
                frame.push(126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    #[test]
    fn events_count_once_they_are_whole_however_they_are_cut() {
        let long = [b"42[\"a\",\"".as_slice(), &[b'x'; 70_000], b"\"]"].concat();
        let all = [
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(),
            frame(0x1, b"2"),
            frame(0x1, b"42[\"a\"]"),
            frame(0x9, b"42"),
            frame(0x1, b"42"),
            frame(0x1, b"43[1]"),
            frame(0x1, &[b"42/chat,".as_slice(), &[b'y'; 200]].concat()),
            frame(0x1, &long),
        ]
        .concat();
        for step in [1, 2, 3, 7, 1_000, all.len()] {
            let mut frames = Frames::default();
            let events: u64 = all.chunks(step).map(|piece| frames.took(piece)).sum();
            assert_eq!(events, 4, "in pieces of {step}");
        }
        let mut frames = Frames::default();
        assert_eq!(frames.took(&all[..all.len() - 1]), 3, "the last one is not whole");
    }
}
