//! Requests byte by byte, replies with each thing wrong that can be, and the eras.

use super::*;
use proptest::prelude::*;

const NONCE: u64 = 0x0123_4567_89ab_cdef;
/// 2026-01-01.
const NOW_US: u64 = 1_767_225_600_000_000;
const MS: Duration = Duration::from_millis(1);

/// A good reply by a server that needed 2 ms.
fn reply() -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[..4].copy_from_slice(&[0b00_100_100, 2, 6, 0xec]);
    packet[4..8].copy_from_slice(&0x0000_1000_u32.to_be_bytes()); // 1/16 s
    packet[8..12].copy_from_slice(&0x0000_0800_u32.to_be_bytes()); // 1/32 s
    packet[12..16].copy_from_slice(&[192, 0, 2, 1]);
    set(&mut packet, 16, Timestamp::from_unix_us(NOW_US - 60_000_000));
    set(&mut packet, 24, Timestamp(NONCE));
    set(&mut packet, 32, Timestamp::from_unix_us(NOW_US - 2_000));
    set(&mut packet, 40, Timestamp::from_unix_us(NOW_US));
    packet
}

fn set(packet: &mut [u8], at: usize, time: Timestamp) {
    packet[at..at + 8].copy_from_slice(&time.0.to_be_bytes());
}

fn judged(change: impl FnOnce(&mut [u8; PACKET]), elapsed: Duration) -> Result<u64, Refused> {
    let mut packet = reply();
    change(&mut packet);
    Packet::parse(&packet).unwrap().time(NONCE, elapsed).map(|told| told.wall_us)
}

#[test]
fn rfc5905_7_3_a_request_is_a_client_s_and_tells_nothing_but_its_nonce() {
    let packet = request(NONCE);
    assert_eq!(packet[0], 0x23);
    assert!(packet[1..40].iter().all(|&byte| byte == 0));
    assert_eq!(packet[40..], NONCE.to_be_bytes());
    let parsed = Packet::parse(&packet).unwrap();
    assert_eq!((parsed.leap, parsed.version, parsed.mode, parsed.transmit), (0, 4, 3, Timestamp(NONCE)));
    assert_eq!(parsed.time(NONCE, MS), Err(Refused::NotAReply), "our own, reflected");
}

#[test]
fn rfc5905_8_the_time_is_the_servers_and_half_of_the_way_back() {
    let us = judged(|_| {}, 22 * MS).unwrap();
    // timestamps are a little less than a microsecond exact
    assert!(us.abs_diff(NOW_US + 10_000) <= 1, "{us}");
    let parsed = Packet::parse(&reply()).unwrap();
    assert_eq!((parsed.root_delay, parsed.root_dispersion), (62_500 * MS / 1000, 31_250 * MS / 1000));
    let longer = [&reply()[..], &[9; 20]].concat();
    assert_eq!(Packet::parse(&longer), Some(parsed), "extension fields and a MAC");
    assert_eq!(Packet::parse(&longer[..47]), None);
}

#[test]
fn rfc5905_8_an_origin_that_is_not_the_requests_is_bogus_whatever_else_it_says() {
    assert_eq!(judged(|p| p[31] ^= 1, 22 * MS), Err(Refused::Bogus));
    let kiss = |p: &mut [u8; PACKET]| {
        p[1] = 0;
        p[24..32].fill(0);
    };
    assert_eq!(judged(kiss, 22 * MS), Err(Refused::Bogus), "a forger's kiss");
}

#[test]
fn rfc5905_7_4_stratum_0_is_a_kiss_with_its_code() {
    let kiss = |p: &mut [u8; PACKET]| {
        p[1] = 0;
        p[12..16].copy_from_slice(b"RATE");
    };
    let refused = judged(kiss, 22 * MS).unwrap_err();
    assert_eq!((refused, refused.to_string()), (Refused::KissOfDeath(*b"RATE"), "kiss-o'-death RATE".to_owned()));
}

#[test]
fn a_server_that_does_not_know_the_time_is_not_asked_for_it() {
    for wrong in [
        |p: &mut [u8; PACKET]| p[0] |= 0xc0,
        |p: &mut [u8; PACKET]| p[1] = 16,
        |p: &mut [u8; PACKET]| p[1] = 255,
        |p: &mut [u8; PACKET]| p[40..].fill(0),
    ] {
        assert_eq!(judged(wrong, 22 * MS), Err(Refused::Unsynchronised));
    }
    assert!(judged(|p| p[1] = 15, 22 * MS).is_ok());
    assert!(judged(|p| p[0] |= 0x40, 22 * MS).is_ok(), "a leap second ahead");
}

