//! Retry-After (RFC 9110 section 10.2.3) on the virtual clock: what user code is told, when a redirect is followed and
//! when a [`Reconnect`] tries again.

use super::{Net, OK, WHOLE, get};
use crate::h1::client::H1ClientFactory;
use crate::http::wsi::HttpWsi;
use lws_core::{
    Close, ContextBuilder, MemoryOptions, Protocol, Reason, Reconnect, RetryPolicy, Vh, Vhost, VhostReason, Wsi,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn response(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} Later\r\n{fields}Content-Length: 0\r\n\r\n")
}

/// What user code finds at the response's end.
fn told(status: u16, fields: &str) -> Option<Duration> {
    let found = Rc::new(RefCell::new(Vec::new()));
    let of_hook = Rc::clone(&found);
    let mut net = Net::with(move |wsi, reason| {
        if let Reason::CompletedClientHttp | Reason::ClientConnectionError(_) = reason {
            of_hook.borrow_mut().push(wsi.retry_after());
        }
        Ok(())
    });
    net.connect(get("/").max_redirects(0));
    let (peer, _) = net.accept();
    net.send(peer, &response(status, fields));
    let found = found.borrow();
    assert_eq!(found.len(), 1);
    found[0]
}

#[test]
fn rfc9110_10_2_3_user_code_is_told() {
    for status in [301, 302, 304, 413, 429, 503] {
        assert_eq!(told(status, "Retry-After: 7\r\n"), Some(secs(7)), "{status}");
    }
    for status in [200, 404, 500] {
        assert_eq!(told(status, "Retry-After: 7\r\n"), None, "{status}");
    }
    assert_eq!(told(503, ""), None);
    // the clock begins in 2020
    assert_eq!(told(503, "Retry-After: Wed, 01 Jan 2020 00:01:30 GMT\r\n"), Some(secs(90)));
    assert_eq!(told(503, "Retry-After: Tue, 31 Dec 2019 23:59:59 GMT\r\n"), None, "that has passed");
}

#[test]
fn a_date_is_meant_by_the_server_s_clock() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n";
    assert_eq!(told(503, date), Some(secs(60)));
    // garbage says nothing of its clock
    let date = "Date: now\r\nRetry-After: Wed, 01 Jan 2020 00:01:30 GMT\r\n";
    assert_eq!(told(503, date), Some(secs(90)));
}

#[test]
fn hostile_values_are_an_hour_or_nothing() {
    for huge in ["4000", "99999999999999999999999", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        assert_eq!(told(429, &format!("Retry-After: {huge}\r\n")), Some(RetryPolicy::RETRY_AFTER_MAX), "{huge}");
    }
    for garbage in ["-5", "5 minutes", "", "0", "\u{ff}", "1e9", "Sun, 99 Nov 1994 08:49:37 GMT"] {
        assert_eq!(told(429, &format!("Retry-After: {garbage}\r\n")), None, "{garbage}");
    }
}

#[test]
fn rfc9110_10_2_3_a_redirect_is_followed_no_sooner() {
    let mut net = Net::new();
    net.connect(get("/").max_redirects(3));
    let (peer, _) = net.accept();
    net.send(peer, &response(307, "Location: /x\r\nRetry-After: 20\r\n"));
    assert!(net.ended(peer));
    net.advance(Duration::from_millis(19_900));
    assert!(!net.has_connection());
    net.advance(Duration::from_millis(200));
    let (peer, request) = net.accept();
    assert!(request.starts_with("GET /x "), "{request}");
    // and the next without asking for it at once
    net.send(peer, &response(302, "Location: /y\r\n"));
    let (peer, request) = net.accept();
    assert!(request.starts_with("GET /y "), "{request}");
    net.send(peer, OK);
    assert_eq!(net.events(0)[3..], WHOLE[1..]);
    net.assert_empty();
}

#[test]
fn a_client_that_waits_to_follow_can_be_closed() {
    let mut net = Net::new();
    let id = net.connect(get("/").max_redirects(3));
    let (peer, _) = net.accept();
    net.send(peer, &response(307, "Location: /x\r\nRetry-After: 20\r\n"));
    net.context.vh(net.vhost, "client").unwrap().wsi(id).unwrap().close(Close::ABORT);
    net.advance(secs(30));
    assert!(!net.has_connection());
    net.assert_empty();
}

#[test]
fn a_redirect_that_is_to_be_followed_much_later_is_an_error() {
    let mut net = Net::new();
    net.connect(get("/").max_redirects(3));
    let (peer, _) = net.accept();
    net.send(peer, &response(307, "Location: /x\r\nRetry-After: 61\r\n"));
    assert!(!net.has_connection());
    net.assert_failed(0, "HS: Redirect failed: its Retry-After is too long");
}

const KEY: u32 = 5;

/// Asks again as long as the answer isn't 200.
struct Nailed {
    link: Reconnect,
    completed: Rc<RefCell<Vec<u16>>>,
}

impl Protocol for Nailed {
    const NAME: &'static str = "client";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::CompletedClientHttp => self.completed.borrow_mut().push(wsi.http_status().unwrap_or_default()),
            Reason::ClosedClientHttp | Reason::ClientConnectionError(_) => {
                assert!(self.link.ended(wsi));
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => drop(self.link.connect(vh)),
            VhostReason::User(key) => drop(self.link.due(vh, key)),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_reconnect_tries_no_sooner_than_the_server_wants_and_by_its_table_otherwise() {
    let policy = RetryPolicy { retry_ms_table: &[1000], conceal_count: 9, jitter_percent: 1, ..RetryPolicy::DEFAULT };
    let options = MemoryOptions { max_segment: 1 << 40, max_write: 1 << 40, max_delay_us: 0, ..Default::default() };
    let completed = Rc::default();
    let link = Reconnect::new(get("/").retry_and_idle_policy(policy), KEY);
    let nailed = Nailed { link, completed: Rc::clone(&completed) };
    let mut context = ContextBuilder::new(&[&H1ClientFactory]).memory(options).create().unwrap();
    let listener = context.memory().unwrap().peer_listen("port:80").unwrap();
    context.create_vhost(Vhost::new("v").protocol(nailed)).unwrap();
    let mut gaps = Vec::new();
    let mut ended = 0;
    for fields in ["Retry-After: 30\r\n", "", "Retry-After: garbage\r\n", "Retry-After: 999999\r\n", ""] {
        let peer = loop {
            context.service(Some(Duration::from_millis(100))).unwrap();
            if let Some(peer) = context.memory().unwrap().peer_accept(listener) {
                break peer;
            }
        };
        gaps.push((context.now_us() - ended) / 1000);
        context.memory().unwrap().peer_send(peer, response(503, fields).as_bytes());
        let answered = completed.borrow().len();
        while completed.borrow().len() == answered {
            context.service(Some(Duration::from_millis(1))).unwrap();
        }
        ended = context.now_us();
    }
    // the table with its 1 %, and 100 ms of waiting for it above
    let table = 1000..=1200;
    assert!((30_000..=30_500).contains(&gaps[1]), "{gaps:?}");
    assert!(table.contains(&gaps[2]) && table.contains(&gaps[3]), "{gaps:?}");
    assert!((3_600_000..=3_637_000).contains(&gaps[4]), "{gaps:?}");
}
