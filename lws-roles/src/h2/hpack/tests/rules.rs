//! What a decoder must refuse and an encoder must say (RFC 7541 sections 4 to 6).

use super::super::integer;
use super::*;

fn decoder() -> Decoder {
    Decoder::new(Default::default())
}

fn refused(block: &str) -> DecodeError {
    decode(&mut decoder(), &hex(block)).expect_err("an error")
}

#[test]
fn rfc7541_6_1_no_such_index() {
    assert_eq!(refused("80"), DecodeError::Index);
    assert_eq!(refused("be"), DecodeError::Index, "62 while the dynamic table is empty");
    assert_eq!(refused("7e 00"), DecodeError::Index, "as a name, with indexing");
    assert_eq!(refused("0f2f 00"), DecodeError::Index, "as a name, without");
    assert_eq!(refused("ff ffffff ff0f"), DecodeError::Integer);
    assert_eq!(refused("ff 80 ff ff ff 0f"), DecodeError::Index, "just below 2^32");
}

#[test]
fn rfc7541_5_2_strings() {
    assert_eq!(refused("00 81 ff 00"), DecodeError::Huffman, "a name of padding only");
    assert_eq!(refused("00 01 61 84 ffffffff"), DecodeError::Huffman, "EOS in a value");
    assert_eq!(refused("00 7f ffff ffff 7f"), DecodeError::Integer);
    assert_eq!(refused("00 05 61"), DecodeError::Truncated);
    assert_eq!(refused("40"), DecodeError::Truncated);
    assert_eq!(refused("82 ff"), DecodeError::Truncated);
    assert_eq!(
        decode(&mut decoder(), &hex("00 80 80")),
        Ok(list(&[("", "")])),
        "empty strings are the message's matter"
    );
}

#[test]
fn rfc7541_6_2_3_never_indexed_is_told() {
    let seen = |block: &str| {
        let mut seen = Vec::new();
        let mut sink = |field: super::super::Field<'_>| seen.push(field.never_indexed);
        decoder().feed(&hex(block), true, &mut Scratch::default(), &mut sink).unwrap();
        seen
    };
    assert_eq!(seen("00 0161 0162 10 0161 0162 1f11 0162 0f11 0162 82"), [false, true, true, false, false]);
}

#[test]
fn rfc7541_4_2_place_of_size_updates() {
    assert_eq!(decode(&mut decoder(), &hex("20 82")), Ok(list(&[(":method", "GET")])));
    assert_eq!(decode(&mut decoder(), &hex("20 3fe11f 82")), Ok(list(&[(":method", "GET")])));
    assert_eq!(refused("20 20 20 82"), DecodeError::SizeUpdatePlace, "at most two");
    assert_eq!(refused("82 20"), DecodeError::SizeUpdatePlace, "after a field");
    assert_eq!(refused("3fe21f"), DecodeError::SizeUpdateTooLarge, "4097");
    let mut decoder = decoder();
    for _ in 0..3 {
        assert_eq!(decode(&mut decoder, &hex("20 20 82")), Ok(list(&[(":method", "GET")])), "in each block");
    }
}

#[test]
fn rfc9113_4_3_1_a_lowered_limit_must_be_met_first() {
    let lowered = || {
        let mut decoder = decoder();
        decode(&mut decoder, &hex("40 0161 0162")).unwrap();
        decoder.set_table_limit(100);
        decoder
    };
    for missing in ["82", "be", "40 0161 0162", "10 0161 0162", ""] {
        assert_eq!(decode(&mut lowered(), &hex(missing)), Err(DecodeError::SizeUpdateMissing), "{missing}");
    }
    assert_eq!(decode(&mut lowered(), &hex("3f46 be")), Err(DecodeError::SizeUpdateTooLarge), "101");
    assert_eq!(decode(&mut lowered(), &hex("3f45 be")), Ok(list(&[("a", "b")])), "100");
    assert_eq!(decode(&mut lowered(), &hex("20 be")), Err(DecodeError::Index), "evicted");
    let mut decoder = lowered();
    decoder.set_table_limit(1000);
    assert_eq!(decode(&mut decoder, &hex("3fc907 82")), Err(DecodeError::SizeUpdateTooLarge), "the smallest first");
    let mut decoder = lowered();
    decoder.set_table_limit(1000);
    assert_eq!(decode(&mut decoder, &hex("3f45 3fc907 be")), Ok(list(&[("a", "b")])), "100, then 1000");
    assert_eq!(decode(&mut decoder, &hex("be")), Ok(list(&[("a", "b")])), "once is enough");
}

