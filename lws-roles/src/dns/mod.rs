//! Names resolved on the loop, without blocking it: what `lws::context()` resolves names with by default,
//! and what programs ask themselves (C: `lws_async_dns`, README.async-dns.md).
//!
//! # Use
//!
//! Client connections to names need nothing: while a name is asked for, the loop goes on. A name without
//! addresses is the connection's one error.
//!
//! Programs ask with [`Vh::async_dns_query`](crate::Vh::async_dns_query) or
//! [`Wsi::async_dns_query`](crate::Wsi::async_dns_query), and hear of it by
//! [`VhostReason::AsyncDns`](crate::VhostReason::AsyncDns):
//!
//! ```
//! use lws::dns::{AsyncDns, DnsSettings};
//! use lws::prelude::*;
//! use lws::{DnsType, LadnsRet};
//! # use lws_roles as lws;
//!
//! struct Asks;
//!
//! impl Protocol for Asks {
//!     const NAME: &'static str = "asks";
//!     type Session = ();
//!
//!     fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, _: &mut ()) -> Result<(), Close> {
//!         Ok(())
//!     }
//!
//!     fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
//!         match reason {
//!             VhostReason::ProtocolInit => {
//!                 // the key tells answers apart; always CONTINUING, the answer comes later
//!                 vh.async_dns_query("app.localhost", DnsType::Both, 1);
//!             }
//!             VhostReason::AsyncDns(answer) => {
//!                 assert_eq!((answer.key, answer.code()), (1, LadnsRet::Found));
//!                 // kept for as long as it is held; dropping it is lws_async_dns_freeaddrinfo
//!                 let info = answer.result.expect("RFC 6761 says so");
//!                 println!("{} is {:?}", answer.name, info.addresses());
//!                 vh.stop();
//!             }
//!             _ => {}
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // the settings are optional: lws::context() alone reads the system's own files
//!     let resolver = AsyncDns::new(DnsSettings::new().server("192.0.2.53:53".parse()?));
//!     let handle = resolver.handle();
//!     let vhost = Vhost::new("client").protocol(Asks);
//!     let mut context = lws::context().async_resolver(resolver).vhost(vhost).create()?;
//!     context.run()?;
//!     println!("{:?}", handle.statistics());
//!     Ok(())
//! }
//! ```
//!
//! [`ContextBuilder::resolver`](crate::ContextBuilder::resolver) with
//! [`BlockingResolver`](crate::BlockingResolver) goes back to the system's `getaddrinfo`, which blocks. On
//! the simulated network names lead to their port and nobody is asked, unless a resolver is set there.
//!
//! # What it does
//!
//! In this order: numeric addresses; special names (`localhost` and all below it, `invalid`, `onion`;
//! RFC 6761, RFC 7686); `/etc/hosts`; the cache; the servers of [`DnsSettings::server`], then those of
//! `/etc/resolv.conf` with its `search`, `domain`, `ndots`, `timeout`, `attempts` and `rotate`. Without any
//! it asks 127.0.0.1.
//!
//! * A and AAAA are asked for side by side; one waits 50 ms for the other (RFC 8305 section 3).
//! * Each query has a random id, a socket and so a port of its own, and its name in random case. The
//!   response has to come from there with all of that; what doesn't fit is dropped and counted
//!   ([`DnsStatistics`]), and waiting goes on.
//! * EDNS with 1232 bytes (RFC 6891), TCP when that is too little (RFC 7766).
//! * A silent server is asked again by a backoff table, the next one in turn; one that refuses or can't be
//!   reached costs no wait. The first query's answer is taken even after the third was sent.
//! * Answers are kept for their TTL, denials for their zone's (RFC 2308), up to an hour; 1024 of them.
//! * Those who ask for the same at the same time wait for one question.
//!
//! # What differs from C
//!
//! * The callback never comes from inside the query: what is known already comes after the running
//!   callback, too. So a query always returns CONTINUING.
//! * Cached answers do expire (C schedules their end at an absolute time as if it were a delay), and every
//!   one who shares a question hears of it (C forgets all but the first without a wsi).
//! * Several servers, of both families; C asks one, IPv4. Search list, hosts file, TCP, EDNS, negative
//!   TTL and the rest of the list above aren't in C.
//! * Compression pointers may point to pointers, backwards only; C knows one level.
//! * A connection may ask for several names at once.
//! * `LADNS_RET_FAILED_WSI_CLOSED` is told to the protocol when the answer comes; the connection that asked
//!   has gone.
//! * Types are A, AAAA or both. C's headers name CNAME and MX as well, its resolver doesn't ask for them.
//!
//! # How it is made
//!
//! | module | is |
//! |---|---|
//! | `name`, [`wire`] | names; messages |
//! | `cache`, `hosts`, `resolv_conf`, `special` | what is known without asking; whom to ask |
//! | `question` | one name and type, asked until there is an answer |
//! | `lookup` | one name of one who asks: search list, both families |
//! | `engine` | all of these, with bounds; no IO |
//! | `files` | the two files |
//! | `resolver` | the protocol: sockets and the timer |
//! | `settings`, `stats` | what can be set and seen |

mod cache;
mod engine;
mod files;
mod hosts;
mod lookup;
mod name;
mod question;
mod resolv_conf;
mod resolver;
mod settings;
mod special;
mod stats;
pub mod wire;

pub use name::{MAX_LABEL, MAX_NAME, Name, NameError};
pub use resolv_conf::ResolvConf;
pub use resolver::AsyncDns;
pub use settings::{DnsHandle, DnsSettings};
pub use stats::DnsStatistics;
