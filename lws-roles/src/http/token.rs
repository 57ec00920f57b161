//! Known header field names (C: `enum lws_token_indexes`).
//!
//! A [`Token`] is found once per field while a head is parsed, so that later
//! lookups compare one byte instead of a name. Only field names are here: C
//! puts methods, pseudo-headers and the URI arguments into the same
//! enumeration, which is why [`Token::number`] has gaps.
//!
//! Called by the head parsers and by users looking up a header. Never
//! allocates and never compares more than the few names of equal length.

/// Generates the enumeration and its tables from one list.
macro_rules! tokens {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// A header field name that has a number in C libwebsockets.
        ///
        /// The C name is `WSI_TOKEN_` (or `WSI_TOKEN_HTTP_`) and the variant
        /// in upper case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Token {
            $(#[doc = concat!("`", $name, "`")] $variant = $number,)*
        }

        impl Token {
            /// Every token, in the order of C's numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The field name in lower case, as HTTP/2 sends it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

tokens! {
    Host = 3, "host";
    Connection = 4, "connection";
    Upgrade = 5, "upgrade";
    Origin = 6, "origin";
    Draft = 7, "sec-websocket-draft";
    Extensions = 9, "sec-websocket-extensions";
    Key1 = 10, "sec-websocket-key1";
    Key2 = 11, "sec-websocket-key2";
    Protocol = 12, "sec-websocket-protocol";
    WsAccept = 13, "sec-websocket-accept";
    Nonce = 14, "sec-websocket-nonce";
    Http2Settings = 16, "http2-settings";
    Accept = 17, "accept";
    AcRequestHeaders = 18, "access-control-request-headers";
    IfModifiedSince = 19, "if-modified-since";
    IfNoneMatch = 20, "if-none-match";
    AcceptEncoding = 21, "accept-encoding";
    AcceptLanguage = 22, "accept-language";
    Pragma = 23, "pragma";
    CacheControl = 24, "cache-control";
    Authorization = 25, "authorization";
    Cookie = 26, "cookie";
    ContentLength = 27, "content-length";
    ContentType = 28, "content-type";
    Date = 29, "date";
    Range = 30, "range";
    Referer = 31, "referer";
    Key = 32, "sec-websocket-key";
    Version = 33, "sec-websocket-version";
    SwOrigin = 34, "sec-websocket-origin";
    AcceptCharset = 40, "accept-charset";
    AcceptRanges = 41, "accept-ranges";
    AccessControlAllowOrigin = 42, "access-control-allow-origin";
    Age = 43, "age";
    Allow = 44, "allow";
    ContentDisposition = 45, "content-disposition";
    ContentEncoding = 46, "content-encoding";
    ContentLanguage = 47, "content-language";
    ContentLocation = 48, "content-location";
    ContentRange = 49, "content-range";
    Etag = 50, "etag";
    Expect = 51, "expect";
    Expires = 52, "expires";
    From = 53, "from";
    IfMatch = 54, "if-match";
    IfRange = 55, "if-range";
    IfUnmodifiedSince = 56, "if-unmodified-since";
    LastModified = 57, "last-modified";
    Link = 58, "link";
    Location = 59, "location";
    MaxForwards = 60, "max-forwards";
    ProxyAuthenticate = 61, "proxy-authenticate";
    ProxyAuthorization = 62, "proxy-authorization";
    Refresh = 63, "refresh";
    RetryAfter = 64, "retry-after";
    Server = 65, "server";
    SetCookie = 66, "set-cookie";
    StrictTransportSecurity = 67, "strict-transport-security";
    TransferEncoding = 68, "transfer-encoding";
    UserAgent = 69, "user-agent";
    Vary = 70, "vary";
    Via = 71, "via";
    WwwAuthenticate = 72, "www-authenticate";
    XRealIp = 78, "x-real-ip";
    XForwardedFor = 80, "x-forwarded-for";
    Te = 83, "te";
    ReplayNonce = 84, "replay-nonce";
    XAuthToken = 86, "x-auth-token";
}

const COUNT: usize = Token::ALL.len();
const LONGEST: usize = longest();

const fn longest() -> usize {
    let mut max = 0;
    let mut i = 0;
    while i < COUNT {
        let len = Token::ALL[i].name().len();
        if len > max {
            max = len;
        }
        i += 1;
    }
    max
}

/// All tokens and their names, ordered by the length of the names.
static BY_LENGTH: [(Token, &[u8]); COUNT] = {
    let mut out: [(Token, &[u8]); COUNT] = [(Token::Host, b""); COUNT];
    let mut filled = 0;
    let mut len = 0;
    while len <= LONGEST {
        let mut i = 0;
        while i < COUNT {
            if Token::ALL[i].name().len() == len {
                out[filled] = (Token::ALL[i], Token::ALL[i].name().as_bytes());
                filled += 1;
            }
            i += 1;
        }
        len += 1;
    }
    out
};

/// Where in [`BY_LENGTH`] the names of each length start; one more entry than
/// lengths, so that `[len]..[len + 1]` is always a valid pair.
static STARTS: [u8; LONGEST + 2] = {
    let mut out = [0u8; LONGEST + 2];
    let mut len = 0;
    while len <= LONGEST {
        let mut n = out[len];
        let mut i = 0;
        while i < COUNT {
            if Token::ALL[i].name().len() == len {
                n += 1;
            }
            i += 1;
        }
        out[len + 1] = n;
        len += 1;
    }
    out
};

/// Each byte in lower case: one load where a comparison without case takes several steps.
static LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).to_ascii_lowercase();
        b += 1;
    }
    table
};

