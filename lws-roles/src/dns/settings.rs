//! What can be set about the resolver, and the handle that changes it while it runs.

use super::stats::DnsStatistics;
use lws_core::RetryPolicy;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Waits for servers when `/etc/resolv.conf` doesn't say: C's table.
const RETRY: RetryPolicy = RetryPolicy {
    retry_ms_table: &[500, 1000, 1250, 5000],
    conceal_count: 4,
    jitter_percent: 20,
    ..RetryPolicy::DEFAULT
};

/// The bounds of an engine.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) retry: RetryPolicy,
    pub(super) cache_entries: usize,
    /// Seconds.
    pub(super) max_ttl: u32,
    pub(super) questions: usize,
    pub(super) questions_per_turn: usize,
    pub(super) resolution_delay_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            retry: RETRY,
            cache_entries: 1024,
            max_ttl: 3600,
            questions: 128,
            questions_per_turn: 16,
            resolution_delay_us: 50_000,
        }
    }
}

/// Settings of the resolver. All have defaults: [`new`](Self::new) is what `lws::context()` brings.
#[derive(Clone)]
#[must_use]
pub struct DnsSettings {
    pub(super) limits: Limits,
    pub(super) resolv_conf: Option<PathBuf>,
    pub(super) hosts: Option<PathBuf>,
    pub(super) servers: Vec<SocketAddr>,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl DnsSettings {
    /// The system's own: `/etc/resolv.conf` and `/etc/hosts`.
    pub fn new() -> Self {
        Self {
            limits: Limits::default(),
            resolv_conf: Some("/etc/resolv.conf".into()),
            hosts: Some("/etc/hosts".into()),
            servers: Vec::new(),
        }
    }

    /// The file that names servers and options; `None` reads none. Read anew when it has changed, which is
    /// looked at once a second at most, when names are asked for. Default `/etc/resolv.conf`. When it can't
    /// be read, or names no servers, and none are [set](Self::server), 127.0.0.1 is asked.
    pub fn resolv_conf(mut self, path: Option<&Path>) -> Self {
        self.resolv_conf = path.map(Path::to_owned);
        self
    }

    /// The file of names that are known without asking; `None` reads none. Read anew as
    /// [`resolv_conf`](Self::resolv_conf) is. Of larger ones the first MiB is read. Default `/etc/hosts`.
    pub fn hosts(mut self, path: Option<&Path>) -> Self {
        self.hosts = path.map(Path::to_owned);
        self
    }

    /// Adds a server, to be asked before those of the file (C: `lws_async_dns_server_add`).
    pub fn server(mut self, server: SocketAddr) -> Self {
        if !self.servers.contains(&server) {
            self.servers.push(server);
        }
        self
    }

    /// How long servers are waited for, and how many times one of them is asked: the policy's table, its
    /// jitter, and its `conceal_count` for how often is asked again. `timeout` and `attempts` in
    /// `/etc/resolv.conf` come before it. Default, C's: 500, 1000, 1250 and 5000 ms with up to 20 % more,
    /// asked again 4 times.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// Answers that are kept, found or denied; the least recently used goes first. 0 keeps none.
    /// Default 1024 (C: 10).
    pub fn cache_entries(mut self, n: usize) -> Self {
        self.limits.cache_entries = n;
        self
    }

    /// The longest time an answer is kept, in whole seconds, whatever it says itself. Default 3600 s, as
    /// in C.
    pub fn max_ttl(mut self, time: Duration) -> Self {
        self.limits.max_ttl = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Questions that are under way at once; more wait for their turn. Each has one socket for each query
    /// that it has sent. At least 1, default 128.
    pub fn questions(mut self, n: usize) -> Self {
        self.limits.questions = n.max(1);
        self
    }

    /// Questions that one turn begins with, so that a program that asks for many names at once doesn't
    /// hold up its connections: each costs some system calls. At least 1, default 16.
    pub fn questions_per_turn(mut self, n: usize) -> Self {
        self.limits.questions_per_turn = n.max(1);
        self
    }

    /// How long one address family's answer waits for the other's, so that both can be tried
    /// (RFC 8305 section 3). Default 50 ms.
    pub fn resolution_delay(mut self, time: Duration) -> Self {
        self.limits.resolution_delay_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self
    }
}

/// What the resolver and its handles share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) servers: Vec<SocketAddr>,
    /// The servers are others than the resolver knows.
    pub(super) changed: bool,
    /// What is known is to be forgotten.
    pub(super) forget: bool,
    pub(super) stats: DnsStatistics,
    pub(super) cached: usize,
}

/// A handle to a running resolver: [`AsyncDns::handle`](super::AsyncDns::handle). Stays in its thread.
/// What it sets is used for the next name that is asked for.
#[derive(Clone)]
pub struct DnsHandle(pub(super) Rc<RefCell<Shared>>);

impl DnsHandle {
    /// Adds a server, to be asked before those of `/etc/resolv.conf` and after those added before.
    /// `false` when it is there already.
    pub fn async_dns_server_add(&self, server: SocketAddr) -> bool {
        let mut shared = self.0.borrow_mut();
        if shared.servers.contains(&server) {
            return false;
        }
        shared.servers.push(server);
        shared.changed = true;
        true
    }

    /// Takes back a server that was added; `false` when there is no such. Questions that have been put to
    /// it go on.
    pub fn async_dns_server_remove(&self, server: SocketAddr) -> bool {
        let mut shared = self.0.borrow_mut();
        let before = shared.servers.len();
        shared.servers.retain(|other| *other != server);
        shared.changed |= shared.servers.len() != before;
        shared.servers.len() != before
    }

    /// Forgets all answers.
    pub fn flush(&self) {
        self.0.borrow_mut().forget = true;
    }

    /// What has been counted since the context began.
    pub fn statistics(&self) -> DnsStatistics {
        self.0.borrow().stats
    }

    /// Answers that are kept now, those that have expired and weren't asked for since among them.
    pub fn cached(&self) -> usize {
        self.0.borrow().cached
    }
}
