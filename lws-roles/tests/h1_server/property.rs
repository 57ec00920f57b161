//! Whatever the network does to the bytes, the answers are the same; and nothing is left behind.

use crate::bench::*;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{MemoryOptions, Reason, Vhost, Write, Wsi};
use proptest::prelude::*;
use std::time::Duration;

/// Answers in as many ways as there are.
fn various(wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
    match reason {
        Reason::Http("/at-once") => return say_hello(wsi),
        Reason::Http("/chunked") => {
            wsi.respond(200).send()?;
            wsi.callback_on_writable();
        }
        Reason::HttpWriteable => {
            s.step += 1;
            wsi.write(
                format!("piece {}", s.step).as_bytes(),
                if s.step == 3 { Write::HttpFinal } else { Write::Http },
            )?;
            if s.step == 3 { wsi.http_transaction_completed() } else { wsi.callback_on_writable() }
        }
        Reason::Http("/late") => wsi.set_timer(Some(Duration::from_millis(3))),
        Reason::Timer => return say_hello(wsi),
        Reason::Http("/status") => wsi.return_http_status(403, "no")?,
        Reason::Http("/early") => wsi.http_redirect(302, "/at-once")?,
        Reason::HttpBody(data) => s.text.extend_from_slice(data),
        Reason::HttpBodyCompletion if wsi.path() != Some("/untouched") => {
            wsi.respond(200).content_length(s.text.len() as u64).send()?;
            wsi.write(&s.text, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        _ => {}
    }
    Ok(())
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let path = prop::sample::select(vec!["/at-once", "/chunked", "/late", "/status", "/untouched"]);
    let bodies = prop::sample::select(vec!["/echo", "/untouched", "/early"]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        (path.clone(), prop::sample::select(vec!["GET", "HEAD", "DELETE"]), "[a-z]{0,30}").prop_map(
            |(path, method, value)| {
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-Value: {value}\r\n\r\n").into_bytes()
            }
        ),
        (bodies.clone(), bytes()).prop_map(|(path, body)| {
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.into_bytes(), body].concat()
        }),
        (bodies, prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..4)).prop_map(|(path, chunks)| {
            let mut all = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
            for chunk in chunks {
                all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                all.extend_from_slice(&chunk);
                all.extend_from_slice(b"\r\n");
            }
            all.extend_from_slice(b"0\r\n\r\n");
            all
        }),
    ]
}

fn server(options: MemoryOptions) -> Bench {
    Bench::on(options, |log: &Log| -> Vec<Vhost> { vec![vhost("x").protocol(Probe::new(log, "", various))] })
}

/// All that comes back for these bytes sent in these pieces.
fn answers(mut b: Bench, bytes: &[u8], cuts: &[prop::sample::Index]) -> (String, bool) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([bytes.len()]).collect();
    ends.sort_unstable();
    let peer = b.connect();
    let (mut at, mut all) = (0, String::new());
    for end in ends {
        all += &b.ask(peer, &bytes[at..end]);
        at = end;
    }
    for _ in 0..20 {
        b.elapse(Duration::from_millis(4));
        all += &b.take(peer);
    }
    let ended = b.ended(peer);
    b.elapse(Duration::from_secs(30));
    assert_eq!((b.context.connections(), b.context.sessions(), b.context.timers()), (0, 0, 0));
    (all, ended)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_do_not_depend_on_where_the_requests_are_cut(
        requests in prop::collection::vec(request(), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        capacity in 600usize..4000,
    ) {
        let bytes = requests.concat();
        let (whole, ended) = answers(server(MemoryOptions::default()), &bytes, &[]);
        prop_assert!(!ended, "every request was well formed: {whole}");
        prop_assert_eq!(&answers(server(MemoryOptions::default()), &bytes, &cuts).0, &whole);
        let narrow = MemoryOptions { capacity, ..MemoryOptions::default() };
        prop_assert_eq!(answers(server(narrow), &bytes, &cuts).0, whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), start in request()) {
        let mut b = server(MemoryOptions::default());
        let peer = b.connect();
        let mangled: Vec<u8> = start.iter().zip(bytes.iter().chain(std::iter::repeat(&0))).map(|(a, x)| if x % 16 == 1 { a ^ x } else { *a }).collect();
        b.send(peer, [mangled, bytes].concat());
        b.elapse(Duration::from_secs(120));
        prop_assert_eq!((b.context.connections(), b.context.sessions(), b.context.timers()), (0, 0, 0));
        // and others are served
        prop_assert_eq!(b.once(get("/at-once")), HELLO);
    }
}

#[test]
fn idle_connections_hold_neither_sessions_nor_transactions() {
    let mut ids = Vec::new();
    let mut b = Bench::new(move |wsi, reason, s| {
        match reason {
            Reason::ServerNewClientInstantiated => ids.push(wsi.id()),
            Reason::Http("/look") => {
                let me = wsi.id();
                for &id in ids.iter().filter(|&&id| id != me) {
                    let other = wsi.other(id).expect("it is idle, not gone");
                    // method and headers live in the transaction
                    assert!(other.method().is_none() && other.headers().is_empty());
                    assert!(other.buffered() == 0 && !other.partial_buffered());
                }
            }
            _ => {}
        }
        hello(wsi, reason, s)
    });
    let peers: Vec<_> = (0..100).map(|_| b.connect()).collect();
    assert_eq!(b.context.sessions(), 100, "new ones have the session that they were bound with");
    for &peer in &peers {
        assert_eq!(b.ask(peer, get("/")), HELLO);
    }
    assert_eq!((b.context.connections(), b.context.sessions(), b.context.timers()), (100, 0, 100));
    assert_eq!(b.ask(peers[50], get("/look")), HELLO);
}
