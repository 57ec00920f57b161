//! A server that tells all of its subscribers and each one things of its own, with our own clients
//! at the far end: compressed in several ways or not at all, and plain http on the same vhost.
#![cfg(feature = "deflate")]

use lws_roles as lws;

use lws::http::wsi::HttpWsi;
use lws::ws::{PermessageDeflate, Shared, WsVhost};
use lws::{
    Close, ConnectInfo, Context, MemoryOptions, MemoryPeer, Protocol, Reason, Vhost, Write, WriteError, Wsi, WsiId,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// What an http client is sent while the others talk.
const BODY: usize = 300_000;

/// Sends on to all what one says, and to that one how many have heard it.
struct News;

impl Protocol for News {
    const NAME: &'static str = "news";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::Http(_) => {
                wsi.respond(200).content_length(BODY as u64).send()?;
                wsi.write(&vec![b'b'; BODY], Write::HttpFinal)?;
            }
            Reason::Receive(rx) => {
                let took = wsi.broadcast(&Shared::text(rx.data), |_, why| panic!("{why}"));
                wsi.write(format!("{took} have heard: {}", String::from_utf8_lossy(rx.data)).as_bytes(), Write::TEXT)?;
            }
            _ => {}
        }
        Ok(())
    }
}

type Heard = Rc<RefCell<BTreeMap<WsiId, Vec<String>>>>;

/// Notes what it hears.
struct Ears(Heard);

impl Ears {
    fn note(&self, wsi: &Wsi<'_>, text: String) {
        self.0.borrow_mut().entry(wsi.id()).or_default().push(text);
    }
}

impl Protocol for Ears {
    const NAME: &'static str = "ears";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientReceive(rx) => {
                assert!(rx.first && rx.last);
                self.note(wsi, String::from_utf8(rx.data.to_vec()).unwrap());
            }
            Reason::ClientEstablished | Reason::ClientClosed => self.note(wsi, reason.name().to_owned()),
            Reason::ClientConnectionError(why) => self.note(wsi, why.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// Lets some of the virtual time pass, long enough for all that is on its way.
fn settle(context: &mut Context) {
    let end = context.now_us() + 50_000;
    while context.now_us() < end {
        context.service(Some(Duration::from_micros(end - context.now_us()))).unwrap();
    }
}

/// How each client compresses.
fn ways() -> [Option<PermessageDeflate>; 4] {
    let own = PermessageDeflate::new();
    [
        Some(own),
        None,
        Some(own.server_max_window_bits(9)),
        Some(own.server_no_context_takeover(true).client_no_context_takeover(true)),
    ]
}

/// A server with a client of each kind, the clients' handles, and what they hear.
fn world() -> (Context, Vec<(lws::VhostId, WsiId)>, Heard) {
    let heard = Heard::default();
    let server = Vhost::new("server")
        .port(80)
        .protocol(News)
        .ws_assemble(100_000)
        .ws_permessage_deflate(PermessageDeflate::new());
    let options = MemoryOptions { capacity: 100_000, ..MemoryOptions::default() };
    let mut context = lws::context().memory(options).vhost(server).create().unwrap();
    let mut clients = Vec::new();
    for (n, way) in ways().into_iter().enumerate() {
        let vhost = Vhost::new(&format!("client {n}")).protocol(Ears(Rc::clone(&heard)));
        let vhost = if let Some(how) = way { vhost.ws_permessage_deflate(how) } else { vhost };
        let vhost = context.create_vhost(vhost).unwrap();
        let info = ConnectInfo::new("server", 80).protocol("news").ws_assemble(100_000);
        clients.push((vhost, context.vh(vhost, "ears").unwrap().client_connect(info)));
    }
    settle(&mut context);
    for (_, id) in &clients {
        assert_eq!(heard.borrow_mut().insert(*id, Vec::new()), Some(vec!["ClientEstablished".to_owned()]));
    }
    (context, clients, heard)
}

fn http_client(context: &mut Context) -> MemoryPeer {
    let peer = context.memory().unwrap().peer_connect("port:80");
    settle(context);
    let request = b"GET / HTTP/1.1\r\nHost: server\r\n\r\n";
    assert_eq!(context.memory().unwrap().peer_send(peer, request), request.len());
    settle(context);
    peer
}

fn line(n: usize) -> String {
    let words = ["all", "is", "well", "said", "somebody", "again"];
    (0..n * n).map(|k| words[(k * k + n) % words.len()]).collect::<Vec<_>>().join(" ")
}

#[test]
fn rfc7692_7_2_1_what_is_for_all_and_what_is_for_one_are_heard_in_order() {
    let (mut context, clients, heard) = world();
    let http = http_client(&mut context);
    let mut expected: Vec<Vec<String>> = vec![Vec::new(); clients.len()];
    for n in 0..40 {
        let (speaker, text) = (n % clients.len(), line(n));
        let (vhost, id) = clients[speaker];
        let mut vh = context.vh(vhost, "ears").unwrap();
        vh.wsi(id).unwrap().write(text.as_bytes(), Write::TEXT).unwrap();
        settle(&mut context);
        expected.iter_mut().for_each(|heard| heard.push(text.clone()));
        expected[speaker].push(format!("{} have heard: {text}", clients.len()));
    }
    let heard = heard.borrow();
    for ((_, id), expected) in clients.iter().zip(&expected) {
        assert!(heard[id] == *expected, "{id}");
    }
    // it waited for its own all the time, and nothing else came
    let mut response = Vec::new();
    for _ in 0..20 {
        response.extend(context.memory().unwrap().peer_receive(http));
        settle(&mut context);
    }
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(body.len() == BODY && body.bytes().all(|b| b == b'b'));
}

#[test]
fn an_http_connection_is_of_the_wrong_kind() {
    let (mut context, clients, _) = world();
    let http = http_client(&mut context);
    let vhost = context.vhost_by_name("server").unwrap();
    let mut vh = context.vh(vhost, "news").unwrap();
    let members = vh.members().to_vec();
    assert_eq!(members.len(), clients.len() + 1);
    let message = Shared::binary("x");
    let results: Vec<_> = members.iter().map(|&id| vh.wsi(id).unwrap().write_shared(&message)).collect();
    assert_eq!(results.iter().filter(|result| **result == Err(WriteError::WrongKind)).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == Ok(1)).count(), clients.len());
    assert!(!context.memory().unwrap().peer_ended(http));
}
