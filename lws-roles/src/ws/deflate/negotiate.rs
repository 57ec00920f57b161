//! Negotiation of permessage-deflate (RFC 7692 5, 7.1): reading `Sec-WebSocket-Extensions`
//! (RFC 6455 9.1), choosing among a client's offers, checking a server's answer.
//!
//! ```text
//!   client: Settings::offer --------> "permessage-deflate; client_max_window_bits"
//!   server: Offers::read, choose ---> Agreed + its answer, or nothing
//!   client: check ------------------> Agreed, or why the connection fails
//! ```
//!
//! An offer that has something wrong is declined and the next one looked at; an answer that has
//! fails the connection. zlib has no matches within a window of 256 bytes: a server declines to send
//! with `server_max_window_bits=8`, a client that is told `client_max_window_bits=8` sends without
//! matches. Called by `server` and `client`; no IO, no user.

use super::Settings;
use crate::ws::tokens::{is_token, trim};
use std::fmt::Write as _;

/// The extension's name.
pub(crate) const NAME: &str = "permessage-deflate";

/// Offers of one client that are looked at (C: `LWS_MAX_EXT_OFFERS`).
const MAX_OFFERS: usize = 8;

/// The largest window, and what holds when none is named.
pub(super) const MAX_BITS: u8 = 15;
/// The smallest window that has its own size in the protocol.
pub(super) const MIN_BITS: u8 = 8;

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// Parameters as one element of the header field has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// The outer one: whether the parameter is there; it may come without a value.
    client_bits: Option<Option<u8>>,
}

/// An unknown parameter, one twice, or a value that it can't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadParams;

impl Params {
    fn add(&mut self, name: &str, value: Option<&str>) -> Result<(), BadParams> {
        let once = |seen: &mut bool| if std::mem::replace(seen, true) { Err(BadParams) } else { Ok(()) };
        match (name, value) {
            (SERVER_NO_TAKEOVER, None) => once(&mut self.server_no_takeover),
            (CLIENT_NO_TAKEOVER, None) => once(&mut self.client_no_takeover),
            (SERVER_BITS, Some(value)) if self.server_bits.is_none() => {
                self.server_bits = Some(bits(value)?);
                Ok(())
            }
            (CLIENT_BITS, value) if self.client_bits.is_none() => {
                self.client_bits = Some(value.map(bits).transpose()?);
                Ok(())
            }
            _ => Err(BadParams),
        }
    }
}

//= rfc7692#7.1.2.1 a decimal integer without leading zeroes between 8 to 15, inclusive
fn bits(value: &str) -> Result<u8, BadParams> {
    let n = value.parse().ok().filter(|n| (MIN_BITS..=MAX_BITS).contains(n)).ok_or(BadParams)?;
    if value.starts_with(['0', '+']) { Err(BadParams) } else { Ok(n) }
}

/// One element of the header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Deflate(Result<Params, BadParams>),
    Other,
    Malformed,
}

/// The elements of `Sec-WebSocket-Extensions` fields; empty ones are skipped.
pub(super) fn elements<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> impl Iterator<Item = Element> {
    values.into_iter().flat_map(|value| split(value, b',')).filter(|e| !e.is_empty()).map(element)
}

fn element(text: &[u8]) -> Element {
    let mut parts = split(text, b';');
    let name = parts.next().unwrap_or_default();
    if !is_token(name) {
        return Element::Malformed;
    }
    if !name.eq_ignore_ascii_case(NAME.as_bytes()) {
        return Element::Other;
    }
    let mut params = Params::default();
    for part in parts {
        let Some((name, value)) = param(part) else { return Element::Malformed };
        if params.add(&name, value.as_deref()).is_err() {
            return Element::Deflate(Err(BadParams));
        }
    }
    Element::Deflate(Ok(params))
}

/// `token`, `token=token` or `token="token"`.
fn param(text: &[u8]) -> Option<(String, Option<String>)> {
    let (name, value) = match text.iter().position(|&b| b == b'=') {
        Some(at) => {
            let (name, value) = text.split_at_checked(at)?;
            (trim(name), Some(trim(value.get(1..)?)))
        }
        None => (text, None),
    };
    let value = match value {
        Some([b'"', quoted @ .., b'"']) => Some(unquote(quoted)?),
        Some(plain) => Some(plain.to_vec()),
        None => None,
    };
    //= rfc6455#9.1 the value after unescaping MUST conform to the 'token' ABNF
    let token = |bytes: Vec<u8>| String::from_utf8(bytes).ok().filter(|t| is_token(t.as_bytes()));
    let name = token(name.to_vec())?;
    match value {
        Some(value) => Some((name, Some(token(value)?))),
        None => Some((name, None)),
    }
}

/// The inside of a quoted string without its backslashes; `None` if a quote ends it early.
fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => out.push(*bytes.next()?),
            other => out.push(other),
        }
    }
    Some(out)
}

/// The parts between separators that aren't in a quoted string, without blanks at their ends.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|&byte| {
            let found = byte == separator && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && byte == b'\\' && !escaped;
            found
        });
        let part = end.and_then(|at| text.split_at_checked(at));
        rest = part.and_then(|(_, more)| more.get(1..));
        Some(trim(part.map_or(text, |(part, _)| part)))
    })
}

/// What both ends hold to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) server_no_takeover: bool,
    pub(super) client_no_takeover: bool,
    pub(super) server_bits: u8,
    pub(super) client_bits: u8,
    /// How this end compresses.
    pub(super) own: Settings,
}

