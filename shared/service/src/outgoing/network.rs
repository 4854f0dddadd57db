//! Which addresses are nobody's but ours: what a request that others have a say in must never reach.
//!
//! From IANA's special-purpose registries (RFC 6890, as of 2025) and what clouds add to them. IPv4 is refused by a list of
//! what is special, IPv6 the other way round: only global unicast is let through, less what is special within it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address and length of each network.
const SPECIAL_V4: [([u8; 4], u8); 17] = [
    ([0, 0, 0, 0], 8),          // this network: Linux takes 0.0.0.0 for itself
    ([10, 0, 0, 0], 8),         // private
    ([100, 64, 0, 0], 10),      // carrier-grade NAT; Alibaba's metadata
    ([127, 0, 0, 0], 8),        // loopback
    ([168, 63, 129, 16], 32),   // Azure's own services, in the middle of what is public
    ([169, 254, 0, 0], 16),     // link-local; most clouds' metadata
    ([172, 16, 0, 0], 12),      // private
    ([192, 0, 0, 0], 24),       // protocol assignments; Oracle's metadata
    ([192, 0, 2, 0], 24),       // documentation
    ([192, 88, 99, 0], 24),     // 6to4 relays
    ([192, 168, 0, 0], 16),     // private
    ([198, 18, 0, 0], 15),      // benchmarks
    ([198, 51, 100, 0], 24),    // documentation
    ([203, 0, 113, 0], 24),     // documentation
    ([224, 0, 0, 0], 4),        // multicast
    ([240, 0, 0, 0], 4),        // reserved
    ([255, 255, 255, 255], 32), // broadcast
];

const SPECIAL_V6: [([u16; 8], u8); 4] = [
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo, ORCHID and their like
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4: holds an IPv4 address, by way of a relay
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// 64:ff9b::/96 (RFC 6052): an IPv4 address by way of NAT64, as DNS64 makes them of every IPv4-only name.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// The address that a connection to this one ends at: an IPv4 address in IPv6's clothes is itself.
pub(super) fn undressed(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let [first @ .., high, low] = v6.segments();
    if first == NAT64 {
        return IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    }
    address
}

/// Whether anybody on the Internet could be meant by it.
pub(super) fn is_public(address: IpAddr) -> bool {
    match undressed(address) {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|(network, bits)| {
            let network = u32::from(Ipv4Addr::from(*network));
            (u32::from(v4) ^ network).leading_zeros() >= u32::from(*bits)
        }),
        IpAddr::V6(v6) => {
            // 2000::/3 is all that was ever assigned as global unicast (RFC 4291, 2.4).
            let is_global_unicast = v6.segments()[0] >> 13 == 1;
            let is_special = |(network, bits): &([u16; 8], u8)| {
                (u128::from(v6) ^ u128::from(Ipv6Addr::from(*network))).leading_zeros() >= u32::from(*bits)
            };
            is_global_unicast && !SPECIAL_V6.iter().any(is_special)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_are(public: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn what_is_special_is_not_public_from_its_first_address_to_its_last() {
        all_are(false, &["0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"]);
        all_are(false, &["127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.0.0", "169.254.169.254"]);
        all_are(false, &["172.16.0.0", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.255.255"]);
        all_are(false, &["198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.255", "100.100.100.200"]);
        all_are(false, &["224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]);
        all_are(
            false,
            &["::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "100::1", "5f00::1"],
        );
        all_are(false, &["2001::1", "2001:1ff:ffff::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1"]);
    }

    #[test]
    fn their_neighbours_are_public() {
        all_are(true, &["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]);
        all_are(true, &["128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0"]);
        all_are(
            true,
            &["172.15.255.255", "172.32.0.0", "192.0.1.0", "192.88.98.255", "192.167.255.255", "192.169.0.0"],
        );
        all_are(true, &["198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8"]);
        all_are(true, &["2001:200::1", "2001:4860:4860::8888", "2001:db7::1", "2003::1", "2606:4700::1111", "3ffe::1"]);
    }

    #[test]
    fn an_ipv4_address_in_ipv6s_clothes_is_itself() {
        all_are(false, &["::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254"]);
        all_are(true, &["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]);
        // Clothes that nobody wears any more, and NAT64 of somebody's own.
        all_are(false, &["::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b:1::8.8.8.8"]);
    }
}
