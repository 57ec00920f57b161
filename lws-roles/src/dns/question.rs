//! One name and type, asked until there is an answer: over servers, by UDP and when that is too small by
//! TCP, along aliases that end in other responses. Pure: events in, [`Action`]s out.
//!
//! ```text
//!   begin --> sent --+-- answer ----------------------------> Done
//!              ^     +-- alias: the next name --.
//!              |     +-- truncated: by TCP -----+
//!              |     +-- refused, unreachable: --+--> sent, or Done when no server is left
//!              '-----+-- no answer in time: -----'          or no try
//!                    '-- not believed: counted, waits on
//! ```
//!
//! Earlier queries of one that is asked again stay open: a slow server's answer is an answer.
//! Called by `engine`.

use super::cache::Known;
use super::name::Name;
use super::stats::DnsStatistics;
use super::wire::{BADVERS, Dropped, FORMERR, NOTIMP, Query, RecordType, Reply};
use lws_core::{AddrInfo, DnsError, RetryPolicy};
use std::net::SocketAddr;
use std::rc::Rc;

/// Aliases that are followed from one response to another.
const MAX_ALIASES: u8 = 8;
/// How long a server is waited for that is asked by TCP, µs.
const TCP_WAIT_US: u64 = 5_000_000;

/// A query on its way. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub(super) struct Tx(pub(super) u64);

/// What is to be done with sockets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send this from a socket of its own.
    Send { tx: Tx, server: SocketAddr, tcp: bool, packet: Vec<u8> },
    /// Close that socket.
    Close(Tx),
}

/// How patiently servers are asked.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) policy: RetryPolicy,
    /// Instead of the policy's table, µs.
    pub(super) timeout_us: Option<u64>,
    /// How often each server is asked, instead of the policy's tries.
    pub(super) attempts: Option<u32>,
}

impl Patience {
    /// How many queries one name is worth.
    fn tries(&self, servers: usize) -> u32 {
        let servers = servers as u32;
        let by_policy = u32::from(self.policy.conceal_count) + 1;
        let tries = match (self.attempts, self.timeout_us) {
            (Some(attempts), _) => attempts * servers,
            // resolv.conf(5)'s default
            (None, Some(_)) => 2 * servers,
            (None, None) => by_policy,
        };
        tries.clamp(servers.max(1), 64)
    }
}

/// What a question needs of those around it.
pub(super) struct Around<'a> {
    pub(super) now_us: u64,
    pub(super) random: &'a mut dyn FnMut(&mut [u8]),
    pub(super) servers: &'a [SocketAddr],
    pub(super) patience: Patience,
    pub(super) next_tx: &'a mut u64,
    pub(super) actions: &'a mut Vec<Action>,
    pub(super) stats: &'a mut DnsStatistics,
}

/// How a question stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits, until [`Question::deadline_us`].
    Waits,
    /// It is answered, and that is good for this many seconds.
    Done(Known, u32),
}

struct Sent {
    tx: Tx,
    query: Query,
    server: SocketAddr,
    tcp: bool,
}

/// See the module's head.
pub(super) struct Question {
    kind: RecordType,
    /// The name that is being asked for: the one wanted, or what its aliases lead to.
    name: Name,
    aliases: u8,
    /// Of the aliases.
    ttl: u32,
    edns: bool,
    /// TCP was tried for a server that writes the question in its own case.
    case_by_tcp: bool,
    /// The server to begin with.
    first: usize,
    /// Queries sent, of this name.
    tries: u32,
    policy_tries: u16,
    /// Servers that have refused or can't be reached.
    refused: Vec<SocketAddr>,
    /// Why the last of them did.
    why: Option<Rc<str>>,
    sent: Vec<Sent>,
    pub(super) deadline_us: u64,
}

impl Question {
    pub(super) fn new(name: Name, kind: RecordType, first: usize) -> Self {
        Self {
            kind,
            name,
            aliases: 0,
            ttl: u32::MAX,
            edns: true,
            case_by_tcp: false,
            first,
            tries: 0,
            policy_tries: 0,
            refused: Vec::new(),
            why: None,
            sent: Vec::new(),
            deadline_us: 0,
        }
    }

    /// The server that was asked last.
    pub(super) fn last_server(&self) -> Option<SocketAddr> {
        self.sent.last().map(|sent| sent.server)
    }

    /// The first query goes out.
    pub(super) fn begin(&mut self, around: &mut Around<'_>) -> Progress {
        self.next_server(around)
    }

    /// Nobody has answered in time.
    pub(super) fn timed_out(&mut self, around: &mut Around<'_>) -> Progress {
        around.stats.timeouts = around.stats.timeouts.wrapping_add(1);
        self.next_server(around)
    }

    /// The socket of a query is no use.
    pub(super) fn unreachable(&mut self, around: &mut Around<'_>, tx: Tx, why: &str) -> Progress {
        let Some(sent) = self.sent.iter().find(|sent| sent.tx == tx) else { return Progress::Waits };
        let server = sent.server;
        self.refused(around, tx, server, format!("{server}: {why}").into())
    }

