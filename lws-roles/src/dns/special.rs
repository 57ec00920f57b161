//! Names that are never asked for on the network: localhost and its like (RFC 6761 section 6.3), `invalid`
//! (section 6.4), `onion` (RFC 7686 section 2). Pure.

use super::name::Name;
use lws_core::{AddrInfo, DnsError, DnsType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// What is known of a special name; `None` for all others.
pub(super) fn known(name: &Name, kind: DnsType) -> Option<Result<Rc<AddrInfo>, DnsError>> {
    //= rfc6761#6.4
    //# always returns immediate negative responses
    //= rfc7686#2
    if name.is_below(b"invalid") || name.is_below(b"onion") {
        return Some(Err(DnsError::NxDomain));
    }
    //= rfc6761#6.3
    //# SHOULD NOT send queries for localhost names to their configured caching DNS server(s)
    if !name.is_below(b"localhost") {
        return None;
    }
    let wanted: Vec<IpAddr> = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        .into_iter()
        .filter(|&ip| kind.covers(ip))
        .collect();
    Some(Ok(Rc::new(AddrInfo::new(wanted, &name.to_string()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str, kind: DnsType) -> Option<Result<usize, DnsError>> {
        known(&Name::parse(name).unwrap(), kind).map(|r| r.map(|info| info.addresses().len()))
    }

    #[test]
    fn rfc6761_6_3_localhost_and_all_below_it_is_here() {
        assert_eq!(get("localhost.", DnsType::Both), Some(Ok(2)));
        assert_eq!(get("App.LocalHost", DnsType::A), Some(Ok(1)));
        assert_eq!(get("localhost.example", DnsType::Both), None);
    }

    #[test]
    fn rfc6761_6_4_invalid_is_nowhere() {
        assert_eq!(get("a.invalid", DnsType::Both), Some(Err(DnsError::NxDomain)));
        assert_eq!(get("invalid.example", DnsType::Both), None);
    }

    #[test]
    fn rfc7686_2_onions_are_not_for_the_dns() {
        assert_eq!(get("x.onion", DnsType::A), Some(Err(DnsError::NxDomain)));
    }
}
