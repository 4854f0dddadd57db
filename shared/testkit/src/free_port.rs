//! A loopback port that nobody listens on, and that no outgoing connection will take by chance.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below Linux's ephemeral range (32768 on): a client that reconnects to a stopped server in that range can be given the
/// server's own port as its source, connect to itself, and keep the server from ever coming back.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that was free on 127.0.0.1 a moment ago.
///
/// Never the same twice in one process; another process may still take it first, so whoever binds it must be ready to try
/// again.
///
/// # Panics
/// When not one port of the range is free.
pub fn free_port() -> u16 {
    let width = RANGE.end - RANGE.start;
    // Processes that start together begin at different places; 6151 has no factor in common with the range's width, so
    // the walk meets every port.
    let start = (u64::from(std::process::id()) * 7919 % u64::from(width)) as u16;
    for _ in 0..width {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (u32::from(start) + step * 6151) % u32::from(width);
        let port = RANGE.start + offset as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {} and {} on 127.0.0.1", RANGE.start, RANGE.end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_distinct_and_below_the_ephemeral_range() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
    }
}
