//! The NTP client: asks its servers, sets the clock, and does so again (RFC 5905 sections 5, 7.4, 8;
//! C: the protocol "lws-ntpclient").
//!
//! ```text
//!   state before TIME_VALID --hold--> Round --all have answered, or time is up--> agreed?
//!                                       ^                                    yes |    | no
//!          .-- wait: the poll interval -+------- the clock is set, resume <------'    |
//!          '-- wait: the backoff table -+----------------------------------<----------'
//! ```
//!
//! A round asks each server once, from a port of its own, so a lost datagram costs one round, and of a
//! name with several addresses another is asked next time. Addresses that say DENY or RSTR are never asked again. Those that say RATE are left out of rounds until as much time has
//! passed as they can stand, twice as much whenever they say so. Never reads a clock that can step: what
//! servers say is taken relative to the loop's. Once the time is known, rounds that come to nothing are
//! repeated after 64 s, 128 s and so on, at most after the poll interval.

use super::select::{Sample, agreed};
use super::settings::{MAX_SERVERS, NtpSettings, NtpSettingsError, target};
use super::wire::{Packet, Refused, request};
use lws_core::{
    AddrInfo, AsyncDns, Close, DnsType, Protocol, Reason, RetryPolicy, SystemState, TimerId, UdpInfo, Vh, VhostReason,
    Write, Wsi, lwsl_err, lwsl_info, lwsl_notice, lwsl_warn,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Timers' keys: a round begins; it has lasted long enough.
const BEGIN: u32 = 0;
const ENOUGH: u32 = 1;

/// Between rounds until the time is known: C's table, for ever.
const RETRY: RetryPolicy = RetryPolicy {
    retry_ms_table: &[1000, 1250, 1500, 2000, 3000],
    conceal_count: RetryPolicy::CONCEAL_ALWAYS,
    secs_since_valid_ping: 0,
    secs_since_valid_hangup: 0,
    jitter_percent: 20,
};

/// A clock that is known to be right isn't moved further than this by one round (RFC 5905 A.1.1: PANICT);
/// the next must say the same.
const JUMP_US: u64 = 1_000_000_000;
/// How well two rounds must agree then.
const SAME_US: u64 = 1_000_000;

/// The longest time that a server's complaints lead to.
const LONGEST: Duration = Duration::from_secs(36 * 3600);

/// Of a lookup's key, for the server's number. The rest is the round's.
const SERVER_BITS: u32 = 4;
const _: () = assert!(MAX_SERVERS <= 1 << SERVER_BITS);

/// Addresses of one name that have said DENY or RSTR, after which the name isn't asked for any more.
const MAX_DENIED: usize = 64;

/// A protocol for [`ContextBuilder::system_protocol`](crate::ContextBuilder::system_protocol) that takes care of
/// the context's clock. See the module.
pub struct NtpClient {
    settings: NtpSettings,
    servers: Vec<Server>,
    /// Of the round that is on.
    samples: Vec<Sample>,
    /// Requests whose answers are awaited.
    asked: usize,
    /// Counts, so that what belongs to an earlier round is known.
    round: u32,
    enough: Option<TimerId>,
    /// Rounds in a row that came to nothing.
    tries: u16,
    begun: bool,
    /// The context's state waits for us.
    holds: bool,
    /// The time has been told.
    valid: bool,
    /// An offset that is too far from the clock's to be believed at once.
    doubted: Option<i64>,
}

struct Server {
    name: String,
    host: String,
    port: u16,
    /// It doesn't want to be asked.
    gone: bool,
    /// Addresses of its name that don't want to be asked.
    denied: Vec<IpAddr>,
    /// Which of its addresses is asked next: that which has answered, or the one after that which hasn't.
    which: usize,
    not_before_us: u64,
    /// The least time between requests that it can stand; zero until it has complained.
    wait: Duration,
}

/// What an [`NtpClient`] knows of one request.
#[derive(Default)]
pub struct Asked {
    nonce: u64,
    sent_us: u64,
}

impl NtpClient {
    /// A client of these servers.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: NtpSettings) -> Result<Self, NtpSettingsError> {
        settings.check()?;
        Ok(Self {
            settings,
            servers: Vec::new(),
            samples: Vec::new(),
            asked: 0,
            round: 0,
            enough: None,
            tries: 0,
            begun: false,
            holds: false,
            valid: false,
            doubted: None,
        })
    }

    fn find_servers(&mut self, vh: &mut Vh<'_>) {
        let mut names = std::mem::take(&mut self.settings.servers);
        if names.is_empty() {
            names.push(vh.system_ops().ntp_server().unwrap_or("pool.ntp.org").to_owned());
        }
        self.servers = names.into_iter().filter_map(Server::named).collect();
    }

    // --- a round -----------------------------------------------------------------------------------

    fn begin_once(&mut self, vh: &mut Vh<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(vh);
        }
    }

    fn begin(&mut self, vh: &mut Vh<'_>) {
        let now = vh.now_us();
        let willing = || self.servers.iter().filter(|server| !server.gone);
        let Some(earliest) = willing().map(|server| server.not_before_us).min() else {
            return lwsl_err!("ntp: no server lets itself be asked: the clock stays as it is");
        };
        if earliest > now {
            vh.sul_schedule(BEGIN, Duration::from_micros(earliest - now));
            return;
        }
        self.samples.clear();
        self.round = self.round.wrapping_add(1);
        self.asked = 0;
        for (n, server) in self.servers.iter_mut().enumerate() {
            if server.gone || server.not_before_us > now {
                continue;
            }
            vh.async_dns_query(&server.host, DnsType::Both, self.round << SERVER_BITS | n as u32);
            self.asked += 1;
            server.rest(now);
        }
        self.enough = Some(vh.sul_schedule(ENOUGH, self.settings.patience));
    }

    /// The addresses of a server are known, or why not.
    fn resolved(&mut self, vh: &mut Vh<'_>, told: AsyncDns) {
        let (round, n) = (told.key >> SERVER_BITS, told.key & ((1 << SERVER_BITS) - 1));
        if round != self.round << SERVER_BITS >> SERVER_BITS || self.asked == 0 {
            return;
        }
        let Some(server) = self.servers.get_mut(n as usize) else { return };
        let tag = u64::from(self.round) << 32 | u64::from(n);
        if let Err(why) = told.result.map_err(|e| e.to_string()).and_then(|info| server.open(vh, &info, tag)) {
            lwsl_info!("ntp: {}: {why}", server.name);
            self.settled(vh, tag);
        }
    }

    /// One of the requests has come to its end, with or without a sample.
    fn settled(&mut self, vh: &mut Vh<'_>, tag: u64) {
        if tag >> 32 == u64::from(self.round) && self.asked > 0 {
            self.asked -= 1;
            if self.asked == 0 {
                self.conclude(vh);
            }
        }
    }

    /// All have answered, or those that have not take too long.
    fn conclude(&mut self, vh: &mut Vh<'_>) {
        if let Some(timer) = self.enough.take() {
            vh.sul_cancel(timer);
        }
        self.asked = 0;
        self.round = self.round.wrapping_add(1);
        for id in vh.members().to_vec() {
            if let Some(mut wsi) = vh.wsi(id) {
                wsi.close(Close::ABORT);
            }
        }
        match agreed(&self.samples) {
            Some((offset_us, within)) => self.told(vh, offset_us, within),
            None if self.samples.is_empty() => self.failed(vh, "no server has told the time"),
            None => self.failed(vh, "the servers contradict each other"),
        }
    }

    fn told(&mut self, vh: &mut Vh<'_>, offset_us: i64, within: Duration) {
        let wall_us = vh.now_us().wrapping_add_signed(offset_us);
        let by_us = wall_us.wrapping_sub(vh.wall_us()) as i64;
        if self.valid && by_us.unsigned_abs() > JUMP_US {
            let again = self.doubted.replace(offset_us).is_some_and(|before| before.abs_diff(offset_us) <= SAME_US);
            if !again {
                self.tries = 0;
                return self.failed(vh, "the clock, which was right, would be moved far: asking again");
            }
        }
        self.doubted = None;
        // within what they know themselves, our clock is as good as theirs
        if u128::from(by_us.unsigned_abs()) > within.as_micros() {
            vh.set_clock(wall_us);
        }
        lwsl_info!("ntp: told by {} of {} servers, within {within:?}", self.samples.len(), self.servers.len());
        self.tries = 0;
        vh.sul_schedule(BEGIN, self.settings.poll);
        self.valid = true;
        if std::mem::take(&mut self.holds) {
            vh.system_resume();
        }
    }

    fn failed(&mut self, vh: &mut Vh<'_>, why: &str) {
        lwsl_notice!("ntp: {why}");
        if self.valid {
            let wait = NtpSettings::MIN_POLL.saturating_mul(1 << self.tries.min(16));
            self.tries = self.tries.saturating_add(1);
            vh.sul_schedule(BEGIN, wait.min(self.settings.poll));
        } else {
            // it conceals always, so there is a next time
            let _ = vh.retry_sul_schedule_by(&RETRY, BEGIN, &mut self.tries);
        }
    }

    // --- a request ---------------------------------------------------------------------------------

    fn send(wsi: &mut Wsi<'_>, asked: &mut Asked) -> Result<(), Close> {
        let mut nonce = [0; 8];
        wsi.vhost().random(&mut nonce);
        *asked = Asked { nonce: u64::from_ne_bytes(nonce), sent_us: wsi.now_us() };
        wsi.write(&request(asked.nonce), Write::Raw)?;
        Ok(())
    }

    /// A datagram has come. `Err` when nothing more is awaited.
    fn reply(&mut self, wsi: &Wsi<'_>, asked: &Asked, data: &[u8]) -> Result<(), Close> {
        let tag = wsi.opaque_user_data();
        let now = wsi.now_us();
        let server = self.servers.get_mut((tag & 0xffff_ffff) as usize).filter(|_| tag >> 32 == u64::from(self.round));
        let Some(server) = server else { return Err(Close::NORMAL) };
        let Some(packet) = Packet::parse(data) else {
            lwsl_info!("ntp: {}: {} bytes are no packet", server.name, data.len());
            return Ok(());
        };
        match packet.time(asked.nonce, Duration::from_micros(now.saturating_sub(asked.sent_us))) {
            Ok(told) => {
                server.which = server.which.wrapping_sub(1);
                self.samples.push(Sample::new(told.wall_us.wrapping_sub(now) as i64, told.within));
            }
            //= rfc5905#8 a packet that answers nothing of ours is dropped; the answer may be on its way
            Err(why @ (Refused::Bogus | Refused::NotAReply)) => {
                lwsl_info!("ntp: {}: {why}", server.name);
                return Ok(());
            }
            Err(why) => {
                lwsl_warn!("ntp: {}: {why}", server.name);
                let least = if self.valid { self.settings.poll.saturating_mul(2) } else { NtpSettings::MIN_POLL };
                server.refused(why, wsi.udp_peer(), now, least);
            }
        }
        Err(Close::NORMAL)
    }
}

