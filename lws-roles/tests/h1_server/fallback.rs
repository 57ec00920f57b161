//! What a connection takes along when it becomes the vhost's fallback role: its bytes, and nothing of
//! the http session.

use crate::bench::{Bench, Outcome, vhost};
use lws_roles::{Close, Protocol, Reason, Wsi};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

type Told = Rc<RefCell<Vec<String>>>;

/// Notes the reasons of one protocol and does what the test says to each.
struct Note {
    prefix: &'static str,
    told: Told,
    then: fn(&mut Wsi<'_>, &Reason<'_>),
}

impl Protocol for Note {
    const NAME: &'static str = "note";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Outcome {
        self.told.borrow_mut().push(format!("{} {}", self.prefix, reason.name()));
        (self.then)(wsi, &reason);
        Ok(())
    }
}

/// What both protocols are told when a peer says "SSH", is silent for ten seconds and goes.
fn told(then: fn(&mut Wsi<'_>, &Reason<'_>)) -> String {
    let told = Told::default();
    let note = |prefix, then| Note { prefix, told: Rc::clone(&told), then };
    let (http, raw) = (note("http", then), note("raw", |_, _| {}));
    let mut b = Bench::of(|_| {
        vec![vhost("localhost").protocol_named("http", http).protocol_named("raw", raw).fallback("raw-skt", "raw")]
    });
    let peer = b.connect();
    b.send(peer, "SSH");
    b.elapse(Duration::from_secs(10));
    b.net().peer_close(peer);
    b.run();
    assert_eq!((b.context.connections(), b.context.sessions()), (0, 0));
    told.take().join(", ")
}

const HTTP: &str = "http HttpBindProtocol, http ServerNewClientInstantiated, http HttpDropProtocol";
const RAW: &str = "raw RawSktBindProtocol, raw RawAdopt, raw RawRx, raw RawSktDropProtocol, raw RawClose";

#[test]
fn the_other_protocol_is_told_nothing_that_the_http_session_asked_for() {
    let whole = format!("{HTTP}, {RAW}");
    assert_eq!(told(|_, _| {}), whole);
    let timer = told(|wsi, reason| {
        if matches!(reason, Reason::ServerNewClientInstantiated) {
            wsi.set_timer(Some(Duration::from_secs(3)));
        }
    });
    assert_eq!(timer, whole);
    let writable = told(|wsi, reason| {
        if matches!(reason, Reason::HttpDropProtocol) {
            wsi.callback_on_writable();
        }
    });
    assert_eq!(writable, whole);
    let held = told(|wsi, reason| {
        if matches!(reason, Reason::HttpDropProtocol) {
            wsi.rx_flow_control(false);
        }
    });
    assert_eq!(held, whole);
}

#[test]
fn a_connection_closed_as_its_session_ends_never_begins_the_other_role() {
    let normal = told(|wsi, reason| close_at_drop(wsi, reason, Close::NORMAL));
    let abort = told(|wsi, reason| close_at_drop(wsi, reason, Close::ABORT));
    for told in [normal, abort] {
        assert_eq!(told, format!("{HTTP}, http ClosedHttp"));
    }
}

fn close_at_drop(wsi: &mut Wsi<'_>, reason: &Reason<'_>, close: Close) {
    if matches!(reason, Reason::HttpDropProtocol) {
        wsi.close(close);
    }
}
