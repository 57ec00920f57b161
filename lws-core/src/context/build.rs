//! Making a context: options with their defaults and limits, and what can be wrong with them.

use super::Context;
use crate::connect::{BlockingResolver, Pipelines, Queries, Resolve, Resolver};
use crate::entropy::Entropy;
use crate::latency::Latency;
use crate::net::memory::{MemoryNet, MemoryOptions};
use crate::net::udp::Loss;
use crate::net::{Net, os::OsNet};
use crate::peers::{PeerLimited, PeerSettings, Peers};
use crate::role::RoleFactory;
use crate::service::{Limits, Service};
use crate::slots::Slots;
use crate::stats::Stats;
use crate::system::lws_system::{System, SystemState};
use crate::system::ops::{NoOps, SystemOps};
use crate::system::retry::RetryPolicy;
use crate::system::sequencer::Sequencers;
use crate::time::clock::Clock;
use crate::time::timers::Timers;
use crate::tls::layer::TlsBuffers;
use crate::tx::Pool;
use crate::{Cmdline, CmdlineError, Fields, Protocol, TlsClient, Vhost};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Bytes read at once, by default: a message of 64 KiB comes with its head, and more would cost it a second read.
const RX_BUFFER: usize = 68 * 1024;
const RX_BUFFER_MIN: usize = 16 * 1024;
const RX_BUFFER_MAX: usize = 16 * 1024 * 1024;
/// Descriptors left for the rest of the process by the default connection limit.
const SPARE_DESCRIPTORS: u64 = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_OVERALL_TIMEOUT: Duration = Duration::from_secs(60);
/// RFC 8305 section 8 recommends this.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
const HANDSHAKES_PER_TURN: usize = 16;
const CERTIFICATE_CHECK: Duration = Duration::from_secs(86_400);

/// Why a context or vhost wasn't created. Nothing of it is left. `Debug` shows the same text as
/// `Display`: it is what a `main` that returns it prints.
#[non_exhaustive]
pub enum CreateError {
    /// The kernel gives no poll descriptor.
    Poll(std::io::Error),
    /// A setting can't be what it was set to.
    Setting {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A vhost can't listen, or its settings are wrong.
    Vhost {
        /// The vhost's name.
        vhost: String,
        /// Where and why.
        why: String,
    },
    /// A protocol refused its PROTOCOL_INIT.
    ProtocolInit {
        /// The vhost's name.
        vhost: String,
        /// The protocol's name.
        protocol: String,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(e) => write!(f, "poll: {e}"),
            Self::Setting { name, why } => write!(f, "{name}: {why}"),
            Self::Vhost { vhost, why } => write!(f, "vhost \"{vhost}\": {why}"),
            Self::ProtocolInit { vhost, protocol } => {
                write!(f, "vhost \"{vhost}\": protocol \"{protocol}\" refused PROTOCOL_INIT")
            }
        }
    }
}

impl fmt::Debug for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for CreateError {}

/// Adds a protocol to the system's vhost.
type Addition = Box<dyn FnOnce(Vhost) -> Vhost>;

