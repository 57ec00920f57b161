//! In which order the addresses of a name are tried: destination address selection (RFC 6724 section 6), and
//! families in turn (RFC 8305 section 4).
//!
//! ```text
//!   addresses, the source that the system would use for each --> rules 1, 2, 5, 6, 8, 9 --> v6 v4 v6 v4 ...
//! ```
//!
//! Rules 3, 4 and 7 are about what a program isn't told: deprecated and home addresses, encapsulation. The order
//! of a resolver's answer decides between equals. Called by `resolve`; finding a source sends nothing.

use std::cmp::{Ordering, Reverse};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// RFC 6724 section 2.1: prefix, its length, precedence, label.
const POLICY: [(Ipv6Addr, u32, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
    // what nothing above is
    (Ipv6Addr::UNSPECIFIED, 0, 40, 1),
];

const LINK_LOCAL: u8 = 0x2;
const SITE_LOCAL: u8 = 0x5;
const GLOBAL: u8 = 0xe;

/// The addresses in the order they are best tried.
pub(super) fn ordered(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if addresses.len() < 2 {
        return addresses;
    }
    let mut pairs: Vec<_> = addresses.into_iter().map(|to| (to, source_for(to))).collect();
    pairs.sort_by(|a, b| preferred((a.0.ip(), a.1), (b.0.ip(), b.1)));
    in_turn(pairs.into_iter().map(|(to, _)| to).collect())
}

/// The address that the system would send from; `None` when there is no way there.
fn source_for(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|from| from.ip())
}

/// Which of two destinations with their sources is to be tried first.
//= rfc6724#6
fn preferred(a: (IpAddr, Option<IpAddr>), b: (IpAddr, Option<IpAddr>)) -> Ordering {
    let key = |(to, from): (IpAddr, Option<IpAddr>)| {
        let (precedence, label) = policy(to);
        (
            // rule 1: avoid unusable destinations
            from.is_none(),
            // rule 2: prefer matching scope
            from.is_some_and(|from| scope(from) != scope(to)),
            // rule 5: prefer matching label
            from.is_some_and(|from| policy(from).1 != label),
            // rule 6: prefer higher precedence
            Reverse(precedence),
            // rule 8: prefer smaller scope
            scope(to),
        )
    };
    key(a).cmp(&key(b)).then_with(|| match (a, b) {
        // rule 9: use the longest matching prefix; of IPv4 it would undo the servers' balancing of load
        ((IpAddr::V6(to_a), Some(IpAddr::V6(from_a))), (IpAddr::V6(to_b), Some(IpAddr::V6(from_b)))) => {
            common_prefix(to_b, from_b).cmp(&common_prefix(to_a, from_a))
        }
        _ => Ordering::Equal,
    })
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Precedence and label.
fn policy(ip: IpAddr) -> (u8, u8) {
    let bits = as_v6(ip).to_bits();
    let within = |prefix: Ipv6Addr, len: u32| {
        let differs = bits ^ prefix.to_bits();
        len == 0 || differs >> (128 - len) == 0
    };
    let row = POLICY.iter().find(|(prefix, len, ..)| within(*prefix, *len));
    row.map_or((40, 1), |(_, _, precedence, label)| (*precedence, *label))
}

//= rfc6724#3.1
//= rfc6724#3.2
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => LINK_LOCAL,
        IpAddr::V4(_) => GLOBAL,
        IpAddr::V6(ip) => match ip.octets() {
            [0xff, second, ..] => second & 0xf,
            [0xfe, second, ..] if second & 0xc0 == 0x80 => LINK_LOCAL,
            [0xfe, second, ..] if second & 0xc0 == 0xc0 => SITE_LOCAL,
            _ if ip.is_loopback() => LINK_LOCAL,
            _ => GLOBAL,
        },
    }
}

/// Bits at the beginning that are the same, of the part that tells networks apart.
fn common_prefix(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros().min(64)
}

