//! Comma lists of tokens in header fields (RFC 9110 5.6.1, 5.6.2) and what RFC 6455 does with
//! them: looking for "websocket" and "upgrade", offering and choosing subprotocols (1.9).
//!
//! Called by the handshake checks. Fields that occur several times are given as several values;
//! their lists count as one. Nothing here allocates but [`offer_subprotocols`].

use core::fmt;
use lws_core::is_tchar;

/// An element of a list that isn't a token, or a name that can't be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAToken;

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an HTTP token")
    }
}

impl std::error::Error for NotAToken {}

/// Whether `name` is a token: one or more visible ASCII characters without separators. It is also
/// what a subprotocol name must be (RFC 6455 4.1).
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().copied().all(is_tchar)
}

/// `value` without spaces and tabs at its ends: optional white space of HTTP.
pub fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut rest = value;
    while let [first, tail @ ..] = rest
        && is_ows(first)
    {
        rest = tail;
    }
    while let [head @ .., last] = rest
        && is_ows(last)
    {
        rest = head;
    }
    rest
}

/// The elements of a comma list in order: blanks around them cut off, empty ones skipped.
pub fn tokens(value: &[u8]) -> Tokens<'_> {
    Tokens { rest: Some(value) }
}

/// Iterator of [`tokens`]. An element that isn't a token is an `Err`; the list goes on after it.
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<&'a str, NotAToken>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.take()?;
            let mut split = rest.splitn(2, |&byte| byte == b',');
            let element = trim(split.next().unwrap_or_default());
            self.rest = split.next();
            if element.is_empty() {
                continue;
            }
            let token = core::str::from_utf8(element).ok().filter(|_| is_token(element));
            return Some(token.ok_or(NotAToken));
        }
    }
}

/// Whether the lists in `values` contain `token`, in any case of letters. Elements that aren't
/// tokens (`Upgrade: HTTP/2.0, websocket`) don't count and don't hurt.
pub fn contains_token<'v>(values: impl IntoIterator<Item = &'v [u8]>, token: &str) -> bool {
    let mut all = values.into_iter().flat_map(tokens);
    all.any(|found| found.is_ok_and(|found| found.eq_ignore_ascii_case(token)))
}

/// What a server makes of the subprotocols that a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subprotocol<'a> {
    /// The client named none: the vhost's default protocol serves it and none is answered.
    NotOffered,
    /// The first name of the client's list that the server has. This is answered.
    Chosen(&'a str),
    /// The client named some, and the server has none of them.
    Unknown,
}

/// Chooses by C's rule: the client's order of preference, the first name that `known` says the
/// vhost has. Names compare exactly (RFC 6455 has no folding for them).
///
/// # Errors
/// An element of the list isn't a token: the request is malformed.
pub fn choose_subprotocol<'a>(
    offered: impl IntoIterator<Item = &'a [u8]>,
    mut known: impl FnMut(&str) -> bool,
) -> Result<Subprotocol<'a>, NotAToken> {
    let mut choice = Subprotocol::NotOffered;
    for name in offered.into_iter().flat_map(tokens) {
        let name = name?;
        match choice {
            // The rest is read only to see whether it is well-formed.
            Subprotocol::Chosen(_) => {}
            _ if known(name) => choice = Subprotocol::Chosen(name),
            _ => choice = Subprotocol::Unknown,
        }
    }
    Ok(choice)
}

/// Why a list of subprotocols can't be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferError {
    /// A name isn't a token.
    NotAToken,
    /// A name occurs twice.
    Duplicate,
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAToken => "a subprotocol name is not an HTTP token",
            Self::Duplicate => "a subprotocol name occurs twice",
        })
    }
}

impl std::error::Error for OfferError {}