/// Who is to turn names into addresses.
enum Chosen {
    Blocking(Box<dyn Resolve>),
    Protocol(&'static str, Addition),
    /// Not on the simulated network.
    ByDefault(&'static str, Addition),
}

/// Options of a context to be created (C: `lws_context_creation_info`). The face over this crate
/// makes one with its roles in it.
#[must_use]
pub struct ContextBuilder {
    roles: &'static [&'static dyn RoleFactory],
    vhosts: Vec<Vhost>,
    rx_buffer: usize,
    max_connections: Option<usize>,
    connect_timeout: Duration,
    connect_overall_timeout: Duration,
    attempt_delay: Duration,
    stall: Option<Duration>,
    handshake_timeout: Duration,
    handshakes_per_turn: usize,
    certificate_check: Duration,
    client_tls: Option<Rc<dyn TlsClient>>,
    policy: RetryPolicy,
    udp_loss: Loss,
    peers: PeerSettings,
    resolver: Chosen,
    own_vhost: Option<Vhost>,
    memory: Option<MemoryOptions>,
    pub(crate) system: System,
    pub(crate) latency: Latency,
    pub(crate) ops: Box<dyn SystemOps>,
}

impl ContextBuilder {
    /// A context with these roles, the first that fits being taken for each connection.
    pub fn new(roles: &'static [&'static dyn RoleFactory]) -> Self {
        Self {
            roles,
            vhosts: Vec::new(),
            rx_buffer: RX_BUFFER,
            max_connections: None,
            connect_timeout: CONNECT_TIMEOUT,
            connect_overall_timeout: CONNECT_OVERALL_TIMEOUT,
            attempt_delay: ATTEMPT_DELAY,
            stall: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            handshakes_per_turn: HANDSHAKES_PER_TURN,
            certificate_check: CERTIFICATE_CHECK,
            client_tls: None,
            policy: RetryPolicy::DEFAULT,
            udp_loss: Loss::default(),
            peers: PeerSettings::default(),
            resolver: Chosen::Blocking(Box::new(BlockingResolver)),
            own_vhost: None,
            memory: None,
            system: System::new(),
            latency: Latency::default(),
            ops: Box::new(NoOps),
        }
    }

    /// Throws away so many percent of the datagrams that come by UDP, to see what a program makes of
    /// it; above 100 is 100 (C: `udp_loss_sim_rx_pc`, which also hits raw TCP). Default 0.
    pub fn udp_loss_sim_rx_pc(mut self, percent: u8) -> Self {
        self.udp_loss.rx = percent.min(100);
        self
    }

    /// As [`udp_loss_sim_rx_pc`](Self::udp_loss_sim_rx_pc), of those that are sent (C:
    /// `udp_loss_sim_tx_pc`): their write succeeds.
    pub fn udp_loss_sim_tx_pc(mut self, percent: u8) -> Self {
        self.udp_loss.tx = percent.min(100);
        self
    }

    /// Makes those losses repeatable: the same seed, the same ones. Default: others each time.
    pub fn udp_loss_sim_seed(mut self, seed: u64) -> Self {
        self.udp_loss.state = seed | 1;
        self
    }

    /// Warns in the log of each callback that holds the loop for this long: which one it was, of which protocol
    /// and connection. Costs two looks at the clock for each callback. Default: off.
    pub fn warn_of_stalls(mut self, from: Duration) -> Self {
        self.stall = Some(from);
        self
    }

    /// Takes from a command line what C's `lws_cmdline_option_handle_builtin` puts into the creation info:
    /// `--udp-rx-loss PERCENT` and `--udp-tx-loss PERCENT`. The log level is set by
    /// [`Cmdline::handle_builtin`].
    ///
    /// # Errors
    /// A value isn't a number of 0 to 100.
    pub fn cmdline_builtin(mut self, args: &Cmdline) -> Result<Self, CmdlineError> {
        let percent = |option: &str| match args.parse::<u8>(option)? {
            Some(value @ 101..) => Err(CmdlineError::new(option, &value.to_string(), "more than 100 percent")),
            value => Ok(value),
        };
        if let Some(rx) = percent("--udp-rx-loss")? {
            self = self.udp_loss_sim_rx_pc(rx);
        }
        if let Some(tx) = percent("--udp-tx-loss")? {
            self = self.udp_loss_sim_tx_pc(tx);
        }
        Ok(self)
    }

    /// Adds a vhost. Of those on the same port the first is the default one.
    pub fn vhost(mut self, vhost: Vhost) -> Self {
        self.vhosts.push(vhost);
        self
    }

    /// Bytes read at once, into the one buffer that all connections share (C: `pt_serv_buf_size`).
    /// 16 KiB to 16 MiB, default 68 KiB. Also the most that a paused connection holds.
    pub fn rx_buffer(mut self, bytes: usize) -> Self {
        self.rx_buffer = bytes;
        self
    }

