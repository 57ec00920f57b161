use super::*;
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

/// An engine, its time, and the queries that are on their way.
struct Bench {
    engine: Engine<u32>,
    now_us: u64,
    seed: u64,
    open: Vec<(Tx, SocketAddr, bool, Vec<u8>)>,
    answers: Vec<(u32, Known)>,
    asked: u32,
}

/// What a simulated server says to a query.
struct Say {
    code: u8,
    truncated: bool,
    records: Vec<(u16, u32, Vec<u8>)>,
    /// Of a SOA in the authority section.
    denial: Option<u32>,
}

impl Say {
    fn code(code: u8) -> Self {
        Self { code, truncated: false, records: Vec::new(), denial: None }
    }

    fn address(text: &str, ttl: u32) -> Self {
        let (kind, data) = match text.parse().unwrap() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (28, ip.octets().to_vec()),
        };
        Self { records: vec![(kind, ttl, data)], ..Self::code(0) }
    }

    fn alias(target: &str) -> Self {
        Self { records: vec![(5, 60, Name::parse(target).unwrap().as_wire().to_vec())], ..Self::code(0) }
    }

    fn denial(code: u8, ttl: u32) -> Self {
        Self { denial: Some(ttl), ..Self::code(code) }
    }
}

/// The name in a query, as text, and its type.
fn question(query: &[u8]) -> (String, u16) {
    let end = query[12..].iter().position(|b| *b == 0).unwrap() + 13;
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    (Name::from_wire(&query[12..end]).to_string(), kind)
}

fn respond(query: &[u8], say: &Say) -> Vec<u8> {
    let end = query[12..].iter().position(|b| *b == 0).unwrap() + 17;
    let mut out = query[..end].to_vec();
    out[2] = 0x81 | u8::from(say.truncated) << 1;
    out[3] = 0x80 | say.code;
    out[7] = say.records.len() as u8;
    out[9] = say.denial.is_some().into();
    out[11] = 0;
    let mut add = |kind: u16, ttl: u32, data: &[u8]| {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    };
    for (kind, ttl, data) in &say.records {
        add(*kind, *ttl, data);
    }
    if let Some(ttl) = say.denial {
        let numbers = [0, 0, 0, 0, ttl].into_iter().flat_map(u32::to_be_bytes);
        add(6, ttl, &[0, 0].into_iter().chain(numbers).collect::<Vec<_>>());
    }
    out
}

const ONE: &str = "192.0.2.53:53";
const TWO: &str = "[2001:db8::53]:53";

impl Bench {
    fn new(conf: &str) -> Self {
        Self::with(Limits::default(), conf)
    }

    fn with(limits: Limits, conf: &str) -> Self {
        let mut engine = Engine::new(limits);
        let conf = ResolvConf::parse(conf);
        let servers = conf.servers.clone();
        engine.configure(conf, servers);
        Self { engine, now_us: 1_000_000, seed: 7, open: Vec::new(), answers: Vec::new(), asked: 0 }
    }