impl Token {
    /// The token of a field name in any case, or `None` for a name that C
    /// has no number for (those are found with `header_by_name`).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let from = *STARTS.get(name.len())?;
        let to = *STARTS.get(name.len() + 1)?;
        // the first letters tell nearly all names of one length apart
        let lower = |b: &u8| LOWER[usize::from(*b)];
        let first = lower(name.first()?);
        let of_length = BY_LENGTH.get(usize::from(from)..usize::from(to))?.iter();
        let mut likely = of_length.filter(|(_, known)| known.first() == Some(&first));
        // names that begin alike and are as long are mostly the same: no byte is worth a branch
        let differ = |known: &[u8]| name.iter().zip(known).fold(0, |d, (a, b)| d | (lower(a) ^ b));
        likely.find(|(_, known)| differ(known) == 0).map(|(token, _)| *token)
    }

    /// C's index (`WSI_TOKEN_*`), for traces and ports.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_maps_to_its_token_in_any_case() {
        for &token in Token::ALL {
            let name = token.name();
            assert_eq!(Token::from_name(name.as_bytes()), Some(token));
            assert_eq!(Token::from_name(name.to_ascii_uppercase().as_bytes()), Some(token));
        }
    }

    #[test]
    fn names_are_unique_and_lower_case() {
        for (i, a) in Token::ALL.iter().enumerate() {
            assert_eq!(a.name(), a.name().to_ascii_lowercase());
            for b in &Token::ALL[i + 1..] {
                assert_ne!(a.name(), b.name());
                assert!(a.number() < b.number());
            }
        }
    }

    #[test]
    fn unknown_empty_and_overlong_names_are_none() {
        assert_eq!(Token::from_name(b""), None);
        assert_eq!(Token::from_name(b"x-custom"), None);
        assert_eq!(Token::from_name(b"hosT "), None);
        assert_eq!(Token::from_name(&[b'a'; 500]), None);
        assert_eq!(Token::from_name(&[b'a'; LONGEST + 1]), None);
    }

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!(Token::Host.number(), 3);
        assert_eq!(Token::IfModifiedSince.number(), 19);
        assert_eq!(Token::ContentLength.number(), 27);
        assert_eq!(Token::TransferEncoding.number(), 68);
        assert_eq!(Token::XAuthToken.number(), 86);
    }
}
