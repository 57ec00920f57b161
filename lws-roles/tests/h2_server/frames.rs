//! Frames one by one: what is wrong with each, what ends for it and with which code (RFC 9113
//! sections 4 and 6).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::frame::{ACK, END_HEADERS, END_STREAM, FrameHead, Kind, PADDED, PRIORITY};

/// A connection with stream 1 open: its request's body isn't complete.
fn open() -> H2 {
    let mut h = H2::new(echo);
    let head = h.link.client.post(1, "/");
    assert_eq!(h.ask(head), "");
    h
}

/// What of `frame` ends the connection, and how.
fn fatal(frame: &[u8], code: &str) {
    let mut h = open();
    let answer = h.ask(frame);
    assert!([1, 3].map(|last| format!("goaway {last} {code}")).contains(&answer), "{answer} {code}: {frame:?}");
    assert_eq!(h.ask(ping(1)), "", "it is over: {frame:?}");
    let log = h.log();
    assert_eq!(log, "bind, new, filter /, http /, drop, closed", "{frame:?}");
    assert!(h.others_go_on());
    h.leave();
}

/// What of `frame` ends stream 1 alone, and how.
fn of_stream(frame: &[u8], code: &str) {
    let mut h = open();
    assert_eq!(h.ask(frame), format!("rst 1 {code}"), "{frame:?}");
    assert_eq!(h.log(), "bind, new, filter /, http /, drop, closed", "{frame:?}");
    assert_eq!(h.post(3, "/", "x"), "headers 3 200 content-length=1, data 3 x end");
    h.leave();
}

/// What of `frame` changes nothing.
fn harmless(frame: &[u8]) {
    let mut h = open();
    assert_eq!(h.ask(frame), "", "{frame:?}");
    assert_eq!(h.ask(data(1, b"x", true)), "headers 1 200 content-length=1, data 1 x end", "{frame:?}");
    h.leave();
}

#[test]
fn rfc9113_4_1_unknown_types_and_flags_are_ignored() {
    harmless(&raw_of(0x0a, 0xff, 0, b"origin"));
    harmless(&raw_of(0xfe, 0, 1, &[0; 16_384]));
    harmless(&raw_of(0x20, 0, 0x7fff_ffff, b""));
    let mut h = open();
    assert_eq!(h.ask(raw(Kind::Ping, 0xfe, 0, &[0; 8])), "pong 0");
    // the reserved bit of a stream's number
    assert_eq!(h.ask(data(0x8000_0001, b"x", true)), "headers 1 200 content-length=1, data 1 x end");
}

#[test]
fn rfc9113_4_2_frames_that_are_too_large_end_the_connection() {
    for kind in [Kind::Data, Kind::Headers, Kind::Settings, Kind::Goaway, Kind::Continuation] {
        let stream = u32::from(matches!(kind, Kind::Data | Kind::Headers | Kind::Continuation));
        fatal(&FrameHead::new(kind, 0, stream, 16_385).to_wire(), "FRAME_SIZE_ERROR");
    }
    let mut h = open();
    let full = data(1, &[b'x'; 16_384], true);
    h.ask(full);
    assert_eq!(h.link.client.body(1), [b'x'; 16_384], "the largest is taken");
}

#[test]
fn rfc9113_4_2_fixed_lengths() {
    for len in [0, 7, 9] {
        fatal(&raw(Kind::Ping, 0, 0, &vec![0; len]), "FRAME_SIZE_ERROR");
    }
    for len in [0, 3, 5] {
        fatal(&raw(Kind::RstStream, 0, 1, &vec![0; len]), "FRAME_SIZE_ERROR");
        fatal(&raw(Kind::WindowUpdate, 0, 1, &vec![0; len]), "FRAME_SIZE_ERROR");
    }
    fatal(&raw(Kind::Settings, 0, 0, &[0; 5]), "FRAME_SIZE_ERROR");
    fatal(&raw(Kind::Settings, ACK, 0, &[0; 6]), "FRAME_SIZE_ERROR");
    fatal(&raw(Kind::Goaway, 0, 0, &[0; 7]), "FRAME_SIZE_ERROR");
    fatal(&raw(Kind::PriorityUpdate, 0, 0, &[0; 3]), "FRAME_SIZE_ERROR");
}

