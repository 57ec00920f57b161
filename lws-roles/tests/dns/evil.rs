//! Servers that lose, delay, cut, lie and loop: what is right is found nevertheless, what isn't is counted.

use super::bench::{Bench, settings};
use super::server::{Do, Query, Server, both_ports, data, wire};
use lws::{DnsError, DnsType, RetryPolicy};
use lws_roles as lws;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

const A: DnsType = DnsType::A;

fn found() -> Result<Vec<String>, DnsError> {
    Ok(vec!["127.0.0.1".to_owned()])
}

fn good(query: &Query) -> Vec<Do> {
    vec![Do::Send(query.loopback())]
}

#[test]
fn a_client_connects_to_a_name() {
    let (dns, target) = (Server::start(good), TcpListener::bind("127.0.0.1:0").unwrap());
    // however slow the machine is, both types are answered first
    let mut bench = Bench::with(settings().server(dns.address).resolution_delay(Duration::from_secs(60)));
    let port = target.local_addr().unwrap().port();
    assert_eq!(bench.connect("target.example", port), Ok(()));
    // the second time nobody is asked
    let asked = dns.asked();
    assert_eq!(asked, 2, "A and AAAA");
    assert_eq!(bench.connect("Target.Example.", port), Ok(()));
    assert_eq!(dns.asked(), asked);
    let nobody = bench.connect("sub.invalid", port).unwrap_err();
    assert_eq!(nobody, "Unable to resolve \"sub.invalid\": no such name");
}

#[test]
fn a_full_context_resolves_names() {
    let (dns, target) = (Server::start(good), TcpListener::bind("127.0.0.1:0").unwrap());
    let mut bench = Bench::of(settings().server(dns.address), |builder| builder.max_connections(1));
    assert_eq!(bench.connect("target.example", target.local_addr().unwrap().port()), Ok(()));
}

#[test]
fn both_families_are_one_answer() {
    let dns = Server::start(|query| {
        let record = data(if query.is_a() { "192.0.2.1" } else { "2001:db8::1" });
        vec![Do::Send(query.respond(0, &[record]))]
    });
    let mut bench = Bench::with(settings().server(dns.address).resolution_delay(Duration::from_secs(60)));
    let both = bench.resolve("host.example", DnsType::Both).unwrap();
    assert_eq!(both, ["2001:db8::1", "192.0.2.1"]);
}

#[test]
fn lost_queries_are_sent_again() {
    let dns = Server::start(|query| if query.nth < 3 { Vec::new() } else { good(query) });
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("host.example", A), found());
    assert!(bench.dns.statistics().timeouts >= 3);
}

#[test]
fn a_server_slower_than_the_wait_is_heard() {
    // each answer is late by more than the first waits
    let dns = Server::start(|query| vec![Do::Wait(Duration::from_millis(500)), Do::Send(query.loopback())]);
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("host.example", A), found());
}

#[test]
fn a_dead_first_server_is_passed_by() {
    let dns = Server::start(good);
    // one where nobody is, which the kernel tells; one that says nothing
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    for dead in [closed, silent.local_addr().unwrap()] {
        let mut bench = Bench::new(&[dead, dns.address]);
        assert_eq!(bench.resolve("host.example", A), found());
    }
}

#[test]
fn rfc7766_5_truncated_answers_are_asked_for_by_tcp() {
    let dns = Server::start(|query| {
        let mut packet = query.respond(0, &vec![data("192.0.2.1"); 200]);
        if !query.tcp {
            packet = query.respond(0, &[]);
            packet[2] |= 2;
        }
        vec![Do::Send(packet)]
    });
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("big.example", A), Ok(vec!["192.0.2.1".to_owned()]));
    assert_eq!((bench.dns.statistics().sent, bench.dns.statistics().sent_tcp), (2, 1));
}

