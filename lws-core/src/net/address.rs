//! Numeric addresses, and what a server that is told an interface or an address listens on.
//!
//! Text forms: dotted decimal for v4; RFC 4291 section 2.2 for v6, with or without brackets, and
//! the zone of RFC 4007 section 11 (`fe80::1%eth0`). v6 is written as RFC 5952 recommends. Names
//! are never looked up here.

use crate::sys;
use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::str::FromStr;

/// A v4 or v6 address with a port (C: `lws_sockaddr46`).
///
/// `Display` writes the address without the port and without brackets, as
/// `lws_sa46_write_numeric_address` does; `SocketAddr` writes both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SockAddr46(SocketAddr);

/// Why a text gives no address to use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError {
    text: String,
    why: AddressProblem,
}

/// What is wrong with the text of an [`AddressError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressProblem {
    /// It isn't a numeric address.
    NotNumeric,
    /// Its zone isn't an interface of this machine, or its address is one that has no zone.
    Zone,
    /// It is neither an address nor an interface of this machine.
    NoSuchInterface,
    /// The interface has no address of the families asked for.
    NoAddress,
    /// The address is not of the families asked for.
    Family,
    /// The system can't list its interfaces.
    Unlisted,
}

impl AddressError {
    fn new(text: &str, why: AddressProblem) -> Self {
        Self { text: text.to_owned(), why }
    }

    /// What is wrong, for programs.
    pub fn problem(&self) -> AddressProblem {
        self.why
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.text)?;
        f.write_str(match self.why {
            AddressProblem::NotNumeric => "not a numeric address",
            AddressProblem::Zone => "zone is no interface of this machine, or the address takes none",
            AddressProblem::NoSuchInterface => "neither an address nor an interface of this machine",
            AddressProblem::NoAddress => "interface has no address of the wanted family",
            AddressProblem::Family => "address is not of the wanted family",
            AddressProblem::Unlisted => "interfaces can't be listed",
        })
    }
}

impl std::error::Error for AddressError {}

impl SockAddr46 {
    /// The same address with another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.0.set_port(port);
        self
    }

    /// The address alone.
    pub fn ip(self) -> IpAddr {
        self.0.ip()
    }

    /// The port; 0 after parsing.
    pub fn port(self) -> u16 {
        self.0.port()
    }

    /// As v4 if this is a v4-mapped v6 address (RFC 4291 section 2.5.5.2), which is how a dual
    /// stack socket shows v4 peers; else itself.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self.0 {
            SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
                Some(v4) => Self(SocketAddrV4::new(v4, v6.port()).into()),
                None => self,
            },
            SocketAddr::V4(_) => self,
        }
    }

    /// The address of these bytes in network order: 4 are v4, 16 are v6; `None` for any other number. Port and zone
    /// are 0.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ip = match bytes.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        Some(Self(SocketAddr::new(ip, 0)))
    }

    /// Puts the address into `buf` in network order and gives the part of it that was filled: 4 bytes of v4, 16 of
    /// v6.
    pub fn write_bytes(self, buf: &mut [u8; 16]) -> &[u8] {
        match self.ip() {
            IpAddr::V4(v4) => {
                let filled = &mut buf[..4];
                filled.copy_from_slice(&v4.octets());
                filled
            }
            IpAddr::V6(v6) => {
                *buf = v6.octets();
                buf
            }
        }
    }

    /// Whether the first `prefix` bits are those of `net` (C, since 4.3: `lws_sa46_on_net`, which gives 0 then). Ports
    /// don't count. A v4-mapped address is the v4 one, as is a v4-mapped `net` with a prefix of 96 bits or more; no
    /// other v6 net has v4 addresses on it. A net with a zone is of that link alone. `false` when the prefix is
    /// longer than an address of the net's family.
    ///
    /// ```
    /// use lws_core::SockAddr46;
    ///
    /// let [private, host]: [SockAddr46; 2] = ["10.0.0.0", "10.1.2.3"].map(|text| text.parse().unwrap());
    /// assert!(host.on_net(private, 8) && !host.on_net(private, 16));
    /// ```
    pub fn on_net(self, net: Self, prefix: u8) -> bool {
        let (address, mapped) = (self.canonical(), net.canonical());
        match (address.ip(), net.ip(), mapped.ip()) {
            (IpAddr::V4(a), IpAddr::V4(n), _) => same_bits(&a.octets(), &n.octets(), prefix),
            (IpAddr::V4(a), IpAddr::V6(_), IpAddr::V4(n)) if prefix >= 96 => {
                same_bits(&a.octets(), &n.octets(), prefix - 96)
            }
            (IpAddr::V6(a), IpAddr::V6(n), _) => {
                let zone = net.scope();
                (zone == 0 || zone == self.scope()) && same_bits(&a.octets(), &n.octets(), prefix)
            }
            _ => false,
        }
    }

    fn scope(self) -> u32 {
        match self.0 {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        }
    }

    /// Orders addresses without their ports (C: `lws_sa46_compare_ads`, which only knows same and
    /// different): a v4-mapped address is the v4 one, and zones count.
    pub fn compare_ads(self, other: Self) -> Ordering {
        self.canonical().with_port(0).without_flow().cmp(&other.canonical().with_port(0).without_flow())
    }

    fn without_flow(mut self) -> Self {
        if let SocketAddr::V6(v6) = &mut self.0 {
            v6.set_flowinfo(0);
        }
        self
    }
}

