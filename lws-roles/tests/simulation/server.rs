//! The server of a run.

use crate::world::{Shared, note_destroyed, pattern, watch};
use lws_roles as lws;

use lws::http::wsi::HttpWsi;
use lws::{Close, Protocol, Reason, Vh, VhostReason, Write, Wsi};
use std::collections::VecDeque;

/// Answers `POST /` with the body it got, `GET /n/len` with a pattern, in pieces as there is room;
/// echoes ws messages.
pub(crate) struct Server {
    pub(crate) world: Shared,
}

#[derive(Default)]
pub(crate) struct ServerSession {
    body: Vec<u8>,
    at: usize,
    messages: VecDeque<(Vec<u8>, bool, bool, bool)>,
}

impl Protocol for Server {
    const NAME: &'static str = "sim";
    type Session = ServerSession;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut ServerSession) -> Result<(), Close> {
        watch(&self.world, wsi.id(), &reason);
        match reason {
            Reason::Http(path) => {
                let mut parts = path.split('/').skip(1).map(|p| p.parse::<u32>());
                if let (Some(Ok(n)), Some(Ok(len))) = (parts.next(), parts.next()) {
                    s.body = pattern(n, len as usize);
                    let mut response = wsi.respond(200).content_type("application/octet-stream");
                    if n % 2 == 0 {
                        response = response.content_length(u64::from(len));
                    }
                    response.send()?;
                    wsi.callback_on_writable();
                }
            }
            Reason::HttpBody(data) => s.body.extend_from_slice(data),
            Reason::HttpBodyCompletion => {
                wsi.respond(200).content_length(s.body.len() as u64).send()?;
                wsi.callback_on_writable();
            }
            Reason::HttpWriteable => {
                let end = s.body.len().min(s.at + 3000);
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
                s.messages.push_back((rx.data.to_vec(), rx.binary, rx.first, rx.last));
                if s.messages.len() > 8 {
                    wsi.rx_flow_control(false);
                }
                wsi.callback_on_writable();
            }
            Reason::ServerWriteable => {
                if let Some((data, binary, first, last)) = s.messages.pop_front() {
                    wsi.write(&data, Write::ws(binary, first, last))?;
                }
                if s.messages.len() < 4 {
                    wsi.rx_flow_control(true);
                }
                if !s.messages.is_empty() {
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        note_destroyed(&self.world, &reason);
        Ok(())
    }
}