/// The families one after the other, the best first, each in its own order.
//= rfc8305#4 the address family of the first SHOULD be followed by an address of the other
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let count = addresses.len();
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for address in addresses {
        if address.is_ipv6() == first { firsts.push(address) } else { others.push(address) }
    }
    let (mut firsts, mut others) = (firsts.into_iter(), others.into_iter());
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        all.extend(firsts.next());
        all.extend(others.next());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Sorts destinations, each with its source after a '<', "-" for none.
    fn sorted(pairs: &[&str]) -> Vec<String> {
        let mut pairs: Vec<_> = pairs
            .iter()
            .map(|pair| {
                let (to, from) = pair.split_once('<').unwrap();
                (ip(to), (from != "-").then(|| ip(from)))
            })
            .collect();
        pairs.sort_by(|a, b| preferred(*a, *b));
        pairs.iter().map(|(to, _)| to.to_string()).collect()
    }

    #[test]
    fn rfc6724_10_2_the_examples() {
        // sources as the examples have them
        for (pairs, wanted) in [
            (["2001:db8:1::1<2001:db8:1::2", "198.51.100.121<169.254.13.78"], ["2001:db8:1::1", "198.51.100.121"]),
            (["2001:db8:1::1<fe80::1", "198.51.100.121<198.51.100.117"], ["198.51.100.121", "2001:db8:1::1"]),
            (["2001:db8:1::1<2001:db8:1::2", "10.1.2.3<10.1.2.4"], ["2001:db8:1::1", "10.1.2.3"]),
            (["2001:db8:1::1<2001:db8:1::2", "fe80::1<fe80::2"], ["fe80::1", "2001:db8:1::1"]),
            (
                ["2001:db8:1::1<2001:db8:1::2", "2001:db8:3ffe::1<2001:db8:3f44::2"],
                ["2001:db8:1::1", "2001:db8:3ffe::1"],
            ),
            (
                ["2002:c633:6401::1<2002:c633:6401::2", "2001:db8:1::1<2001:db8:1::2"],
                ["2001:db8:1::1", "2002:c633:6401::1"],
            ),
            (
                ["2002:c633:6401::1<2002:c633:6401::2", "2001:db8:1::1<2002:c633:6401::2"],
                ["2002:c633:6401::1", "2001:db8:1::1"],
            ),
        ] {
            assert_eq!(sorted(&pairs), wanted, "{pairs:?}");
            let [a, b] = pairs;
            assert_eq!(sorted(&[b, a]), wanted, "{pairs:?} the other way round");
        }
    }

    #[test]
    fn rfc6724_6_each_rule() {
        assert_eq!(sorted(&["2001:db8::1<-", "192.0.2.1<192.0.2.2"]), ["192.0.2.1", "2001:db8::1"], "1");
        assert_eq!(sorted(&["127.0.0.1<127.0.0.1", "::1<::1"]), ["::1", "127.0.0.1"], "6: loopback");
        assert_eq!(sorted(&["fd00::1<2001:db8::2", "192.0.2.1<192.0.2.2"]), ["192.0.2.1", "fd00::1"], "5");
        assert_eq!(sorted(&["192.0.2.9<192.0.2.2", "203.0.113.1<192.0.2.2"]), ["192.0.2.9", "203.0.113.1"], "10");
        assert_eq!(
            sorted(&["203.0.113.1<192.0.2.2", "192.0.2.9<192.0.2.2"]),
            ["203.0.113.1", "192.0.2.9"],
            "no 9 for v4"
        );
    }

    #[test]
    fn rfc6724_2_1_the_policy_table() {
        for (address, wanted) in [
            ("::1", (50, 0)),
            ("2a00::1", (40, 1)),
            ("192.0.2.1", (35, 4)),
            ("2002::1", (30, 2)),
            ("2001::1", (5, 5)),
            ("2001:db8::1", (40, 1)),
            ("fd00::1", (3, 13)),
            ("::2", (1, 3)),
            ("fec0::1", (1, 11)),
            ("3ffe::1", (1, 12)),
        ] {
            assert_eq!(policy(ip(address)), wanted, "{address}");
        }
    }

    #[test]
    fn rfc8305_4_families_take_turns() {
        let at = |text: &str| SocketAddr::new(ip(text), 1);
        let mixed = ["::1", "::2", "::3", "1.1.1.1", "1.1.1.2"].map(at).to_vec();
        assert_eq!(in_turn(mixed), ["::1", "1.1.1.1", "::2", "1.1.1.2", "::3"].map(at));
        let mixed = ["1.1.1.1", "1.1.1.2", "::1"].map(at).to_vec();
        assert_eq!(in_turn(mixed), ["1.1.1.1", "::1", "1.1.1.2"].map(at));
        assert_eq!(in_turn(Vec::new()), []);
    }

    #[test]
    fn nothing_is_lost_whatever_the_machine_has() {
        let all: Vec<SocketAddr> = ["::1", "127.0.0.1", "2001:db8::1", "fe80::1", "192.0.2.1", "ff02::1"]
            .map(|t| SocketAddr::new(ip(t), 9))
            .into();
        let mut sorted = ordered(all.clone());
        assert_eq!(sorted.len(), all.len());
        sorted.sort();
        let mut all = all;
        all.sort();
        assert_eq!(sorted, all);
    }
}