/// Whether so many bits from the front are the same; there may be fewer.
fn same_bits(a: &[u8], b: &[u8], bits: u8) -> bool {
    let (whole, rest) = (usize::from(bits / 8), bits % 8);
    let (Some((a, a_rest)), Some((b, b_rest))) = (a.split_at_checked(whole), b.split_at_checked(whole)) else {
        return false;
    };
    let same_rest = || match (a_rest.first(), b_rest.first()) {
        (Some(a), Some(b)) => (a ^ b).leading_zeros() >= u32::from(rest),
        _ => false,
    };
    a == b && (rest == 0 || same_rest())
}

impl FromStr for SockAddr46 {
    type Err = AddressError;

    /// Parses a numeric address; the port is 0 (C: `lws_sa46_parse_numeric_address`).
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |why| AddressError::new(text, why);
        if let Ok(v4) = text.parse::<Ipv4Addr>() {
            return Ok(Self(SocketAddrV4::new(v4, 0).into()));
        }
        let inner = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'));
        let inner = inner.ok_or_else(|| error(AddressProblem::NotNumeric))?;
        let (ip, zone) = inner.split_once('%').map_or((inner, None), |(ip, zone)| (ip, Some(zone)));
        let ip: Ipv6Addr = ip.parse().map_err(|_| error(AddressProblem::NotNumeric))?;
        let scope = match zone {
            None => 0,
            Some(zone) if has_zone(ip) => zone_index(zone).ok_or_else(|| error(AddressProblem::Zone))?,
            Some(_) => return Err(error(AddressProblem::Zone)),
        };
        Ok(Self(SocketAddrV6::new(ip, 0, 0, scope).into()))
    }
}

/// RFC 4007 section 6: addresses of link-local scope mean something on one link only.
fn has_zone(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || (ip.is_multicast() && matches!(ip.segments()[0] & 0xf, 1 | 2))
}

/// A zone is the interface's number, or its name. 0 is no zone.
fn zone_index(zone: &str) -> Option<u32> {
    match zone.parse() {
        Ok(0) => None,
        Ok(index) => Some(index),
        Err(_) => sys::interface_index(zone),
    }
}

impl fmt::Display for SockAddr46 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(v4) => v4.ip().fmt(f),
            SocketAddr::V6(v6) if v6.scope_id() == 0 => v6.ip().fmt(f),
            SocketAddr::V6(v6) => write!(f, "{}%{}", v6.ip(), v6.scope_id()),
        }
    }
}

