//! One message for many connections, on the wire of each.

use super::super::server::halves;
use super::super::testing::{Bench, Heard, masked, parse_frames, vhost};
use super::*;
use crate::ws::frame::Sender;
use lws_core::{
    Adopt, ConnectInfo, Halves, MemoryOptions, MemoryPeer, Pending, Reason, RoleFactory, Write, WriteError, WsiId,
};
use std::time::Duration;

/// A network that neither delays nor cuts.
fn calm() -> MemoryOptions {
    MemoryOptions { max_segment: usize::MAX, max_write: usize::MAX, max_delay_us: 0, ..MemoryOptions::default() }
}

fn bench() -> Bench {
    Bench::frames(vhost(), calm())
}

fn write(bench: &mut Bench, message: &Shared) -> Result<usize, WriteError> {
    let result = bench.with_wsi(|wsi| wsi.write_shared(message));
    bench.run_ms(5);
    result
}

#[test]
fn rfc6455_5_1_the_frame_is_what_a_server_sends() {
    let mut bench = bench();
    for len in [0usize, 125, 126, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        for (message, first) in [(Shared::text(&payload), 0x81), (Shared::binary(&payload), 0x82)] {
            assert_eq!(message.payload(), payload);
            assert_eq!(message.is_binary(), first == 0x82);
            assert_eq!(write(&mut bench, &message), Ok(len));
            assert!(bench.frames_on_wire() == [(first, payload.clone())], "{len}");
        }
    }
}

#[test]
fn rfc6455_5_4_not_between_the_fragments_of_a_message() {
    let mut bench = bench();
    let message = Shared::text("all");
    let results = bench.with_wsi(|wsi| {
        [
            wsi.write(b"a", Write::Text { first: true, last: false }),
            wsi.write_shared(&message),
            wsi.write(b"b", Write::Text { first: false, last: true }),
            wsi.write_shared(&message),
        ]
    });
    assert_eq!(results, [Ok(1), Err(WriteError::Fragment), Ok(1), Ok(3)]);
    bench.run_ms(5);
    let frames = [(0x01, b"a".to_vec()), (0x80, b"b".to_vec()), (0x81, b"all".to_vec())];
    assert_eq!(bench.frames_on_wire(), frames);
}

/// Accepted connections are clients' ends of WebSockets from their first byte.
struct ClientEnd;

impl RoleFactory for ClientEnd {
    fn name(&self) -> &'static str {
        "ws-client-end"
    }

    fn server(&self) -> Option<Halves> {
        Some(halves(Sender::Client, None))
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }
}

#[test]
fn rfc6455_5_3_clients_mask_each_frame_with_a_key_of_its_own() {
    let mut bench = Bench::with_roles(&[&ClientEnd], vhost(), calm());
    bench.run_ms(5);
    let message = Shared::binary([0; 40]);
    assert_eq!(write(&mut bench, &message), Ok(40));
    let one = bench.wire();
    assert_eq!(write(&mut bench, &message), Ok(40));
    let two = bench.wire();
    assert_eq!(one[1], 0x80 | 40);
    assert_ne!(one, two);
    for wire in [one, two] {
        assert_eq!(parse_frames(&wire), [(0x82, vec![0; 40])]);
    }
}

#[test]
fn a_receiver_that_has_no_room_refuses() {
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 1000, ..calm() });
    let message = Shared::binary([7; 3000]);
    assert_eq!(write(&mut bench, &message), Ok(3000));
    assert_eq!(write(&mut bench, &message), Err(WriteError::Backlogged));
    let mut wire = Vec::new();
    for _ in 0..10 {
        wire.extend(bench.wire());
        bench.run_ms(5);
    }
    assert!(parse_frames(&wire) == [(0x82, vec![7; 3000])]);
    assert_eq!(write(&mut bench, &message), Ok(3000));
    bench.with_wsi(|wsi| wsi.close(lws_core::Close::NORMAL));
    assert_eq!(bench.with_wsi(|wsi| wsi.write_shared(&message)), Err(WriteError::Gone));
}

/// Adds connections to a server's bench until there are so many; all of their peers.
fn subscribers(bench: &mut Bench, count: usize) -> Vec<MemoryPeer> {
    let mut peers = vec![bench.peer];
    while peers.len() < count {
        peers.push(bench.net().peer_connect("port:7681"));
    }
    bench.run_ms(5);
    assert_eq!(bench.context.connections(), count);
    peers
}