impl Server {
    fn named(name: String) -> Option<Self> {
        let Some((host, port)) = target(&name) else {
            lwsl_err!("ntp: \"{name}\" isn't a name or address with or without :port");
            return None;
        };
        let host = host.to_owned();
        let denied = Vec::new();
        Some(Self { name, host, port, gone: false, denied, which: 0, not_before_us: 0, wait: Duration::ZERO })
    }

    /// Opens a socket to the address whose turn it is, or the next one that this machine has a way to.
    fn open(&mut self, vh: &mut Vh<'_>, info: &AddrInfo, tag: u64) -> Result<(), String> {
        let addresses = info.addresses();
        let mut failure = "no address of it lets itself be asked".to_owned();
        for _ in addresses {
            let Some(ip) = addresses.get(self.which % addresses.len()) else { break };
            self.which = self.which.wrapping_add(1);
            if self.denied.contains(ip) {
                continue;
            }
            match vh.create_adopt_udp(&UdpInfo::connect(&ip.to_string(), self.port).opaque_user_data(tag)) {
                Ok(_) => return Ok(()),
                Err(e) => failure = e.to_string(),
            }
        }
        Err(failure)
    }

    /// A name may have other addresses than the one that said so.
    fn denied(&mut self, by: Option<IpAddr>) {
        match by {
            Some(ip) if self.host.parse::<IpAddr>().is_err() && self.denied.len() < MAX_DENIED => self.denied.push(ip),
            _ => self.gone = true,
        }
    }

