//! The resolver on the simulated network and the virtual clock: losses, copies and delays of many seeds, servers that
//! are slow or dead, answers that are too long for a datagram; and that a run can be repeated exactly.

use super::bench::{Bench, settings};
use super::server::{Query, data};
use lws::dns::{DnsSettings, DnsStatistics};
use lws::{DnsError, DnsType, MemoryOptions, MemoryPeer, MemoryUdpPeer};
use lws_roles as lws;
use std::net::SocketAddr;
use std::time::Duration;

const A: DnsType = DnsType::A;

fn found() -> Result<Vec<String>, DnsError> {
    Ok(vec!["127.0.0.1".to_owned()])
}

fn at(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 53).into()
}

fn calm() -> MemoryOptions {
    MemoryOptions { max_delay_us: 1_000, max_segment: 1 << 24, ..MemoryOptions::default() }
}

/// What the server of that number does with a query: answers, so many µs late, or not.
type Script = dyn FnMut(usize, &Query) -> Option<(u64, Vec<u8>)>;

/// A context whose names are asked for at 192.0.2.1 and 192.0.2.2, and what is there.
struct World {
    bench: Bench,
    servers: Vec<MemoryUdpPeer>,
    /// By TCP, whoever is asked.
    listener: MemoryPeer,
    streams: Vec<(MemoryPeer, Vec<u8>)>,
    /// Answers that are held back: when, by whom, to whom.
    held: Vec<(u64, MemoryUdpPeer, SocketAddr, Vec<u8>)>,
    asked: usize,
}

impl World {
    /// With servers at these addresses.
    fn new(options: MemoryOptions, present: &[u8]) -> Self {
        Self::with(options, present, settings())
    }

    fn with(options: MemoryOptions, present: &[u8], settings: DnsSettings) -> Self {
        let settings = settings.server(at(1)).server(at(2));
        let mut bench = Bench::of(settings, |builder| builder.memory(options));
        let net = bench.context.memory().expect("simulated");
        let servers = present.iter().map(|&last| net.peer_udp_bind(at(last)).expect("free")).collect();
        let listener = net.peer_listen("port:53").expect("free");
        Self { bench, servers, listener, streams: Vec::new(), held: Vec::new(), asked: 0 }
    }

    /// Turns until this is answered, each query meanwhile by `script`, so many µs late: which server, by TCP or not.
    fn answer(&mut self, key: u32, script: &mut Script) -> Result<Vec<String>, DnsError> {
        for _ in 0..1_000_000 {
            if let Some(answer) = self.bench.answer_of(key) {
                return answer;
            }
            self.bench.context.service(Some(Duration::from_millis(1))).expect("turns");
            self.datagrams(script);
            self.streams(script);
        }
        panic!("never answered: {:?}", self.bench.dns.statistics());
    }

    fn datagrams(&mut self, script: &mut Script) {
        let now = self.bench.context.now_us();
        let net = self.bench.context.memory().expect("simulated");
        for (n, &server) in self.servers.iter().enumerate() {
            while let Some((from, packet)) = net.peer_udp_receive(server) {
                let query = Query { packet, tcp: false, nth: self.asked };
                self.asked += 1;
                if let Some((late, packet)) = script(n, &query) {
                    self.held.push((now + late, server, from, packet));
                }
            }
        }
        let (due, later) = std::mem::take(&mut self.held).into_iter().partition(|(at, ..)| *at <= now);
        self.held = later;
        let due: Vec<_> = due;
        for (_, server, to, packet) in due {
            net.peer_udp_send(server, to, &packet);
        }
    }