#[test]
fn other_modes_and_versions_are_no_replies() {
    for first in [0b00_100_101, 0b00_100_011, 0b00_100_110, 0b00_000_100, 0b00_101_100] {
        assert_eq!(judged(|p| p[0] = first, 22 * MS), Err(Refused::NotAReply), "{first:#b}");
    }
    assert!(judged(|p| p[0] = 0b00_011_100, 22 * MS).is_ok(), "version 3");
}

#[test]
fn times_that_contradict_each_other_are_refused() {
    let later = Timestamp::from_unix_us(NOW_US + 1_000_000);
    assert_eq!(judged(|p| set(p, 32, later), 22 * MS), Err(Refused::Inconsistent), "received after it was answered");
    assert_eq!(judged(|p| set(p, 16, later), 22 * MS), Err(Refused::Inconsistent), "set after it was told");
    assert!(judged(|p| p[16..24].fill(0), 22 * MS).is_ok(), "a server needn't say when its clock was set");
    let earlier = Timestamp::from_unix_us(NOW_US - 500_000);
    assert_eq!(judged(|p| set(p, 32, earlier), 22 * MS), Err(Refused::Inconsistent), "took longer than we waited");
    assert!(judged(|_| {}, 1500 * MS / 1000).is_ok(), "by a clock's grain only");
}

#[test]
fn rfc5905_11_2_a_root_too_far_away_is_not_believed() {
    let delay = |p: &mut [u8; PACKET]| p[4..8].copy_from_slice(&0x0003_0000_u32.to_be_bytes());
    assert!(matches!(judged(delay, 22 * MS), Err(Refused::TooFar(_))));
    let dispersion = |p: &mut [u8; PACKET]| p[8..12].copy_from_slice(&0x0001_8000_u32.to_be_bytes());
    assert!(matches!(judged(dispersion, 22 * MS), Err(Refused::TooFar(_))));
    assert!(matches!(judged(|_| {}, 2900 * MS), Err(Refused::TooFar(_))), "nor is a way too long");
    assert!(judged(|_| {}, 2800 * MS).is_ok());
}

#[test]
fn rfc5905_6_eras_roll_over_in_2036() {
    // 2036-02-07 06:28:16 UTC is second 0 of era 1
    const ROLLS: u64 = 2_085_978_496;
    assert_eq!(Timestamp(0).unix_us(), ROLLS * 1_000_000);
    assert_eq!(Timestamp(u64::from(u32::MAX) << 32).unix_us(), (ROLLS - 1) * 1_000_000);
    assert_eq!(Timestamp(1 << 31).unix_us(), ROLLS * 1_000_000 + 500_000);
    assert_eq!(Timestamp((PIVOT + UNIX_EPOCH) << 32).unix_us(), PIVOT * 1_000_000);
    // a request before and a reply after it
    let (before, after) = (ROLLS * 1_000_000 - 1_000, ROLLS * 1_000_000 + 1_000);
    let rolled = |p: &mut [u8; PACKET]| {
        set(p, 16, Timestamp::from_unix_us(before - 1_000_000));
        set(p, 32, Timestamp::from_unix_us(before));
        set(p, 40, Timestamp::from_unix_us(after));
    };
    let us = judged(rolled, 22 * MS).unwrap();
    assert!(us.abs_diff(after + 10_000) <= 1, "{us}");
}

proptest! {
    #[test]
    fn any_moment_until_2156_comes_back(us in PIVOT * 1_000_000..(PIVOT + (1 << 32)) * 1_000_000) {
        prop_assert!(Timestamp::from_unix_us(us).unix_us().abs_diff(us) <= 1);
    }

    #[test]
    fn any_bytes_are_read_and_none_but_the_nonce_is_believed(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        match Packet::parse(&bytes) {
            Some(packet) if packet.origin != Timestamp(NONCE) => prop_assert!(packet.time(NONCE, MS).is_err()),
            Some(_) => {}
            None => prop_assert!(bytes.len() < PACKET),
        }
    }
}