#[test]
fn rfc7541_4_4_a_name_from_an_entry_that_its_own_field_evicts() {
    let mut decoder = decoder();
    let long = "v".repeat(4096 - 32 - 1);
    let mut block = hex("40 0161");
    integer::write(&mut block, 0, 7, long.len() as u32);
    block.extend_from_slice(long.as_bytes());
    block.extend_from_slice(&hex("7e 0163 be"));
    assert_eq!(decode(&mut decoder, &block), Ok(list(&[("a", &long), ("a", "c"), ("a", "c")])));
    assert_eq!(decoder.table_size(), 34);
}

#[test]
fn rfc7541_4_2_the_encoder_says_the_smallest_then_the_last() {
    let field = [("x-a", "b")];
    let mut encoder = Encoder::new(4096);
    assert_eq!(encode(&mut encoder, &field)[0], 0x40);
    assert_eq!(encode(&mut encoder, &field), [0xbe]);
    encoder.set_peer_limit(100);
    encoder.set_peer_limit(0);
    encoder.set_peer_limit(1000);
    let block = encode(&mut encoder, &field);
    assert_eq!(block[..5], hex("20 3fc907 40"));
    assert_eq!(encode(&mut encoder, &field), [0xbe]);
    encoder.set_peer_limit(1_000_000);
    assert_eq!(encode(&mut encoder, &field), hex("3fe11f be"), "no more than its own cap");
    encoder.set_peer_limit(4096);
    assert_eq!(encode(&mut encoder, &field), [0xbe], "nothing has changed");
    encoder.set_peer_limit(0);
    assert_eq!(encode(&mut encoder, &field)[..2], [0x20, 0x00]);
    assert_eq!(encoder.heap(), 0);
    assert_eq!(encode(&mut Encoder::new(0), &[(":method", "GET")]), [0x20, 0x82]);
}

#[test]
fn rfc7541_7_1_what_is_indexed() {
    let first = |name: &str, value: &str| {
        let mut encoder = Encoder::new(4096);
        encode(&mut encoder, &[(name, value)]);
        encode(&mut encoder, &[(name, value)])[0]
    };
    for (name, value) in [("server", "lws"), ("x-custom", "1"), ("date", "today"), ("content-type", "text/html")] {
        assert_eq!(first(name, value), 0xbe, "{name}");
    }
    assert_eq!(first("cookie", "session=0123456789abcdef"), 0xbe);
    for (name, value) in [("authorization", "Basic x"), ("cookie", "a=b"), ("set-cookie", "a=b")] {
        assert_eq!(first(name, value) & 0xf0, 0x10, "{name}");
    }
    for (name, value) in [("content-length", "12"), ("etag", "\"x\""), (":path", "/x"), ("location", "/")] {
        assert_eq!(first(name, value) & 0xf0, 0, "{name}");
    }
    assert_eq!(first("x-big", &"v".repeat(2048)) & 0xf0, 0, "more than half of the table");
    let mut out = Vec::new();
    Encoder::new(4096).field_never_indexed(b":method", b"GET", &mut out);
    assert_eq!(out, hex("12 03 474554"), "not even from the static table");
}

#[test]
fn rfc7541_2_3_3_a_name_is_found_in_the_dynamic_table() {
    let mut encoder = Encoder::new(4096);
    encode(&mut encoder, &[("x-name", "1"), ("x-other", "2")]);
    assert_eq!(encode(&mut encoder, &[("x-name", "3")]), hex("7f00 01 33"));
}

#[test]
fn fields_that_are_sent_again_and_again_are_all_known() {
    let names: Vec<String> = (0..20).map(|i| format!("x-field-number-{i}")).collect();
    let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "value")).collect();
    let mut encoder = Encoder::new(4096);
    encode(&mut encoder, &fields);
    // a set may forget a few, and no more
    let again = encode(&mut encoder, &fields).len();
    assert!(again <= 40, "{again}");
}

#[test]
fn rfc9113_8_3_2_statuses() {
    let status = |code| {
        let mut out = Vec::new();
        Encoder::new(4096).status(code, &mut out);
        out
    };
    assert_eq!(status(200), [0x88]);
    assert_eq!(status(404), [0x8d]);
    assert_eq!(decode(&mut decoder(), &status(418)), Ok(list(&[(":status", "418")])));
}