    fn streams(&mut self, script: &mut Script) {
        let net = self.bench.context.memory().expect("simulated");
        while let Some(peer) = net.peer_accept(self.listener) {
            self.streams.push((peer, Vec::new()));
        }
        for (peer, bytes) in &mut self.streams {
            bytes.extend(net.peer_receive(*peer));
            let Some((&length, rest)) = bytes.split_first_chunk() else { continue };
            let Some(packet) = rest.get(..u16::from_be_bytes(length).into()) else { continue };
            let query = Query { packet: packet.to_vec(), tcp: true, nth: self.asked };
            self.asked += 1;
            bytes.clear();
            if let Some((_, packet)) = script(0, &query) {
                let whole = [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
                assert_eq!(net.peer_send(*peer, &whole), whole.len());
            }
        }
    }

    /// Asks, waits for the answer, and tells how long it took in µs of the virtual clock.
    fn resolve(&mut self, name: &str, script: &mut Script) -> (Result<Vec<String>, DnsError>, u64) {
        let began = self.bench.context.now_us();
        let key = self.bench.ask(name, A);
        (self.answer(key, script), self.bench.context.now_us() - began)
    }
}

fn good(_: usize, query: &Query) -> Option<(u64, Vec<u8>)> {
    Some((0, query.loopback()))
}

/// Some names on a network that loses a third of all datagrams, sends a tenth twice and refuses a tenth for a while.
fn unkind(seed: u64) -> (u64, DnsStatistics) {
    let options = MemoryOptions {
        seed,
        max_delay_us: 30_000,
        datagram_loss_ppm: 330_000,
        datagram_copy_ppm: 100_000,
        datagram_block_ppm: 100_000,
        ..MemoryOptions::default()
    };
    let mut world = World::new(options, &[1, 2]);
    let keys: Vec<u32> = (0..10).map(|n| world.bench.ask(&format!("host{n}.example"), A)).collect();
    for key in keys {
        assert_eq!(world.answer(key, &mut good), found(), "seed {seed}");
    }
    (world.bench.context.now_us(), world.bench.dns.statistics())
}

#[test]
fn what_is_lost_is_asked_again_whatever_the_network_does() {
    let mut timeouts = 0;
    for seed in 1..40 {
        let (took, statistics) = unkind(seed);
        assert!(took < 60_000_000, "seed {seed}: {took} us");
        timeouts += statistics.timeouts;
    }
    assert!(timeouts > 100, "{timeouts}");
}

#[test]
fn a_run_can_be_repeated_exactly() {
    for seed in [3, 17] {
        let (one, two) = (unkind(seed), unkind(seed));
        assert_eq!((one.0, format!("{:?}", one.1)), (two.0, format!("{:?}", two.1)));
    }
    assert_ne!(unkind(3).0, unkind(17).0);
}

#[test]
fn a_first_server_that_isnt_there_is_passed_by_at_once_and_a_silent_one_after_its_time() {
    // the machine of the first says that nobody is there
    let (answer, took) = World::new(calm(), &[2]).resolve("host.example", &mut good);
    assert_eq!(answer, found());
    assert!(took < 20_000, "{took} us");
    // the first says nothing: the second is asked after 200 ms, and 20 % of jitter
    let mut silent = |n: usize, query: &Query| (n == 1).then(|| (0, query.loopback()));
    let (answer, took) = World::new(calm(), &[1, 2]).resolve("host.example", &mut silent);
    assert_eq!(answer, found());
    assert!((200_000..=250_000).contains(&took), "{took} us");
}

#[test]
fn an_answer_later_than_the_next_try_is_heard() {
    let mut slow = |n: usize, query: &Query| Some((if n == 0 { 300_000 } else { 10_000_000 }, query.loopback()));
    let (answer, took) = World::new(calm(), &[1, 2]).resolve("host.example", &mut slow);
    assert_eq!(answer, found());
    assert!((300_000..=310_000).contains(&took), "{took} us");
}

#[test]
fn rfc7766_5_what_is_truncated_is_asked_for_by_tcp() {
    let mut long = |_: usize, query: &Query| {
        let mut packet = query.respond(0, &vec![data("192.0.2.1"); 200]);
        if !query.tcp {
            packet = query.respond(0, &[]);
            packet[2] |= 2;
        }
        Some((0, packet))
    };
    for max_segment in [1, 7, 1 << 24] {
        let mut world = World::new(MemoryOptions { max_segment, ..calm() }, &[1, 2]);
        let (answer, _) = world.resolve("big.example", &mut long);
        assert_eq!(answer, Ok(vec!["192.0.2.1".to_owned()]), "{max_segment}");
        let statistics = world.bench.dns.statistics();
        assert_eq!((statistics.sent, statistics.sent_tcp), (2, 1));
    }
}

#[test]
fn nobody_at_all_is_an_error_in_its_time_and_no_socket_is_left() {
    let mut world = World::with(
        calm(),
        &[],
        settings().retry_policy(lws::RetryPolicy {
            retry_ms_table: &[200, 400],
            conceal_count: 3,
            jitter_percent: 1,
            ..lws::RetryPolicy::DEFAULT
        }),
    );
    let (answer, took) = world.resolve("host.example", &mut good);
    let why = answer.expect_err("nobody has answered").to_string();
    assert!(why.contains("192.0.2.") && why.contains(":53: it can't be reached"), "{why}");
    assert!(took < 5_000_000, "{took} us");
    world.bench.context.service(Some(Duration::from_millis(1))).expect("turns");
    assert_eq!(world.bench.context.connections(), 0);
}

#[test]
fn losses_on_purpose_are_the_resolver_s_as_well() {
    let mut bench = Bench::of(settings().server(at(1)), |builder| builder.memory(calm()).udp_loss_sim_tx_pc(100));
    let server = bench.context.memory().unwrap().peer_udp_bind(at(1)).unwrap();
    bench.ask("host.example", A);
    for _ in 0..2_000 {
        bench.context.service(Some(Duration::from_millis(1))).expect("turns");
    }
    assert!(bench.dns.statistics().timeouts >= 2, "{:?}", bench.dns.statistics());
    assert_eq!(bench.context.memory().unwrap().peer_udp_receive(server), None);
}