impl fmt::Debug for SockAddr46 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a v6 socket tells of its address or its peer's, as what it is. Others keep their zones.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    SockAddr46(address).canonical().0
}

impl From<SocketAddr> for SockAddr46 {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl From<SockAddr46> for SocketAddr {
    fn from(address: SockAddr46) -> Self {
        address.0
    }
}

/// Which address families a server listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Families {
    /// v4 and v6; on all interfaces, by one dual stack socket.
    #[default]
    Both,
    /// v4 only (C: `LWS_SERVER_OPTION_DISABLE_IPV6`).
    V4,
    /// v6 only (C: `LWS_SERVER_OPTION_IPV6_V6ONLY_MODIFY` and `_VALUE`).
    V6,
}

impl Families {
    /// The addresses of a name as a client of these families connects to them (C: `ipv6` of a vhost).
    //= rfc4291#2.5.5.2 IPv4-mapped addresses represent the addresses of IPv4 nodes as IPv6 addresses
    pub(crate) fn reached(self, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        match self {
            Self::Both => found,
            Self::V4 => found.into_iter().filter(SocketAddr::is_ipv4).collect(),
            Self::V6 => {
                let as_v6 = |to: SocketAddr| match to.ip() {
                    IpAddr::V4(ip) => SocketAddr::from((ip.to_ipv6_mapped(), to.port())),
                    IpAddr::V6(_) => to,
                };
                found.into_iter().map(as_v6).collect()
            }
        }
    }