    /// Runs an event and takes what comes of it.
    fn event(&mut self, event: impl FnOnce(&mut Engine<u32>, &mut Now<'_>)) {
        let seed = &mut self.seed;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (*seed >> 33) as u8;
            }
        };
        event(&mut self.engine, &mut Now { us: self.now_us, random: &mut random });
        for action in self.engine.take_actions() {
            match action {
                Action::Send { tx, server, tcp, packet } => self.open.push((tx, server, tcp, packet)),
                Action::Close(tx) => self.open.retain(|(other, ..)| *other != tx),
            }
        }
        self.answers.extend(self.engine.take_answers());
    }

    fn ask(&mut self, name: &str, kind: DnsType) -> u32 {
        self.asked += 1;
        let token = self.asked;
        self.event(|engine, now| engine.ask(now, token, name, kind));
        token
    }

    /// The last query that was sent.
    fn last(&self) -> (Tx, SocketAddr, bool, Vec<u8>) {
        self.open.last().cloned().expect("a query is on its way")
    }

    fn of_type(&self, kind: u16) -> (Tx, SocketAddr, bool, Vec<u8>) {
        self.open.iter().find(|(.., packet)| question(packet).1 == kind).cloned().expect("a query of that type")
    }

    fn answer(&mut self, (tx, server, _, query): &(Tx, SocketAddr, bool, Vec<u8>), say: &Say) {
        let packet = respond(query, say);
        self.event(|engine, now| engine.received(now, *tx, *server, &packet));
    }

    fn unreachable(&mut self, (tx, ..): &(Tx, SocketAddr, bool, Vec<u8>)) {
        self.event(|engine, now| engine.unreachable(now, *tx, "nobody there"));
    }

    /// Time passes to the next deadline.
    fn wait(&mut self) -> Duration {
        let at = self.engine.next_deadline().expect("something is due");
        let waited = Duration::from_micros(at - self.now_us);
        self.now_us = at;
        self.event(Engine::due);
        waited
    }

    fn result(&self, token: u32) -> Option<Result<Vec<String>, DnsError>> {
        let mut found = self.answers.iter().filter(|(other, _)| *other == token);
        let known = found.next()?.1.clone();
        assert!(found.next().is_none(), "answered twice");
        Some(known.map(|info| info.addresses().iter().map(ToString::to_string).collect()))
    }

    /// Nothing is left of what has been answered.
    #[track_caller]
    fn is_at_rest(&self) {
        assert!(self.open.is_empty(), "{:?}", self.open);
        assert_eq!(self.engine.next_deadline(), None);
        let engine = &self.engine;
        assert_eq!(
            (engine.lookups.len(), engine.questions.len(), engine.by_key.len(), engine.by_tx.len()),
            (0, 0, 0, 0)
        );
    }
}

fn one(text: &str) -> Option<Result<Vec<String>, DnsError>> {
    Some(Ok(vec![text.to_owned()]))
}

const CONF: &str = "nameserver 192.0.2.53";
const BOTH: &str = "nameserver 192.0.2.53\nnameserver 2001:db8::53";

#[test]
fn both_types_are_asked_side_by_side_and_answered_as_one() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("Host.example", DnsType::Both);
    assert_eq!(bench.open.len(), 2);
    assert_ne!(bench.open[0].3[..2], bench.open[1].3[..2], "ids are random");
    let a = bench.of_type(1);
    assert_eq!((question(&a.3).0.as_str(), a.1), ("host.example", ONE.parse().unwrap()));
    bench.answer(&a, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.result(token), None);
    let aaaa = bench.of_type(28);
    bench.answer(&aaaa, &Say::address("2001:db8::1", 60));
    assert_eq!(bench.result(token), Some(Ok(vec!["2001:db8::1".to_owned(), "192.0.2.1".to_owned()])));
    bench.is_at_rest();
}

#[test]
fn rfc8305_3_one_family_waits_50_ms_for_the_other_which_is_kept_when_it_comes() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host.example", DnsType::Both);
    let (a, aaaa) = (bench.of_type(1), bench.of_type(28));
    bench.answer(&a, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.wait(), Duration::from_millis(50));
    assert_eq!(bench.result(token), one("192.0.2.1"));
    bench.answer(&aaaa, &Say::address("2001:db8::1", 60));
    bench.is_at_rest();
    let again = bench.ask("host.example", DnsType::Both);
    assert_eq!(bench.result(again).unwrap().unwrap().len(), 2);
}

#[test]
fn answers_are_kept_for_their_time_and_concurrent_questions_are_one() {
    let mut bench = Bench::new(CONF);
    let tokens = [0, 1, 2].map(|_| bench.ask("host.example", DnsType::A));
    assert_eq!((bench.open.len(), bench.engine.stats.shared), (1, 2));
    let query = bench.last();
    bench.answer(&query, &Say::address("192.0.2.1", 60));
    assert!(tokens.iter().all(|&token| bench.result(token) == one("192.0.2.1")));
    bench.now_us += 59_999_999;
    let kept = bench.ask("host.example", DnsType::A);
    assert_eq!((bench.result(kept), bench.engine.stats.cache_hits), (one("192.0.2.1"), 1));
    bench.now_us += 1;
    let anew = bench.ask("host.example", DnsType::A);
    assert_eq!((bench.result(anew), bench.open.len()), (None, 1));
}

