//! What a client's bytes come and go by: TCP, plain or under TLS. Both are waited for by readiness and then tried, so that
//! who reads and writes holds no buffer of its own and can stop waiting at any moment.
//!
//! Under TLS a try does as much of the protocol as the kernel allows. What was written is then encrypted, and mostly with
//! the kernel; a rest of at most [`UNSENT_BYTES_MAX`] may have to be [flushed](Transport::try_flush) once there is room.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::net::TcpStream;

/// Encrypted bytes that wait for the kernel, at most; nothing more is taken before they are gone.
const UNSENT_BYTES_MAX: usize = 16 * 1024;

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<Secured>),
}

/// A connection under TLS, after its handshake.
#[derive(Debug)]
pub(crate) struct Secured {
    tcp: TcpStream,
    session: Mutex<ServerConnection>,
    /// Bytes of the client's lie decrypted: the kernel will not say that there is something to read.
    holds_bytes: AtomicBool,
}

impl Transport {
    pub(crate) fn tls(tcp: TcpStream, mut session: ServerConnection) -> Transport {
        session.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        // What came right behind the handshake was read together with it.
        let secured = Secured { tcp, session: Mutex::new(session), holds_bytes: AtomicBool::new(true) };
        Transport::Tls(Box::new(secured))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Transport::Plain(tcp) => tcp,
            Transport::Tls(secured) => &secured.tcp,
        }
    }

    /// Waits until a read is worth trying. Cancel-safe.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.holds_bytes() { Ok(()) } else { self.tcp().readable().await }
    }

    /// Waits until a write is worth trying. Cancel-safe.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds_bytes() { Poll::Ready(Ok(())) } else { self.tcp().poll_read_ready(cx) }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp().poll_write_ready(cx)
    }

    /// Reads what is there; 0 is the end, `WouldBlock` that there is nothing.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(tcp) => tcp.try_read(buf),
            Transport::Tls(secured) => secured.try_read(buf),
        }
    }

    /// Writes what can be written; `WouldBlock` says that nothing was taken.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Plain(tcp) => tcp.try_write_vectored(slices),
            Transport::Tls(secured) => secured.try_write(|session| session.writer().write_vectored(slices)),
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(tcp) => tcp.try_write(bytes),
            Transport::Tls(secured) => secured.try_write(|session| session.writer().write(bytes)),
        }
    }

    /// Gives the kernel what was written and lies encrypted; `WouldBlock` where it has no room for all of it.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match self {
            Transport::Plain(_) => Ok(()),
            Transport::Tls(secured) => secured.send(&mut secured.session()),
        }
    }

    /// The same, waiting for room.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        loop {
            match self.try_flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                done => return done,
            }
        }
    }

    /// Says that nothing more is written, as far as the kernel has room for that.
    pub(crate) fn shut_down(&self) -> io::Result<()> {
        if let Transport::Tls(secured) = self {
            let mut session = secured.session();
            session.send_close_notify();
            match secured.send(&mut session) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        SockRef::from(self.tcp()).shutdown(Shutdown::Write)
    }

    /// Ends both directions at once: who reads finds the end, who writes an error.
    pub(crate) fn cut(&self) {
        // Fails only where it has ended already.
        let _ = SockRef::from(self.tcp()).shutdown(Shutdown::Both);
    }

    fn holds_bytes(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(secured) => secured.holds_bytes.load(Ordering::Acquire),
        }
    }
}

impl Secured {
    /// One task reads and writes; nobody else holds this for longer than a system call.
    fn session(&self) -> MutexGuard<'_, ServerConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session();
        loop {
            match session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without TLS's own goodbye is an end like any other: frames and requests know when they are whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                done => {
                    // A read that fills the buffer may have left something.
                    let may_hold_more = done.as_ref().is_ok_and(|read| *read == buf.len());
                    self.holds_bytes.store(may_hold_more, Ordering::Release);
                    return done;
                }
            }
            self.holds_bytes.store(false, Ordering::Release);
            if session.read_tls(&mut Kernel(&self.tcp))? == 0 {
                return Ok(0);
            }
            let processed = session.process_new_packets();
            // An alert that says why, an answer to a renewal of keys: whatever the protocol has to say by itself.
            let sent = self.send(&mut session);
            processed.map_err(io::Error::other)?;
            if let Err(error) = sent
                && error.kind() != io::ErrorKind::WouldBlock
            {
                return Err(error);
            }
        }
    }

    fn try_write(&self, write: impl FnOnce(&mut ServerConnection) -> io::Result<usize>) -> io::Result<usize> {
        let mut session = self.session();
        self.send(&mut session)?;
        let taken = write(&mut session)?;
        match self.send(&mut session) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Gives the kernel everything that lies encrypted.
    fn send(&self, session: &mut ServerConnection) -> io::Result<()> {
        while session.wants_write() {
            session.write_tls(&mut Kernel(&self.tcp))?;
        }
        Ok(())
    }
}

/// The kernel's end of it, for rustls to read and write.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
