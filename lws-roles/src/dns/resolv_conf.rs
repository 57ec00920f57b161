//! `/etc/resolv.conf` (resolv.conf(5)): which servers to ask, for which names, how patiently. Pure:
//! text in, settings out. What isn't understood is passed over, as every resolver does.

use super::name::Name;
use lws_core::SockAddr46;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The port of name servers.
const PORT: u16 = 53;
/// Servers that are used; further ones are passed over.
const MAX_SERVERS: usize = 8;
/// Domains of the search list that are used; further ones are passed over.
const MAX_SEARCH: usize = 6;

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvConf {
    /// `nameserver` lines. Without any: 127.0.0.1.
    pub servers: Vec<SocketAddr>,
    /// Whether there are any such lines.
    pub names_servers: bool,
    /// `search` or `domain`, whichever is last: what is put behind names with few dots.
    pub search: Vec<Name>,
    /// `options ndots:n`: how many dots make a name be tried as it is first. 0 to 15, default 1.
    pub ndots: u32,
    /// `options timeout:n`: how long each server is waited for. 1 to 30 s, `None` when it isn't said.
    pub timeout: Option<Duration>,
    /// `options attempts:n`: how often each server is asked. 1 to 5, `None` when it isn't said.
    pub attempts: Option<u32>,
    /// `options rotate`: each question begins with another server.
    pub rotate: bool,
}

impl Default for ResolvConf {
    /// What there is without a file.
    fn default() -> Self {
        Self::parse("")
    }
}

impl ResolvConf {
    /// Reads the text of such a file. Link-local servers have their zone (RFC 4007 section 11) when this
    /// machine has that interface.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self {
            servers: Vec::new(),
            names_servers: false,
            search: Vec::new(),
            ndots: 1,
            timeout: None,
            attempts: None,
            rotate: false,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    if let Some(server) = words.next().and_then(server)
                        && conf.servers.len() < MAX_SERVERS
                        && !conf.servers.contains(&server)
                    {
                        conf.servers.push(server);
                    }
                }
                // "." is no domain to search in
                Some("search") => conf.search = words.filter_map(domain).take(MAX_SEARCH).collect(),
                Some("domain") => conf.search = words.filter_map(domain).take(1).collect(),
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf.names_servers = !conf.servers.is_empty();
        if !conf.names_servers {
            conf.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        conf
    }

    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        let number = value.parse::<u32>().ok();
        match (name, number) {
            ("ndots", Some(n)) => self.ndots = n.min(15),
            ("timeout", Some(n)) => self.timeout = Some(Duration::from_secs(n.clamp(1, 30).into())),
            ("attempts", Some(n)) => self.attempts = Some(n.clamp(1, 5)),
            ("rotate", _) => self.rotate = true,
            _ => {}
        }
    }
}

fn domain(word: &str) -> Option<Name> {
    Name::parse(word).ok()
}

fn server(word: &str) -> Option<SocketAddr> {
    Some(word.parse::<SockAddr46>().ok()?.with_port(PORT).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ResolvConf {
        ResolvConf::parse(text)
    }

    #[test]
    fn servers_of_both_families_and_zones() {
        let conf = parse(
            "# a comment\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 # here\nnameserver fe80::1%1\n\
             nameserver fe80::2%7\nnameserver fe80::3%no-such-interface\nnameserver 192.0.2.1\nnameserver bad\nnameserver",
        );
        let text: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%1]:53", "[fe80::2%7]:53"]);
        let many: String = (0..20).map(|n| format!("nameserver 192.0.2.{n}\n")).collect();
        assert_eq!(parse(&many).servers.len(), MAX_SERVERS);
    }

    #[test]
    fn without_servers_it_is_this_machine() {
        assert_eq!(ResolvConf::default().servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((ResolvConf::default().ndots, ResolvConf::default().search.len()), (1, 0));
    }

    #[test]
    fn options_are_held_to_their_limits() {
        let conf = parse("options ndots:3 timeout:0 attempts:99 rotate edns0\noptions ndots:x");
        assert_eq!((conf.ndots, conf.rotate), (3, true));
        assert_eq!((conf.timeout, conf.attempts), (Some(Duration::from_secs(1)), Some(5)));
        assert_eq!(parse("options ndots:99 timeout:99").ndots, 15);
        assert_eq!(parse("options timeout:99").timeout, Some(Duration::from_secs(30)));
        assert_eq!((parse("").timeout, parse("").attempts), (None, None));
    }

    #[test]
    fn the_last_of_search_and_domain_counts() {
        let names = |conf: ResolvConf| conf.search.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            names(parse("domain one.example\nsearch Two.example three.example")),
            ["two.example", "three.example"]
        );
        assert_eq!(names(parse("search a b\ndomain last.example more")), ["last.example"]);
        assert_eq!(names(parse("search .")), [""; 0]);
        assert_eq!(names(parse("search a b c d e f g h")).len(), MAX_SEARCH);
    }
}
