//! A device whose clock begins in 1970 and whose network comes late: certificates are refused by its own clock
//! and accepted by that which NTP servers tell.

use crate::bench::*;
use lws_roles as lws;

use lws::ntp::wire::{PACKET, Timestamp};
use lws::ntp::{NtpClient, NtpSettings};
use lws::{MemoryOptions, MemoryUdpPeer, StateVerdict, SystemState};
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
