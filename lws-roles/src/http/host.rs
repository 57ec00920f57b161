//! The Host of a client's request (RFC 9110 section 7.2), for whichever role sends it.

use super::url::Scheme;
use lws_core::ConnectInfo;

/// The scheme of requests to `info`.
pub(crate) fn scheme_of(info: &ConnectInfo) -> Scheme {
    if info.tls.is_some() { Scheme::Https } else { Scheme::Http }
}

/// What the Host field of a request to `info` is, unless user code adds its own.
//= rfc9110#7.2 Host: the target's authority, without a port that is the scheme's own
pub(crate) fn host_of(info: &ConnectInfo) -> String {
    if let Some(host) = &info.host {
        return host.clone();
    }
    if info.address.starts_with('+') {
        // a unix socket has no host
        return "localhost".to_owned();
    }
    let name = info.address.trim_start_matches('[').trim_end_matches(']');
    let mut host = if name.contains(':') {
        // a zone means something on this machine only
        let address = name.split_once('%').map_or(name, |(address, _)| address);
        format!("[{address}]")
    } else {
        name.to_owned()
    };
    if info.port != scheme_of(info).default_port() {
        host.push(':');
        host.push_str(&info.port.to_string());
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_7_2_host_is_the_target_or_what_was_set() {
        let host = |address: &str, port| host_of(&ConnectInfo::new(address, port));
        assert_eq!(host("example.com", 80), "example.com");
        assert_eq!(host("example.com", 7681), "example.com:7681");
        assert_eq!(host("::1", 80), "[::1]");
        assert_eq!(host("[::1]", 443), "[::1]:443");
        assert_eq!(host("fe80::1%eth0", 80), "[fe80::1]");
        assert_eq!(host("+/run/x.sock", 1), "localhost");
        assert_eq!(host("+@abstract", 1), "localhost");
        assert_eq!(host_of(&ConnectInfo::new("1.2.3.4", 81).host("name")), "name");
    }

    #[test]
    fn rfc9110_4_2_2_under_tls_443_goes_without_saying() {
        let host = |port| host_of(&ConnectInfo::new("example.com", port).tls());
        assert_eq!(host(443), "example.com");
        assert_eq!(host(80), "example.com:80");
    }
}