    /// Connections beyond which no more are accepted, connected or adopted (C:
    /// `fd_limit_per_thread`). Default: the process's descriptor limit less 32.
    pub fn max_connections(mut self, n: usize) -> Self {
        self.max_connections = Some(n);
        self
    }

    /// Connections that one peer address may have at once; further ones are closed as soon as they are
    /// accepted, and refused when they are adopted (C: `ip_limit_wsi`). Those that go through one proxy or
    /// address translator are all of its address. Unix sockets aren't counted, nor are the connections that
    /// a client makes. Default 0: no limit.
    pub fn ip_limit_wsi(mut self, n: u32) -> Self {
        self.peers.wsi = n;
        self
    }

    /// HTTP/1 connections of one peer address whose request head may have come in part; others wait with
    /// theirs, unread, until one of those is whole or gone, and at most as long as a head may take (C:
    /// `ip_limit_ah`, of header tables: what is kept of such a connection is its part of a head). A head
    /// that comes as a whole isn't held up by them. HTTP/2 reads
    /// one head at a time on a connection: there [`ip_limit_wsi`](Self::ip_limit_wsi) is the limit.
    /// Default 0: no limit.
    pub fn ip_limit_ah(mut self, n: u32) -> Self {
        self.peers.ah = n;
        self
    }

    /// How much of an IPv6 address is one peer to [`ip_limit_wsi`](Self::ip_limit_wsi) and
    /// [`ip_limit_ah`](Self::ip_limit_ah): so many of its first bits. 1 to 128, default 64: a network, as one
    /// host can have all addresses of its own. IPv4 addresses count as a whole, also those mapped into IPv6.
    pub fn ip_limit_v6_prefix(mut self, bits: u8) -> Self {
        self.peers.v6_prefix = bits;
        self
    }

    /// Is told of each connection that such a limit has refused or made wait, to have it blocked before it
    /// gets here (C: `pl_notify_cb`). It can't reach the context.
    pub fn pl_notify_cb(mut self, notify: impl FnMut(&PeerLimited) + 'static) -> Self {
        self.peers.notify = Some(Box::new(notify));
        self
    }

    /// How long a TCP connect to one address may take (C: `timeout_secs`). Default 20 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a client connection may take until it is up, whatever its name resolves to: resolving the name and
    /// trying all addresses. What comes then, TLS or a proxy's answer, has its own time. Default 60 s.
    pub fn connect_overall_timeout(mut self, timeout: Duration) -> Self {
        self.connect_overall_timeout = timeout;
        self
    }

    /// How long the next address of a name waits while the one before doesn't answer; it is tried beside it then,
    /// and whichever answers first is taken (RFC 8305 section 5). One that has failed makes room at once. Default
    /// 250 ms; at least 10 ms.
    pub fn connection_attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// How long a TLS handshake may take, of either side (C: `timeout_secs`). Default 20 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// TLS handshakes that one turn takes a step of, so that a storm of new connections doesn't
    /// hold up those that are open. At least 1, default 16: a few milliseconds.
    pub fn handshakes_per_turn(mut self, n: usize) -> Self {
        self.handshakes_per_turn = n;
        self
    }

    /// How often vhosts' certificates are looked at: files that have changed are read anew, and
    /// every protocol hears how old they are. Default, as in C, daily.
    pub fn certificate_check(mut self, every: Duration) -> Self {
        self.certificate_check = every;
        self
    }

    /// TLS of client connections whose vhost has none of its own. The face over this crate sets one
    /// that trusts the system's roots.
    pub fn client_tls(mut self, tls: Rc<dyn TlsClient>) -> Self {
        self.client_tls = Some(tls);
        self
    }