/// The value of a client's `Sec-WebSocket-Protocol` field from names separated by commas, as C's
/// connect info has them: `"a,b"` becomes `"a, b"`. Empty if there are no names: then the field is
/// left out.
///
/// # Errors
/// [`OfferError`], for the caller's own mistakes.
pub fn offer_subprotocols(names: &str) -> Result<String, OfferError> {
    let mut list = String::with_capacity(names.len());
    for name in tokens(names.as_bytes()) {
        //= rfc6455#4.1 the elements MUST be tokens and MUST all be unique
        let name = name.map_err(|NotAToken| OfferError::NotAToken)?;
        if is_offered(&list, name) {
            return Err(OfferError::Duplicate);
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(name);
    }
    Ok(list)
}

/// Whether `list`, made by [`offer_subprotocols`], has `name`.
pub fn is_offered(list: &str, name: &str) -> bool {
    tokens(list.as_bytes()).any(|offered| offered == Ok(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(value: &str) -> Vec<Result<&str, NotAToken>> {
        tokens(value.as_bytes()).collect()
    }

    #[test]
    fn rfc9110_5_6_1_lists_skip_empty_elements_and_blanks() {
        assert_eq!(list("a, b ,c"), [Ok("a"), Ok("b"), Ok("c")]);
        assert_eq!(list(",\t, a ,,b\t,"), [Ok("a"), Ok("b")]);
        assert_eq!(list("single"), [Ok("single")]);
        assert_eq!(list(""), []);
        assert_eq!(list(" , ,"), []);
    }

    #[test]
    fn rfc9110_5_6_2_tokens_are_strict() {
        assert_eq!(list("a, b c, d"), [Ok("a"), Err(NotAToken), Ok("d")]);
        for separator in "()<>@;:\\\"/[]?={} \t\u{7f}\u{0}\u{e9}".chars() {
            assert!(!is_token(format!("a{separator}b").as_bytes()), "{separator:?}");
        }
        assert!(is_token(b"!#$%&'*+-.^_`|~09azAZ"));
        assert!(!is_token(b""));
    }

    #[test]
    fn rfc6455_4_2_1_token_in_any_field_and_any_case() {
        let values = [&b"keep-alive"[..], b"foo, UpGrade"];
        assert!(contains_token(values, "upgrade"));
        assert!(contains_token([&b"HTTP/2.0, WebSocket"[..]], "websocket"));
        assert!(!contains_token([&b"up, upgraded, up grade"[..]], "upgrade"));
        assert!(!contains_token([], "upgrade"));
    }

    #[test]
    fn rfc6455_4_2_2_subprotocol_by_the_clients_order() {
        let known = |name: &str| ["one", "two"].contains(&name);
        let choose = |offered: &[&'static str]| choose_subprotocol(offered.iter().map(|value| value.as_bytes()), known);
        assert_eq!(choose(&["x, two, one"]), Ok(Subprotocol::Chosen("two")));
        assert_eq!(choose(&["x", "one, two"]), Ok(Subprotocol::Chosen("one")));
        assert_eq!(choose(&["x, ONE"]), Ok(Subprotocol::Unknown));
        assert_eq!(choose(&[]), Ok(Subprotocol::NotOffered));
        assert_eq!(choose(&[" , "]), Ok(Subprotocol::NotOffered));
        assert_eq!(choose(&["one, t wo"]), Err(NotAToken));
    }

    #[test]
    fn rfc6455_4_1_offered_subprotocols_are_unique_tokens() {
        assert_eq!(offer_subprotocols("a,b"), Ok("a, b".to_owned()));
        assert_eq!(offer_subprotocols(""), Ok(String::new()));
        assert_eq!(offer_subprotocols("a,A"), Ok("a, A".to_owned()));
        assert_eq!(offer_subprotocols("superchat,chat"), Ok("superchat, chat".to_owned()));
        assert_eq!(offer_subprotocols("a,b, a"), Err(OfferError::Duplicate));
        assert_eq!(offer_subprotocols("a,b/c"), Err(OfferError::NotAToken));
        assert_eq!(offer_subprotocols("gr\u{fc}n"), Err(OfferError::NotAToken));
    }

    proptest! {
        #[test]
        fn rfc9110_5_6_1_any_bytes_split_at_every_comma(
            data in proptest::collection::vec(prop_oneof![Just(b','), Just(b' '), any::<u8>()], 0..40)
        ) {
            let found: Vec<_> = tokens(&data).collect();
            let want = data.split(|&b| b == b',').map(trim).filter(|e| !e.is_empty());
            let want: Vec<_> = want.map(|e| if is_token(e) { Ok(e) } else { Err(NotAToken) }).collect();
            prop_assert_eq!(found.len(), want.len());
            for (found, want) in found.iter().zip(want) {
                prop_assert_eq!(found.map(str::as_bytes), want);
            }
        }
    }
}