    /// It isn't asked again until it has had its time.
    fn rest(&mut self, now_us: u64) {
        let wait_us = u64::try_from(self.wait.as_micros()).unwrap_or(u64::MAX);
        self.not_before_us = now_us.saturating_add(wait_us);
    }

    /// `least`: longer than the time between requests is now.
    //= rfc5905#7.4 DENY, RSTR: the client MUST stop sending to that server; RATE: it MUST reduce its rate
    fn refused(&mut self, why: Refused, by: Option<SocketAddr>, now_us: u64, least: Duration) {
        match why {
            Refused::KissOfDeath(code) if matches!(&code, b"DENY" | b"RSTR") => {
                self.denied(by.map(|by| by.ip()));
            }
            Refused::KissOfDeath(code) if code == *b"RATE" => {
                self.wait = self.wait.saturating_mul(2).max(least).min(LONGEST.max(least));
                self.rest(now_us);
            }
            _ => {}
        }
    }
}

impl Protocol for NtpClient {
    const NAME: &'static str = "lws-ntpclient";
    type Session = Asked;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, asked: &mut Asked) -> Result<(), Close> {
        match reason {
            Reason::RawAdopt => return Self::send(wsi, asked),
            Reason::RawRx(data) => return self.reply(wsi, asked, data),
            Reason::ClientConnectionError(why) => {
                lwsl_info!("ntp: {why}");
                let tag = wsi.opaque_user_data();
                self.settled(&mut wsi.vhost(), tag);
            }
            Reason::RawClose => {
                let tag = wsi.opaque_user_data();
                self.settled(&mut wsi.vhost(), tag);
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => {
                self.find_servers(vh);
                vh.system_reg_notifier("ntpclient");
            }
            VhostReason::SystemState(change) if change.asks_for(SystemState::TimeValid) && !self.valid => {
                self.holds = true;
                self.begin_once(vh);
                return Err(Close::HANGUP);
            }
            // somebody has jumped past the step: the clock is put right all the same
            VhostReason::SystemState(change)
                if change.has_reached(change.current)
                    && (SystemState::TimeValid..=SystemState::Operational).contains(&change.current) =>
            {
                self.begin_once(vh);
            }
            VhostReason::AsyncDns(told) => self.resolved(vh, told),
            VhostReason::User(BEGIN) => self.begin(vh),
            VhostReason::User(ENOUGH) => {
                self.enough = None;
                self.conclude(vh);
            }
            _ => {}
        }
        Ok(())
    }
}