#[test]
fn rfc9113_6_frames_on_the_wrong_kind_of_stream() {
    for kind in [Kind::Data, Kind::Headers, Kind::Priority, Kind::RstStream, Kind::Continuation] {
        let len = match kind {
            Kind::Priority => 5,
            Kind::RstStream => 4,
            _ => 0,
        };
        fatal(&raw(kind, END_HEADERS, 0, &vec![0; len]), "PROTOCOL_ERROR");
    }
    for (kind, len) in [(Kind::Settings, 0), (Kind::Ping, 8), (Kind::Goaway, 8), (Kind::PriorityUpdate, 4)] {
        fatal(&raw(kind, 0, 1, &vec![0; len]), "PROTOCOL_ERROR");
    }
}

#[test]
fn rfc9113_6_1_padding_is_dropped_and_must_fit() {
    let mut h = open();
    assert_eq!(h.ask(raw(Kind::Data, PADDED, 1, b"\x03abc\0\0\0")), "");
    assert_eq!(h.ask(raw(Kind::Data, PADDED, 1, b"\0d")), "");
    assert_eq!(h.ask(raw(Kind::Data, PADDED, 1, b"\x02\0\0")), "");
    assert_eq!(
        h.ask(raw(Kind::Data, PADDED | END_STREAM, 1, b"\x01e\0")),
        "headers 1 200 content-length=5, data 1 abcde end"
    );
    fatal(&raw(Kind::Data, PADDED, 1, b"\x02\0"), "PROTOCOL_ERROR");
    fatal(&raw(Kind::Data, PADDED, 1, b"\xff"), "PROTOCOL_ERROR");
    fatal(&raw(Kind::Data, PADDED, 1, b""), "FRAME_SIZE_ERROR");
}

#[test]
fn rfc9113_6_2_padding_and_priority_of_headers() {
    let mut h = H2::new(hello);
    let block = h.link.client.block(&request("GET", "/"));
    let padded = [&[4, 0x80, 0, 0, 7, 15][..], &block, &[0; 4]].concat();
    let flags = PADDED | PRIORITY | END_HEADERS | END_STREAM;
    assert_eq!(h.ask(raw(Kind::Headers, flags, 1, &padded)), "headers 1 200 content-length=5, data 1 hello end");
    let too_much = [&[block.len() as u8 + 1][..], &block].concat();
    assert_eq!(h.ask(raw(Kind::Headers, PADDED | END_HEADERS | END_STREAM, 3, &too_much)), "goaway 3 PROTOCOL_ERROR");
    fatal(&raw(Kind::Headers, PADDED | END_HEADERS, 3, b"\x01"), "PROTOCOL_ERROR");
    fatal(&raw(Kind::Headers, PRIORITY | END_HEADERS, 3, b"\0\0\0\0"), "FRAME_SIZE_ERROR");
}

#[test]
fn rfc9113_6_3_priority_is_checked_and_ignored() {
    harmless(&raw(Kind::Priority, 0, 1, &[0, 0, 0, 3, 9]));
    harmless(&raw(Kind::Priority, 0, 9, &[0x80, 0, 0, 1, 0]));
    of_stream(&raw(Kind::Priority, 0, 1, &[0; 4]), "FRAME_SIZE_ERROR");
    of_stream(&raw(Kind::Priority, 0, 1, &[0; 6]), "FRAME_SIZE_ERROR");
    of_stream(&raw(Kind::Priority, 0, 1, &[0, 0, 0, 1, 0]), "PROTOCOL_ERROR");
}

#[test]
fn rfc9113_6_4_no_rst_stream_is_sent_for_an_idle_stream() {
    // what would be the stream's error is the connection's where there is no stream
    fatal(&raw(Kind::Priority, 0, 9, &[0; 4]), "FRAME_SIZE_ERROR");
    fatal(&raw(Kind::Priority, 0, 9, &[0, 0, 0, 9, 0]), "PROTOCOL_ERROR");
    fatal(&window(9, 0), "PROTOCOL_ERROR");
}

#[test]
fn rfc9113_6_4_rst_stream_ends_it() {
    let mut h = open();
    assert_eq!(h.ask(rst(1)), "");
    assert_eq!(h.log(), "bind, new, filter /, http /, drop, closed");
    assert_eq!(h.post(3, "/", "x"), "headers 3 200 content-length=1, data 3 x end");
    h.leave();
}

#[test]
fn rfc9113_6_5_an_acknowledgment_nobody_waits_for_is_harmless() {
    harmless(&ack());
}

#[test]
fn rfc9113_6_6_a_client_may_not_push() {
    fatal(&raw(Kind::PushPromise, END_HEADERS, 1, &[0, 0, 0, 2]), "PROTOCOL_ERROR");
}

