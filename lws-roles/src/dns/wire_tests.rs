use super::*;
use proptest::prelude::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A query with id 0x1234 whose letters are as they are written.
fn query(text: &str, kind: RecordType) -> Query {
    Query::lower(&name(text), kind, true, &mut |b| b.copy_from_slice(&0x1234_u16.to_ne_bytes()[..b.len()]))
}

fn wire(text: &str) -> Vec<u8> {
    name(text).as_wire().to_vec()
}

/// A record with its owner's wire form.
fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut out = owner.to_vec();
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let mut data = [wire("ns.example"), wire("root.example")].concat();
    for n in [1, 2, 3, 4, minimum] {
        data.extend(n.to_be_bytes());
    }
    record(&wire("example"), SOA, ttl, &data)
}

/// A response with flags and records by section.
fn response(q: &Query, flags: [u8; 2], sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let mut out = vec![0x12, 0x34, 0x80 | flags[0], flags[1], 0, 1];
    for section in sections {
        out.extend((section.len() as u16).to_be_bytes());
    }
    out.extend(&*q.name);
    out.extend((q.kind as u16).to_be_bytes());
    out.extend([0, 1]);
    out.extend(sections.concat().concat());
    out
}

/// Where the question's name is, as a compression pointer.
const QNAME: [u8; 2] = [0xc0, 12];

fn answers(q: &Query, records: &[Vec<u8>]) -> Result<Reply, Dropped> {
    q.read(&response(q, [0, 0x80], [records, &[], &[]]))
}

#[test]
fn rfc1035_4_1_a_query_is_one_question_with_recursion_desired() {
    let packet = query("www.example.com", RecordType::Aaaa).encode();
    let mut expected = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    expected.extend(b"\x03www\x07example\x03com\0\0\x1c\0\x01");
    //= rfc6891#6.1.2
    expected.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    assert_eq!(packet, expected);
    let plain = Query { edns: false, ..query("www.example.com", RecordType::Aaaa) }.encode();
    assert_eq!((plain.len(), plain[11]), (expected.len() - 11, 0));
}

#[test]
fn the_case_is_random_and_has_to_come_back() {
    let q = Query::new(&name("example.com"), RecordType::A, true, &mut |b| b.fill(0b0101_0110));
    assert_eq!(&*q.name, b"\x07EXaMpLe\x03COm\0");
    let mut packet = response(&q, [0, 0x80], [&[record(&QNAME, 1, 9, &[192, 0, 2, 1])], &[], &[]]);
    packet[..2].copy_from_slice(&q.id.to_be_bytes());
    assert!(matches!(q.read(&packet), Ok(Reply::Found { canonical, .. }) if canonical == name("example.com")));
    packet[13].make_ascii_lowercase();
    assert_eq!(q.read(&packet), Err(Dropped::WrongCase));
}

#[test]
fn rfc1035_4_1_3_addresses_and_the_least_ttl() {
    let q = query("a.example", RecordType::A);
    let records = [record(&QNAME, 1, 300, &[192, 0, 2, 1]), record(&wire("A.EXAMPLE"), 1, 60, &[192, 0, 2, 2])];
    let addresses = vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
    assert_eq!(answers(&q, &records), Ok(Reply::Found { addresses, canonical: name("a.example"), ttl: 60 }));
    for wrong in [&[192, 0, 2][..], &[0; 16]] {
        assert_eq!(answers(&q, &[record(&QNAME, 1, 300, wrong)]), Err(Dropped::Malformed));
    }
}

#[test]
fn rfc3596_2_2_addresses_of_16_bytes() {
    let q = query("a.example", RecordType::Aaaa);
    let ip: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let found = answers(&q, &[record(&QNAME, 28, 5, &ip.octets())]);
    assert_eq!(found, Ok(Reply::Found { addresses: vec![ip.into()], canonical: name("a.example"), ttl: 5 }));
}

#[test]
fn rfc2181_8_a_ttl_with_the_top_bit_is_none() {
    let q = query("a.example", RecordType::A);
    let found = answers(&q, &[record(&QNAME, 1, 0x8000_0001, &[192, 0, 2, 1])]);
    assert!(matches!(found, Ok(Reply::Found { ttl: 0, .. })));
}

#[test]
fn rfc1034_3_6_2_aliases_in_any_order() {
    let q = query("www.example", RecordType::A);
    let records = [
        record(&wire("c.example"), 1, 7, &[192, 0, 2, 9]),
        record(&wire("b.example"), CNAME, 5, &wire("C.example")),
        record(&QNAME, CNAME, 600, &wire("b.example")),
    ];
    let addresses = vec![[192, 0, 2, 9].into()];
    assert_eq!(answers(&q, &records), Ok(Reply::Found { addresses, canonical: name("c.example"), ttl: 5 }));
    let open = answers(&q, &records[1..]);
    assert_eq!(open, Ok(Reply::Alias { target: name("c.example"), ttl: 5 }));
}

