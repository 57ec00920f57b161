use super::super::testing::{Bench, Heard, masked, vhost};
use super::*;
use lws_core::MemoryOptions;

fn bench() -> Bench {
    Bench::frames(vhost(), MemoryOptions::default())
}

#[test]
fn rfc6455_5_4_fragments_in_order_only() {
    let mut bench = bench();
    let text = |first, last| Write::Text { first, last };
    let results = bench.with_wsi(|wsi| {
        [
            wsi.write(b"x", text(false, true)),
            wsi.write(b"a", text(true, false)),
            wsi.write(b"x", text(true, true)),
            wsi.write(b"x", Write::ws(true, false, true)),
            wsi.write(b"p", Write::Ping),
            wsi.write(b"b", text(false, false)),
            wsi.write(b"c", text(false, true)),
            wsi.write(b"d", Write::BINARY),
        ]
    });
    let no = Err(WriteError::Fragment);
    assert_eq!(results, [no, Ok(1), no, no, Ok(1), Ok(1), Ok(1), Ok(1)]);
    bench.run_ms(5);
    let frames: Vec<_> = [(0x01, b"a"), (0x89, b"p"), (0x00, b"b"), (0x80, b"c"), (0x82, b"d")]
        .map(|(first, data)| (first, data.to_vec()))
        .to_vec();
    assert_eq!(bench.frames_on_wire(), frames);
}

#[test]
fn rfc6455_5_5_control_frames_max_125() {
    let mut bench = bench();
    let results = bench.with_wsi(|wsi| {
        [
            wsi.write(&[1; 126], Write::Ping),
            wsi.write(&[1; 126], Write::Pong),
            wsi.write(&[1; 125], Write::Ping),
            wsi.write(b"", Write::Pong),
        ]
    });
    assert_eq!(results, [Err(WriteError::TooLong), Err(WriteError::TooLong), Ok(125), Ok(0)]);
    bench.run_ms(5);
    assert_eq!(bench.frames_on_wire(), [(0x89, vec![1; 125]), (0x8a, Vec::new())]);
}

#[test]
fn other_kinds_of_write_are_refused() {
    let mut bench = bench();
    for how in [Write::Http, Write::HttpFinal, Write::Raw] {
        assert_eq!(bench.with_wsi(|wsi| wsi.write(b"x", how)), Err(WriteError::WrongKind));
    }
    bench.run_ms(5);
    assert_eq!(bench.wire(), b"");
}

#[test]
fn rfc6455_5_1_server_frames_are_not_masked_in_any_length_form() {
    let mut bench = bench();
    for len in [0usize, 125, 126, 65_535, 65_536, 100_000] {
        let data: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        assert_eq!(bench.with_wsi(|wsi| wsi.write(&data, Write::BINARY)), Ok(len));
        let mut wire = Vec::new();
        for _ in 0..20 {
            bench.run_ms(5);
            wire.extend(bench.wire());
        }
        assert_eq!(wire, super::super::testing::frame(0x82, None, &data), "{len}");
    }
}

#[test]
fn writes_while_backlogged_are_refused_until_writeable() {
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 1000, ..MemoryOptions::default() });
    bench.with_wsi(|wsi| wsi.write(&[7; 3000], Write::BINARY)).unwrap();
    bench.run_ms(5);
    assert_eq!(bench.with_wsi(|wsi| wsi.write(b"x", Write::TEXT)), Err(WriteError::Backlogged));
    bench.script(|wsi, _| wsi.write(b"x", Write::TEXT).map(drop).map_err(Into::into));
    bench.with_wsi(|wsi| wsi.callback_on_writable());
    let mut wire = Vec::new();
    for _ in 0..10 {
        wire.extend(bench.wire());
        bench.run_ms(5);
    }
    let frames = super::super::testing::parse_frames(&wire);
    assert_eq!(frames, [(0x82, vec![7; 3000]), (0x81, b"x".to_vec())]);
    assert_eq!(bench.heard(), [Heard::other("ServerWriteable")]);
}

#[test]
fn an_echo_is_written_from_its_own_callback() {
    let mut bench = bench();
    bench.script(|wsi, reason| match reason {
        lws_core::Reason::Receive(rx) => {
            let how = Write::ws(rx.binary, rx.first, rx.last);
            wsi.write(rx.data, how).map(drop).map_err(Into::into)
        }
        _ => Ok(()),
    });
    bench.send(&[masked(0x01, b"ab"), masked(0x80, b"c"), masked(0x82, b"")].concat());
    assert_eq!(bench.frames_on_wire(), [(0x01, b"ab".to_vec()), (0x80, b"c".to_vec()), (0x82, Vec::new())]);
}
