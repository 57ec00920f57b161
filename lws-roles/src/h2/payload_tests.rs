//! Payloads by the sections of RFC 9113 and 9218, whole and in pieces.

use super::super::frame::{END_HEADERS, PADDED, PRIORITY};
use super::super::{priority::Priority, write};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn control(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Result<Option<Control<'_>>, FrameError> {
    Control::parse(FrameHead::new(kind, flags, stream, payload.len()), payload)
}

/// Writes a frame and reads it back.
fn there_and_back<T>(write: impl FnOnce(&mut Vec<u8>), read: impl FnOnce(FrameHead, Control<'_>) -> T) -> T {
    let mut out = Vec::new();
    write(&mut out);
    let head = FrameHead::read(&out).unwrap();
    let payload = &out[frame::HEAD_LEN..];
    assert_eq!(head.len as usize, payload.len());
    assert_eq!(head.check(16_384), Ok(()));
    read(head, Control::parse(head, payload).unwrap().unwrap())
}

#[test]
fn what_is_written_is_read() {
    there_and_back(write::settings_ack, |_, c| assert_eq!(c, Control::SettingsAck));
    there_and_back(|o| write::ping(o, *b"12345678", false), |_, c| assert_eq!(c, Control::Ping(*b"12345678")));
    there_and_back(|o| write::ping(o, *b"12345678", true), |_, c| assert_eq!(c, Control::Pong(*b"12345678")));
    there_and_back(
        |o| write::rst_stream(o, 7, ErrorCode::Cancel),
        |h, c| assert_eq!((h.stream, c), (7, Control::RstStream(ErrorCode::Cancel))),
    );
    there_and_back(
        |o| write::goaway(o, 9, ErrorCode::EnhanceYourCalm, "calm"),
        |_, c| assert_eq!(c, Control::Goaway { last: 9, code: ErrorCode::EnhanceYourCalm, debug: b"calm" }),
    );
    there_and_back(
        |o| write::window_update(o, 3, 1000),
        |h, c| assert_eq!((h.stream, c), (3, Control::WindowUpdate(1000))),
    );
    there_and_back(
        |o| write::priority_update(o, 5, "u=1, i"),
        |_, c| {
            assert_eq!(c, Control::PriorityUpdate { stream: 5, value: b"u=1, i" });
            assert_eq!(Priority::parse(b"u=1, i"), Priority { urgency: 1, incremental: true });
        },
    );
    let parameters = [(1, 0), (4, 65_536), (0xabcd, u32::MAX)];
    there_and_back(
        |o| write::settings(o, parameters.into_iter()),
        |_, c| {
            let Control::Settings(found) = c else { panic!("{c:?}") };
            assert_eq!(found.collect::<Vec<_>>(), parameters);
        },
    );
}

#[test]
fn rfc9113_6_9_increments_of_zero() {
    for payload in [[0, 0, 0, 0], [0x80, 0, 0, 0]] {
        assert_eq!(control(Kind::WindowUpdate, 0, 0, &payload), Err(FrameError::ConnectionIncrement));
        assert_eq!(control(Kind::WindowUpdate, 0, 1, &payload), Err(FrameError::StreamIncrement));
    }
    assert_eq!(FrameError::StreamIncrement.scope(), super::super::error::Scope::Stream);
    assert_eq!(control(Kind::WindowUpdate, 0, 1, &[0xff; 4]), Ok(Some(Control::WindowUpdate(MAX_31))));
}

#[test]
fn rfc9113_6_3_priority_is_checked_and_ignored() {
    assert_eq!(control(Kind::Priority, 0, 3, &[0, 0, 0, 1, 16]), Ok(Some(Control::Priority)));
    assert_eq!(control(Kind::Priority, 0, 3, &[0x80, 0, 0, 3, 16]), Err(FrameError::SelfDependency));
}

#[test]
fn rfc9218_7_1_priority_update_of_stream_0() {
    assert_eq!(control(Kind::PriorityUpdate, 0, 0, &[0x80, 0, 0, 0, b'i']), Err(FrameError::PrioritizedZero));
}

#[test]
fn frames_that_are_read_in_pieces_are_no_control_frames() {
    for kind in [Kind::Data, Kind::Headers, Kind::PushPromise, Kind::Continuation] {
        assert_eq!(control(kind, 0, 1, &[]), Ok(None));
    }
}

/// The content of a payload that arrives in pieces of `step` bytes, with another frame's after it.
fn content(kind: Kind, flags: u8, payload: &[u8], step: usize) -> Result<Vec<u8>, FrameError> {
    let mut pieces = Pieces::new(FrameHead::new(kind, flags, 3, payload.len()));
    let (mut found, mut taken) = (Vec::new(), 0);
    let wire = [payload, b"next frame"].concat();
    while !pieces.is_done() {
        let mut input = &wire[taken..(taken + step).min(wire.len())];
        let before = input.len();
        found.extend_from_slice(pieces.take(&mut input)?);
        taken += before - input.len();
    }
    assert_eq!(taken, payload.len(), "no more and no less");
    Ok(found)
}

#[test]
fn rfc9113_6_1_padding() {
    for step in 1..8 {
        assert_eq!(content(Kind::Data, 0, b"abc", step), Ok(b"abc".to_vec()));
        assert_eq!(content(Kind::Data, 0, b"", step), Ok(Vec::new()));
        assert_eq!(content(Kind::Data, PADDED, b"\x02abcPP", step), Ok(b"abc".to_vec()));
        assert_eq!(content(Kind::Data, PADDED, b"\x00abc", step), Ok(b"abc".to_vec()));
        assert_eq!(content(Kind::Data, PADDED, b"\x03PPP", step), Ok(Vec::new()), "all of it");
        assert_eq!(content(Kind::Data, PADDED, b"\x00", step), Ok(Vec::new()));
        assert_eq!(content(Kind::Data, PADDED, b"\x04PPP", step), Err(FrameError::Padding));
        assert_eq!(content(Kind::Continuation, PADDED | END_HEADERS, b"\x02abc", step), Ok(b"\x02abc".to_vec()));
    }
}

#[test]
fn rfc9113_6_2_headers_with_priority_and_padding() {
    let flags = PADDED | PRIORITY;
    for step in 1..12 {
        assert_eq!(content(Kind::Headers, flags, b"\x01\0\0\0\x01\x10abcP", step), Ok(b"abc".to_vec()));
        assert_eq!(content(Kind::Headers, flags, b"\x01\0\0\0\x01\x10P", step), Ok(Vec::new()));
        assert_eq!(content(Kind::Headers, flags, b"\x02\0\0\0\x01\x10P", step), Err(FrameError::Padding));
        assert_eq!(content(Kind::Headers, PRIORITY, b"\x80\0\0\x03\x10abc", step), Err(FrameError::SelfDependency));
    }
}

#[test]
fn rfc9113_6_6_push_promise() {
    let payload = b"\0\0\0\x02abc";
    let mut pieces = Pieces::new(FrameHead::new(Kind::PushPromise, 0, 1, payload.len()));
    assert_eq!(pieces.take(&mut &payload[..]), Ok(&b"abc"[..]));
    assert_eq!(pieces.promised(), 2);
    assert_eq!(content(Kind::PushPromise, 0, b"\x80\0\0\0abc", 2), Err(FrameError::PromisedZero));
}

proptest! {
    #[test]
    fn any_payload_has_the_same_content_however_it_is_split(
        kind in prop_oneof![Just(Kind::Data), Just(Kind::Headers), Just(Kind::PushPromise), Just(Kind::Continuation)],
        flags: u8,
        payload in vec(prop_oneof![0u8..12, any::<u8>()], 0..40),
        step in 1usize..50,
    ) {
        if FrameHead::new(kind, flags, 3, payload.len()).check(16_384).is_ok() {
            let whole = content(kind, flags, &payload, 1000);
            prop_assert_eq!(content(kind, flags, &payload, step), whole);
        }
    }

    #[test]
    fn any_control_frame_ends_in_an_answer(number: u8, flags: u8, stream in 0u32..4, payload in vec(any::<u8>(), 0..40)) {
        let head = FrameHead { len: payload.len() as u32, number, flags, stream };
        let parsed = Control::parse(head, &payload);
        if head.check(16_384).is_ok() {
            prop_assert_ne!(parsed, Err(FrameError::Length), "the head was right");
        }
    }
}
