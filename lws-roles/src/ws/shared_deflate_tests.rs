//! Compressed once, inflated by peers with windows and histories of all sizes.

use super::super::super::deflate::{Agreed, Offers, Settings};
use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use zlib_rs::{Inflate, InflateFlush};

const RSV1_TEXT: u8 = 0xc1;

/// A peer that inflates: zlib itself, with as small a window as was agreed upon and a context that
/// is kept from message to message.
struct Reader {
    stream: Inflate,
    takeover: bool,
}

impl Reader {
    fn new(bits: u8, takeover: bool) -> Self {
        Self { stream: Inflate::new(false, bits), takeover }
    }

    /// A whole message from its frame.
    fn read(&mut self, (first, payload): &(u8, Vec<u8>)) -> Vec<u8> {
        if first & RSV1 == 0 {
            return payload.clone();
        }
        let wire = [payload, &[0, 0, 0xff, 0xff][..]].concat();
        let (mut rest, mut all) = (&wire[..], Vec::new());
        loop {
            // pieces so small that what lies further back is in the window or nowhere
            let mut out = [0; 100];
            let before = (self.stream.total_in(), self.stream.total_out());
            self.stream.decompress(rest, &mut out, InflateFlush::SyncFlush).expect("corrupt");
            rest = &rest[(self.stream.total_in() - before.0) as usize..];
            let filled = (self.stream.total_out() - before.1) as usize;
            all.extend(&out[..filled]);
            if rest.is_empty() && filled < out.len() {
                break;
            }
        }
        if !self.takeover {
            self.stream.reset(false);
        }
        all
    }
}

/// Accepted connections are WebSockets that have agreed upon this.
struct AgreedServer(Cell<Option<Agreed>>);

impl RoleFactory for AgreedServer {
    fn name(&self) -> &'static str {
        "ws-agreed"
    }

    fn server(&self) -> Option<Halves> {
        Some(halves(Sender::Server, self.0.get()))
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::Http
    }
}

fn agreed(bits: u8, takeover: bool, own: Settings) -> Agreed {
    let takeover = if takeover { "" } else { "; server_no_context_takeover" };
    let offer = format!("permessage-deflate; server_max_window_bits={bits}{takeover}");
    Offers::read([offer.as_bytes()]).choose(&own.threshold(10)).unwrap().0
}

/// A server with a connection for each of these, in order, and their peers.
fn bench_of(all: Vec<Option<Agreed>>) -> (Bench, Vec<MemoryPeer>) {
    let mut all = all.into_iter();
    let role: &'static AgreedServer = Box::leak(Box::new(AgreedServer(Cell::new(all.next().unwrap()))));
    let roles: &'static [&'static dyn RoleFactory] = Box::leak(Box::new([role as &dyn RoleFactory]));
    let mut bench = Bench::with_roles(roles, vhost(), MemoryOptions { capacity: 1 << 22, ..calm() });
    bench.run_ms(5);
    let mut peers = vec![bench.peer];
    for next in all {
        role.0.set(next);
        let peer = bench.net().peer_connect("port:7681");
        peers.push(peer);
        bench.run_ms(5);
    }
    (bench, peers)
}

fn ids(bench: &mut Bench) -> Vec<WsiId> {
    bench.with_wsi(|wsi| wsi.vhost().members().to_vec())
}

/// The one frame that each peer has got.
fn frames(bench: &mut Bench, peers: &[MemoryPeer]) -> Vec<(u8, Vec<u8>)> {
    bench.run_ms(5);
    let mut one = |peer| {
        let mut frames = parse_frames(&bench.net().peer_receive(peer));
        assert_eq!(frames.len(), 1);
        frames.remove(0)
    };
    peers.iter().map(|&peer| one(peer)).collect()
}

fn broadcast(bench: &mut Bench, message: &Shared) -> usize {
    bench.with_wsi(|wsi| wsi.broadcast(message, |_, why| panic!("{why}")))
}

/// Lines that compress well, but for a number in each.
fn lines(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed | 1;
    let mut all = Vec::new();
    while all.len() < len {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        all.extend_from_slice(format!("{{\"id\":{},\"state\":\"well\"}}\n", x >> 50).as_bytes());
    }
    all.truncate(len);
    all
}

#[test]
fn compressed_once_for_all_that_agreed_upon_the_same() {
    let own = Settings::default();
    let of = |bits, takeover| Some(agreed(bits, takeover, own));
    let (mut bench, peers) =
        bench_of(vec![of(15, true), of(15, false), of(15, true), None, of(9, true), of(9, false), of(12, true)]);
    let message = Shared::text(lines(1, 5000));
    assert_eq!(broadcast(&mut bench, &message), peers.len());
    assert_eq!(message.frames.compressed.borrow().len(), 3, "windows of 9, 12 and 15 bits");
    let first = frames(&mut bench, &peers);
    assert_eq!(broadcast(&mut bench, &message), peers.len());
    assert_eq!(message.frames.compressed.borrow().len(), 3);
    let again = frames(&mut bench, &peers);
    assert!(first == again, "the same bytes, though some have a history now");
    assert_eq!(first[3], (0x81, message.payload().to_vec()));
    assert!(first[0] == first[1] && first[0] == first[2] && first[4] == first[5]);
    for (at, bits) in [(0, 15), (4, 9), (6, 12)] {
        let frame = &first[at];
        assert!(frame.0 == RSV1_TEXT && frame.1.len() < 2500, "{} bytes", frame.1.len());
        assert!(Reader::new(bits, true).read(frame) == message.payload());
    }
}

