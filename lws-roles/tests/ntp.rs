//! The NTP client on the simulated network: its servers lose datagrams, lie, forge, refuse and vanish, on a
//! clock that begins in 1970.
#![cfg(feature = "ntp")]

use lws_roles as lws;

use lws::ntp::wire::{PACKET, Timestamp};
use lws::ntp::{NtpClient, NtpSettings};
use lws::{Context, MemoryOptions, MemoryUdpPeer, StateVerdict, SystemOps, SystemState};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// 2026-11-23, what time it is when a test begins.
const TRUE_US: u64 = 1_795_392_000_000_000;

/// What a server sends for a request: any number of packets.
type Answer = Box<dyn FnMut(&[u8], u64) -> Vec<Vec<u8>>>;

struct Server {
    at: SocketAddr,
    peer: Option<MemoryUdpPeer>,
    answer: Answer,
    /// When it was asked, µs.
    asked: Vec<u64>,
}

struct World {
    cx: Context,
    servers: Vec<Server>,
}

fn address(n: usize) -> SocketAddr {
    ([192, 0, 2, n as u8 + 1], 123).into()
}

fn kind() -> MemoryOptions {
    MemoryOptions { wall_epoch_us: 0, max_delay_us: 0, ..MemoryOptions::default() }
}

impl World {
    fn new(answers: Vec<Answer>) -> Self {
        Self::with(kind(), answers, |settings| settings, |cx| cx)
    }

    fn with(
        options: MemoryOptions,
        answers: Vec<Answer>,
        settings: impl FnOnce(NtpSettings) -> NtpSettings,
        build: impl FnOnce(lws::ContextBuilder) -> lws::ContextBuilder,
    ) -> Self {
        let names = (0..answers.len()).map(|n| address(n).to_string());
        let client = NtpClient::new(settings(NtpSettings::default().servers(names))).unwrap();
        let cx = build(lws::context().memory(options).system_protocol(client)).create().unwrap();
        let servers = answers.into_iter().enumerate();
        let servers = servers.map(|(n, answer)| Server { at: address(n), peer: None, answer, asked: Vec::new() });
        let mut world = Self { cx, servers: servers.collect() };
        world.up();
        world
    }

    /// The servers are there.
    fn up(&mut self) {
        for server in &mut self.servers {
            let peer = self.cx.memory().unwrap().peer_udp_bind(server.at).unwrap();
            server.peer = Some(peer);
        }
    }

    fn down(&mut self) {
        for server in &mut self.servers {
            if let Some(peer) = server.peer.take() {
                self.cx.memory().unwrap().peer_udp_close(peer);
            }
        }
    }

    fn step(&mut self) {
        self.cx.service(Some(Duration::from_millis(20))).unwrap();
        let now = self.cx.now_us();
        for server in &mut self.servers {
            let Some(peer) = server.peer else { continue };
            let net = self.cx.memory().unwrap();
            while let Some((from, request)) = net.peer_udp_receive(peer) {
                server.asked.push(now);
                for packet in (server.answer)(&request, TRUE_US + now) {
                    net.peer_udp_send(peer, from, &packet);
                }
            }
        }
    }

    fn run(&mut self, secs: u64) {
        let end = self.cx.now_us() + secs * 1_000_000;
        while self.cx.now_us() < end {
            self.step();
        }
    }

    fn is_valid(&self) -> bool {
        self.cx.system_state() >= SystemState::TimeValid
    }

    /// How far off the context's clock is, µs.
    fn off(&self) -> u64 {
        self.cx.wall_us().abs_diff(TRUE_US + self.cx.now_us())
    }

    fn asked(&self, n: usize) -> usize {
        self.servers[n].asked.len()
    }
}

fn set(packet: &mut [u8], at: usize, time: Timestamp) {
    packet[at..at + 8].copy_from_slice(&time.0.to_be_bytes());
}

