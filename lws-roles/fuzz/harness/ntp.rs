//! Bytes as the reply to an NTP request: 8 bytes of what was sent, 4 of how long it took, the packet.

use lws_roles::ntp::wire::{PACKET, Packet, Refused, request};
use std::time::Duration;

pub(crate) fn run(data: &[u8]) {
    let Some((nonce, rest)) = data.split_first_chunk::<8>() else { return };
    let Some((elapsed, packet)) = rest.split_first_chunk::<4>() else { return };
    let (nonce, elapsed) = (u64::from_be_bytes(*nonce), Duration::from_micros(u32::from_be_bytes(*elapsed).into()));
    let parsed = Packet::parse(packet);
    assert_eq!(parsed.is_some(), packet.len() >= PACKET);
    let Some(parsed) = parsed else { return };
    let told = parsed.time(nonce, elapsed);
    if let Ok(told) = told {
        assert_eq!(parsed.origin.0, nonce, "it answers us");
        assert!(told.within <= Duration::from_millis(1500) && told.within >= parsed.root_delay / 2);
        assert!(told.wall_us >= parsed.transmit.unix_us());
        let soon = parsed.time(nonce ^ 1, elapsed);
        assert_eq!(soon, Err(Refused::Bogus), "nobody else");
    }
    assert!(Packet::parse(&request(nonce)).is_some_and(|own| own.time(nonce, elapsed).is_err()), "not to ourselves");
}
