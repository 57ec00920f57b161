//! Whose turn it is (RFC 9218).

use crate::bench::*;
use crate::client::*;
use crate::peer::*;
use lws_roles::h2::frame::Kind;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Reason, Write};

/// Answers with 30,000 bytes.
fn big() -> H2 {
    let bench = Bench::new(|wsi, reason, _| {
        if let Reason::Http(_) = reason {
            wsi.respond(200).content_length(30_000).send()?;
            wsi.write(&[b'x'; 30_000], Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    });
    let mut h = H2::settled(bench, &[(4, 1_000_000)]);
    // the connection's window is used up: what follows waits
    for sid in [1, 3, 5] {
        h.get(sid, "/");
    }
    h.ask(rst(5));
    h
}

/// Asks for all at once, then lets them send; the order of their frames and how much each was.
fn race(h: &mut H2, streams: &[(u32, Option<&str>)], updates: &[(u32, &str)], credit: u32) -> Vec<(u32, usize)> {
    for (sid, priority) in streams {
        let mut fields = request("GET", "/").to_vec();
        fields.extend(priority.map(|p| ("priority", p)));
        h.headers(*sid, &fields, true);
    }
    for (sid, value) in updates {
        h.ask(raw(Kind::PriorityUpdate, 0, 0, &[&sid.to_be_bytes()[..], value.as_bytes()].concat()));
    }
    let notes = h.ask(window(0, credit));
    let mut order = Vec::new();
    for note in notes.split(", ") {
        let Some(note) = note.strip_prefix("data ") else { continue };
        let mut parts = note.split(' ');
        let sid: u32 = parts.next().and_then(|n| n.parse().ok()).expect("a number");
        let text = parts.next().unwrap_or_default();
        let len = text
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .map_or(text.len(), |n| n.parse().expect("a length"));
        order.push((sid, len));
    }
    order
}

fn streams(order: &[(u32, usize)]) -> Vec<u32> {
    let mut all: Vec<u32> = order.iter().map(|(sid, _)| *sid).collect();
    all.dedup();
    all
}

#[test]
fn rfc9218_4_1_lower_urgency_values_go_first() {
    let mut h = big();
    let order = race(&mut h, &[(7, Some("u=5")), (9, None), (11, Some("u=0")), (13, Some("u=7"))], &[], 1_000_000);
    assert_eq!(streams(&order), [11, 9, 7, 13]);
}

#[test]
fn rfc9218_4_2_streams_that_are_not_incremental_go_one_after_the_other() {
    let mut h = big();
    let order = race(&mut h, &[(7, Some("u=3")), (9, Some("u=3"))], &[], 1_000_000);
    assert_eq!(streams(&order), [7, 9]);
}

#[test]
fn rfc9218_10_incremental_streams_share_by_bytes() {
    let mut h = big();
    let order = race(&mut h, &[(7, Some("i")), (9, Some("i")), (11, None)], &[], 1_000_000);
    assert_eq!(streams(&order[..6]), [7, 9, 11, 7, 9, 11], "those that did not say share, too");
    // and of what there is not enough of
    let mut h = big();
    let order = race(&mut h, &[(7, Some("i")), (9, Some("i"))], &[], 32_768);
    let of = |sid| order.iter().filter(|(of, _)| *of == sid).map(|(_, len)| len).sum::<usize>();
    assert_eq!((of(7), of(9)), (16_384, 16_384));
}

#[test]
fn rfc9218_7_priority_update_changes_whose_turn_it_is() {
    let mut h = big();
    let order = race(&mut h, &[(7, Some("u=1")), (9, Some("u=2"))], &[(7, "u=6"), (9, "u=0,i")], 1_000_000);
    assert_eq!(streams(&order), [9, 7]);
}

#[test]
fn rfc9218_5_a_priority_that_cannot_be_read_is_the_default() {
    let mut h = big();
    let order = race(&mut h, &[(7, Some("u=9,,=")), (9, Some("u=2")), (11, Some("u=4"))], &[], 1_000_000);
    assert_eq!(streams(&order), [9, 7, 11]);
}