    /// Backoff and validity of connections whose vhost has none of its own. Default: ping after
    /// 300 s, hang up after 310 s.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How names become addresses, at once. Default: [`BlockingResolver`]; of the face over this crate,
    /// its resolver that doesn't block.
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Chosen::Blocking(Box::new(resolver));
        self
    }

    /// How names become addresses, without blocking: a protocol that gets
    /// [`VhostReason::ResolveName`](crate::VhostReason::ResolveName) for each. It lives on the vhost
    /// "system", as [`system_protocol`](Self::system_protocol)s do.
    pub fn async_resolver<P: Protocol>(mut self, resolver: P) -> Self {
        self.resolver = Chosen::Protocol(P::NAME, Box::new(|vhost| vhost.protocol(resolver)));
        self
    }

    /// As [`async_resolver`](Self::async_resolver), except on the simulated network, where names lead to
    /// their port unasked. For faces over this crate: what they bring by default.
    pub fn default_async_resolver<P: Protocol>(mut self, resolver: P) -> Self {
        self.resolver = Chosen::ByDefault(P::NAME, Box::new(|vhost| vhost.protocol(resolver)));
        self
    }

    /// Adds a protocol to the context's own vhost, named "system", which listens nowhere and isn't made
    /// without such protocols. It is made before all others (C: the vhost "system").
    pub fn system_protocol<P: Protocol>(mut self, protocol: P) -> Self {
        self.own_vhost = Some(self.own_vhost.take().unwrap_or_else(system_vhost).protocol(protocol));
        self
    }

    /// Puts the context on the simulated network and a virtual clock, for tests.
    pub fn memory(mut self, options: MemoryOptions) -> Self {
        self.memory = Some(options);
        self
    }

    /// Creates the context, its vhosts and their listen sockets, and delivers PROTOCOL_INIT.
    ///
    /// # Errors
    /// See [`CreateError`]. Nothing is left of a context that wasn't created.
    pub fn create(self) -> Result<Context, CreateError> {
        if !(RX_BUFFER_MIN..=RX_BUFFER_MAX).contains(&self.rx_buffer) {
            let why = format!("{} is not between {RX_BUFFER_MIN} and {RX_BUFFER_MAX}", self.rx_buffer);
            return Err(CreateError::Setting { name: "rx_buffer", why });
        }
        if self.connect_timeout.is_zero() {
            return Err(CreateError::Setting { name: "connect_timeout", why: "is zero".to_owned() });
        }
        if self.connect_overall_timeout.is_zero() {
            return Err(CreateError::Setting { name: "connect_overall_timeout", why: "is zero".to_owned() });
        }
        //= rfc8305#5 the Connection Attempt Delay MUST NOT be less than 10 milliseconds
        if self.attempt_delay < Duration::from_millis(10) {
            let why = format!("{:?} is less than 10ms", self.attempt_delay);
            return Err(CreateError::Setting { name: "connection_attempt_delay", why });
        }
        for (name, time) in
            [("handshake_timeout", self.handshake_timeout), ("certificate_check", self.certificate_check)]
        {
            if time.is_zero() {
                return Err(CreateError::Setting { name, why: "is zero".to_owned() });
            }
        }
        if self.handshakes_per_turn == 0 {
            return Err(CreateError::Setting { name: "handshakes_per_turn", why: "is zero".to_owned() });
        }
        if !(1..=128).contains(&self.peers.v6_prefix) {
            let why = format!("{} is not between 1 and 128", self.peers.v6_prefix);
            return Err(CreateError::Setting { name: "ip_limit_v6_prefix", why });
        }
        let default_max = || crate::sys::nofile_limit().map_or(1024, |n| n.saturating_sub(SPARE_DESCRIPTORS).max(1));
        let max_connections =
            self.max_connections.unwrap_or_else(|| usize::try_from(default_max()).unwrap_or(usize::MAX));
        let (net, clock) = match self.memory {
            Some(options) => {
                let clock = Clock::simulated(options.wall_epoch_us);
                (Net::Memory(Box::new(MemoryNet::new(options).map_err(CreateError::Poll)?)), clock)
            }
            None => (Net::Os(OsNet::new().map_err(CreateError::Poll)?), Clock::system()),
        };
        let now_us = clock.monotonic_us();
        let simulated = matches!(net, Net::Memory(_));
        let svc = Service {
            slots: Slots::default(),
            listening: 0,
            streams: 0,
            net,
            clock,
            now_us,
            timers: Timers::new(),
            bindings: Vec::new(),
            vhosts: Vec::new(),
            listeners: Vec::new(),
            own_vhost: None,
            dying: Vec::new(),
            roles: self.roles,
            limits: Limits {
                max_connections,
                connect_timeout_us: crate::wsi::micros(self.connect_timeout),
                connect_overall_timeout_us: crate::wsi::micros(self.connect_overall_timeout),
                attempt_delay_us: crate::wsi::micros(self.attempt_delay),
                handshake_timeout_us: crate::wsi::micros(self.handshake_timeout),
                handshakes_per_turn: self.handshakes_per_turn,
                certificate_check_us: crate::wsi::micros(self.certificate_check),
                stall_us: self.stall.map(crate::wsi::micros),
            },
            policy: self.policy,
            system: self.system,
            latency: self.latency,
            sequencers: Sequencers::default(),
            ops: self.ops,
            resolver: Resolver::Blocking(Box::new(BlockingResolver)),
            queries: Queries::default(),
            pipelines: Pipelines::default(),
            client_tls: self.client_tls,
            writeable: VecDeque::new(),
            readable: VecDeque::new(),
            handshakes: VecDeque::new(),
            deferred: VecDeque::new(),
            touched: Vec::new(),
            touched_streams: Vec::new(),
            closing: VecDeque::new(),
            paused_listeners: Vec::new(),
            accept_resumes: None,
            certificate_check: None,
            log_flush: None,
            ready: Vec::new(),
            rx_buf: vec![0; self.rx_buffer],
            tls: TlsBuffers::default(),
            pool: Pool::default(),
            udp_loss: self.udp_loss,
            stats: Stats::default(),
            began_us: now_us,
            peers: Peers::new(self.peers),
            fields: Fields::default(),
            entropy: Entropy::default(),
            spare_role_data: Vec::new(),
            turn_data: None,
            cancelled: Arc::new(AtomicBool::new(false)),
            stop: false,
            ending: false,
            signalled: false,
        };
        let mut context = Context { svc, users: Vec::new(), destroyed: false };
        context.create_system_vhost(self.own_vhost, self.resolver, simulated)?;
        for vhost in self.vhosts {
            context.create_vhost(vhost)?;
        }
        context.svc.system_steps(SystemState::Operational);
        context.svc.clock.publish();
        Ok(context)
    }
}

/// What the context's own protocols live on.
fn system_vhost() -> Vhost {
    Vhost::new("system").without_proxy()
}

impl Context {
    /// The context's own protocols, the resolver among them.
    fn create_system_vhost(
        &mut self,
        system: Option<Vhost>,
        resolver: Chosen,
        simulated: bool,
    ) -> Result<(), CreateError> {
        let (name, add) = match resolver {
            Chosen::Blocking(resolver) => {
                self.svc.resolver = Resolver::Blocking(resolver);
                (None, None)
            }
            Chosen::ByDefault(..) if simulated => (None, None),
            Chosen::Protocol(name, add) | Chosen::ByDefault(name, add) => (Some(name), Some(add)),
        };
        let system = match add {
            Some(add) => Some(add(system.unwrap_or_else(system_vhost))),
            None => system,
        };
        let Some(system) = system else { return Ok(()) };
        let vhost = self.create_vhost(system)?;
        self.svc.own_vhost = Some(vhost);
        if let Some(binding) = name.and_then(|name| self.svc.binding_named(vhost, name)) {
            self.svc.resolver = Resolver::Protocol(binding);
        }
        Ok(())
    }
}