#[test]
fn aliases_in_a_circle_are_dropped() {
    let q = query("a.example", RecordType::A);
    let circle = [record(&QNAME, CNAME, 5, &wire("b.example")), record(&wire("b.example"), CNAME, 5, &QNAME)];
    assert_eq!(answers(&q, &circle), Err(Dropped::Looping));
    assert_eq!(answers(&q, &[record(&QNAME, CNAME, 5, &QNAME)]), Err(Dropped::Looping));
}

#[test]
fn rfc2308_5_a_denial_is_good_for_the_soas_lesser_time() {
    let q = query("no.example", RecordType::A);
    let deny = |code: u8, records: &[Vec<u8>]| q.read(&response(&q, [0, 0x80 | code], [&[], records, &[]]));
    assert_eq!(deny(3, &[soa(900, 60)]), Ok(Reply::NxDomain { ttl: 60 }));
    assert_eq!(deny(3, &[soa(30, 60)]), Ok(Reply::NxDomain { ttl: 30 }));
    assert_eq!(deny(3, &[]), Ok(Reply::NxDomain { ttl: 0 }));
    assert_eq!(deny(0, &[soa(900, 60)]), Ok(Reply::NoData { ttl: 60 }));
    assert_eq!(deny(0, &[]), Ok(Reply::NoData { ttl: 0 }));
    // a SOA whose numbers aren't all there
    let short = record(&wire("example"), SOA, 1, &[wire("a"), wire("b"), vec![0; 19]].concat());
    assert_eq!(deny(0, &[short]), Err(Dropped::Malformed));
}

#[test]
fn rfc2308_2_2_no_data_behind_an_alias() {
    let q = query("www.example", RecordType::Aaaa);
    let alias = [record(&QNAME, CNAME, 20, &wire("b.example"))];
    let packet = response(&q, [0, 0x80], [&alias, &[soa(900, 60)], &[]]);
    assert_eq!(q.read(&packet), Ok(Reply::NoData { ttl: 20 }));
}

#[test]
fn a_referral_is_no_answer() {
    let q = query("www.example", RecordType::A);
    let ns = [record(&wire("example"), NS, 20, &wire("ns.example"))];
    assert_eq!(q.read(&response(&q, [0, 0], [&[], &ns, &[]])), Ok(Reply::Refused(SERVFAIL)));
    // but an authority's word that there is none
    assert_eq!(q.read(&response(&q, [4, 0], [&[], &ns, &[]])), Ok(Reply::NoData { ttl: 0 }));
}