#[test]
fn rfc2308_5_denials_are_kept_and_failures_are_not() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("no.example", DnsType::A);
    let query = bench.last();
    bench.answer(&query, &Say::denial(3, 30));
    assert_eq!(bench.result(token), Some(Err(DnsError::NxDomain)));
    let again = bench.ask("no.example", DnsType::A);
    assert_eq!(bench.result(again), Some(Err(DnsError::NxDomain)));
    bench.now_us += 30_000_000;
    bench.ask("no.example", DnsType::A);
    let query = bench.last();
    bench.answer(&query, &Say::code(2));
    assert_eq!(bench.engine.cached(), 0);
    let failed = bench.ask("no.example", DnsType::A);
    let query = bench.last();
    bench.answer(&query, &Say::code(2));
    assert_eq!(bench.result(failed), Some(Err(DnsError::Failed("192.0.2.53:53: response code 2".into()))));
    bench.is_at_rest();
}

#[test]
fn a_silent_server_is_asked_again_by_the_table_and_then_given_up() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host.example", DnsType::A);
    let mut waits = Vec::new();
    while bench.result(token).is_none() {
        waits.push(bench.wait().as_millis());
    }
    for (wait, least) in waits.iter().zip([500, 1000, 1250, 5000, 5000]) {
        assert!((least..=least * 6 / 5).contains(wait), "{waits:?}");
    }
    assert_eq!((waits.len(), bench.result(token)), (5, Some(Err(DnsError::TimedOut))));
    assert_eq!((bench.engine.stats.sent, bench.engine.stats.timeouts), (5, 5));
    bench.is_at_rest();
}

#[test]
fn a_slow_answer_to_an_earlier_query_is_an_answer() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host.example", DnsType::A);
    let first = bench.last();
    bench.wait();
    bench.wait();
    assert_eq!(bench.open.len(), 3);
    bench.answer(&first, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.result(token), one("192.0.2.1"));
    bench.is_at_rest();
}

#[test]
fn a_dead_first_server_costs_one_wait_and_is_not_the_first_any_more() {
    let mut bench = Bench::new(BOTH);
    let token = bench.ask("host.example", DnsType::A);
    bench.wait();
    let second = bench.last();
    assert_eq!(second.1, TWO.parse().unwrap());
    bench.answer(&second, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.result(token), one("192.0.2.1"));
    bench.ask("other.example", DnsType::A);
    assert_eq!(bench.last().1, TWO.parse().unwrap());
}

#[test]
fn a_server_that_refuses_or_cant_be_reached_costs_no_wait() {
    for unreachable in [true, false] {
        let mut bench = Bench::new(BOTH);
        let token = bench.ask("host.example", DnsType::A);
        let first = bench.last();
        match unreachable {
            true => bench.unreachable(&first),
            false => bench.answer(&first, &Say::code(5)),
        }
        let second = bench.last();
        assert_eq!(second.1, TWO.parse().unwrap());
        bench.answer(&second, &Say::code(2));
        let failed = "[2001:db8::53]:53: response code 2";
        assert_eq!(bench.result(token), Some(Err(DnsError::Failed(failed.into()))));
        assert_eq!(bench.engine.stats.refused, 2);
        bench.is_at_rest();
    }
}

#[test]
fn the_options_of_resolv_conf_come_before_the_table() {
    let mut bench = Bench::new("nameserver 192.0.2.53\noptions timeout:3 attempts:2");
    let token = bench.ask("host.example", DnsType::A);
    assert_eq!([bench.wait(), bench.wait()], [Duration::from_secs(3); 2]);
    assert_eq!(bench.result(token), Some(Err(DnsError::TimedOut)));
    let mut rotating = Bench::new("nameserver 192.0.2.53\nnameserver 2001:db8::53\noptions rotate");
    rotating.ask("a.example", DnsType::A);
    let first = rotating.last().1;
    rotating.ask("b.example", DnsType::A);
    assert_ne!(rotating.last().1, first);
}

#[test]
fn rfc7766_5_a_truncated_answer_is_asked_for_by_tcp() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("big.example", DnsType::A);
    let datagram = bench.last();
    bench.answer(&datagram, &Say { truncated: true, ..Say::code(0) });
    let stream = bench.last();
    assert!(stream.2 && bench.open.len() == 1);
    let mut say = Say::code(0);
    say.records = (0..100).map(|n| (1, 60, vec![192, 0, 2, n])).collect();
    bench.answer(&stream, &say);
    assert_eq!(bench.result(token).unwrap().unwrap().len(), 64, "a bounded number is kept");
    assert_eq!(bench.engine.stats.sent_tcp, 1);
    bench.is_at_rest();
}

