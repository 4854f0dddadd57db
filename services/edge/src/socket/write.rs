//! Our own write half: what is queued goes out in one vectored write, straight from the bytes that all sessions of a
//! room share.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use klatch_wire::CloseCode;
use tokio::time::Instant;

use super::frame;
use crate::outbox::{Frame, Item, Outbox};
use crate::transport::Transport;

/// Frames in one write at most. Linux takes 1,024 slices (`IOV_MAX`); past some dozens the gain is gone.
const SLICES_MAX: usize = 64;

/// The frames on their way into the socket.
#[derive(Debug)]
pub(crate) struct Writer {
    writing: VecDeque<Item>,
    /// How much of the first frame is written.
    offset: usize,
    state: State,
    stall_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The socket takes what is given.
    Open,
    /// The socket is full since then.
    Blocked { since: Instant },
    /// The socket said that there is room again; not tried yet.
    Retrying { since: Instant },
}

impl Writer {
    pub(crate) fn new(stall_max: Duration) -> Self {
        Writer { writing: VecDeque::new(), offset: 0, state: State::Open, stall_max }
    }

    /// Whether the socket must be waited for.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self.state, State::Blocked { .. })
    }

    /// The socket has room.
    pub(crate) fn unblock(&mut self) {
        if let State::Blocked { since } = self.state {
            self.state = State::Retrying { since };
        }
    }

    /// When the client will have taken nothing for too long.
    pub(crate) fn stalled_at(&self) -> Option<Instant> {
        match self.state {
            State::Open => None,
            State::Blocked { since } | State::Retrying { since } => Some(since + self.stall_max),
        }
    }

    /// Writes what is queued, as far as the socket takes it without waiting; how many frames that finished.
    pub(crate) fn flush(&mut self, socket: &Transport, outbox: &Outbox) -> io::Result<u64> {
        let mut frames = 0;
        while !self.is_blocked() {
            if self.writing.is_empty() {
                outbox.take(&mut self.writing);
            }
            if self.writing.is_empty() {
                self.note(socket.try_flush())?;
                break;
            }
            let before = self.writing.len();
            let (counted, answers) = self.write_some(socket)?;
            frames += (before - self.writing.len()) as u64;
            outbox.written(counted, answers);
        }
        Ok(frames)
    }

    /// One write: how many counted bytes and how many answers it finished.
    fn write_some(&mut self, socket: &Transport) -> io::Result<(usize, usize)> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, item) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(if count == 0 { &bytes_of(item)[self.offset..] } else { bytes_of(item) });
            count += 1;
        }
        match socket.try_write_vectored(&slices[..count]) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            tried => Ok(self.note(tried)?.map_or((0, 0), |written| self.advance(written))),
        }
    }

    /// What a try says of the socket; none where it is full.
    fn note<T>(&mut self, tried: io::Result<T>) -> io::Result<Option<T>> {
        match tried {
            Ok(done) => {
                self.state = State::Open;
                Ok(Some(done))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let since = match self.state {
                    State::Open => Instant::now(),
                    State::Blocked { since } | State::Retrying { since } => since,
                };
                self.state = State::Blocked { since };
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets go of what is written whole: how many counted bytes and how many answers that was.
    fn advance(&mut self, written: usize) -> (usize, usize) {
        let mut left = written + self.offset;
        let (mut counted, mut answers) = (0, 0);
        while let Some(item) = self.writing.front() {
            let len = bytes_of(item).len();
            if left < len {
                break;
            }
            left -= len;
            if item.counted {
                counted += len;
            } else {
                answers += 1;
            }
            self.writing.pop_front();
        }
        self.offset = left;
        (counted, answers)
    }

    /// Writes the rest and a close frame, waiting for the socket. With `overtake`, only the frame that is half
    /// written comes before the close frame.
    pub(crate) async fn finish(
        &mut self,
        socket: &Transport,
        outbox: &Outbox,
        code: CloseCode,
        overtake: bool,
    ) -> io::Result<()> {
        if overtake {
            self.writing.truncate(usize::from(self.offset > 0));
        } else {
            let mut queued = VecDeque::new();
            outbox.take(&mut queued);
            self.writing.append(&mut queued);
        }
        self.writing.push_back(Item::answer(frame::close(code).into()));
        while !self.writing.is_empty() {
            socket.writable().await?;
            self.unblock();
            self.write_some(socket)?;
        }
        socket.flush().await
    }
}

/// What goes into a WebSocket; a voice over another carrier has no business here.
fn bytes_of(item: &Item) -> &[u8] {
    match &item.frame {
        Frame::WebSocket(bytes) => bytes,
        Frame::SocketIo(..) | Frame::Nothing => {
            debug_assert!(false, "something else in a WebSocket's queue");
            &[]
        }
    }
}

#[cfg(test)]
mod tests {
    use klatch_testkit::Authority;

    use super::*;
    use crate::transport::tests::{connected, drain};

    #[tokio::test]
    async fn what_tls_still_holds_is_waited_for_like_what_is_queued() {
        let (server, mut client) = connected(&Authority::new()).await;
        let outbox = Outbox::new(usize::MAX);
        let mut writer = Writer::new(Duration::from_secs(60));
        let frame = frame::text(&[b'x'; 1_000]);
        let mut written = 0;
        // Until the kernel takes no more: what came last is encrypted then, and with nobody but TLS.
        while !writer.is_blocked() {
            outbox.push(Item::live(frame.clone().into()));
            written += frame.len();
            writer.flush(&server, &outbox).unwrap();
        }
        assert!(writer.writing.is_empty(), "the kernel was full before TLS was asked");
        let reading = tokio::spawn(async move { drain(&mut client, written).await });
        while writer.is_blocked() {
            server.writable().await.unwrap();
            writer.unblock();
            writer.flush(&server, &outbox).unwrap();
        }
        reading.await.unwrap();
    }
}