#[test]
fn rfc1035_4_1_1_codes_of_refusal() {
    let q = query("a.example", RecordType::A);
    for code in [1, 2, 4, 5] {
        assert_eq!(q.read(&response(&q, [0, code], [&[], &[], &[]])), Ok(Reply::Refused(code.into())));
    }
    // a server that can't read the question needn't repeat it; any other has to
    assert_eq!(q.read(&[0x12, 0x34, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(Reply::Refused(FORMERR)));
    assert_eq!(q.read(&[0x12, 0x34, 0x80, 3, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Dropped::WrongQuestion));
}

#[test]
fn rfc6891_6_1_3_extended_codes() {
    let q = query("a.example", RecordType::A);
    let opt = |code: u8| [&[0][..], &OPT.to_be_bytes(), &[4, 208, code, 0, 0, 0, 0, 0]].concat();
    let packet = response(&q, [0, 0], [&[], &[], &[opt(1)]]);
    assert_eq!(q.read(&packet), Ok(Reply::Refused(BADVERS)));
    //= rfc6891#6.1.1
    let two = response(&q, [0, 0], [&[], &[], &[opt(0), opt(0)]]);
    assert_eq!(q.read(&two), Err(Dropped::Malformed));
}

#[test]
fn rfc1035_4_2_1_truncated_is_asked_again() {
    let q = query("a.example", RecordType::A);
    let mut packet = response(&q, [2, 0x80], [&[record(&QNAME, 1, 9, &[192, 0, 2, 1])], &[], &[]]);
    packet.truncate(packet.len() - 3);
    assert_eq!(q.read_datagram(&packet), Ok(Reply::Truncated));
}

#[test]
fn rfc5452_9_1_only_the_answer_to_this_question_is_taken() {
    let q = query("a.example", RecordType::A);
    let good = response(&q, [0, 0x80], [&[record(&QNAME, 1, 9, &[192, 0, 2, 1])], &[], &[]]);
    assert!(q.read(&good).is_ok());
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        q.read(&packet)
    };
    assert_eq!(with(&|p| p[1] ^= 1), Err(Dropped::WrongId));
    assert_eq!(with(&|p| p[2] = 0), Err(Dropped::Malformed), "a query");
    assert_eq!(with(&|p| p[2] |= 0x08), Err(Dropped::Malformed), "another opcode");
    assert_eq!(with(&|p| p[13] = b'b'), Err(Dropped::WrongQuestion));
    assert_eq!(with(&|p| p[24] = 28), Err(Dropped::WrongQuestion));
    assert_eq!(with(&|p| p[5] = 2), Err(Dropped::WrongQuestion));
    assert_eq!(with(&|p| p.truncate(20)), Err(Dropped::WrongQuestion));
    assert_eq!(with(&|p| p.truncate(11)), Err(Dropped::Malformed));
    // records of other names and classes say nothing of this one
    let other = [record(&wire("evil.example"), 1, 9, &[203, 0, 113, 1])];
    assert_eq!(answers(&q, &other), Ok(Reply::NoData { ttl: 0 }));
    assert_eq!(with(&|p| p[31] = 3), Ok(Reply::NoData { ttl: 0 }));
}

#[test]
fn rfc6891_6_2_3_more_than_was_asked_for_is_dropped() {
    let q = query("a.example", RecordType::A);
    let mut packet = response(&q, [0, 0x80], [&[record(&QNAME, 1, 9, &[192, 0, 2, 1])], &[], &[]]);
    packet.resize(UDP_PAYLOAD + 1, 0);
    assert_eq!(q.read_datagram(&packet), Err(Dropped::Oversized));
    packet.truncate(PLAIN_PAYLOAD + 1);
    assert!(q.read_datagram(&packet).is_ok());
    let plain = Query { edns: false, ..q };
    assert_eq!(plain.read_datagram(&packet), Err(Dropped::Oversized));
}

#[test]
fn rfc1035_4_1_4_pointers_go_back_only() {
    let q = query("a.example", RecordType::A);
    let end = (HEADER + q.name.len() + 4) as u8;
    // to itself, forwards, and to a name that ends in a pointer to it
    for owner in [[0xc0, end], [0xc0, end + 2], [0xff, 0xff]] {
        assert_eq!(answers(&q, &[record(&owner, 1, 9, &[192, 0, 2, 1])]), Err(Dropped::Malformed), "{owner:?}");
    }
    let circle = [&[1, b'x', 0xc0, end][..]].concat();
    assert_eq!(answers(&q, &[record(&circle, 1, 9, &[192, 0, 2, 1])]), Err(Dropped::Malformed));
    for kind in [0x40, 0x80] {
        assert_eq!(answers(&q, &[record(&[kind, 0], 1, 9, &[192, 0, 2, 1])]), Err(Dropped::Malformed));
    }
}

#[test]
fn pointers_to_pointers_are_followed() {
    let q = query("a.example", RecordType::A);
    let owner = HEADER + q.name.len() + 4;
    // b.example, whose "example" is the question's; then an alias to it by a pointer to its pointer
    let b = record(&[1, b'b', 0xc0, 14], 1, 9, &[192, 0, 2, 1]);
    let alias = record(&QNAME, CNAME, 9, &[1, b'b', 0xc0, owner as u8 + 2]);
    let found = answers(&q, &[b, alias]);
    assert!(matches!(found, Ok(Reply::Found { canonical, .. }) if canonical == name("b.example")));
}

#[test]
fn rfc1035_2_3_4_a_name_of_more_than_255_bytes_is_malformed() {
    let q = query("a.example", RecordType::A);
    let label = [&[63][..], &[b'x'; 63]].concat();
    let long = [label.repeat(4), vec![0]].concat();
    assert_eq!(answers(&q, &[record(&long, 1, 9, &[192, 0, 2, 1])]), Err(Dropped::Malformed));
}

#[test]
fn counts_that_promise_more_than_there_is() {
    let q = query("a.example", RecordType::A);
    for count in [7, 9, 11] {
        let mut packet = response(&q, [0, 0x80], [&[], &[], &[]]);
        packet[count] = 1;
        assert_eq!(q.read(&packet), Err(Dropped::Malformed));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..600), counts in any::<[u8; 3]>()) {
        let q = query("a.example", RecordType::A);
        let mut packet = response(&q, [0, 0x80], [&[], &[], &[]]);
        for (at, count) in [7, 9, 11].into_iter().zip(counts) {
            packet[at] = count % 8;
        }
        packet.extend(tail);
        let _ = q.read(&packet);
    }

    #[test]
    fn every_cut_of_a_good_response_is_refused(cut in 0_usize..120) {
        let q = query("www.example", RecordType::A);
        let records = [record(&QNAME, CNAME, 9, &wire("b.example")), record(&wire("b.example"), 1, 9, &[192, 0, 2, 1])];
        let whole = response(&q, [0, 0x80], [&records, &[], &[]]);
        prop_assume!(cut < whole.len());
        prop_assert!(q.read(&whole[..cut]).is_err());
    }
}
