//! Any address and any text: as the standard library has it, where it has it; prefixes against a model of single bits.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Option<SockAddr46> {
    text.parse().ok()
}

fn v4(bits: u32) -> SockAddr46 {
    SockAddr46::from(SocketAddr::new(Ipv4Addr::from(bits).into(), 0))
}

fn v6(bits: u128) -> SockAddr46 {
    SockAddr46::from(SocketAddr::new(Ipv6Addr::from(bits).into(), 0))
}

/// Addresses with runs of zeroes, v4-mapped and link-local ones among them.
fn any_v6() -> impl Strategy<Value = u128> {
    let groups = prop::array::uniform8(prop_oneof![3 => Just(0), 2 => 0..=u16::MAX, 1 => Just(0xffff)]);
    prop_oneof![
        4 => groups.prop_map(|groups| Ipv6Addr::from(groups).to_bits()),
        1 => any::<u32>().prop_map(|bits| (0xffff << 32) | u128::from(bits)),
        1 => any::<u64>().prop_map(|bits| (0xfe80 << 112) | u128::from(bits)),
        1 => any::<u128>(),
    ]
}

fn any_address() -> impl Strategy<Value = SockAddr46> {
    prop_oneof![any::<u32>().prop_map(v4), any_v6().prop_map(v6)]
}

/// An address near another, so that prefixes differ late as well as early.
fn any_pair() -> impl Strategy<Value = (SockAddr46, SockAddr46)> {
    prop_oneof![
        (any::<u32>(), 0..=32_u32).prop_map(|(bits, at)| (v4(bits), v4(bits ^ 1_u32.checked_shl(at).unwrap_or(0)))),
        (any_v6(), 0..=128_u32).prop_map(|(bits, at)| (v6(bits), v6(bits ^ 1_u128.checked_shl(at).unwrap_or(0)))),
        (any_address(), any_address()),
        any::<u32>().prop_map(|bits| (v4(bits), v6((0xffff << 32) | u128::from(bits)))),
    ]
}

/// An address as its family and its bits, one by one.
fn bits(address: SockAddr46) -> Vec<bool> {
    let bytes: Vec<u8> = match address.ip() {
        IpAddr::V4(ip) => ip.octets().into(),
        IpAddr::V6(ip) => ip.octets().into(),
    };
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1)).collect()
}

/// What `on_net` says, from single bits.
fn on_net(address: SockAddr46, net: SockAddr46, prefix: u8) -> bool {
    let mapped = |address: SockAddr46| {
        let bits = bits(address);
        bits.len() == 128 && bits[..80].iter().all(|bit| !bit) && bits[80..96].iter().all(|bit| *bit)
    };
    let address = if mapped(address) { bits(address)[96..].to_vec() } else { bits(address) };
    let (net, prefix) = match mapped(net) {
        true if prefix >= 96 => (bits(net)[96..].to_vec(), usize::from(prefix) - 96),
        _ => (bits(net), usize::from(prefix)),
    };
    address.len() == net.len() && prefix <= net.len() && address[..prefix] == net[..prefix]
}

/// Forms of a v6 address: all groups, padded or not, upper case, a run of zeroes left out, the last two as v4.
fn forms(ip: Ipv6Addr) -> Vec<String> {
    let groups = ip.segments();
    let text = |pad: bool| groups.map(|group| if pad { format!("{group:04x}") } else { format!("{group:x}") });
    let mut all = vec![text(false).join(":"), text(true).join(":"), text(true).join(":").to_uppercase()];
    for start in 0..8 {
        for end in start + 1..=8 {
            if groups[start..end].iter().all(|&group| group == 0) {
                let text = text(false);
                all.push(format!("{}::{}", text[..start].join(":"), text[end..].join(":")));
            }
        }
    }
    let [.., a, b, c, d] = ip.octets();
    all.push(format!("{}:{a}.{b}.{c}.{d}", text(false)[..6].join(":")));
    all
}

