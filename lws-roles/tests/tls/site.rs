//! The server side: answers by path, echoes what is posted, every ws message and all raw bytes,
//! and notes each callback.

use lws_roles as lws;

use lws::http::wsi::HttpWsi;
use lws::tls::TlsWsi;
use lws::{Close, Protocol, Reason, Vh, VhostReason, Write, Wsi, WsiId};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub(crate) type Outcome = Result<(), Close>;
pub(crate) type Log = Rc<RefCell<Vec<String>>>;
/// What a protocol says to a client's certificate.
pub(crate) type Verify = Box<dyn FnMut(&mut Wsi<'_>) -> Outcome>;

/// Bytes that nobody can guess, the same for the same length.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut x = (len as u32).wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    };
    (0..len).map(|_| next()).collect()
}

pub(crate) struct Site {
    name: &'static str,
    log: Log,
    verify: Option<Verify>,
}

#[derive(Default)]
pub(crate) struct Session {
    body: Vec<u8>,
    at: usize,
    /// Payload, and whether it is the first and the last piece of its message.
    echoes: VecDeque<(Vec<u8>, bool, bool)>,
    raw: Vec<u8>,
}

impl Site {
    pub(crate) fn new(name: &'static str, log: &Log) -> Self {
        Self { name, log: Rc::clone(log), verify: None }
    }

    pub(crate) fn verify(mut self, verify: impl FnMut(&mut Wsi<'_>) -> Outcome + 'static) -> Self {
        self.verify = Some(Box::new(verify));
        self
    }

    fn note(&self, what: &str) {
        self.log.borrow_mut().push(format!("{} {what}", self.name));
    }

    fn answer(&self, wsi: &mut Wsi<'_>, path: &str, s: &mut Session) -> Outcome {
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (what, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match what {
            "" => return say(wsi, self.name),
            "len" | "chunked" => {
                s.body = pattern(rest.parse().map_err(|_| Close::ABORT)?);
                s.at = 0;
                let length = s.body.len() as u64;
                let response = wsi.respond(200);
                if what == "len" {
                    response.content_length(length).send()?;
                } else {
                    response.send()?;
                }
                wsi.callback_on_writable();
            }
            "facts" => {
                let facts = facts(wsi);
                return say(wsi, &facts);
            }
            "headers" => {
                let text: String = wsi
                    .headers()
                    .iter()
                    .map(|(name, value)| format!("{name}={}\n", String::from_utf8_lossy(value)))
                    .collect();
                return say(wsi, &text);
            }
            "redirect" => {
                let to = wsi.urlarg("to").unwrap_or_default().to_owned();
                wsi.http_redirect(302, &to)?;
            }
            "status" => wsi.return_http_status(rest.parse().map_err(|_| Close::ABORT)?, "so be it")?,
            "own-hsts" => {
                wsi.respond(200).header("Strict-Transport-Security", "max-age=1").content_length(0).send()?;
                wsi.http_transaction_completed();
            }
            // untouched: 404
            _ => {}
        }
        Ok(())
    }
}

/// A whole response.
fn say(wsi: &mut Wsi<'_>, text: &str) -> Outcome {
    wsi.respond(200).content_length(text.len() as u64).send()?;
    wsi.write(text.as_bytes(), Write::HttpFinal)?;
    wsi.http_transaction_completed();
    Ok(())
}

/// What the server knows of its client.
fn facts(wsi: &Wsi<'_>) -> String {
    let peer = wsi.tls_peer_cert_info(0).and_then(|c| c.common_name().map(str::to_owned));
    let complaint = wsi.tls_peer_complaint().unwrap_or("none");
    let Some(facts) = wsi.tls_facts() else { return "plain".to_owned() };
    format!(
        "{} {} {} {} peer={} complaint={complaint}",
        facts.version,
        facts.alpn.unwrap_or("-"),
        facts.server_name.unwrap_or("-"),
        if facts.resumed { "resumed" } else { "full" },
        peer.unwrap_or_default(),
    )
}

impl Protocol for Site {
    const NAME: &'static str = "site";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut Session) -> Outcome {
        if !matches!(reason, Reason::HttpWriteable | Reason::ServerWriteable | Reason::RawWriteable) {
            self.note(reason.name());
        }
        match reason {
            Reason::Http(_) if wsi.method() == Some(lws::http::method::Method::Post) => {}
            Reason::Http(path) => return self.answer(wsi, path, s),
            Reason::HttpBody(data) => s.body.extend_from_slice(data),
            Reason::HttpBodyCompletion => {
                wsi.respond(200).content_length(s.body.len() as u64).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                let end = s.body.len().min(s.at + 20_000);
                let last = end == s.body.len();
                wsi.write(&s.body[s.at..end], if last { Write::HttpFinal } else { Write::Http })?;
                s.at = end;
                if last {
                    wsi.http_transaction_completed();
                } else {
                    wsi.callback_on_writable();
                }
            }
            Reason::Receive(rx) => {
                s.echoes.push_back((rx.data.to_vec(), rx.first, rx.last));
                wsi.callback_on_writable();
            }
            Reason::ServerWriteable => {
                if let Some((data, first, last)) = s.echoes.pop_front() {
                    wsi.write(&data, Write::ws(true, first, last))?;
                    wsi.callback_on_writable();
                }
            }
            Reason::RawRx(data) => {
                self.note(&format!("got {}", String::from_utf8_lossy(data)));
                s.raw.extend_from_slice(data);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(&s.raw, Write::Raw)?;
                s.raw.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Outcome {
        let VhostReason::PerformClientCertVerification(id) = reason else { return Ok(()) };
        self.note("PerformClientCertVerification");
        self.look(vh, id)
    }
}

impl Site {
    fn look(&mut self, vh: &mut Vh<'_>, id: WsiId) -> Outcome {
        let Some(verify) = &mut self.verify else { return Ok(()) };
        verify(&mut vh.wsi(id).expect("it is being asked about"))
    }
}