#[test]
fn rfc6891_6_2_2_a_server_without_edns_is_asked_without() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host.example", DnsType::A);
    let query = bench.last();
    assert_eq!(query.3[11], 1);
    bench.answer(&query, &Say::code(1));
    let plain = bench.last();
    assert_eq!(plain.3[11], 0);
    bench.answer(&plain, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.result(token), one("192.0.2.1"));
}

#[test]
fn aliases_are_followed_over_responses_but_not_for_ever() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("www.example", DnsType::A);
    let query = bench.last();
    bench.answer(&query, &Say::alias("real.example"));
    let query = bench.last();
    assert_eq!(question(&query.3).0, "real.example");
    bench.answer(&query, &Say::address("192.0.2.1", 900));
    assert_eq!(bench.result(token), one("192.0.2.1"));
    assert_eq!(bench.answers[0].1.as_ref().unwrap().canonical_name(), "real.example");
    // what is kept is the alias, for no longer than it is good
    bench.now_us += 60_000_000;
    let circle = bench.ask("www.example", DnsType::A);
    for n in 0..100 {
        if bench.result(circle).is_some() {
            break;
        }
        let query = bench.last();
        bench.answer(&query, &Say::alias(["a.example", "b.example"][n % 2]));
    }
    assert_eq!(bench.result(circle), Some(Err(DnsError::Failed("its aliases have no end".into()))));
    assert_eq!((bench.engine.stats.looping, bench.engine.stats.sent), (1, 2 + 9));
    bench.is_at_rest();
}

#[test]
fn rfc5452_what_doesnt_fit_is_counted_and_waited_on() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host.example", DnsType::A);
    let (tx, server, _, query) = bench.last();
    let good = respond(&query, &Say::address("192.0.2.1", 60));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        packet
    };
    let circle = respond(&query, &Say { records: vec![(5, 60, vec![0xc0, 12])], ..Say::code(0) });
    for packet in [
        with(&|p| p[0] ^= 0xff),
        with(&|p| p[13] = b'x'),
        with(&|p| p.truncate(30)),
        with(&|p| p.resize(1300, 0)),
        circle,
    ] {
        bench.event(|engine, now| engine.received(now, tx, server, &packet));
    }
    let stranger = "203.0.113.9:53".parse().unwrap();
    bench.event(|engine, now| engine.received(now, tx, stranger, &good));
    assert_eq!(bench.result(token), None);
    let stats = bench.engine.stats;
    assert_eq!((stats.wrong_id, stats.wrong_question, stats.malformed), (1, 1, 1));
    assert_eq!((stats.oversized, stats.looping, stats.wrong_source, stats.dropped()), (1, 1, 1, 6));
    bench.event(|engine, now| engine.received(now, tx, server, &good));
    assert_eq!(bench.result(token), one("192.0.2.1"));
}

#[test]
fn a_server_that_writes_names_its_own_way_is_asked_once_by_tcp() {
    let mut bench = Bench::new(CONF);
    let token = bench.ask("host-with-many-letters.example", DnsType::A);
    let (tx, server, _, mut query) = bench.last();
    query[12..40].make_ascii_lowercase();
    for _ in 0..3 {
        bench.answer(&(tx, server, false, query.clone()), &Say::address("192.0.2.66", 60));
    }
    assert_eq!((bench.open.len(), bench.engine.stats.wrong_case, bench.engine.stats.sent_tcp), (2, 3, 1));
    let stream = bench.last();
    assert!(stream.2);
    bench.answer(&stream, &Say::address("192.0.2.1", 60));
    assert_eq!(bench.result(token), one("192.0.2.1"));
    bench.is_at_rest();
}