    fn admit(self, address: &SocketAddr) -> bool {
        match self {
            Self::Both => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The addresses a server listens on (C: `iface` and `port` of a vhost, `lws_interface_to_sa`).
///
/// `iface` is a numeric address, which gives itself, or the name of an interface, which gives all
/// addresses it has of `families`. `None` is all interfaces and gives one address: `0.0.0.0` for
/// [`Families::V4`], else `[::]`, whose socket is to take v4 as well for [`Families::Both`]. Where
/// the system has no v6 at all, that bind fails and the caller turns to [`Families::V4`].
///
/// # Errors
/// The text is neither, or there is no address of these families; the error has the text.
pub(crate) fn listen_addresses(
    iface: Option<&str>,
    port: u16,
    families: Families,
) -> Result<Vec<SocketAddr>, AddressError> {
    let Some(iface) = iface else {
        let any = match families {
            Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Families::Both | Families::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        return Ok(vec![SocketAddr::new(any, port)]);
    };
    let error = |why| AddressError::new(iface, why);
    match iface.parse::<SockAddr46>() {
        Ok(address) => {
            let address = address.with_port(port).0;
            return if families.admit(&address) { Ok(vec![address]) } else { Err(error(AddressProblem::Family)) };
        }
        Err(e) if e.why != AddressProblem::NotNumeric => return Err(e),
        Err(_) => {}
    }
    let mut found = sys::interface_addresses(iface).map_err(|_| error(AddressProblem::Unlisted))?;
    found.retain(|address| families.admit(address));
    for address in &mut found {
        address.set_port(port);
    }
    match found.is_empty() {
        false => Ok(found),
        true if sys::interface_index(iface).is_some() => Err(error(AddressProblem::NoAddress)),
        true => Err(error(AddressProblem::NoSuchInterface)),
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    const LOOPBACK: &str = "lo";
    #[cfg(not(target_os = "linux"))]
    const LOOPBACK: &str = "lo0";

    fn parse(text: &str) -> Result<SockAddr46, AddressProblem> {
        text.parse().map_err(|e: AddressError| e.problem())
    }

    #[test]
    fn rfc4291_2_2_numeric_addresses_parse_and_print_as_rfc5952_4_says() {
        for (text, printed) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::", "::"),
            ("[::1]", "::1"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("0:0:0:0:0:FFFF:102:304", "::ffff:1.2.3.4"),
            ("fe80::1%7", "fe80::1%7"),
            ("[ff02::fb%7]", "ff02::fb%7"),
        ] {
            let address = parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(address.to_string(), printed);
            assert_eq!(address.port(), 0);
        }
    }

    #[test]
    fn what_is_not_numeric_is_refused() {
        for text in
            ["", "1.2.3", "1.2.3.256", "1.2.3.4:80", "[1.2.3.4]", "[::1", "::1]", "[::1]:80", "1:::2", "1::2::3"]
        {
            assert_eq!(parse(text), Err(AddressProblem::NotNumeric), "{text:?}");
        }
        let error = "example.com".parse::<SockAddr46>().unwrap_err();
        assert_eq!(error.to_string(), "\"example.com\": not a numeric address");
    }

    #[test]
    fn rfc4007_11_zones_are_numbers_or_interfaces_of_link_local_addresses() {
        let index = sys::interface_index(LOOPBACK).unwrap();
        assert_eq!(parse(&format!("fe80::1%{LOOPBACK}")).unwrap().to_string(), format!("fe80::1%{index}"));
        for text in ["::1%1", "2001:db8::1%lo", "fe80::1%", "fe80::1%0", "fe80::1%no-such-if0", "fe80::1%99999999999"] {
            assert_eq!(parse(text), Err(AddressProblem::Zone), "{text:?}");
        }
    }

    #[test]
    fn comparing_ignores_ports_and_sees_through_v4_mapping() {
        let a = |text| parse(text).unwrap();
        assert_eq!(a("1.2.3.4").with_port(80).compare_ads(a("::ffff:1.2.3.4")), Ordering::Equal);
        assert_eq!(a("::ffff:1.2.3.4").with_port(9).canonical(), a("1.2.3.4").with_port(9));
        assert_ne!(a("1.2.3.4").compare_ads(a("1.2.3.5")), Ordering::Equal);
        assert_ne!(a("fe80::1%1").compare_ads(a("fe80::1%2")), Ordering::Equal);
        assert_ne!(a("::1").compare_ads(a("127.0.0.1")), Ordering::Equal);
        let flow = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 7, 0);
        assert_eq!(SockAddr46::from(SocketAddr::V6(flow)).compare_ads(a("::1")), Ordering::Equal);
    }

    #[test]
    fn listening_without_an_interface_is_on_all() {
        let on = |families| listen_addresses(None, 80, families).unwrap();
        assert_eq!(on(Families::Both), ["[::]:80".parse().unwrap()]);
        assert_eq!(on(Families::V6), ["[::]:80".parse().unwrap()]);
        assert_eq!(on(Families::V4), ["0.0.0.0:80".parse().unwrap()]);
    }

    #[test]
    fn listening_on_an_address_or_an_interface() {
        let on = |iface, families| listen_addresses(Some(iface), 80, families);
        assert_eq!(on("127.0.0.2", Families::Both), Ok(vec!["127.0.0.2:80".parse().unwrap()]));
        assert_eq!(on("[::1]", Families::V6), Ok(vec!["[::1]:80".parse().unwrap()]));
        let loopback = on(LOOPBACK, Families::V4).unwrap();
        assert!(loopback.contains(&"127.0.0.1:80".parse().unwrap()), "{loopback:?}");
        assert!(loopback.iter().all(|address| address.is_ipv4() && address.port() == 80));

        let problem = |iface, families| on(iface, families).unwrap_err().problem();
        assert_eq!(problem("127.0.0.1", Families::V6), AddressProblem::Family);
        assert_eq!(problem("fe80::1%no-such-if0", Families::Both), AddressProblem::Zone);
        assert_eq!(problem("no-such-if0", Families::Both), AddressProblem::NoSuchInterface);
        assert_eq!(problem("", Families::Both), AddressProblem::NoSuchInterface);
    }
}
