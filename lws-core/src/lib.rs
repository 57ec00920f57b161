//! The reactor of lws in Rust: slots, timers, sockets and the turn of the loop. Knows no protocol:
//! roles reach it through the traits of [`role`](RoleFactory), users through [`Protocol`].
//!
//! Programs use the face, `lws-roles`, which brings the roles and re-exports all of this.
//!
//! ```text
//!             user protocol callbacks            Reason, session, per-vhost data
//!                      ^   |
//!   rx bytes           |   v  write / callback_on_writable / close / connect / timers
//!  socket -> Io -> [TLS] -> RoleRx (parser)   RoleTx (framer) -> cork -> [TLS] -> Io -> socket
//!                      \__________ Service: slots, timers, readiness, queues ________/
//! ```
//!
//! Ground floor first: `sys`, `time`, `net`, `handle`, `write`, `fields`, `reason`, `tls` and its
//! `layer`, `tx`, `slots`, `conn`, `role`, `service`, `output`, `input`, `streams`, `wsi`/`vh`, `protocol`, `vhost`,
//! `dispatch`, `turn`, the TLS `handshake`, `listen`, `connect`, `adopt`, `close`, `timeout`, `validity`,
//! `certificates`, `context`; `util` and `reconnect` stand beside. A module calls only those before it;
//! views and traits name types of later ones.
#![deny(unsafe_code)]

// tests of the insides use what those of the outside are made of
#[cfg(all(test, feature = "latency"))]
extern crate self as lws_core;

#[macro_use]
pub mod system;
mod access_log;
mod adopt;
mod cancel;
mod certificates;
mod close;
mod conn;
mod connect;
mod context;
mod dispatch;
mod entropy;
mod fields;
mod handle;
mod input;
mod json_dump;
mod latency;
mod listen;
mod net;
mod output;
mod peers;
mod protocol;
mod reason;
mod reconnect;
mod role;
mod service;
mod slots;
mod stall;
mod stats;
mod streams;
#[allow(unsafe_code)]
mod sys;
mod time;
mod timeout;
mod tls;
mod turn;
mod tx;
mod udp;
mod util;
mod validity;
mod vh;
mod vhost;
mod write;
mod wsi;

pub use cancel::CancelService;
pub use connect::{AddrInfo, AsyncDns, DnsError, DnsType, LadnsRet, QueryId, ResolveName};
pub use connect::{BlockingResolver, ConnectInfo, Proxy, ProxyChoice, ProxyError, Resolve};
pub use context::{Context, ContextBuilder, CreateError};
pub use dispatch::{Cx, VhostChoice};
pub use fields::{FieldError, Fields, MAX_FIELD_BYTES, is_tchar};
pub use handle::{BindingId, VhostId, WsiId};
#[cfg(feature = "latency")]
pub use latency::{Detlat, DetlatType};
pub use net::address::{AddressError, AddressProblem, Families, SockAddr46};
pub use net::datagrams::MemoryUdpPeer;
pub use net::memory::{MemoryNet, MemoryOptions, MemoryPeer};
pub use net::udp::UdpCounts;
pub use output::TxCx;
pub use peers::{PeerLimit, PeerLimited};
pub use protocol::Protocol;
pub use reason::{Reason, USER, VhostReason, WsRx};
pub use reconnect::Reconnect;
pub use role::{
    Adopt, BodyLength, Farewell, Flow, Halves, Head, RoleFactory, RoleRx, RoleTx, RxBuf, SharedMessage, Start,
};
pub use stats::{Stats, VhostStats};
pub use system::lws_system::{SystemChange, SystemState};
pub use system::ops::SystemOps;
pub use system::retry::RetryPolicy;
pub use system::sequencer::{Seq, SeqEvent, SeqId, SeqNext, Sequencer};
pub use system::state::{NotifierId, StateChange, StateManager, StateStep, StateVerdict};
pub use time::clock::wall_us;
pub use time::timers::TimerId;
pub use tls::{
    TlsAccept, TlsAllow, TlsClient, TlsClientConfig, TlsConnect, TlsError, TlsFacts, TlsHello, TlsReceived, TlsServer,
    TlsServerConfig, TlsSession, TlsState,
};
pub use udp::UdpInfo;
pub use util::buflist::{Buflist, BuflistError};
pub use util::cmdline::{Cmdline, CmdlineError};
pub use util::diskcache;
pub use util::dsh;
pub use util::fts;
pub use util::lejp;
pub use util::lwsac;
pub use util::purify;
pub use util::ring::{Ring, Tail};
pub use util::structs;
pub use util::threadpool;
pub use util::tokenize;
pub use vh::{AdoptError, Vh};
pub use vhost::{DEFAULT_BACKLOG, Listen, NonSsl, Settings, TcpKeepalive, Vhost};
pub use write::{Close, Pending, Write, WriteError};
pub use wsi::Wsi;
