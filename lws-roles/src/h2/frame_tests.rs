//! Frame heads by the sections of RFC 9113.

use super::*;
use proptest::prelude::*;

fn check(kind: Kind, flags: u8, stream: u32, len: usize) -> Result<(), FrameError> {
    FrameHead::new(kind, flags, stream, len).check(16_384)
}

#[test]
fn rfc9113_4_1_layout_and_reserved_bit() {
    let wire = [0, 1, 2, 0, 9, 0x80, 0, 0, 5, 0xff];
    let head = FrameHead::read(&wire).unwrap();
    assert_eq!(head, FrameHead::new(Kind::Data, 9, 5, 258));
    assert_eq!(head.to_wire(), [0, 1, 2, 0, 9, 0, 0, 0, 5]);
    assert_eq!(FrameHead::read(&wire[..8]), None);
    assert_eq!(FrameHead { number: 0xfe, ..head }.kind(), None);
    assert_eq!(FrameHead { number: 0xfe, ..head }.check(16_384), Ok(()), "unknown types are ignored");
}

#[test]
fn rfc9113_4_2_frame_size() {
    assert_eq!(check(Kind::Data, 0, 1, 16_384), Ok(()));
    assert_eq!(check(Kind::Data, 0, 1, 16_385), Err(FrameError::TooLarge));
    assert_eq!(FrameHead { len: 16_385, number: 0xfe, flags: 0, stream: 0 }.check(16_384), Err(FrameError::TooLarge));
    assert_eq!(FrameError::TooLarge.code(), ErrorCode::FrameSizeError);
}

#[test]
fn rfc9113_6_streams() {
    for kind in [Kind::Data, Kind::Headers, Kind::Priority, Kind::RstStream, Kind::PushPromise, Kind::Continuation] {
        assert_eq!(check(kind, 0, 0, 5), Err(FrameError::StreamZero), "{kind:?}");
    }
    for kind in [Kind::Settings, Kind::Ping, Kind::Goaway, Kind::PriorityUpdate] {
        assert_eq!(check(kind, 0, 1, 8), Err(FrameError::StreamNotZero), "{kind:?}");
    }
    for stream in [0, 1] {
        assert_eq!(check(Kind::WindowUpdate, 0, stream, 4), Ok(()));
    }
    assert_eq!(
        (FrameError::StreamZero.scope(), FrameError::StreamZero.code()),
        (Scope::Connection, ErrorCode::ProtocolError)
    );
}

#[test]
fn rfc9113_6_lengths() {
    type Case = (Kind, u8, u32, &'static [usize], &'static [usize]);
    let table: [Case; 13] = [
        (Kind::Data, 0, 1, &[0, 1], &[]),
        (Kind::Data, PADDED, 1, &[1, 2], &[0]),
        (Kind::Headers, 0, 1, &[0], &[]),
        (Kind::Headers, PADDED | PRIORITY, 1, &[6], &[0, 5]),
        (Kind::PushPromise, PADDED, 1, &[5], &[0, 4]),
        (Kind::RstStream, 0, 1, &[4], &[0, 3, 5]),
        (Kind::Settings, 0, 0, &[0, 6, 12], &[1, 5, 7]),
        (Kind::Settings, ACK, 0, &[0], &[6]),
        (Kind::Ping, 0, 0, &[8], &[0, 7, 9]),
        (Kind::Goaway, 0, 0, &[8, 20], &[0, 7]),
        (Kind::WindowUpdate, 0, 1, &[4], &[0, 3, 5]),
        (Kind::Continuation, PADDED, 1, &[0, 9], &[]),
        (Kind::PriorityUpdate, 0, 0, &[4, 9], &[0, 3]),
    ];
    for (kind, flags, stream, good, bad) in table {
        for len in good {
            assert_eq!(check(kind, flags, stream, *len), Ok(()), "{kind:?} {len}");
        }
        for len in bad {
            assert_eq!(check(kind, flags, stream, *len), Err(FrameError::Length), "{kind:?} {len}");
        }
    }
    assert_eq!(check(Kind::Priority, 0, 1, 5), Ok(()));
    assert_eq!(check(Kind::Priority, 0, 1, 4), Err(FrameError::PriorityLength));
    assert_eq!(FrameError::PriorityLength.scope(), Scope::Stream);
}

proptest! {
    #[test]
    fn any_nine_bytes_are_a_head(wire: [u8; 9]) {
        let head = FrameHead::read(&wire).unwrap();
        let mut expected = wire;
        expected[5] &= 0x7f;
        prop_assert_eq!(head.to_wire(), expected);
        let _ = head.check(16_384);
    }
}
