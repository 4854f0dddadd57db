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
use tokio::io::Interest;
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
            Transport::Plain(tcp) => take(tcp, buf),
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

/// Reads from the kernel.
///
/// A read that leaves room in the buffer has taken all there was: the socket counts as empty at once, as after Tokio's own
/// `poll_read`, where its `try_read` needs another system call to find that out. What comes later is told anew
/// (edge-triggered epoll).
fn take(tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    let mut taken = None;
    let tried = tcp.try_io(Interest::READABLE, || {
        let read = (&*SockRef::from(tcp)).read(buf)?;
        taken = Some(read);
        let is_drained = cfg!(target_os = "linux") && (1..buf.len()).contains(&read);
        if is_drained { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(read) }
    });
    taken.map_or(tried, Ok)
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
        take(self.0, buf)
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

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt;
    use klatch_testkit::Authority;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::*;
    use crate::tls::{Certificate, TlsConfig};

    const BOUND: Duration = Duration::from_secs(30);

    /// Both ends of a connection under TLS.
    pub(crate) async fn connected(authority: &Authority) -> (Transport, TlsStream<TcpStream>) {
        let folder = tempfile::tempdir().unwrap();
        let files = authority.issue(folder.path(), "edge");
        let config = TlsConfig { cert: Some(files.cert), key: Some(files.key), ..TlsConfig::default() };
        let certificate = Certificate::open(&config).unwrap().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let connector = TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = async {
            let tcp = TcpStream::connect(address).await.unwrap();
            connector.connect(ServerName::from(address.ip()), tcp).await.unwrap()
        };
        let server = async { certificate.secure(listener.accept().await.unwrap().0).await.unwrap() };
        tokio::join!(server, client)
    }

    /// Reads so many bytes, within a bound.
    pub(crate) async fn drain(client: &mut TlsStream<TcpStream>, bytes: usize) {
        let mut read = vec![0; bytes];
        tokio::time::timeout(BOUND, client.read_exact(&mut read)).await.expect("all that was written").unwrap();
    }

    /// Both ends of a plain connection.
    async fn plain() -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Transport::Plain(accepted.unwrap().0), client.unwrap())
    }

    async fn read(server: &Transport, piece: &mut [u8]) -> usize {
        tokio::time::timeout(BOUND, server.readable()).await.expect("something to read").unwrap();
        server.try_read(piece).unwrap()
    }

    #[tokio::test]
    async fn a_read_that_leaves_room_says_that_there_is_nothing_more() {
        let (server, mut client) = plain().await;
        client.write_all(b"one").await.unwrap();
        assert_eq!(read(&server, &mut [0; 100]).await, 3);
        assert!(server.readable().now_or_never().is_none(), "the socket is asked once more for nothing");
        client.write_all(b"two").await.unwrap();
        assert_eq!(read(&server, &mut [0; 100]).await, 3, "what comes later is told");
    }

    #[tokio::test]
    async fn a_read_that_fills_the_buffer_may_have_left_something() {
        let (server, mut client) = plain().await;
        client.write_all(&[7; 150]).await.unwrap();
        assert_eq!(read(&server, &mut [0; 100]).await, 100);
        assert_eq!(read(&server, &mut [0; 100]).await, 50);
    }

    #[tokio::test]
    async fn an_end_right_behind_the_last_bytes_is_read() {
        let (server, mut client) = plain().await;
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(read(&server, &mut [0; 100]).await, 4);
        assert_eq!(read(&server, &mut [0; 100]).await, 0);
    }

    #[tokio::test]
    async fn what_lies_decrypted_is_read_though_the_kernel_has_nothing_more() {
        let (server, mut client) = connected(&Authority::new()).await;
        client.write_all(&[7; 10_000]).await.unwrap();
        client.flush().await.unwrap();
        let (mut read, mut piece) = (0, [0; 100]);
        while read < 10_000 {
            tokio::time::timeout(BOUND, server.readable()).await.expect("something to read").unwrap();
            match server.try_read(&mut piece) {
                Ok(some) => {
                    read += some;
                    // The kernel's readiness is used up, as by somebody who asks it once more.
                    let Transport::Tls(secured) = &server else { panic!("not under TLS") };
                    assert_eq!(secured.tcp.try_read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    #[tokio::test]
    async fn an_end_is_an_end_with_a_goodbye_and_without() {
        for says_goodbye in [true, false] {
            let (server, mut client) = connected(&Authority::new()).await;
            if says_goodbye {
                client.shutdown().await.unwrap();
            } else {
                drop(client);
            }
            let ended = async {
                loop {
                    server.readable().await.unwrap();
                    match server.try_read(&mut [0; 100]) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        done => return done,
                    }
                }
            };
            match tokio::time::timeout(BOUND, ended).await.expect("an end") {
                Ok(read) => assert_eq!(read, 0),
                // It left without having read what the handshake ends with.
                Err(error) => assert!(!says_goodbye && error.kind() == io::ErrorKind::ConnectionReset, "{error}"),
            }
        }
    }
}
