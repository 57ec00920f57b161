//! The client side: sends what a test gave it, and keeps what comes back, by the connection's own
//! number.

use crate::site::Outcome;
use lws_roles as lws;

use lws::http::wsi::HttpWsi;
use lws::tls::TlsWsi;
use lws::{Close, Protocol, Reason, Vh, VhostReason, Write, Wsi, WsiId};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// What a connection is given to send, and what has come of it.
#[derive(Default, Debug)]
pub(crate) struct Talk {
    /// A request's body, in pieces; ws messages; raw bytes.
    pub(crate) send: VecDeque<Vec<u8>>,
    pub(crate) content_length: Option<u64>,
    /// Refuse the server's certificate, good as it is.
    pub(crate) refuse: bool,
    /// The reasons that came, but for those with data and WRITEABLE.
    pub(crate) reasons: Vec<&'static str>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    /// A response's body, or raw bytes.
    pub(crate) body: Vec<u8>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) errors: Vec<String>,
    /// The server's common name, as its certificate has it.
    pub(crate) server: Option<String>,
    pub(crate) complaint: Option<String>,
    pub(crate) resumed: bool,
}

impl Talk {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn count(&self, reason: &str) -> usize {
        self.reasons.iter().filter(|r| **r == reason).count()
    }

    /// The only error there is.
    pub(crate) fn error(&self) -> &str {
        assert_eq!((self.errors.len(), self.count("ClosedClientHttp")), (1, 0), "{self:?}");
        &self.errors[0]
    }

    /// That it went well, and the body.
    pub(crate) fn completed(&self) -> &[u8] {
        assert!(self.errors.is_empty() && self.count("CompletedClientHttp") == 1, "{self:?}");
        &self.body
    }
}

pub(crate) type Talks = Rc<RefCell<BTreeMap<u64, Talk>>>;

pub(crate) struct Agent {
    pub(crate) talks: Talks,
}

#[derive(Default)]
pub(crate) struct Partial(Vec<u8>);

impl Protocol for Agent {
    const NAME: &'static str = "site";
    type Session = Partial;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, partial: &mut Partial) -> Outcome {
        let mut talks = self.talks.borrow_mut();
        let talk = talks.entry(wsi.opaque_user_data()).or_default();
        let data = matches!(
            reason,
            Reason::ReceiveClientHttpRead(_)
                | Reason::RawRx(_)
                | Reason::ClientReceive(_)
                | Reason::ClientHttpWriteable
                | Reason::ClientWriteable
                | Reason::RawWriteable
        );
        if !data {
            talk.reasons.push(reason.name());
        }
        match reason {
            Reason::ClientConnectionError(why) => talk.errors.push(why.to_owned()),
            Reason::ClientAppendHandshakeHeader(fields) => {
                if let Some(length) = talk.content_length {
                    fields.add_u64("content-length", length)?;
                }
                if !talk.send.is_empty() {
                    wsi.client_http_body_pending(true);
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientHttpWriteable => {
                let piece = talk.send.pop_front().unwrap_or_default();
                let last = talk.send.is_empty();
                if last {
                    wsi.client_http_body_pending(false);
                }
                wsi.write(&piece, if last { Write::HttpFinal } else { Write::Http })?;
                if !last {
                    wsi.callback_on_writable();
                }
            }
            Reason::EstablishedClientHttp => {
                talk.status = wsi.http_status();
                talk.headers = wsi
                    .headers()
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), String::from_utf8_lossy(value).into_owned()))
                    .collect();
            }
            Reason::ReceiveClientHttpRead(data) | Reason::RawRx(data) => talk.body.extend_from_slice(data),
            Reason::ClientEstablished | Reason::RawConnected => wsi.callback_on_writable(),
            Reason::ClientWriteable => {
                if let Some(message) = talk.send.pop_front() {
                    wsi.write(&message, Write::BINARY)?;
                    wsi.callback_on_writable();
                }
            }
            Reason::RawWriteable => {
                if let Some(bytes) = talk.send.pop_front() {
                    wsi.write(&bytes, Write::Raw)?;
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientReceive(rx) => {
                partial.0.extend_from_slice(rx.data);
                if rx.last {
                    talk.messages.push(std::mem::take(&mut partial.0));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Outcome {
        let VhostReason::PerformServerCertVerification(id) = reason else { return Ok(()) };
        self.look(vh, id)
    }
}

impl Agent {
    fn look(&mut self, vh: &mut Vh<'_>, id: WsiId) -> Outcome {
        let wsi = vh.wsi(id).expect("it is being asked about");
        let mut talks = self.talks.borrow_mut();
        let talk = talks.entry(wsi.opaque_user_data()).or_default();
        talk.reasons.push("PerformServerCertVerification");
        talk.server = wsi.tls_peer_cert_info(0).and_then(|c| c.common_name().map(str::to_owned));
        talk.complaint = wsi.tls_peer_complaint().map(str::to_owned);
        talk.resumed = wsi.tls_facts().is_some_and(|facts| facts.resumed);
        if talk.refuse { Err(Close::ABORT) } else { Ok(()) }
    }
}