proptest! {
    #[test]
    fn v4_is_written_and_read_as_by_std(bits: u32) {
        let ip = Ipv4Addr::from(bits);
        prop_assert_eq!(v4(bits).to_string(), ip.to_string());
        prop_assert_eq!(parse(&ip.to_string()), Some(v4(bits)));
    }

    #[test]
    fn v6_is_written_and_read_as_by_std_in_each_of_its_forms(bits in any_v6()) {
        let ip = Ipv6Addr::from(bits);
        prop_assert_eq!(v6(bits).to_string(), ip.to_string());
        for form in forms(ip) {
            prop_assert_eq!(parse(&form), Some(v6(bits)), "{}", form);
            prop_assert_eq!(parse(&format!("[{form}]")), Some(v6(bits)), "{}", form);
        }
    }

    #[test]
    fn texts_are_addresses_where_std_says_so(text in "[0-9a-fA-F:.]{0,24}|([0-9]{1,3}\\.){3}[0-9]{1,3}|([0-9a-f]{0,4}:){2,8}[0-9a-f]{0,5}") {
        let std = text.parse::<IpAddr>().ok();
        prop_assert_eq!(parse(&text).map(SockAddr46::ip), std, "{}", &text);
        let bracketed = parse(&format!("[{text}]")).map(SockAddr46::ip);
        prop_assert_eq!(bracketed, std.filter(IpAddr::is_ipv6), "[{}]", &text);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = parse(&text);
        let _ = parse(&format!("fe80::1%{text}"));
    }

    #[test]
    fn rfc4007_11_zones_go_round_where_there_are_zones(low: u64, zone in 1..=u32::MAX, bits in any_v6()) {
        let text = format!("{}%{zone}", Ipv6Addr::from((0xfe80 << 112) | u128::from(low)));
        let address = parse(&text).expect("link-local");
        prop_assert_eq!(address.to_string(), text.clone());
        prop_assert_eq!(parse(&format!("[{text}]")), Some(address));
        let SocketAddr::V6(std) = SocketAddr::from(address) else { panic!("v6") };
        prop_assert_eq!(std.scope_id(), zone);
        let ip = Ipv6Addr::from(bits);
        let first = ip.segments()[0];
        let has_zone = first & 0xffc0 == 0xfe80 || matches!(first & 0xff0f, 0xff01 | 0xff02);
        prop_assert_eq!(parse(&format!("{ip}%{zone}")).is_some(), has_zone, "{}", ip);
    }

    #[test]
    fn bytes_go_round_and_are_in_network_order(address in any_address(), other in prop::collection::vec(any::<u8>(), 0..20)) {
        let mut buf = [0; 16];
        let bytes = address.write_bytes(&mut buf).to_vec();
        prop_assert_eq!(SockAddr46::from_bytes(&bytes), Some(address));
        let std = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        prop_assert_eq!(bytes, std);
        prop_assert_eq!(SockAddr46::from_bytes(&other).is_some(), matches!(other.len(), 4 | 16));
    }

    #[test]
    fn nets_are_what_single_bits_say((address, net) in any_pair(), prefix: u8) {
        let widths = if net.ip().is_ipv4() { 0..=33 } else { 0..=129 };
        for prefix in widths.chain([prefix]) {
            prop_assert_eq!(address.on_net(net, prefix), on_net(address, net, prefix), "{} {}/{}", address, net, prefix);
        }
        let whole = if address.ip().is_ipv4() { 32 } else { 128 };
        prop_assert!(address.on_net(address, whole));
    }

    #[test]
    fn addresses_are_in_one_order(a in any_address(), b in any_address(), c in any_address(), port: u16) {
        prop_assert_eq!(a.compare_ads(b), b.compare_ads(a).reverse());
        prop_assert_eq!(a.with_port(port).compare_ads(b), a.compare_ads(b));
        let same = a.canonical().ip() == b.canonical().ip();
        prop_assert_eq!(a.compare_ads(b) == Ordering::Equal, same);
        if a.compare_ads(b) != Ordering::Greater && b.compare_ads(c) != Ordering::Greater {
            prop_assert_ne!(a.compare_ads(c), Ordering::Greater);
        }
    }
}

#[test]
fn a_net_with_a_zone_is_of_that_link() {
    let [one, two, none] = ["fe80::1%1", "fe80::1%2", "fe80::1"].map(|text| parse(text).expect("an address"));
    assert!(one.on_net(one, 64) && one.on_net(none, 64) && none.on_net(none, 128));
    assert!(!two.on_net(one, 10) && !none.on_net(one, 10));
}

#[test]
fn no_v6_net_but_the_mapped_one_has_v4_on_it() {
    let a = |text: &str| parse(text).expect("an address");
    assert!(a("::ffff:10.1.2.3").on_net(a("10.0.0.0"), 8));
    assert!(a("10.1.2.3").on_net(a("::ffff:10.0.0.0"), 104));
    assert!(!a("10.1.2.3").on_net(a("::ffff:10.0.0.0"), 95) && !a("10.1.2.3").on_net(a("::"), 0));
    assert!(!a("::1").on_net(a("0.0.0.0"), 0) && !a("10.1.2.3").on_net(a("10.1.2.3"), 33));
}

/// What C's parser takes, and one of each of the faults that it has a number for.
#[test]
fn what_c_takes_and_refuses() {
    for (text, bytes) in [
        ("127.0.0.1", &[127, 0, 0, 1][..]),
        ("1.2.3.4", &[1, 2, 3, 4]),
        ("255.255.255.255", &[255; 4]),
        ("::1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("0:0::0:1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("2001:db8::abcd", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd]),
        ("::ffff:10.1.2.3", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3]),
    ] {
        let mut buf = [0; 16];
        assert_eq!(parse(text).expect("an address").write_bytes(&mut buf), bytes, "{text}");
    }
    for text in ["1.1", "1.1.1", "1.1.1.1.1", "256.1.1.1", "-1.1.1.1", ":::1", "0:0:0:0:0:0:0:0:1", "12345::", "1::2::"]
    {
        assert_eq!(parse(text), None, "{text}");
    }
}
