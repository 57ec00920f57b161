//! A tunnel by a SOCKS5 proxy (RFC 1928; user and password: RFC 1929), as a machine of messages.
//!
//! ```text
//!   greeting sent --> Method --[none wanted]------------------> Reply --> open
//!                       '----[login wanted]--> Login --[good]----^
//! ```
//!
//! Every message says how long it is, so nothing behind the last one is ever read. Pure, called by
//! `tunnel`.

use super::proxy::Proxy;
use std::net::IpAddr;

const VERSION: u8 = 5;
/// The version of RFC 1929's messages.
const LOGIN_VERSION: u8 = 1;
const METHOD_NONE: u8 = 0;
const METHOD_LOGIN: u8 = 2;
const METHOD_REFUSED: u8 = 0xff;
const CONNECT: u8 = 1;
const ADDRESS_V4: u8 = 1;
const ADDRESS_NAME: u8 = 3;
const ADDRESS_V6: u8 = 4;

/// Which message of the proxy is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Method,
    Login,
    Reply,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Socks5 {
    state: State,
}

/// What a whole message has brought about.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// So many more bytes are needed of this message.
    More(usize),
    /// The message is used up, and this is the answer to it.
    Say(Vec<u8>),
    /// The tunnel is open.
    Open,
}

impl Socks5 {
    /// The machine, and what it says first: the methods there are.
    //= rfc1928#3 version, number of methods, methods
    pub(super) fn begin(proxy: &Proxy) -> (Self, Vec<u8>) {
        let methods: &[u8] = if proxy.login.is_some() { &[METHOD_NONE, METHOD_LOGIN] } else { &[METHOD_NONE] };
        let mut greeting = vec![VERSION, methods.len() as u8];
        greeting.extend_from_slice(methods);
        (Self { state: State::Method }, greeting)
    }

    /// Looks at what has come of the awaited message.
    pub(super) fn received(&mut self, proxy: &Proxy, message: &[u8], host: &str, port: u16) -> Result<Step, String> {
        match self.state {
            State::Method => self.method(proxy, message, host, port),
            State::Login => self.logged_in(message, host, port),
            State::Reply => reply(message),
        }
    }

    fn method(&mut self, proxy: &Proxy, message: &[u8], host: &str, port: u16) -> Result<Step, String> {
        match (message, &proxy.login) {
            ([version, ..], _) if *version != VERSION => Err(not_socks()),
            ([_, METHOD_NONE], _) => self.ask(host, port),
            ([_, METHOD_LOGIN], Some((user, password))) => {
                self.state = State::Login;
                //= rfc1929#2 version, user with its length, password with its length
                let mut say = vec![LOGIN_VERSION, user.len() as u8];
                say.extend_from_slice(user.as_bytes());
                say.push(password.len() as u8);
                say.extend_from_slice(password.as_bytes());
                Ok(Step::Say(say))
            }
            //= rfc1928#3 if the selected method is X'FF' the client MUST close the connection
            ([_, METHOD_REFUSED], None) => Err("ERROR proxy: socks: the proxy wants a login".to_owned()),
            ([_, METHOD_REFUSED], Some(_)) => Err("ERROR proxy: socks: the proxy takes no login".to_owned()),
            ([_, method], _) => Err(format!("ERROR proxy: socks: method {method} was not offered")),
            _ => Ok(Step::More(2usize.saturating_sub(message.len()))),
        }
    }

    fn logged_in(&mut self, message: &[u8], host: &str, port: u16) -> Result<Step, String> {
        match message {
            [version, ..] if *version != LOGIN_VERSION => Err(not_socks()),
            [_, 0] => self.ask(host, port),
            //= rfc1929#2 any other status is failure, and the connection MUST be closed
            [_, status] => Err(format!("ERROR proxy: socks: login refused (status {status})")),
            _ => Ok(Step::More(2usize.saturating_sub(message.len()))),
        }
    }

    //= rfc1928#4 version, command, reserved, address type, address, port in network order
    fn ask(&mut self, host: &str, port: u16) -> Result<Step, String> {
        self.state = State::Reply;
        let mut say = vec![VERSION, CONNECT, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                say.push(ADDRESS_V4);
                say.extend_from_slice(&ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                say.push(ADDRESS_V6);
                say.extend_from_slice(&ip.octets());
            }
            Err(_) => {
                let len = u8::try_from(host.len()).map_err(|_| "ERROR proxy: socks: the name is too long")?;
                say.extend_from_slice(&[ADDRESS_NAME, len]);
                say.extend_from_slice(host.as_bytes());
            }
        }
        say.extend_from_slice(&port.to_be_bytes());
        Ok(Step::Say(say))
    }
}

/// The answer to the request: version, reply, reserved, and the address that the proxy uses, which
/// nobody needs.
//= rfc1928#6 replies
fn reply(message: &[u8]) -> Result<Step, String> {
    let all = match message {
        [version, ..] if *version != VERSION => return Err(not_socks()),
        // a proxy that refuses may close without the rest
        [_, code, ..] if *code != 0 => return Err(format!("ERROR proxy: socks: {} (reply {code})", meaning(*code))),
        [_, _, _, ADDRESS_V4, ..] => 4 + 4 + 2,
        [_, _, _, ADDRESS_V6, ..] => 4 + 16 + 2,
        [_, _, _, ADDRESS_NAME, len, ..] => 4 + 1 + usize::from(*len) + 2,
        [_, _, _, ADDRESS_NAME] => 5,
        [_, _, _, kind, ..] => return Err(format!("ERROR proxy: socks: address type {kind} in the reply")),
        _ => 4,
    };
    Ok(match all.saturating_sub(message.len()) {
        0 => Step::Open,
        missing => Step::More(missing),
    })
}