#[test]
fn a_server_that_fails_over_tcp_is_passed_by() {
    let other = Server::start(good);
    for failing in 0..4 {
        let dns = Server::start(move |query| {
            let mut packet = query.respond(0, &[]);
            packet[2] |= 2;
            match (query.tcp, failing) {
                (false, _) => vec![Do::Send(packet)],
                // closes; ends within the length, within the message; answers another question
                (true, 0) => Vec::new(),
                (true, 1) => vec![Do::SendRaw(vec![0])],
                (true, 2) => vec![Do::SendRaw(vec![0, 99, 1, 2, 3])],
                (true, _) => {
                    packet[0] ^= 1;
                    vec![Do::Send(packet)]
                }
            }
        });
        let mut bench = Bench::new(&[dns.address, other.address]);
        assert_eq!(bench.resolve("host.example", A), found(), "{failing}");
    }
}

#[test]
fn rfc5452_lies_are_dropped_and_counted() {
    let dns = Server::start(|query| {
        let truth = query.loopback();
        let lie = query.respond(0, &[data("203.0.113.66")]);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = lie.clone();
            change(&mut packet);
            Do::Send(packet)
        };
        vec![
            with(&|p| p[1] ^= 0xff),
            with(&|p| p[13] ^= 3),
            with(&|p| p.truncate(40)),
            with(&|p| p.clear()),
            with(&|p| p.resize(1233, 0)),
            with(&|p| p[2] = 0),
            Do::Send(query.respond(0, &[(5, vec![0xc0, 12])])),
            Do::Send(query.respond(0, &[(5, vec![0xc0, 0xff])])),
            Do::SendElsewhere(lie.clone()),
            Do::Send(truth),
        ]
    });
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("host.example", A), found());
    let stats = bench.dns.statistics();
    assert_eq!((stats.wrong_id, stats.wrong_question, stats.oversized, stats.looping), (1, 1, 1, 1), "{stats:?}");
    assert_eq!(stats.malformed, 4, "{stats:?}");
}

#[test]
fn names_in_their_servers_case_are_asked_for_by_tcp() {
    let dns = Server::start(|query| {
        let mut packet = query.loopback();
        // without letters in upper case there is no other case: then this is the right answer
        packet[12..40].make_ascii_lowercase();
        vec![Do::Send(packet)]
    });
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("a-name-with-so-many-letters.example", A), found());
    let stats = bench.dns.statistics();
    assert_eq!((stats.wrong_case, stats.sent_tcp), (1, 1), "{stats:?}");
}

#[test]
fn codes_of_failure_pass_to_the_next_server_and_denials_dont() {
    let other = Server::start(good);
    let failing = Server::start(|query| vec![Do::Send(query.respond(2, &[]))]);
    let denying = Server::start(|query| vec![Do::Send(query.respond(3, &[]))]);
    assert_eq!(Bench::new(&[failing.address, other.address]).resolve("host.example", A), found());
    let denied = Bench::new(&[denying.address, other.address]).resolve("host.example", A);
    assert_eq!(denied, Err(DnsError::NxDomain));
    let why = format!("{}: response code 2", failing.address);
    let failed = Bench::new(&[failing.address]).resolve("host.example", DnsType::Both);
    assert_eq!(failed, Err(DnsError::Failed(why.into())));
}

#[test]
fn rfc6891_6_2_2_a_server_that_doesnt_know_edns_is_asked_without() {
    let dns =
        Server::start(|query| if query.packet[11] == 1 { vec![Do::Send(query.respond(1, &[]))] } else { good(query) });
    assert_eq!(Bench::new(&[dns.address]).resolve("host.example", A), found());
}

#[test]
fn aliases_are_followed_and_circles_are_not() {
    let dns = Server::start(|query| {
        let packet = match query.name().as_str() {
            ".www.example" => query.respond(0, &[(5, wire("real.example"))]),
            ".one.example" => query.respond(0, &[(5, wire("two.example"))]),
            ".two.example" => query.respond(0, &[(5, wire("one.example"))]),
            _ => query.loopback(),
        };
        vec![Do::Send(packet)]
    });
    let mut bench = Bench::new(&[dns.address]);
    assert_eq!(bench.resolve("www.example", A), found());
    assert_eq!(bench.resolve("one.example", A), Err(DnsError::Failed("its aliases have no end".into())));
    assert_eq!(bench.dns.statistics().looping, 1);
}

