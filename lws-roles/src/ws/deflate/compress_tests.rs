use super::*;

fn deflater(takeover: bool, threshold: usize) -> Deflater {
    let agreed = Agreed {
        server_no_takeover: !takeover,
        client_no_takeover: true,
        server_bits: 15,
        client_bits: 8,
        own: Settings::default().threshold(threshold),
    };
    Deflater::new(&agreed, Sender::Server)
}

fn whole(deflater: &mut Deflater, data: &[u8]) -> Vec<u8> {
    deflater.part(data, true, <[u8]>::to_vec).unwrap()
}

#[test]
fn rfc7692_7_2_3_the_examples_are_what_is_sent() {
    let mut taking_over = deflater(true, 0);
    assert_eq!(whole(&mut taking_over, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    assert!(whole(&mut taking_over, b"Hello").len() <= 5, "by what the window has of the message before");
    assert_eq!(whole(&mut taking_over, b""), [0x00]);
    assert_eq!(whole(&mut taking_over, b""), [0x00]);
    let mut fresh = deflater(false, 0);
    for _ in 0..2 {
        assert_eq!(whole(&mut fresh, b"Hello"), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
        assert_eq!(whole(&mut fresh, b""), [0x00]);
    }
}

#[test]
fn each_part_is_flushed_and_only_the_last_loses_its_tail() {
    let mut deflater = deflater(true, 0);
    let first = deflater.part(b"Hel", false, <[u8]>::to_vec).unwrap();
    assert!(first.ends_with(&TAIL));
    assert_eq!(deflater.part(b"", false, <[u8]>::to_vec).unwrap(), b"");
    assert_eq!(deflater.part(b"", true, <[u8]>::to_vec).unwrap(), [0x00]);
}

#[test]
fn short_whole_messages_are_left_alone_and_the_first_part_decides() {
    let mut deflater = deflater(true, 10);
    assert!(!deflater.takes(true, true, 9) && deflater.takes(true, true, 10));
    assert!(deflater.takes(true, false, 1), "who knows how long it gets");
    assert!(!deflater.takes(false, true, 100), "its first part wasn't compressed");
    deflater.part(b"x", false, |_| ()).unwrap();
    assert!(deflater.takes(false, true, 0));
    deflater.part(b"", true, |_| ()).unwrap();
    assert!(!deflater.takes(false, true, 100));
}

#[test]
fn compressors_without_takeover_are_lent_for_a_message() {
    let mut one = deflater(false, 0);
    whole(&mut one, b"Hello");
    assert!(one.stream.is_none());
    assert_eq!(SPARE.with_borrow(Vec::len), 1);
    let mut other = deflater(false, 0);
    other.part(b"x", false, |_| ()).unwrap();
    assert_eq!(SPARE.with_borrow(Vec::len), 0);
    other.part(b"", true, |_| ()).unwrap();
    let mut keeps = deflater(true, 0);
    whole(&mut keeps, b"Hello");
    assert!(keeps.stream.is_some());
    assert_eq!(SPARE.with_borrow(Vec::len), 1, "what keeps its context has its own");
}

#[test]
fn large_parts_are_whole_and_large_buffers_not_kept() {
    let mut deflater = deflater(true, 0);
    let noise: Vec<u8> =
        (0..1_000_000u32).map(|i| (i.wrapping_mul(i) ^ i >> 7).wrapping_mul(0x9e37_79b9).to_le_bytes()[3]).collect();
    let packed = whole(&mut deflater, &noise);
    assert!(packed.len() > BUFFER_MAX);
    assert!(BUFFER.with_borrow(Vec::capacity) <= BUFFER_MAX);
}