/// What a good server says.
fn good(request: &[u8], now_us: u64) -> Vec<u8> {
    let mut packet = vec![0; PACKET];
    packet[..4].copy_from_slice(&[0b00_100_100, 2, 6, 0xec]);
    packet[4..8].copy_from_slice(&0x0000_0100_u32.to_be_bytes()); // 1/256 s
    packet[8..12].copy_from_slice(&0x0000_0100_u32.to_be_bytes());
    set(&mut packet, 16, Timestamp::from_unix_us(now_us - 60_000_000));
    packet[24..32].copy_from_slice(&request[40..48]);
    set(&mut packet, 32, Timestamp::from_unix_us(now_us));
    set(&mut packet, 40, Timestamp::from_unix_us(now_us));
    packet
}

fn honest() -> Answer {
    Box::new(|request, now| vec![good(request, now)])
}

/// A good reply with something changed.
fn changed(change: impl Fn(&mut Vec<u8>) + 'static) -> Answer {
    Box::new(move |request, now| {
        let mut packet = good(request, now);
        change(&mut packet);
        vec![packet]
    })
}

fn kiss(code: &'static [u8; 4]) -> Answer {
    changed(move |packet| {
        packet[1] = 0;
        packet[12..16].copy_from_slice(code);
    })
}

fn off_by(secs: i64) -> Answer {
    Box::new(move |request, now| vec![good(request, now.wrapping_add_signed(secs * 1_000_000))])
}

#[test]
fn the_state_waits_for_the_time_and_the_clock_is_right_then() {
    let mut world = World::new(vec![honest()]);
    world.step();
    assert_eq!(world.cx.system_state(), SystemState::Dhcp);
    assert!(world.cx.wall_us() < 1_000_000_000, "1970");
    world.run(1);
    assert_eq!(world.cx.system_state(), SystemState::Operational);
    assert!(world.off() < 10_000, "{}", world.off());
    assert_eq!(world.asked(0), 1);
    assert_eq!(world.cx.connections(), 0);
}

#[test]
fn the_device_says_who_its_server_is_and_its_clock_is_set() {
    #[derive(Clone)]
    struct Board(Rc<RefCell<Vec<u64>>>);
    impl SystemOps for Board {
        fn ntp_server(&self) -> Option<&str> {
            Some("192.0.2.1:123")
        }
        fn set_clock(&mut self, wall_us: u64) -> bool {
            self.0.borrow_mut().push(wall_us);
            false
        }
    }
    let told = Rc::new(RefCell::new(Vec::new()));
    let board = Board(Rc::clone(&told));
    let mut world = World::with(
        kind(),
        vec![honest()],
        |settings| settings.servers(Vec::<String>::new()),
        |builder| builder.system_ops(board),
    );
    world.run(2);
    assert!(world.is_valid());
    assert_eq!(told.borrow().len(), 1);
    assert!(told.borrow()[0].abs_diff(TRUE_US) < 2_000_000);
}

#[test]
fn it_is_asked_again_by_the_backoff_table_until_there_is_a_network() {
    let mut world = World::new(vec![honest()]);
    world.down();
    world.run(120);
    assert!(!world.is_valid());
    world.up();
    world.run(10);
    assert!(world.is_valid() && world.off() < 10_000);
}

#[test]
fn losses_and_copies_cost_time_only() {
    for seed in 0..20 {
        let options = MemoryOptions {
            seed,
            datagram_loss_ppm: 400_000,
            datagram_copy_ppm: 300_000,
            datagram_block_ppm: 200_000,
            max_delay_us: 50_000,
            ..kind()
        };
        let mut world = World::with(options, vec![honest()], |settings| settings, |builder| builder);
        world.run(120);
        assert!(world.is_valid(), "seed {seed}");
        assert!(world.off() < 60_000, "seed {seed}: {}", world.off());
        assert_eq!(world.cx.connections(), 0, "seed {seed}");
    }
}

