//! The examples of RFC 7541 Appendix C.

use super::*;

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const FIRST_DATE: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const RESPONSES: [&[(&str, &str)]; 3] = [
    &[(":status", "302"), ("cache-control", "private"), ("date", FIRST_DATE), ("location", "https://www.example.com")],
    &[(":status", "307"), ("cache-control", "private"), ("date", FIRST_DATE), ("location", "https://www.example.com")],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", COOKIE),
    ],
];

const PLAIN_REQUESTS: [&str; 3] = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];
const CODED_REQUESTS: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];
const PLAIN_RESPONSES: [&str; 3] = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
     2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
     7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
     6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
];
const CODED_RESPONSES: [&str; 3] = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
     1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
     e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
];

#[test]
fn rfc7541_c_2_field_representations() {
    let one = |block: &str, name: &str, value: &str, size: usize| {
        let mut decoder = Decoder::new(Default::default());
        assert_eq!(decode(&mut decoder, &hex(block)), Ok(list(&[(name, value)])));
        assert_eq!(decoder.table_size(), size);
    };
    one("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key", "custom-header", 55);
    one("040c 2f73 616d 706c 652f 7061 7468", ":path", "/sample/path", 0);
    one("1008 7061 7373 776f 7264 0673 6563 7265 74", "password", "secret", 0);
    one("82", ":method", "GET", 0);
}

/// Decodes the three blocks in one context; `sizes` are the table's after each.
fn decodes(limit: u32, blocks: &[&str; 3], lists: &[&[(&str, &str)]; 3], sizes: [usize; 3]) {
    let mut decoder = Decoder::new(Default::default());
    let mut update = Vec::new();
    if limit != Decoder::DEFAULT_TABLE_SIZE {
        decoder.set_table_limit(limit);
        super::super::integer::write(&mut update, 0x20, 5, limit);
    }
    for ((block, fields), size) in blocks.iter().zip(lists).zip(sizes) {
        let block = [std::mem::take(&mut update), hex(block)].concat();
        assert_eq!(decode(&mut decoder, &block), Ok(list(fields)));
        assert_eq!(decoder.table_size(), size);
    }
}

#[test]
fn rfc7541_c_3_and_c_4_requests_decoded() {
    decodes(4096, &PLAIN_REQUESTS, &REQUESTS, [57, 110, 164]);
    decodes(4096, &CODED_REQUESTS, &REQUESTS, [57, 110, 164]);
}

#[test]
fn rfc7541_c_5_and_c_6_responses_decoded_with_eviction() {
    decodes(256, &PLAIN_RESPONSES, &RESPONSES, [222, 222, 215]);
    decodes(256, &CODED_RESPONSES, &RESPONSES, [222, 222, 215]);
}

#[test]
fn rfc7541_c_4_requests_encoded() {
    let mut encoder = Encoder::new(4096);
    for (fields, block) in REQUESTS.iter().zip(CODED_REQUESTS) {
        assert_eq!(encode(&mut encoder, fields), hex(block));
    }
}

/// The example indexes `location` and `set-cookie`, which this encoder doesn't.
#[test]
fn rfc7541_c_6_responses_encoded() {
    let (mut encoder, mut decoder) = (Encoder::new(256), Decoder::new(Default::default()));
    let mut blocks = Vec::new();
    for fields in RESPONSES {
        let block = encode(&mut encoder, fields);
        assert_eq!(decode(&mut decoder, &block), Ok(list(fields)));
        blocks.push(block);
    }
    assert_eq!(
        blocks[0],
        hex("3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0
        82a6 2d1b ff 0f1f 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3")
    );
    assert!(blocks[2].windows(2).any(|two| two == [0x1f, 0x28]), "set-cookie is never indexed");
}