#[test]
fn names_that_are_known_here_ask_nobody() {
    let mut bench = Bench::new("nameserver 192.0.2.53\nsearch invalid");
    bench.engine.set_hosts(Hosts::parse("192.0.2.7 router router.home"));
    let hosts = bench.ask("Router", DnsType::Both);
    let local = bench.ask("x.localhost", DnsType::A);
    let nowhere = bench.ask("x.invalid", DnsType::A);
    let bad = bench.ask("two..dots", DnsType::A);
    assert_eq!((bench.result(hosts), bench.result(local)), (one("192.0.2.7"), one("127.0.0.1")));
    assert_eq!(bench.result(nowhere), Some(Err(DnsError::NxDomain)));
    assert_eq!(bench.result(bad), Some(Err(DnsError::Failed("it has an empty name or label".into()))));
    assert_eq!(bench.engine.stats.sent, 0);
}

#[test]
fn the_search_list_is_walked_until_something_is_found() {
    let mut bench = Bench::new("nameserver 192.0.2.53\nsearch a.example b.example");
    let token = bench.ask("host", DnsType::A);
    for expected in ["host.a.example", "host.b.example"] {
        let query = bench.last();
        assert_eq!(question(&query.3).0, expected);
        bench.answer(&query, &if expected.contains(".b.") { Say::address("192.0.2.1", 60) } else { Say::code(3) });
    }
    assert_eq!(bench.result(token), one("192.0.2.1"));
    let none = bench.ask("nohost", DnsType::A);
    for _ in 0..3 {
        let query = bench.last();
        bench.answer(&query, &Say::code(3));
    }
    assert_eq!(bench.result(none), Some(Err(DnsError::NxDomain)));
    bench.is_at_rest();
}

#[test]
fn so_many_questions_are_under_way_and_the_others_wait() {
    let mut bench = Bench::with(Limits { questions: 2, ..Limits::default() }, CONF);
    let tokens: Vec<u32> = (0..10).map(|n| bench.ask(&format!("h{n}.example"), DnsType::A)).collect();
    for left in (0..10).rev() {
        assert_eq!(bench.open.len(), 2.min(left + 1));
        let query = bench.open[0].clone();
        bench.answer(&query, &Say::address("192.0.2.1", 60));
    }
    assert!(tokens.iter().all(|&token| bench.result(token) == one("192.0.2.1")));
    bench.is_at_rest();
}

#[test]
fn a_turn_begins_with_so_many_questions() {
    let mut bench = Bench::with(Limits { questions_per_turn: 3, ..Limits::default() }, CONF);
    let tokens: Vec<u32> = (0..8).map(|n| bench.ask(&format!("h{n}.example"), DnsType::A)).collect();
    for begun in [3, 6, 8] {
        assert_eq!(bench.open.len(), begun);
        if begun < 8 {
            assert_eq!(bench.wait(), Duration::from_micros(1), "the next turn");
        }
    }
    for query in bench.open.clone() {
        bench.answer(&query, &Say::address("192.0.2.1", 60));
    }
    assert!(tokens.iter().all(|&token| bench.result(token) == one("192.0.2.1")));
    bench.is_at_rest();
}

#[test]
fn servers_that_go_leave_nobody_waiting() {
    let mut bench = Bench::with(Limits { questions: 1, ..Limits::default() }, CONF);
    let asked: HashSet<u32> = (0..5000).map(|n| bench.ask(&format!("h{n}.example"), DnsType::Both)).collect();
    bench.engine.configure(ResolvConf::default(), Vec::new());
    let query = bench.last();
    bench.unreachable(&query);
    while bench.engine.next_deadline().is_some() {
        bench.wait();
    }
    let failed = bench.answers.iter().filter(|(_, known)| matches!(known, Err(DnsError::Failed(_))));
    assert_eq!(failed.map(|(token, _)| *token).collect::<HashSet<_>>(), asked);
    bench.is_at_rest();
}

#[test]
fn other_servers_may_know_otherwise() {
    let mut bench = Bench::new(CONF);
    bench.ask("host.example", DnsType::A);
    let query = bench.last();
    bench.answer(&query, &Say::address("192.0.2.1", 60));
    bench.engine.configure(ResolvConf::default(), vec![TWO.parse().unwrap()]);
    assert_eq!(bench.engine.cached(), 0);
    let anew = bench.ask("host.example", DnsType::A);
    assert_eq!((bench.result(anew), bench.last().1), (None, TWO.parse().unwrap()));
}