#[test]
fn rfc5905_8_forged_and_broken_packets_are_dropped_and_the_answer_awaited() {
    let forged: Answer = Box::new(|request, now| {
        let mut wrong_origin = good(request, now + 999_000_000);
        wrong_origin[31] ^= 1;
        let mut of_a_client = good(request, now);
        of_a_client[0] = 0b00_100_011;
        let mut kiss_by_a_forger = wrong_origin.clone();
        kiss_by_a_forger[1] = 0;
        kiss_by_a_forger[12..16].copy_from_slice(b"DENY");
        vec![wrong_origin, of_a_client, kiss_by_a_forger, vec![0; 47], vec![], vec![0xff; 48], good(request, now)]
    });
    let mut world = World::new(vec![forged]);
    world.run(1);
    assert!(world.is_valid() && world.off() < 10_000, "{}", world.off());
    assert_eq!(world.asked(0), 1);
}

#[test]
fn rfc5905_8_an_old_reply_is_nothing_worth() {
    let mut first: Option<Vec<u8>> = None;
    let replayed: Answer = Box::new(move |request, now| vec![first.get_or_insert_with(|| good(request, now)).clone()]);
    // the first one answers in time, from then on it is that one again
    let mut world = World::with(kind(), vec![replayed], |s| s.poll(Duration::from_secs(64)), |builder| builder);
    world.run(1000);
    assert!(world.asked(0) > 5, "{}", world.asked(0));
    assert!(world.off() < 10_000, "{}", world.off());
}

#[test]
fn servers_that_do_not_know_the_time_are_not_believed() {
    let unfit: [fn(&mut Vec<u8>); 5] = [
        |packet| packet[0] |= 0xc0,
        |packet| packet[1] = 16,
        |packet| packet[4] = 0x10,
        |packet| packet[8] = 0x10,
        |packet| set(packet, 40, Timestamp(0)),
    ];
    for (n, change) in unfit.into_iter().enumerate() {
        let mut world = World::new(vec![changed(change)]);
        world.run(30);
        assert!(!world.is_valid(), "{n}");
        assert!(world.asked(0) > 5, "{n}: asked {} times", world.asked(0));
    }
}

#[test]
fn rfc5905_7_4_a_server_that_denies_is_left_alone() {
    for code in [b"DENY", b"RSTR"] {
        let mut world = World::new(vec![kiss(code), off_by(0)]);
        world.run(1);
        assert!(world.is_valid(), "by the other one");
        world.run(5000);
        assert_eq!(world.asked(0), 1);
        assert!(world.asked(1) > 3);
        let mut world = World::new(vec![kiss(code)]);
        world.run(5000);
        assert!(!world.is_valid());
        assert_eq!(world.asked(0), 1);
    }
}

#[test]
fn rfc5905_7_4_a_server_that_says_rate_is_asked_less_and_less() {
    let mut world = World::new(vec![kiss(b"RATE")]);
    world.run(2000);
    let asked = &world.servers[0].asked;
    let waits: Vec<_> = asked.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    assert_eq!(waits, [64, 128, 256, 512, 1024]);
}

#[test]
fn of_three_servers_one_may_lie() {
    for liar in 0..3 {
        let answers = (0..3).map(|n| if n == liar { off_by(-86_400) } else { honest() });
        let mut world = World::new(answers.collect());
        world.run(3);
        assert!(world.is_valid() && world.off() < 10_000, "{liar}: {}", world.off());
    }
    let mut world = World::new(vec![off_by(-86_400), honest()]);
    world.run(60);
    assert!(!world.is_valid(), "one of them lies, and there is no telling which");
}

#[test]
fn a_server_that_is_dead_does_not_keep_the_others_from_being_heard() {
    let mut world = World::new(vec![Box::new(|_, _| vec![]), honest(), honest()]);
    world.run(1);
    assert!(!world.is_valid(), "it may be late");
    world.run(2);
    assert!(world.is_valid() && world.off() < 10_000);
}

