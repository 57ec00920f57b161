//! In steady state nothing is allocated: no buffer changes its place or its capacity.

use super::*;

const REQUEST: [(&str, &str); 7] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "www.example.com"),
    (":path", "/images/logo.png?v=3"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"),
    ("x-request-number", ""),
];

#[test]
fn tables_and_scratch_reach_their_size_and_stay() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(Default::default()));
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let mut settled = None;
    for i in 0..20_000u32 {
        out.clear();
        encoder.begin(&mut out);
        for (name, value) in &REQUEST[..6] {
            encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
        }
        // a new entry with each request, so that eviction and moving are part of it
        encoder.field(REQUEST[6].0.as_bytes(), &i.to_be_bytes(), &mut out);
        let mut fields = 0;
        decoder.feed(&out, true, &mut scratch, &mut |_| fields += 1).unwrap();
        assert_eq!(fields, REQUEST.len());
        let now = (encoder.heap(), decoder.heap(), scratch.heap(), out.capacity());
        if i == 2000 {
            settled = Some(now);
        }
        assert!(settled.is_none_or(|before| before == now), "{settled:?} {now:?}");
    }
}

#[test]
fn a_quiet_connection_owns_little() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(Default::default()));
    assert_eq!(encoder.heap() + decoder.heap(), 0);
    let block = encode(&mut encoder, &[(":method", "GET"), (":scheme", "http"), (":path", "/")]);
    decode(&mut decoder, &block).unwrap();
    assert_eq!(encoder.heap() + decoder.heap(), 0, "nothing of it is in a dynamic table");
    let block = encode(&mut encoder, &[(":authority", "localhost:7681"), ("user-agent", "curl/8.5.0")]);
    decode(&mut decoder, &block).unwrap();
    assert!(decoder.heap() <= 300, "{}", decoder.heap());
    assert!(encoder.heap() <= 300, "{}", encoder.heap());
}

#[test]
fn what_was_inserted_before_there_were_more_sets_is_found_by_them() {
    let fields = ["server", "vary", "via", "allow", "link", "refresh"].map(|name| (name, "some value"));
    let mut encoder = Encoder::new(4096);
    for n in 1..=fields.len() {
        encode(&mut encoder, &fields[..n]);
        let again = encode(&mut encoder, &fields[..n]);
        assert!(again.len() == n && again.iter().all(|byte| *byte & 0x80 != 0), "{n}: {again:x?}");
    }
}
