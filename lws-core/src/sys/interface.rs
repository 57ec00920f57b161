//! Network interfaces by name: their addresses and their numbers.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// The number of the interface of that name, as zone ids of link-local addresses use it
/// (RFC 4007 section 11); `None` if there is no such interface.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the string is ended by NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The v4 and v6 addresses of the interface of that name, with port 0, in the system's order;
/// empty if it has none or there is no such interface. Link-local ones carry their zone.
pub(crate) fn interface_addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    let list = InterfaceList::get()?;
    Ok(list.iter().filter(|entry| entry.name() == name.as_bytes()).filter_map(Entry::address).collect())
}

/// The list that getifaddrs allocates.
struct InterfaceList {
    first: *mut libc::ifaddrs,
}

impl InterfaceList {
    fn get() -> io::Result<Self> {
        let mut first = ptr::null_mut();
        // SAFETY: the pointer is to a pointer that the call may set.
        super::check(unsafe { libc::getifaddrs(&mut first) })?;
        Ok(Self { first })
    }

    fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        // SAFETY: null or an entry of a list that lives until `self` is dropped.
        let first = unsafe { self.first.as_ref() };
        // SAFETY: as above.
        std::iter::successors(first, |entry| unsafe { entry.ifa_next.as_ref() }).map(Entry)
    }
}

impl Drop for InterfaceList {
    fn drop(&mut self) {
        // SAFETY: the list came from getifaddrs and is freed this once.
        unsafe { libc::freeifaddrs(self.first) };
    }
}

/// One address of one interface.
struct Entry<'a>(&'a libc::ifaddrs);

impl Entry<'_> {
    fn name(&self) -> &[u8] {
        // SAFETY: every entry has a name ended by NUL, which lives as long as the list.
        unsafe { CStr::from_ptr(self.0.ifa_name) }.to_bytes()
    }

    fn address(self) -> Option<SocketAddr> {
        let address = self.0.ifa_addr;
        // SAFETY: null, or a socket address that lives as long as the list.
        match i32::from(unsafe { address.as_ref() }?.sa_family) {
            libc::AF_INET => {
                // SAFETY: of this family it is a sockaddr_in; no alignment is taken for granted.
                let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
                let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::new(IpAddr::V4(ip), 0))
            }
            libc::AF_INET6 => {
                // SAFETY: of this family it is a sockaddr_in6; no alignment is taken for granted.
                let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, v6.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    const LOOPBACK: &str = "lo";
    #[cfg(not(target_os = "linux"))]
    const LOOPBACK: &str = "lo0";

    #[test]
    fn the_loopback_interface_has_its_address_and_a_number() {
        let addresses = interface_addresses(LOOPBACK).unwrap();
        assert!(addresses.contains(&"127.0.0.1:0".parse().unwrap()), "{addresses:?}");
        assert!(addresses.iter().all(|address| address.ip().is_loopback() || address.is_ipv6()));
        assert!(interface_index(LOOPBACK).is_some());
    }

    #[test]
    fn an_unknown_name_is_no_interface() {
        for name in ["", "no-such-if0", "a\0b", "127.0.0.1"] {
            assert_eq!(interface_index(name), None, "{name:?}");
            assert!(interface_addresses(name).unwrap().is_empty(), "{name:?}");
        }
    }
}
