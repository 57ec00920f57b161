//! What names resolve to, and why they don't: the words that resolvers and those who ask share.
//! Data only.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

/// Which addresses of a name are asked for (C: `adns_query_type_t`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum DnsType {
    /// IPv4 addresses (RFC 1035 type A; C: `LWS_ADNS_RECORD_A`).
    A,
    /// IPv6 addresses (RFC 3596; C: `LWS_ADNS_RECORD_AAAA`).
    Aaaa,
    /// Both, asked for side by side: what client connections use.
    #[default]
    Both,
}

impl DnsType {
    /// Whether `address` is of a family that is asked for.
    pub fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::A => address.is_ipv4(),
            Self::Aaaa => address.is_ipv6(),
            Self::Both => true,
        }
    }
}

/// The addresses of a name (C: `struct addrinfo` and its list). Given in an [`Rc`]: whoever holds one
/// keeps it, whatever becomes of the cache that it came from; dropping it is C's
/// `lws_async_dns_freeaddrinfo`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddrInfo {
    addresses: Box<[IpAddr]>,
    canonical: Box<str>,
}

impl AddrInfo {
    /// Addresses, in the order of the answers, and the name that they belong to.
    pub fn new(addresses: impl Into<Box<[IpAddr]>>, canonical: &str) -> Self {
        Self { addresses: addresses.into(), canonical: canonical.into() }
    }

    /// The addresses. Never empty in a result.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The name at the end of the aliases, without a final dot; the name asked for when it is none
    /// (C: `ai_canonname`).
    pub fn canonical_name(&self) -> &str {
        &self.canonical
    }
}

/// Why a name has no addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DnsError {
    /// There is no such name (RFC 1035 RCODE 3; C: `LADNS_RET_NXDOMAIN`).
    NxDomain,
    /// The name exists and has no address of the kind asked for (C: `LADNS_RET_FAILED`).
    NoData,
    /// No server answered in time (C: `LADNS_RET_TIMEDOUT`).
    TimedOut,
    /// It couldn't be asked, or the answer can't be used, for this reason (C: `LADNS_RET_FAILED`).
    Failed(Rc<str>),
    /// The connection that it was asked for has gone meanwhile (C: `LADNS_RET_FAILED_WSI_CLOSED`).
    WsiClosed,
}

impl DnsError {
    /// As C tells it.
    pub fn code(&self) -> LadnsRet {
        match self {
            Self::NxDomain => LadnsRet::NxDomain,
            Self::TimedOut => LadnsRet::TimedOut,
            Self::NoData | Self::Failed(_) => LadnsRet::Failed,
            Self::WsiClosed => LadnsRet::FailedWsiClosed,
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NxDomain => f.write_str("no such name"),
            Self::NoData => f.write_str("no addresses"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Failed(why) => f.write_str(why),
            Self::WsiClosed => f.write_str("the connection has gone"),
        }
    }
}

impl std::error::Error for DnsError {}

/// C's result codes of a lookup (`lws_async_dns_retcode_t`). The values are C's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(i8)]
pub enum LadnsRet {
    /// `LADNS_RET_FAILED_WSI_CLOSED`.
    FailedWsiClosed = -4,
    /// `LADNS_RET_NXDOMAIN`.
    NxDomain = -3,
    /// `LADNS_RET_TIMEDOUT`.
    TimedOut = -2,
    /// `LADNS_RET_FAILED`.
    Failed = -1,
    /// `LADNS_RET_FOUND`.
    Found = 0,
    /// `LADNS_RET_CONTINUING`: the result comes later.
    Continuing = 1,
}

/// A name that the context's resolver is to resolve; see
/// [`VhostReason::ResolveName`](crate::VhostReason::ResolveName).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolveName {
    /// What the answer is given with, to [`Vh::resolved`](crate::Vh::resolved).
    pub query: QueryId,
    /// The name, as it was written. No numeric address.
    pub name: Rc<str>,
    /// What is asked for.
    pub kind: DnsType,
}

/// What became of a name that user code asked for; see
/// [`VhostReason::AsyncDns`](crate::VhostReason::AsyncDns).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AsyncDns {
    /// The number it was asked with.
    pub key: u32,
    /// The name it was asked with.
    pub name: Rc<str>,
    /// Its addresses, or why there are none.
    pub result: Result<Rc<AddrInfo>, DnsError>,
}

impl AsyncDns {
    /// As C tells it.
    pub fn code(&self) -> LadnsRet {
        self.result.as_ref().map_or_else(DnsError::code, |_| LadnsRet::Found)
    }
}

/// One question to the context's resolver. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct QueryId(pub(crate) u64);

/// What needs nobody to be asked: numeric addresses, and localhost (RFC 6761 section 6.3).
pub(crate) fn known(name: &str, kind: DnsType) -> Option<Result<Rc<AddrInfo>, DnsError>> {
    let text = name.trim_start_matches('[').trim_end_matches(']');
    let all: &[IpAddr] = match text.parse::<IpAddr>() {
        Ok(ip) => &[ip],
        Err(_) if text.eq_ignore_ascii_case("localhost") => {
            &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
        }
        // C knows this name, too
        Err(_) if text.eq_ignore_ascii_case("localhost6") => &[IpAddr::V6(Ipv6Addr::LOCALHOST)],
        Err(_) => return None,
    };
    let wanted: Vec<IpAddr> = all.iter().copied().filter(|&ip| kind.covers(ip)).collect();
    Some(if wanted.is_empty() { Err(DnsError::NoData) } else { Ok(Rc::new(AddrInfo::new(wanted, text))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_c() {
        let codes = [
            LadnsRet::FailedWsiClosed,
            LadnsRet::NxDomain,
            LadnsRet::TimedOut,
            LadnsRet::Failed,
            LadnsRet::Found,
            LadnsRet::Continuing,
        ];
        assert_eq!(codes.map(|c| c as i8), [-4, -3, -2, -1, 0, 1]);
        assert_eq!(DnsError::NoData.code(), LadnsRet::Failed);
    }

    #[test]
    fn rfc6761_6_3_numbers_and_localhost_need_no_resolver() {
        let found = |name, kind| known(name, kind).map(|r| r.map(|info| info.addresses().to_vec()));
        assert_eq!(found("[::1]", DnsType::Both), Some(Ok(vec![Ipv6Addr::LOCALHOST.into()])));
        assert_eq!(found("192.0.2.1", DnsType::Aaaa), Some(Err(DnsError::NoData)));
        assert_eq!(found("LocalHost", DnsType::A), Some(Ok(vec![Ipv4Addr::LOCALHOST.into()])));
        assert_eq!(found("localhost", DnsType::Both).unwrap().unwrap().len(), 2);
        assert_eq!(found("localhost6", DnsType::A), Some(Err(DnsError::NoData)));
        assert_eq!(found("example.com", DnsType::Both), None);
    }
}
