//! A device whose clock begins in 1970 and whose network comes late: certificates are refused by its own clock
//! and accepted by that which NTP servers tell.

use crate::bench::*;
use crate::certs::Ca;
use lws_roles as lws;

use lws::dns::{AsyncDns, DnsSettings};
use lws::ntp::wire::{PACKET, Timestamp};
use lws::ntp::{NtpClient, NtpSettings};
use lws::tls::ClientTls;
use lws::{ConnectInfo, MemoryOptions, MemoryUdpPeer, StateVerdict, SystemState};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// 2026-11-23.
const TRUE_US: u64 = 1_795_392_000_000_000;

/// Answers whoever has asked.
fn answer(b: &mut Bench, server: MemoryUdpPeer) {
    let now = TRUE_US + b.context.now_us();
    while let Some((from, request)) = b.net().peer_udp_receive(server) {
        let mut packet = [0; PACKET];
        packet[..2].copy_from_slice(&[0b00_100_100, 1]);
        packet[24..32].copy_from_slice(&request[40..]);
        for at in [32, 40] {
            packet[at..at + 8].copy_from_slice(&Timestamp::from_unix_us(now).0.to_be_bytes());
        }
        b.net().peer_udp_send(server, from, &packet);
    }
}

#[test]
fn rfc5280_6_1_certificates_are_judged_by_the_time_that_was_told() {
    let at: SocketAddr = ([192, 0, 2, 1], 123).into();
    let ntp = NtpClient::new(NtpSettings::default().servers([at.to_string()])).unwrap();
    let reached = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&reached);
    let builder = lws::context()
        .memory(MemoryOptions { wall_epoch_us: 0, ..kind() })
        .system_protocol(ntp)
        .system_notifier("test", move |context, change| {
            if change.has_reached(change.target) {
                heard.borrow_mut().push((change.current, context.wall_us() >= TRUE_US));
            }
            StateVerdict::Pass
        });
    let mut b = Bench::built(builder, trusting(), |log| vec![site("localhost", log)]);
    b.run();
    let refused = b.fetch(https("/hello"));
    assert!(refused.errors.len() == 1 && refused.errors[0].contains("not yet valid"), "{refused:?}");
    // nobody answers, for a while
    b.elapse(Duration::from_secs(60));
    assert!(!reached.borrow().iter().any(|(state, _)| *state >= SystemState::TimeValid), "{reached:?}");
    let server = b.net().peer_udp_bind(at).unwrap();
    while b.context.system_state() != SystemState::Operational {
        assert!(b.context.now_us() < 120_000_000, "it never comes: {:?}", b.context.system_state());
        b.context.service(Some(Duration::from_millis(1))).unwrap();
        answer(&mut b, server);
    }
    assert!(reached.borrow().contains(&(SystemState::TimeValid, true)), "{reached:?}");
    b.fetch(https("/hello")).completed();
}

/// Says where each name is: 192.0.2.1 for type A, nowhere for others.
fn name(b: &mut Bench, server: MemoryUdpPeer) {
    while let Some((from, query)) = b.net().peer_udp_receive(server) {
        let end = 12 + query[12..].iter().position(|&byte| byte == 0).expect("a name") + 5;
        let is_a = query[end - 3] == 1;
        let mut packet = query[..end].to_vec();
        packet[2..4].copy_from_slice(&[0x81, 0x80]);
        packet[6..12].copy_from_slice(&[0, u8::from(is_a), 0, 0, 0, 0]);
        if is_a {
            packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        }
        b.net().peer_udp_send(server, from, &packet);
    }
}

/// A network on which every datagram is lost, or none.
fn network(up: bool) -> MemoryOptions {
    MemoryOptions { wall_epoch_us: 0, datagram_loss_ppm: if up { 0 } else { 1_000_000 }, ..kind() }
}

#[test]
fn from_1970_and_no_network_to_operational_and_a_page_by_https() {
    let [resolver, clock]: [SocketAddr; 2] = [([192, 0, 2, 53], 53).into(), ([192, 0, 2, 1], 123).into()];
    let dns = DnsSettings::new().resolv_conf(None).hosts(None).server(resolver);
    let ntp = NtpClient::new(NtpSettings::default().servers(["time.example"])).unwrap();
    let builder = lws::context().memory(network(false)).async_resolver(AsyncDns::new(dns)).system_protocol(ntp);
    let ca = Ca::new("the test's");
    let trusting = ClientTls::new().os_roots(false).ca_memory(ca.pem().as_bytes());
    let tls = ca.server(&["www.example"]).server();
    let mut b = Bench::built(builder, trusting, |log| vec![plain_site("www.example", log).tls(tls)]);
    let page = || ConnectInfo::new("www.example", 443).method("GET").path("/hello").tls();
    let (names, times) = (b.net().peer_udp_bind(resolver).unwrap(), b.net().peer_udp_bind(clock).unwrap());

    // nobody is heard: a page can't even be asked for, and it doesn't end in a state that knows the time
    let early = b.begin(page(), Default::default());
    b.elapse(Duration::from_secs(300));
    let early = b.talk(early);
    assert!(early.errors.len() == 1 && early.errors[0].contains("www.example"), "{early:?}");
    assert!(b.context.system_state() < SystemState::TimeValid);
    assert!(b.context.wall_us() < 1_000_000_000, "1970");

    // it comes up, by itself as far as the program goes
    b.net().set_options(network(true));
    let began = b.context.now_us();
    while b.context.system_state() != SystemState::Operational {
        assert!(b.context.now_us() - began < 600_000_000, "it never comes: {:?}", b.context.system_state());
        b.context.service(Some(Duration::from_millis(1))).unwrap();
        name(&mut b, names);
        answer(&mut b, times);
    }
    assert!(b.context.wall_us() >= TRUE_US);
    let key = b.begin(page(), Default::default());
    for _ in 0..1_000 {
        b.context.service(Some(Duration::from_millis(1))).unwrap();
        name(&mut b, names);
    }
    b.talk(key).completed();
}
