//! api-test-async-dns: numeric addresses parsed and written as in C, and C's lookups one after the other,
//! here against a server of its own, whose first neighbour answers nothing.

use api_tests::{PATIENCE, Tests, wait_until};
use lws::dns::{AsyncDns, DnsSettings};
use lws::prelude::*;
use lws::{AddrInfo, DnsError, DnsType, LadnsRet, SockAddr46};
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;

/// Text, and how many bytes its address has; C has -1 or -8 for what is none.
const PARSE: [(&str, Option<usize>); 11] = [
    ("2001:db8:85a3:0:0:8a2e:370:7334", Some(16)),
    ("2001:db8:85a3::8a2e:370:7334", Some(16)),
    ("::1", Some(16)),
    ("::", Some(16)),
    ("::ffff:192.0.2.128", Some(16)),
    ("cats", None),
    ("onevalid.bogus.warmcat.com", None),
    ("1.cat.dog.com", None),
    (":::1", None),
    ("0:0::0:1", Some(16)),
    ("1.2.3.4", Some(4)),
];

/// Text, and how its address is written (RFC 5952).
const FORMAT: [(&str, &str); 7] = [
    ("2001:db8:85a3:0:0:8a2e:370:7334", "2001:db8:85a3::8a2e:370:7334"),
    ("2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3::8a2e:370:7334"),
    ("::1", "::1"),
    ("::", "::"),
    ("::ffff:192.0.2.128", "::ffff:192.0.2.128"),
    ("0:0::0:1", "::1"),
    ("1.2.3.4", "1.2.3.4"),
];

const V4: &str = "46.105.127.147";
const V6: &str = "2001:41d0:2:ee93::1";

/// Name, type, and the address that is right; `None` where there must be none.
const LOOKUPS: [(&str, DnsType, Option<&str>); 8] = [
    ("warmcat.com", DnsType::A, Some(V4)),
    ("libwebsockets.org", DnsType::A, Some(V4)),
    ("doesntexist", DnsType::A, None),
    ("localhost", DnsType::A, Some("127.0.0.1")),
    ("ipv4only.warmcat.com", DnsType::A, Some(V4)),
    ("onevalid.bogus.warmcat.com", DnsType::A, Some(V4)),
    ("warmcat.com", DnsType::Aaaa, Some(V6)),
    ("ipv6only.warmcat.com", DnsType::Aaaa, Some(V6)),
];

type Answer = Result<Rc<AddrInfo>, DnsError>;

/// Asks for each name after the answer to the one before.
struct Lookups(Rc<RefCell<Vec<Answer>>>);

impl Lookups {
    fn next(&self, vh: &mut Vh<'_>) -> bool {
        let at = self.0.borrow().len();
        let Some((name, kind, _)) = LOOKUPS.get(at) else { return true };
        vh.async_dns_query(name, *kind, at as u32) == LadnsRet::Continuing
    }
}

impl Protocol for Lookups {
    const NAME: &'static str = "lookups";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {}
            VhostReason::AsyncDns(told) => self.0.borrow_mut().push(told.result),
            _ => return Ok(()),
        }
        if self.next(vh) { Ok(()) } else { Err(Close::NORMAL) }
    }
}

/// The answer to a query: the address of its type that this server has for all of its names.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let end = query.get(12..)?.iter().position(|byte| *byte == 0)? + 17;
    let mut out = query.get(..end)?.to_vec();
    let is_a = *query.get(end - 3)? == 1;
    let name = String::from_utf8_lossy(query.get(12..end - 5)?).to_ascii_lowercase();
    let exists = name.ends_with("warmcat\u{3}com") || name.ends_with("libwebsockets\u{3}org");
    let has = exists && !name.contains(if is_a { "ipv6only" } else { "ipv4only" });
    *out.get_mut(2)? = 0x81;
    *out.get_mut(3)? = if exists { 0x80 } else { 0x83 };
    out.get_mut(6..12)?.copy_from_slice(&[0, has.into(), 0, 0, 0, 0]);
    if has {
        let (kind, data) = if is_a {
            (1, V4.parse::<std::net::Ipv4Addr>().ok()?.octets().to_vec())
        } else {
            (28, V6.parse::<std::net::Ipv6Addr>().ok()?.octets().to_vec())
        };
        out.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        out.extend(data);
    }
    Some(out)
}

/// Answers in a thread that ends with the program.
fn serve(socket: UdpSocket) {
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        loop {
            // an error is of a client that has its answer already
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
            if let Some(packet) = buffer.get(..len).and_then(answer) {
                let _ = socket.send_to(&packet, from);
            }
        }
    });
}

fn addresses(tests: &mut Tests) {
    for (text, wanted) in PARSE {
        let bytes = text.parse::<SockAddr46>().ok().map(|address| match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        });
        let mapped = text != "::ffff:192.0.2.128"
            || bytes.as_ref().is_some_and(|b| b.ends_with(&[0, 0, 0xff, 0xff, 0xc0, 0, 2, 0x80]));
        tests.check(&format!("parse {text}: {bytes:?}"), bytes.as_ref().map(Vec::len) == wanted && mapped);
    }
    for (text, wanted) in FORMAT {
        let written = text.parse::<SockAddr46>().map(|address| address.to_string());
        tests.check(&format!("format {text}: {written:?}"), written.as_deref() == Ok(wanted));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut tests, _) = Tests::start(&[]);
    addresses(&mut tests);

    let (silent, socket) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let servers: [SocketAddr; 2] = [silent.local_addr()?, socket.local_addr()?];
    serve(socket);
    let settings = DnsSettings::new().resolv_conf(None).hosts(None).server(servers[0]).server(servers[1]);
    let answers = Rc::<RefCell<Vec<Answer>>>::default();
    let vhost = Vhost::new("lookups").protocol(Lookups(Rc::clone(&answers)));
    let mut context = lws::context().async_resolver(AsyncDns::new(settings)).vhost(vhost).create()?;
    wait_until(&mut context, PATIENCE, |_| answers.borrow().len() == LOOKUPS.len());
    for (at, (name, kind, wanted)) in LOOKUPS.iter().enumerate() {
        let answer = answers.borrow().get(at).cloned();
        let right = match (&answer, wanted) {
            (Some(Ok(info)), Some(address)) => info.addresses().iter().any(|ip| ip.to_string() == *address),
            (Some(Err(why)), None) => why.code() == LadnsRet::NxDomain,
            _ => false,
        };
        tests.check(&format!("{kind:?} {name}: {answer:?}"), right);
    }
    tests.finish();
}