/// What a client offers that can be looked at, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers(Vec<Params>);

impl Offers {
    /// Reads the fields of a request.
    pub(crate) fn read<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        //= rfc7692#7.1 an offer with an unknown, repeated or invalid parameter MUST be declined
        let good = elements(values).take(MAX_OFFERS).filter_map(|element| match element {
            Element::Deflate(params) => params.ok(),
            _ => None,
        });
        Self(good.collect())
    }

    /// The first offer that the server can meet, and the answer to it; `None` declines all.
    pub(crate) fn choose(&self, own: &Settings) -> Option<(Agreed, String)> {
        self.0.iter().find_map(|offer| accept(offer, own))
    }
}

fn accept(offer: &Params, own: &Settings) -> Option<(Agreed, String)> {
    // zlib can't keep to a window of 256 bytes
    if offer.server_bits == Some(MIN_BITS) {
        return None;
    }
    let agreed = Agreed {
        //= rfc7692#7.1.1.1 a server accepts the offer by including the parameter
        server_no_takeover: offer.server_no_takeover || own.server_no_context_takeover,
        //= rfc7692#7.1.1.2 a server may include it whatever was offered
        client_no_takeover: offer.client_no_takeover || own.client_no_context_takeover,
        server_bits: offer.server_bits.unwrap_or(MAX_BITS).min(own.server_max_window_bits),
        //= rfc7692#7.1.2.2 not in the offer: MUST NOT be in the response
        client_bits: offer.client_bits.map_or(MAX_BITS, |b| b.unwrap_or(MAX_BITS).min(own.client_max_window_bits)),
        own: *own,
    };
    let mut answer = NAME.to_owned();
    flags(&mut answer, agreed.server_no_takeover, agreed.client_no_takeover);
    if offer.server_bits.is_some() || agreed.server_bits < MAX_BITS {
        number(&mut answer, SERVER_BITS, agreed.server_bits);
    }
    if agreed.client_bits < MAX_BITS {
        number(&mut answer, CLIENT_BITS, agreed.client_bits);
    }
    Some((agreed, answer))
}

fn flags(out: &mut String, server_no_takeover: bool, client_no_takeover: bool) {
    for (name, _) in [(SERVER_NO_TAKEOVER, server_no_takeover), (CLIENT_NO_TAKEOVER, client_no_takeover)]
        .into_iter()
        .filter(|(_, on)| *on)
    {
        out.push_str("; ");
        out.push_str(name);
    }
}

fn number(out: &mut String, name: &str, n: u8) {
    // a String takes everything
    let _ = write!(out, "; {name}={n}");
}

/// The value of a client's `Sec-WebSocket-Extensions`.
pub(crate) fn offer(own: &Settings) -> String {
    let mut offer = NAME.to_owned();
    flags(&mut offer, own.server_no_context_takeover, own.client_no_context_takeover);
    if own.server_max_window_bits < MAX_BITS {
        number(&mut offer, SERVER_BITS, own.server_max_window_bits);
    }
    match own.client_max_window_bits {
        MAX_BITS => offer.push_str("; client_max_window_bits"),
        less => number(&mut offer, CLIENT_BITS, less),
    }
    offer
}

/// Why a client doesn't take a server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadAnswer {
    /// An extension that wasn't offered.
    Unknown,
    /// Not in the form that the field has, or with a parameter that there isn't.
    Options,
    /// Well-formed, and not what was offered.
    Rejected,
}

/// Checks the fields of a server's answer to what [`offer`] made of `own`, if it was sent.
pub(crate) fn check<'v>(
    values: impl IntoIterator<Item = &'v [u8]>,
    own: Option<&Settings>,
) -> Result<Option<Agreed>, BadAnswer> {
    let mut agreed = None;
    for element in elements(values) {
        //= rfc6455#4.1 an extension that was not in the request MUST fail the connection
        let own = own.ok_or(BadAnswer::Unknown)?;
        let params = match element {
            Element::Deflate(params) => params.map_err(|BadParams| BadAnswer::Options)?,
            Element::Other => return Err(BadAnswer::Unknown),
            Element::Malformed => return Err(BadAnswer::Options),
        };
        if agreed.replace(answered(&params, own)?).is_some() {
            return Err(BadAnswer::Rejected);
        }
    }
    Ok(agreed)
}

fn answered(answer: &Params, own: &Settings) -> Result<Agreed, BadAnswer> {
    let server_bits = answer.server_bits.unwrap_or(MAX_BITS);
    let client_bits = match answer.client_bits {
        Some(Some(bits)) => bits,
        //= rfc7692#7.1.2.2 in a response the parameter has a value
        Some(None) => return Err(BadAnswer::Options),
        None => own.client_max_window_bits,
    };
    let unmet = own.server_no_context_takeover && !answer.server_no_takeover;
    if unmet || server_bits > own.server_max_window_bits || client_bits > own.client_max_window_bits {
        //= rfc7692#7.1 a configuration that wasn't asked for MUST fail the connection
        return Err(BadAnswer::Rejected);
    }
    Ok(Agreed {
        server_no_takeover: answer.server_no_takeover,
        //= rfc7692#7.1.1.2 the client may keep to it though the server said nothing
        client_no_takeover: answer.client_no_takeover || own.client_no_context_takeover,
        server_bits,
        client_bits,
        own: *own,
    })
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
