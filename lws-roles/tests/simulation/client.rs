//! The clients of a run.

use crate::world::{Shared, note_destroyed, pattern, watch};
use lws_roles as lws;

use lws::http::wsi::HttpWsi;
use lws::{Close, ConnectInfo, Protocol, Reason, Vh, VhostReason, Write, Wsi};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Begins what it was told to, one after the other or all at once, and checks what comes back.
pub(crate) struct Client {
    pub(crate) world: Shared,
    pub(crate) plan: VecDeque<Job>,
    pub(crate) tls: bool,
}

#[derive(Clone)]
pub(crate) enum Job {
    Get { n: u32, len: usize, pipeline: bool },
    Post { n: u32, len: usize, chunked: bool },
    Ws { n: u32, lens: Vec<usize> },
}

#[derive(Default)]
pub(crate) struct ClientSession {
    expected: Vec<u8>,
    got: Vec<u8>,
    sent: usize,
    sending: VecDeque<Vec<u8>>,
    partial: Vec<u8>,
    done: bool,
    established: bool,
}

/// Where the server is.
pub(crate) const PORT: u16 = 80;

const NEXT: u32 = 1;

impl Client {
    fn start_next(&mut self, vh: &mut Vh<'_>) {
        let Some(job) = self.plan.pop_front() else { return };
        self.world.borrow_mut().begun += 1;
        let info = ConnectInfo::new("localhost", PORT);
        let info = if self.tls { info.tls() } else { info };
        let (info, key) = match &job {
            Job::Get { n, len, pipeline } => (info.method("GET").path(&format!("/{n}/{len}")).pipeline(*pipeline), *n),
            Job::Post { n, .. } => (info.method("POST"), *n),
            Job::Ws { n, .. } => (info.protocol("sim"), *n),
        };
        self.jobs_mut(key, job);
        vh.client_connect(info.opaque_user_data(u64::from(key)));
        if !self.plan.is_empty() {
            vh.sul_schedule(NEXT, Duration::from_micros(u64::from(key % 5) * 700));
        }
    }

    fn jobs_mut(&mut self, key: u32, job: Job) {
        JOBS.with_borrow_mut(|jobs| jobs.insert(key, job));
    }

    fn finish(&self, s: &mut ClientSession, right: bool, what: &str) {
        s.done = true;
        let mut world = self.world.borrow_mut();
        world.completed += 1;
        if !right {
            world.problems.push(format!(
                "{what}: {} bytes came, {} were expected, or they differ",
                s.got.len(),
                s.expected.len()
            ));
        }
    }
}

thread_local! {
    pub(crate) static JOBS: RefCell<BTreeMap<u32, Job>> = const { RefCell::new(BTreeMap::new()) };
}

fn job_of(wsi: &Wsi<'_>) -> Option<Job> {
    let key = wsi.opaque_user_data() as u32;
    JOBS.with_borrow(|jobs| jobs.get(&key).cloned())
}

impl Protocol for Client {
    const NAME: &'static str = "sim";
    type Session = ClientSession;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, s: &mut ClientSession) -> Result<(), Close> {
        watch(&self.world, wsi.id(), &reason);
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                if let Some(Job::Post { n, len, chunked }) = job_of(wsi) {
                    // a redirect or retry begins again
                    *s = ClientSession { expected: pattern(n, len), ..ClientSession::default() };
                    if !chunked {
                        fields.add_u64("content-length", len as u64)?;
                    }
                    wsi.client_http_body_pending(true);
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientHttpWriteable => {
                let end = s.expected.len().min(s.sent + 2000);
                let last = end == s.expected.len();
                if last {
                    wsi.client_http_body_pending(false);
                }
                wsi.write(&s.expected[s.sent..end], if last { Write::HttpFinal } else { Write::Http })?;
                s.sent = end;
                if !last {
                    wsi.callback_on_writable();
                }
            }
            Reason::EstablishedClientHttp => {
                s.established = true;
                s.got.clear();
                if let Some(Job::Get { n, len, .. }) = job_of(wsi) {
                    s.expected = pattern(n, len);
                }
                if wsi.http_status() != Some(200) {
                    self.world.borrow_mut().problems.push(format!("status {:?}", wsi.http_status()));
                }
            }
            Reason::ReceiveClientHttpRead(data) => s.got.extend_from_slice(data),
            Reason::CompletedClientHttp => {
                let right = s.got == s.expected;
                self.finish(s, right, "http");
            }
            Reason::ClientEstablished => {
                s.established = true;
                if let Some(Job::Ws { n, lens }) = job_of(wsi) {
                    s.sending = lens.iter().enumerate().map(|(i, &len)| pattern(n + i as u32, len)).collect();
                    s.expected = s.sending.iter().flatten().copied().collect();
                }
                wsi.callback_on_writable();
            }
            Reason::ClientWriteable => {
                // each message in two fragments
                if let Some(message) = s.sending.front() {
                    let half = message.len() / 2;
                    if s.sent == 0 {
                        wsi.write(&message[..half], Write::ws(true, true, false))?;
                        s.sent = 1;
                    } else {
                        wsi.write(&message[half..], Write::ws(true, false, true))?;
                        s.sent = 0;
                        s.sending.pop_front();
                    }
                    wsi.callback_on_writable();
                }
            }
            Reason::ClientReceive(rx) => {
                s.partial.extend_from_slice(rx.data);
                if rx.last {
                    let message = std::mem::take(&mut s.partial);
                    s.got.extend_from_slice(&message);
                }
                if s.got.len() == s.expected.len() && s.sending.is_empty() && !s.done {
                    let right = s.got == s.expected;
                    self.finish(s, right, "ws");
                    return Err(Close::NORMAL);
                }
            }
            Reason::ClientConnectionError(_) | Reason::ClientClosed | Reason::ClosedClientHttp if !s.done => {
                self.world.borrow_mut().failed += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        note_destroyed(&self.world, &reason);
        if matches!(reason, VhostReason::ProtocolInit | VhostReason::User(NEXT)) {
            self.start_next(vh);
        }
        Ok(())
    }
}