#[test]
fn the_clock_stays_right_and_no_single_round_moves_it_far() {
    let drift = Rc::new(RefCell::new(0_i64));
    let by = Rc::clone(&drift);
    let moving: Answer = Box::new(move |request, now| vec![good(request, now.wrapping_add_signed(*by.borrow()))]);
    let mut world = World::with(kind(), vec![moving], |s| s.poll(Duration::from_secs(64)), |builder| builder);
    world.run(1);
    assert!(world.off() < 10_000);
    *drift.borrow_mut() = 250_000;
    world.run(65);
    assert!(world.off().abs_diff(250_000) < 20_000, "small steps are followed: {}", world.off());
    *drift.borrow_mut() = 5_000_000_000;
    let before = world.asked(0);
    while world.asked(0) == before {
        world.step();
    }
    world.run(1);
    assert!(world.off() < 1_000_000, "once isn't enough: {}", world.off());
    world.run(70);
    assert!(world.off().abs_diff(5_000_000_000) < 20_000, "twice is: {}", world.off());
}

#[test]
fn rfc5905_7_4_what_a_server_can_stand_is_kept_to_after_it_has_said_so() {
    const STANDS_US: u64 = 100_000_000;
    let (mut last, kisses) = (None, Rc::new(Cell::new(0)));
    let told = Rc::clone(&kisses);
    let touchy: Answer = Box::new(move |request, now| {
        let mut packet = good(request, now);
        if last.replace(now).is_some_and(|before| now - before < STANDS_US) {
            told.set(told.get() + 1);
            packet[1] = 0;
            packet[12..16].copy_from_slice(b"RATE");
        }
        vec![packet]
    });
    let poll = |s: NtpSettings| s.poll(NtpSettings::MIN_POLL);
    let mut world = World::with(kind(), vec![touchy, honest()], poll, |builder| builder);
    world.run(3000);
    assert_eq!(kisses.get(), 1);
    assert!(world.asked(0) > 10, "it is asked again: {}", world.asked(0));
    assert!(world.asked(1) > 40, "the other one doesn't suffer: {}", world.asked(1));
    assert!(world.servers[0].asked.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= STANDS_US));
}

#[test]
fn a_reply_from_somewhere_else_is_not_heard() {
    let mut world = World::new(vec![honest()]);
    world.down();
    let net = world.cx.memory().unwrap();
    let server = net.peer_udp_bind(address(0)).unwrap();
    let others = [address(7), (address(0).ip(), 1123).into()].map(|at| net.peer_udp_bind(at).unwrap());
    let (from, request) = loop {
        world.step();
        if let Some(got) = world.cx.memory().unwrap().peer_udp_receive(server) {
            break got;
        }
    };
    let now = TRUE_US + world.cx.now_us();
    for other in others {
        // it has seen the request, but isn't who was asked
        world.cx.memory().unwrap().peer_udp_send(other, from, &good(&request, now + 3_600_000_000));
    }
    for _ in 0..5 {
        world.step();
    }
    assert!(!world.is_valid());
    let now = TRUE_US + world.cx.now_us();
    world.cx.memory().unwrap().peer_udp_send(server, from, &good(&request, now));
    for _ in 0..5 {
        world.step();
    }
    assert!(world.is_valid() && world.off() < 60_000, "{}", world.off());
}

#[test]
fn a_liar_has_one_vote_however_often_it_answers() {
    let loud: Answer = Box::new(|request, now| vec![good(request, now - 86_400_000_000); 9]);
    let mut world = World::new(vec![loud, honest(), honest()]);
    world.run(3);
    assert!(world.is_valid() && world.off() < 10_000, "{}", world.off());
}

#[test]
fn a_server_that_dies_is_asked_no_more_often_and_followed_when_it_is_back() {
    let (alive, ahead) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0)));
    let (lives, by) = (Rc::clone(&alive), Rc::clone(&ahead));
    let mortal: Answer =
        Box::new(move |request, now| if lives.get() { vec![good(request, now + by.get())] } else { vec![] });
    let poll = |s: NtpSettings| s.poll(NtpSettings::MIN_POLL);
    let mut world = World::with(kind(), vec![mortal], poll, |builder| builder);
    world.run(1);
    alive.set(false);
    world.run(1000);
    assert_eq!(world.cx.system_state(), SystemState::Operational);
    assert!(world.off() < 10_000, "the clock stays as it is: {}", world.off());
    assert!(world.asked(0) > 10, "{}", world.asked(0));
    assert!(world.servers[0].asked.windows(2).all(|pair| pair[1] - pair[0] >= 64_000_000));
    ahead.set(300_000);
    alive.set(true);
    world.run(70);
    assert!(world.off().abs_diff(300_000) < 20_000, "{}", world.off());
}