#[test]
fn ten_thousand_subscribers_cost_one_frame_and_a_send_each() {
    const COUNT: usize = 10_000;
    let mut bench = bench();
    let peers = subscribers(&mut bench, COUNT);
    let message = Shared::text("to all of you");
    let handle = message.clone();
    let before = bench.net().sends();
    let (took, held) = bench.with_wsi(|wsi| {
        let took = wsi.broadcast(&handle, |_, why| panic!("{why}"));
        let mut vh = wsi.vhost();
        let members: Vec<WsiId> = vh.members().to_vec();
        (took, members.iter().filter(|&&id| vh.wsi(id).unwrap().buffered() > 0).count())
    });
    assert_eq!(took, COUNT);
    assert!(held <= 32, "{held} hold a buffer at a time");
    bench.run_ms(5);
    assert_eq!(bench.net().sends() - before, COUNT as u64);
    assert_eq!(Rc::strong_count(&message.frames), 2, "it was framed once, nobody has a message of its own");
    for peer in peers {
        assert!(bench.net().peer_receive(peer) == message.plain());
    }
}

#[test]
fn large_messages_leave_from_where_they_are() {
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 1 << 20, ..calm() });
    let peers = subscribers(&mut bench, 100);
    let message = Shared::binary(vec![9; 100_000]);
    let before = bench.net().sends();
    let held = bench.with_wsi(|wsi| {
        assert_eq!(wsi.broadcast(&message, |_, why| panic!("{why}")), 100);
        let mut vh = wsi.vhost();
        let members: Vec<WsiId> = vh.members().to_vec();
        members.iter().filter(|&&id| vh.wsi(id).unwrap().buffered() > 0).count()
    });
    assert_eq!(held, 0);
    assert_eq!(bench.net().sends() - before, 100);
    bench.run_ms(5);
    for peer in peers {
        assert!(bench.net().peer_receive(peer) == message.plain());
    }
}

#[test]
fn who_lags_is_shown_and_can_be_culled_while_others_go_on() {
    const COUNT: usize = 50;
    let mut bench = Bench::frames(vhost(), MemoryOptions { capacity: 2000, ..calm() });
    let peers = subscribers(&mut bench, COUNT);
    bench.heard();
    let message = Shared::text([b'x'; 1500]);
    let mut received = vec![0; COUNT];
    let mut lagging = Vec::new();
    for _ in 0..3 {
        let took = bench.with_wsi(|wsi| {
            wsi.broadcast(&message, |other, why| {
                assert_eq!(why, WriteError::Backlogged);
                assert!(other.buffered() > 0);
                lagging.push(other.id());
                // how long it may, from the first time on
                if other.pending_timeout() != Some(Pending::Lagging) {
                    other.set_timeout(Pending::Lagging, Some(Duration::from_millis(12)));
                }
            })
        });
        assert_eq!(took + lagging.len(), COUNT);
        bench.run_ms(5);
        // nobody reads at the first two of them
        for (n, &peer) in peers[2..].iter().enumerate() {
            received[n] += bench.net().peer_receive(peer).len();
        }
        bench.run_ms(5);
        for (n, &peer) in peers[2..].iter().enumerate() {
            received[n] += bench.net().peer_receive(peer).len();
        }
        lagging.dedup();
        lagging.truncate(2);
    }
    bench.run_ms(5);
    assert_eq!(bench.context.connections(), COUNT - 2);
    let closed = bench.heard().iter().filter(|heard| **heard == Heard::other("Closed")).count();
    assert_eq!(closed, 2);
    assert!(received[..COUNT - 2].iter().all(|&n| n == 3 * message.plain().len()), "{received:?}");
}

#[test]
fn a_message_for_all_can_be_sent_from_any_callback() {
    let mut bench = bench();
    let peers = subscribers(&mut bench, 3);
    bench.script(|wsi, reason| {
        if let Reason::Receive(rx) = reason {
            assert_eq!(wsi.broadcast(&Shared::text(rx.data), |_, why| panic!("{why}")), 3);
        }
        Ok(())
    });
    bench.send(&masked(0x81, b"hello"));
    for peer in peers {
        assert_eq!(parse_frames(&bench.net().peer_receive(peer)), [(0x81, b"hello".to_vec())]);
    }
}

#[test]
fn it_says_what_it_is_without_saying_what_it_says() {
    let text = format!("{:?}", Shared::text("secret").uncompressed());
    assert_eq!(text, "Shared { binary: false, bytes: 6, compress: false, .. }");
}

#[cfg(feature = "deflate")]
#[path = "shared_deflate_tests.rs"]
mod deflate;
