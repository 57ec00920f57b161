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

/// Bytes that nothing can be made of, by xorshift.
fn noise(len: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    })
    .take(len)
    .collect()
}

fn at_level(level: u8, mem_level: u8) -> Deflater {
    let agreed = Agreed {
        server_no_takeover: false,
        client_no_takeover: true,
        server_bits: 15,
        client_bits: 8,
        own: Settings::default().threshold(0).compression_level(level).mem_level(mem_level),
    };
    Deflater::new(&agreed, Sender::Server)
}

/// The messages, read by one reader that takes its context over.
fn read_back(messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut reader = zlib_rs::Inflate::new(false, 15);
    let inflate = |message: &Vec<u8>| {
        let mut plain = vec![0; 400_000];
        let before = (reader.total_in(), reader.total_out());
        let whole = [&message[..], &TAIL].concat();
        reader.decompress(&whole, &mut plain, zlib_rs::InflateFlush::SyncFlush).unwrap();
        assert_eq!(reader.total_in() - before.0, whole.len() as u64);
        plain.truncate((reader.total_out() - before.1) as usize);
        plain
    };
    messages.iter().map(inflate).collect()
}

#[test]
fn rfc7692_7_2_3_3_what_does_not_shrink_is_stored() {
    for level in 0..=9 {
        for mem_level in [1, 8, 9] {
            for len in [500, 1000, 1012, 2000, 65_535, 65_536, 200_000] {
                let data = noise(len);
                let mut deflater = at_level(level, mem_level);
                let sent = [whole(&mut deflater, &data), whole(&mut deflater, &data), whole(&mut deflater, b"Hello")];
                let blocks = len.div_ceil(65_535);
                assert_eq!(sent[0].len(), len + 5 * blocks + 1, "level {level}, {len} bytes");
                if level > 0 && len <= 2000 {
                    assert!(sent[1].len() < 200, "the window has it: {} of {len} at level {level}", sent[1].len());
                }
                assert!(read_back(&sent) == [data.clone(), data, b"Hello".to_vec()], "level {level}, {len} bytes");
            }
        }
    }
}

#[test]
fn a_flush_is_said_once_however_long_the_part_is() {
    let text: Vec<u8> =
        (0..300u32).flat_map(|i| format!("{{\"n\":{},", i.wrapping_mul(i * 7919)).into_bytes()).collect();
    for (level, data) in
        [(0, noise(1100)), (1, noise(1100)), (6, noise(1100)), (0, text.clone()), (1, text.clone()), (6, text)]
    {
        for len in 900..=1100 {
            let mut deflater = at_level(level, 8);
            let part = deflater.part(&data[..len], false, <[u8]>::to_vec).unwrap();
            // two in a row are the tail of the first, and five bytes for the second
            assert!(part.ends_with(&TAIL) && !part[..part.len() - 5].ends_with(&TAIL), "level {level}, {len} bytes");
        }
    }
}
