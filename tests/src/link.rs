//! A stretch of network that can be made bad: a TCP proxy between one process and one broker.
//!
//! A proxy of our own rather than network namespaces with tc: it needs no root, no kernel module and no clean-up, works the
//! same in CI and in a container, and what it does is drawn from the run's seed. What it can't do is lose single packets:
//! TCP would repair that, so a lost packet shows to both ends as what it does here, a pause of a retransmission timeout
//! in which everything behind it waits.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes read at once: what counts as one packet here.
const CHUNK_BYTES: usize = 16 << 10;
/// Chunks under way in one direction at most; a sender of more waits, as for a full window.
const CHUNKS_MAX: usize = 256;

/// What a link does with what is sent over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Hands it on at once.
    Clear,
    /// Hands everything on this much later, in each direction, and by chance up to half of that again.
    Slow(Duration),
    /// Loses one chunk in so many: it comes a retransmission timeout later, and all behind it as late.
    Lossy(u32),
    /// Hands nothing on, and doesn't say so: a partition.
    Silent,
    /// Ends every connection, and every new one as soon as it is made.
    Cut,
}

/// Linux's shortest retransmission timeout (TCP_RTO_MIN).
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// A link to one address. Dropped, it ends, with all connections over it.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// Opens a link to `target`, which need not listen yet.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn open(target: String, seed: u64) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port can be had");
        let address = listener.local_addr().expect("a bound socket has an address");
        let weather = watch::Sender::new(Weather::Clear);
        let accepting = tokio::spawn(accept(listener, target, weather.subscribe(), seed));
        Link { address, weather, accepting }
    }

    /// Where to connect instead of the target, as `address:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes what happens on it, for connections that there are too.
    pub fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.weather.send_replace(Weather::Cut);
    }
}

async fn accept(listener: TcpListener, target: String, weather: watch::Receiver<Weather>, seed: u64) {
    let mut number = 0;
    while let Ok((near, _)) = listener.accept().await {
        number += 1;
        let choices = StdRng::seed_from_u64(seed.wrapping_add(number));
        let (target, weather) = (target.clone(), weather.clone());
        tokio::spawn(async move {
            // A broken connection shows at both its ends; here there is nothing to do about it.
            let _ = carry(near, &target, weather, choices).await;
        });
    }
}

/// One connection, until either end closes it or the link is cut.
async fn carry(
    near: TcpStream,
    target: &str,
    mut weather: watch::Receiver<Weather>,
    mut choices: StdRng,
) -> io::Result<()> {
    if *weather.borrow() == Weather::Cut {
        return Ok(());
    }
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let back = StdRng::seed_from_u64(choices.random());
    tokio::select! {
        ended = pump(near_in, far_out, weather.clone(), choices) => ended,
        ended = pump(far_in, near_out, weather.clone(), back) => ended,
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => Ok(()),
    }
}

/// One direction. Reads on while earlier chunks are still under way, so that latency costs no throughput.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    mut choices: StdRng,
) -> io::Result<()> {
    let (sent, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let now = weather.clone();
    let reading = async {
        let mut due = Instant::now();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            let delay = match *now.borrow() {
                Weather::Slow(delay) => delay.mul_f64(choices.random_range(1.0..1.5)),
                Weather::Lossy(one_in) if choices.random_ratio(1, one_in) => RETRANSMISSION,
                _ => Duration::ZERO,
            };
            due = due.max(Instant::now() + delay);
            if sent.send((due, chunk[..length].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((due, chunk)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            // Fails when the link is gone, and then this is about to end.
            let _ = weather.wait_for(|weather| *weather != Weather::Silent).await.is_ok();
            to.write_all(&chunk).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    /// Somebody who says everything back, and a link to them.
    async fn echo() -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut input, mut output) = socket.split();
                    let _ = tokio::io::copy(&mut input, &mut output).await;
                });
            }
        });
        Link::open(target, 1).await
    }

    async fn call(socket: &mut TcpStream, word: &[u8]) -> io::Result<Duration> {
        let began = Instant::now();
        socket.write_all(word).await?;
        let mut heard = vec![0; word.len()];
        socket.read_exact(&mut heard).await?;
        assert_eq!(heard, word);
        Ok(began.elapsed())
    }

    #[tokio::test]
    async fn a_slow_link_is_slow_both_ways_and_a_lossy_one_loses_nothing_for_good() {
        let link = echo().await;
        let mut socket = TcpStream::connect(link.address()).await.unwrap();
        call(&mut socket, b"clear").await.unwrap();
        link.turn(Weather::Slow(Duration::from_millis(50)));
        assert!(call(&mut socket, b"slow").await.unwrap() >= Duration::from_millis(100));
        link.turn(Weather::Lossy(2));
        let mut late = 0;
        for number in 0..20_u32 {
            late += u32::from(call(&mut socket, &number.to_be_bytes()).await.unwrap() >= RETRANSMISSION);
        }
        assert!(late > 0, "nothing was lost");
    }

    #[tokio::test]
    async fn a_silent_link_keeps_what_was_said_and_a_cut_one_ends_the_connection() {
        let link = echo().await;
        let mut socket = TcpStream::connect(link.address()).await.unwrap();
        call(&mut socket, b"clear").await.unwrap();
        link.turn(Weather::Silent);
        let silence = tokio::time::timeout(Duration::from_millis(200), call(&mut socket, b"kept")).await;
        assert!(silence.is_err(), "{silence:?}");
        link.turn(Weather::Clear);
        let mut kept = [0; 4];
        tokio::time::timeout(BOUND, socket.read_exact(&mut kept)).await.expect("in time").unwrap();
        assert_eq!(&kept, b"kept");

        link.turn(Weather::Cut);
        let ended = tokio::time::timeout(BOUND, socket.read(&mut kept)).await.expect("in time");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        let mut refused = TcpStream::connect(link.address()).await.unwrap();
        assert!(call(&mut refused, b"cut").await.is_err());
    }
}
