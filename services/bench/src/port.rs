//! Loopback ports for servers, and loopback addresses for clients.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below Linux's ephemeral ports (32768 on), so that no outgoing connection takes one by chance.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// Clients come from so many addresses: one has 28,000 ports to come from, and a closed connection keeps its port for a
/// minute (TIME_WAIT).
const CLIENT_ADDRESSES: usize = 16;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that was free on 127.0.0.1 a moment ago; none where all are taken.
pub(crate) fn free() -> Option<u16> {
    let width = RANGE.end - RANGE.start;
    // Processes that start together begin at different places. 6151 has no factor in common with the width: the walk
    // meets every port.
    let start = u64::from(std::process::id()) * 7919;
    (0..width).find_map(|_| {
        let step = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((start + step * 6151) % u64::from(width)).ok()?;
        let port = RANGE.start + offset;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

/// Where the client of this number comes from.
pub(crate) fn source(client: usize) -> IpAddr {
    let host = u8::try_from(2 + client % CLIENT_ADDRESSES).unwrap_or(2);
    Ipv4Addr::new(127, 0, 0, host).into()
}
