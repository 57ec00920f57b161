//! Names into addresses: the seam for resolvers, and what needs none. Called by `attempt`.

use crate::service::Service;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Turns names into addresses. Numeric addresses and `localhost` never get here.
pub trait Resolve {
    /// The addresses of `name`, best first, each with `port`; or why there are none.
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String>;
}

/// The system's resolver. Blocks the loop while it asks.
pub struct BlockingResolver;

impl Resolve for BlockingResolver {
    fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let found: Vec<_> =
            (name, port).to_socket_addrs().map_err(|e| format!("getaddrinfo of \"{name}\" failed: {e}"))?.collect();
        if found.is_empty() { Err(format!("getaddrinfo of \"{name}\" failed: no addresses")) } else { Ok(found) }
    }
}

/// Numeric addresses and localhost here, other names by the resolver.
pub(crate) fn addresses(svc: &mut Service, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let text = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if text.eq_ignore_ascii_case("localhost") {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(both.iter().map(|&ip| SocketAddr::new(ip, port)).collect());
    }
    svc.resolver.lookup(text, port)
}