    /// A response, perhaps.
    pub(super) fn received(&mut self, around: &mut Around<'_>, tx: Tx, from: SocketAddr, packet: &[u8]) -> Progress {
        let Some(sent) = self.sent.iter().find(|sent| sent.tx == tx) else { return Progress::Waits };
        let (server, tcp) = (sent.server, sent.tcp);
        let read = match tcp {
            _ if from.ip() != server.ip() || from.port() != server.port() => Err(Dropped::WrongSource),
            true => sent.query.read(packet),
            false => sent.query.read_datagram(packet),
        };
        let had_edns = sent.query.has_edns();
        match read {
            Ok(Reply::Found { addresses, canonical, ttl }) => {
                let info = AddrInfo::new(addresses, &canonical.to_string());
                self.done(around, Ok(Rc::new(info)), ttl)
            }
            Ok(Reply::NxDomain { ttl }) => self.done(around, Err(DnsError::NxDomain), ttl),
            Ok(Reply::NoData { ttl }) => self.done(around, Err(DnsError::NoData), ttl),
            Ok(Reply::Alias { target, ttl }) => self.alias(around, target, ttl),
            Ok(Reply::Truncated) if tcp => self.unreachable(around, tx, "truncated over TCP"),
            //= rfc7766#5
            Ok(Reply::Truncated) => {
                self.close(around, tx);
                self.send(around, server, true)
            }
            Ok(Reply::Refused(FORMERR | NOTIMP | BADVERS)) if had_edns => {
                //= rfc6891#6.2.2
                self.edns = false;
                self.close(around, tx);
                self.send(around, server, tcp)
            }
            Ok(Reply::Refused(code)) => {
                self.refused(around, tx, server, format!("{server}: response code {code}").into())
            }
            Err(why) => {
                around.stats.count(why);
                match why {
                    _ if tcp => self.unreachable(around, tx, "no answer that can be used"),
                    // it writes names in its own case: it can where answers aren't to be guessed
                    Dropped::WrongCase if !std::mem::replace(&mut self.case_by_tcp, true) => {
                        self.send(around, server, true)
                    }
                    _ => Progress::Waits,
                }
            }
        }
    }

    /// The name is another's alias.
    fn alias(&mut self, around: &mut Around<'_>, target: Name, ttl: u32) -> Progress {
        self.ttl = self.ttl.min(ttl);
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            around.stats.count(Dropped::Looping);
            return self.done(around, Err(DnsError::Failed("its aliases have no end".into())), 0);
        }
        self.close_all(around);
        self.name = target;
        self.tries = 0;
        self.policy_tries = 0;
        self.refused.clear();
        self.next_server(around)
    }

    /// A server is of no use for this: the next one at once, if there is one.
    fn refused(&mut self, around: &mut Around<'_>, tx: Tx, server: SocketAddr, why: Rc<str>) -> Progress {
        let was_last = self.sent.last().is_some_and(|sent| sent.tx == tx);
        self.close(around, tx);
        around.stats.refused = around.stats.refused.wrapping_add(1);
        self.why = Some(why);
        if !self.refused.contains(&server) {
            self.refused.push(server);
        }
        let all = around.servers.iter().all(|server| self.refused.contains(server));
        match self.sent.is_empty() {
            true => self.next_server(around),
            // those asked before may answer yet, in the time that is left
            false if all || !was_last => Progress::Waits,
            false => self.next_server(around),
        }
    }

    fn next_server(&mut self, around: &mut Around<'_>) -> Progress {
        let count = around.servers.len();
        if self.tries >= around.patience.tries(count) {
            return self.give_up(around);
        }
        let turn = (0..count).map(|n| (self.first + self.tries as usize + n) % count.max(1));
        let mut left = turn.filter_map(|at| around.servers.get(at)).filter(|server| !self.refused.contains(server));
        match left.next() {
            Some(&server) => self.send(around, server, false),
            None => self.give_up(around),
        }
    }

    fn give_up(&mut self, around: &mut Around<'_>) -> Progress {
        let why = match (self.why.take(), around.servers.is_empty()) {
            (_, true) => DnsError::Failed("there is no name server to ask".into()),
            (Some(why), _) => DnsError::Failed(why),
            (None, _) => DnsError::TimedOut,
        };
        self.done(around, Err(why), 0)
    }

    fn send(&mut self, around: &mut Around<'_>, server: SocketAddr, tcp: bool) -> Progress {
        let make = if tcp { Query::lower } else { Query::new };
        let query = make(&self.name, self.kind, self.edns, around.random);
        let tx = Tx(*around.next_tx);
        *around.next_tx += 1;
        self.tries += 1;
        let mut random = [0; 2];
        (around.random)(&mut random);
        let (by_policy_ms, _) = around.patience.policy.delay_ms(&mut self.policy_tries, u16::from_ne_bytes(random));
        let wait_us = match around.patience.timeout_us {
            _ if tcp => TCP_WAIT_US,
            Some(timeout_us) => timeout_us,
            None => u64::from(by_policy_ms) * 1000,
        };
        self.deadline_us = around.now_us.saturating_add(wait_us);
        around.stats.sent = around.stats.sent.wrapping_add(1);
        around.stats.sent_tcp = around.stats.sent_tcp.wrapping_add(tcp.into());
        around.actions.push(Action::Send { tx, server, tcp, packet: query.encode() });
        self.sent.push(Sent { tx, query, server, tcp });
        Progress::Waits
    }

    fn close(&mut self, around: &mut Around<'_>, tx: Tx) {
        self.sent.retain(|sent| sent.tx != tx);
        around.actions.push(Action::Close(tx));
    }

    fn close_all(&mut self, around: &mut Around<'_>) {
        around.actions.extend(self.sent.drain(..).map(|sent| Action::Close(sent.tx)));
    }

    fn done(&mut self, around: &mut Around<'_>, known: Known, ttl: u32) -> Progress {
        self.close_all(around);
        Progress::Done(known, self.ttl.min(ttl))
    }
}