#[test]
fn a_server_that_was_known_is_looked_for_at_growing_intervals() {
    let alive = Rc::new(Cell::new(true));
    let lives = Rc::clone(&alive);
    let mortal: Answer = Box::new(move |request, now| if lives.get() { vec![good(request, now)] } else { vec![] });
    let mut world = World::new(vec![mortal]);
    world.run(1);
    alive.set(false);
    world.run(5100);
    let waits = |world: &World| -> Vec<u64> {
        world.servers[0].asked.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect()
    };
    // and the 2 s of patience
    assert_eq!(waits(&world), [1024, 66, 130, 258, 514, 1026, 1026, 1026]);
    alive.set(true);
    world.run(1000);
    alive.set(false);
    world.run(1300);
    assert_eq!(waits(&world)[8..], [1026, 1024, 66, 130], "it was there for a moment");
}

/// One name for all servers.
struct OneName(usize);

impl lws::Resolve for OneName {
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if name != "time.example" {
            return Err(format!("{name} isn't known"));
        }
        Ok((0..self.0).map(|n| SocketAddr::new(address(n).ip(), port)).collect())
    }
}

fn by_name(answers: Vec<Answer>) -> World {
    let resolver = OneName(answers.len());
    World::with(kind(), answers, |s| s.servers(["time.example"]), |builder| builder.resolver(resolver))
}

#[test]
fn a_name_s_next_address_is_asked_when_one_does_not_tell_the_time() {
    let mut world = by_name(vec![Box::new(|_, _| vec![]), changed(|packet| packet[0] |= 0xc0), honest()]);
    world.run(10);
    assert!(world.is_valid() && world.off() < 10_000, "{}", world.off());
    assert_eq!([0, 1, 2].map(|n| world.asked(n)), [1, 1, 1]);
    world.run(5 * 1024);
    assert_eq!([0, 1, 2].map(|n| world.asked(n)), [1, 1, 6], "that which has answered is kept");
}

#[test]
fn rfc5905_7_4_an_address_that_denies_does_not_take_its_name_along() {
    let mut world = by_name(vec![kiss(b"DENY"), kiss(b"RSTR"), honest()]);
    world.run(5000);
    assert!(world.is_valid() && world.off() < 10_000);
    assert_eq!([0, 1].map(|n| world.asked(n)), [1, 1]);
    let mut world = by_name(vec![kiss(b"DENY"), kiss(b"RSTR")]);
    world.run(5000);
    assert!(!world.is_valid());
    assert_eq!([0, 1].map(|n| world.asked(n)), [1, 1]);
}

#[test]
fn another_notifier_has_a_say_too_and_the_time_is_not_asked_for_again() {
    let allowed = Rc::new(Cell::new(false));
    let asks = Rc::clone(&allowed);
    let mut world = World::with(
        kind(),
        vec![honest()],
        |settings| settings,
        |builder| {
            builder.system_notifier("other", move |_, change| {
                let vetoes = change.asks_for(SystemState::TimeValid) && !asks.get();
                if vetoes { StateVerdict::Hold } else { StateVerdict::Pass }
            })
        },
    );
    world.run(5);
    assert_eq!(world.cx.system_state(), SystemState::Dhcp);
    assert!(world.off() < 10_000, "the clock is right before the state says so: {}", world.off());
    allowed.set(true);
    assert!(world.cx.system_resume());
    world.step();
    assert_eq!((world.cx.system_state(), world.asked(0)), (SystemState::Operational, 1));
}

#[test]
fn the_clock_is_put_right_also_where_the_state_jumped_past_the_step() {
    let mut world = World::new(vec![honest()]);
    world.cx.system_transition(SystemState::Operational);
    world.run(2);
    assert_eq!(world.cx.system_state(), SystemState::Operational);
    assert!(world.off() < 10_000, "{}", world.off());
    assert_eq!(world.asked(0), 1);
}