#[test]
fn rfc9113_6_7_ping_is_answered_with_its_bytes() {
    let mut h = open();
    assert_eq!(h.all(&[ping(7), ping(u64::MAX)]), format!("pong 7, pong {}", u64::MAX));
    harmless(&raw(Kind::Ping, ACK, 0, &[0; 8]));
}

#[test]
fn rfc9113_6_8_a_peer_that_goes_away_gets_its_answers_and_may_still_ask() {
    let mut h = open();
    assert_eq!(h.ask(goaway()), "");
    assert_eq!(h.post(3, "/", "more"), "headers 3 200 content-length=4, data 3 more end");
    assert!(!h.ended());
    let answer = h.ask(data(1, b"x", true));
    assert_eq!(answer, "headers 1 200 content-length=1, data 1 x end, goaway 3 NO_ERROR");
    h.leave();
}

#[test]
fn rfc9113_6_8_a_peer_that_goes_away_without_streams_is_let_go() {
    let mut h = H2::new(hello);
    assert_eq!(h.ask(goaway()), "goaway 0 NO_ERROR");
    h.leave();
}

#[test]
fn rfc9113_6_9_window_updates() {
    of_stream(&window(1, 0), "PROTOCOL_ERROR");
    fatal(&window(0, 0), "PROTOCOL_ERROR");
    harmless(&window(1, 1));
    harmless(&window(0, 0x8000_0001));
    of_stream(&window(1, 0x7fff_ffff), "FLOW_CONTROL_ERROR");
    fatal(&window(0, 0x7fff_ffff), "FLOW_CONTROL_ERROR");
}

#[test]
fn rfc9113_6_10_a_header_block_may_come_in_any_pieces() {
    for size in [1, 2, 5, 100] {
        let mut h = H2::new(hello);
        let block = h.link.client.block(&request("GET", "/some/path"));
        let mut frames = vec![raw(Kind::Headers, END_STREAM, 1, &[])];
        for piece in block.chunks(size) {
            frames.push(raw(Kind::Continuation, 0, 1, piece));
        }
        frames.push(raw(Kind::Continuation, END_HEADERS, 1, &[]));
        assert_eq!(h.all(&frames), "headers 1 200 content-length=5, data 1 hello end");
    }
}

#[test]
fn rfc9113_6_10_nothing_may_come_between() {
    fatal(&raw(Kind::Continuation, END_HEADERS, 1, &[]), "PROTOCOL_ERROR");
    let begin = raw(Kind::Headers, 0, 3, &[]);
    let mut h = H2::new(hello);
    for between in [
        ping(1),
        settings(&[]),
        window(0, 1),
        data(1, b"x", false),
        raw_of(99, 0, 0, b"x"),
        raw(Kind::Priority, 0, 3, &[0; 5]),
        raw(Kind::Headers, END_HEADERS, 3, &[]),
        raw(Kind::Continuation, END_HEADERS, 5, &[]),
        rst(3),
    ] {
        let mut h = open();
        let answer = h.all(&[begin.clone(), between.clone()]);
        assert_eq!(answer, "goaway 3 PROTOCOL_ERROR", "{between:?}");
    }
    // a whole block has no more
    let get = h.link.client.get(1, "/");
    let answer = h.all(&[get, raw(Kind::Continuation, END_HEADERS, 1, &[])]);
    assert!(answer.ends_with("goaway 1 PROTOCOL_ERROR"), "{answer}");
}

#[test]
fn rfc7541_a_block_that_cannot_be_decoded_ends_the_connection() {
    for block in [
        &b"\x80"[..],                        // index 0
        b"\xff\x80\x80\x80\x80\x80\x80\x00", // an integer without end
        b"\xc6",                             // index 70 of an empty table
        b"\x40\x0a",                         // cut off
        b"\x00\x81\xff\x01x",                // Huffman: EOS, padding too long
        b"\x82\x3f\xe1\x1f",                 // a size update behind a field
        b"\x3f\xe2\x1f",                     // a table larger than was allowed
    ] {
        fatal(&raw(Kind::Headers, END_HEADERS | END_STREAM, 3, block), "COMPRESSION_ERROR");
    }
}

#[test]
fn rfc9218_7_1_priority_update_of_stream_0_ends_the_connection() {
    fatal(&raw(Kind::PriorityUpdate, 0, 0, &[0, 0, 0, 0, b'u']), "PROTOCOL_ERROR");
    harmless(&raw(Kind::PriorityUpdate, 0, 0, &[0, 0, 0, 1, b'u', b'=', b'1']));
    harmless(&raw(Kind::PriorityUpdate, 0, 0, &[0, 0, 0, 99, b'!', b'?']));
}