#[test]
fn settings_of_connection_and_message_hold() {
    let own = Settings::default();
    let (mut bench, peers) = bench_of(vec![Some(agreed(15, true, own))]);
    let is_plain = |bench: &mut Bench, message: &Shared| {
        assert_eq!(broadcast(bench, message), 1);
        let made = message.frames.compressed.borrow().len();
        let frame = frames(bench, &peers).remove(0);
        assert_eq!(frame.0 == 0x81, frame.1 == message.payload());
        (frame.0 == 0x81, made)
    };
    assert_eq!(is_plain(&mut bench, &Shared::text([b'x'; 9])), (true, 0), "below the threshold");
    assert_eq!(is_plain(&mut bench, &Shared::text([b'x'; 10])), (false, 1));
    let secret = Shared::text([b'x'; 500]).uncompressed();
    assert_eq!(is_plain(&mut bench, &secret), (true, 0));
    let random: Vec<u8> = (0u32..500).map(|n| n.wrapping_mul(n).wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    let noise = Shared::text(&random);
    assert_eq!(is_plain(&mut bench, &noise), (true, 1), "it would be no smaller");
    assert_eq!(is_plain(&mut bench, &noise), (true, 1), "which isn't tried again");
    let (mut other, peers) = bench_of(vec![Some(agreed(15, true, own.compression_level(0)))]);
    assert_eq!(broadcast(&mut other, &Shared::text(lines(1, 500))), 1);
    assert_eq!(frames(&mut other, &peers)[0].0, 0x81, "its vhost stores only");
}

/// A step of a conversation: messages for one, in one frame or two, and for all.
#[derive(Clone, Debug)]
enum Step {
    Own { at: usize, seed: u64, len: usize, split: bool, compress: bool },
    All { seed: u64, len: usize, compress: bool },
}

/// Mostly a small window's worth, and now and then more than the largest.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..2_000usize, 1 => 30_000..40_000usize]
}

fn step() -> impl Strategy<Value = Step> {
    // few seeds, so that later messages have much in common with earlier ones
    let own = (0..5usize, 0..4u64, len(), any::<bool>(), any::<bool>())
        .prop_map(|(at, seed, len, split, compress)| Step::Own { at, seed, len, split, compress: compress || !split });
    let all =
        (0..4u64, len(), prop::bool::weighted(0.8)).prop_map(|(seed, len, compress)| Step::All { seed, len, compress });
    prop_oneof![own, all]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rfc7692_7_2_1_any_mixture_is_inflated_by_windows_of_any_size(
        steps in prop::collection::vec(step(), 1..20),
        bits in prop::collection::vec(9..=15u8, 4),
    ) {
        let own = Settings::default();
        let takeovers = [true, true, false, true];
        let mut all: Vec<_> =
            bits.iter().zip(takeovers).map(|(&bits, takeover)| Some(agreed(bits, takeover, own))).collect();
        all.push(None);
        let mut readers: Vec<_> =
            bits.iter().zip(takeovers).map(|(&bits, takeover)| Reader::new(bits, takeover)).collect();
        readers.push(Reader::new(15, true));
        let (mut bench, peers) = bench_of(all);
        let ids = ids(&mut bench);
        for step in steps {
            match step {
                Step::Own { at, seed, len, split, compress } => {
                    let message = lines(seed, len);
                    let how = |first, last| {
                        let how = Write::Text { first, last };
                        if compress { how } else { how.uncompressed() }
                    };
                    bench.with_wsi(|wsi| {
                        let mut wsi = wsi.other(ids[at]).unwrap();
                        if split {
                            let (one, two) = message.split_at(len / 2);
                            wsi.write(one, how(true, false)).unwrap();
                            wsi.write(two, how(false, true)).unwrap();
                        } else {
                            wsi.write(&message, how(true, true)).unwrap();
                        }
                    });
                    bench.run_ms(5);
                    let mut parts = parse_frames(&bench.net().peer_receive(peers[at])).into_iter();
                    let (first, mut payload) = parts.next().unwrap();
                    parts.for_each(|(_, more)| payload.extend(more));
                    prop_assert!(readers[at].read(&(first, payload)) == message);
                }
                Step::All { seed, len, compress } => {
                    let message = Shared::text(lines(seed, len));
                    let message = if compress { message } else { message.uncompressed() };
                    prop_assert_eq!(broadcast(&mut bench, &message), peers.len());
                    let got = frames(&mut bench, &peers);
                    for (reader, frame) in readers.iter_mut().zip(&got) {
                        prop_assert!(reader.read(frame) == message.payload());
                    }
                }
            }
        }
    }
}