#[test]
fn nobody_who_answers_is_a_timeout() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let policy = RetryPolicy { retry_ms_table: &[10], conceal_count: 2, ..RetryPolicy::DEFAULT };
    let mut bench = Bench::with(settings().server(silent.local_addr().unwrap()).retry_policy(policy));
    assert_eq!(bench.resolve("host.example", A), Err(DnsError::TimedOut));
    assert_eq!(bench.dns.statistics().sent, 3);
    bench.until(|bench| bench.context.connections() == 0);
    assert_eq!(bench.context.timers(), 0);
}

#[test]
fn no_two_queries_share_a_port_or_an_id() {
    let (udp, _tcp) = both_ports();
    let policy = RetryPolicy { retry_ms_table: &[10_000], conceal_count: 2, ..RetryPolicy::DEFAULT };
    let mut bench = Bench::with(settings().server(udp.local_addr().unwrap()).retry_policy(policy));
    for n in 0..16 {
        bench.ask(&format!("host{n}.example"), A);
    }
    bench.until(|bench| bench.dns.statistics().sent == 16);
    let mut seen = std::collections::HashSet::new();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..16 {
        let mut packet = [0; 512];
        let (_, from) = udp.recv_from(&mut packet).unwrap();
        assert!(seen.insert(from.port()));
        ids.insert([packet[0], packet[1]]);
    }
    // 16 of 65536: three that are the same by chance come once in 100 million runs
    assert!(ids.len() >= 14, "{ids:?}");
}

#[test]
fn servers_come_and_go() {
    let dns = Server::start(good);
    let mut bench = Bench::with(settings());
    let nobody = Err(DnsError::Failed("there is no name server to ask".into()));
    assert_eq!(bench.resolve("host.example", A), nobody);
    assert!(bench.dns.async_dns_server_add(dns.address));
    assert!(!bench.dns.async_dns_server_add(dns.address));
    assert_eq!(bench.resolve("host.example", A), found());
    assert_eq!(bench.dns.cached(), 1);
    bench.dns.flush();
    assert_eq!(bench.resolve("host.example", A), found());
    assert_eq!(dns.asked(), 2);
    assert!(bench.dns.async_dns_server_remove(dns.address));
    assert!(!bench.dns.async_dns_server_remove(dns.address));
    assert_eq!(bench.resolve("host.example", A), nobody);
}

#[test]
fn the_files_are_read() {
    let folder = std::env::temp_dir().join(format!("lws-dns-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (conf, hosts) = (folder.join("resolv.conf"), folder.join("hosts"));
    std::fs::write(&conf, "nameserver 127.0.0.1\nsearch home.example\noptions ndots:1\n").unwrap();
    std::fs::write(&hosts, "192.0.2.9 printer\n").unwrap();
    let dns = Server::start(|query| {
        let home = query.name() == ".nas.home.example";
        vec![Do::Send(if home { query.loopback() } else { query.respond(3, &[]) })]
    });
    let settings = settings().resolv_conf(Some(&conf)).hosts(Some(&hosts)).server(dns.address);
    let mut bench = Bench::with(settings);
    assert_eq!(bench.resolve("printer", DnsType::Both), Ok(vec!["192.0.2.9".to_owned()]));
    assert_eq!(dns.asked(), 0);
    assert_eq!(bench.resolve("nas", A), found());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_context_that_ends_while_it_asks_ends_in_good_order() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut bench = Bench::new(&[silent.local_addr().unwrap()]);
    let keys: Vec<u32> = (0..20).map(|n| bench.ask(&format!("h{n}.example"), DnsType::Both)).collect();
    bench.until(|bench| bench.dns.statistics().sent == 40);
    bench.context.close_all(lws::Close::ABORT);
    bench.until(|bench| keys.iter().all(|&key| bench.answer_of(key).is_some()));
    assert!(keys.iter().all(|&key| matches!(bench.answer_of(key), Some(Err(DnsError::Failed(_))))));
    bench.context.destroy();
}
