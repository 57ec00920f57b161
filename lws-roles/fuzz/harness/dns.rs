//! Any bytes as the answer to a DNS query for www.example.com.
//!
//! The first byte: bit 0 asks for AAAA and not A, bit 1 without EDNS, bit 2 gives the rest as the whole
//! message. Otherwise the next 8 bytes are the header's flags and the counts of answers, authorities and
//! additionals, and the rest what follows the right id and question, so that it is looked at.
//!
//! What must hold: no panic; the same bytes say the same; a datagram says what a message by TCP does, if it
//! isn't too large; addresses are of the type asked for, some and at most 64, and names are names.

use super::lws::dns::wire::{Dropped, Query, RecordType, Reply, UDP_PAYLOAD};
use super::lws::dns::{MAX_NAME, Name};

const HEADER: usize = 12;

/// The most addresses that are kept of a message.
const ADDRESSES: usize = 64;

pub(crate) fn run(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    let kind = if mode & 1 == 0 { RecordType::A } else { RecordType::Aaaa };
    let edns = mode & 2 == 0;
    let name = Name::parse("www.example.com").expect("a name");
    let query = Query::new(&name, kind, edns, &mut |bytes| bytes.fill(0x35));
    let packet = match (mode & 4, rest.split_at_checked(8)) {
        (0, Some((head, records))) => {
            let sent = query.encode();
            let mut packet = sent[..HEADER + name.as_wire().len() + 4].to_vec();
            packet[2..4].copy_from_slice(&head[..2]);
            packet[6..HEADER].copy_from_slice(&head[2..]);
            packet.extend_from_slice(records);
            packet
        }
        _ => rest.to_vec(),
    };
    let read = query.read(&packet);
    assert_eq!(read, query.read(&packet));
    let datagram = query.read_datagram(&packet);
    assert!(datagram == read || datagram == Err(Dropped::Oversized));
    if edns {
        assert_eq!(datagram == Err(Dropped::Oversized), packet.len() > UDP_PAYLOAD);
    }
    match read {
        Ok(Reply::Found { addresses, canonical, .. }) => {
            assert!((1..=ADDRESSES).contains(&addresses.len()));
            assert!(addresses.iter().all(|ip| ip.is_ipv4() == (kind == RecordType::A)));
            check(&canonical);
        }
        Ok(Reply::Alias { target, .. }) => check(&target),
        _ => {}
    }
}

fn check(name: &Name) {
    let wire = name.as_wire();
    assert!(wire.len() <= MAX_NAME && wire.last() == Some(&0));
    let labels: usize = name.labels().map(|label| label.len() + 1).sum();
    assert_eq!(labels + 1, wire.len());
}