fn not_socks() -> String {
    "ERROR proxy: the answer is not socks 5".to_owned()
}

fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(text: &str) -> Proxy {
        Proxy::socks5(text).unwrap()
    }

    /// Gives the messages one after the other, each byte by byte; what was said, and the end.
    fn speak(proxy: &Proxy, host: &str, messages: &[&[u8]]) -> (Vec<Vec<u8>>, Result<Step, String>) {
        let (mut socks, greeting) = Socks5::begin(proxy);
        let mut said = vec![greeting];
        for message in messages {
            let mut last = Ok(Step::Open);
            for n in 0..=message.len() {
                last = socks.received(proxy, &message[..n], host, 0x1f90);
                match &last {
                    Ok(Step::More(more)) => assert!(*more > 0 && n + more <= message.len().max(4)),
                    _ => {
                        assert_eq!(n, message.len(), "nothing is decided before its last byte");
                        break;
                    }
                }
            }
            match last {
                Ok(Step::Say(bytes)) => said.push(bytes),
                end => return (said, end),
            }
        }
        (said, Ok(Step::More(0)))
    }

    #[test]
    fn rfc1928_3_4_6_a_name_is_the_proxys_to_resolve() {
        let (said, end) = speak(&proxy("p:1"), "example.com", &[&[5, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]]);
        let request = [&[5, 1, 0, 3, 11][..], b"example.com", &[0x1f, 0x90]].concat();
        assert_eq!((said, end), (vec![vec![5, 1, 0], request], Ok(Step::Open)));
    }

    #[test]
    fn rfc1928_5_numeric_addresses_have_their_types() {
        let (said, _) = speak(&proxy("p:1"), "127.0.0.1", &[&[5, 0]]);
        assert_eq!(said[1], [5, 1, 0, 1, 127, 0, 0, 1, 0x1f, 0x90]);
        let (said, _) = speak(&proxy("p:1"), "::1", &[&[5, 0]]);
        assert_eq!(said[1], [&[5, 1, 0, 4][..], &[0; 15], &[1, 0x1f, 0x90]].concat());
        let (_, end) = speak(&proxy("p:1"), &"x".repeat(256), &[&[5, 0]]);
        assert_eq!(end, Err("ERROR proxy: socks: the name is too long".to_owned()));
        let (said, _) = speak(&proxy("p:1"), &"x".repeat(255), &[&[5, 0]]);
        assert_eq!(said[1].len(), 5 + 255 + 2);
    }

    #[test]
    fn rfc1928_6_replies_of_every_address_type() {
        for (kind, rest) in [(1, 4), (4, 16), (3, 1), (3, 256)] {
            let mut message = vec![5, 0, 0, kind];
            if kind == 3 {
                message.push((rest - 1) as u8);
            }
            message.resize(4 + rest + 2, 7);
            assert_eq!(speak(&proxy("p:1"), "h", &[&[5, 0], &message]).1, Ok(Step::Open), "{kind} {rest}");
        }
    }

    #[test]
    fn rfc1929_2_user_and_password() {
        let (said, end) = speak(&proxy("me:secret@p:1"), "h", &[&[5, 2], &[1, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]]);
        assert_eq!(said[0], [5, 2, 0, 2]);
        assert_eq!(said[1], [&[1, 2][..], b"me", &[6], b"secret"].concat());
        assert_eq!((said.len(), end), (3, Ok(Step::Open)));
        // a proxy may want none
        assert_eq!(speak(&proxy("me:secret@p:1"), "h", &[&[5, 0]]).0[1][..4], [5, 1, 0, 3]);
        let (_, end) = speak(&proxy("me:secret@p:1"), "h", &[&[5, 2], &[1, 3]]);
        assert_eq!(end, Err("ERROR proxy: socks: login refused (status 3)".to_owned()));
    }

    #[test]
    fn rfc1928_3_methods_that_end_it() {
        for (proxy_text, message, why) in [
            ("p:1", &[5, 0xff][..], "the proxy wants a login"),
            ("u:p@p:1", &[5, 0xff], "the proxy takes no login"),
            ("p:1", &[5, 2], "method 2 was not offered"),
            ("u:p@p:1", &[5, 1], "method 1 was not offered"),
        ] {
            let (said, end) = speak(&proxy(proxy_text), "h", &[message]);
            assert_eq!((said.len(), end), (1, Err(format!("ERROR proxy: socks: {why}"))));
        }
    }

    #[test]
    fn rfc1928_6_refusals_are_told_by_their_meaning() {
        for code in 1..=255 {
            let (_, end) = speak(&proxy("p:1"), "h", &[&[5, 0], &[5, code]]);
            let why = end.unwrap_err();
            assert!(why.starts_with("ERROR proxy: socks: ") && why.ends_with(&format!("(reply {code})")), "{why}");
        }
        let refused = reply(&[5, 5, 0, 1]).unwrap_err();
        assert_eq!(refused, "ERROR proxy: socks: connection refused (reply 5)");
    }

    #[test]
    fn nonsense_is_told_at_once() {
        let not_socks = || Err("ERROR proxy: the answer is not socks 5".to_owned());
        assert_eq!(speak(&proxy("p:1"), "h", &[b"H"]).1, not_socks());
        assert_eq!(speak(&proxy("p:1"), "h", &[&[5, 0], &[4]]).1, not_socks());
        assert_eq!(speak(&proxy("u:p@p:1"), "h", &[&[5, 2], &[5]]).1, not_socks());
        let kind = speak(&proxy("p:1"), "h", &[&[5, 0], &[5, 0, 0, 2]]).1;
        assert_eq!(kind, Err("ERROR proxy: socks: address type 2 in the reply".to_owned()));
    }
}
