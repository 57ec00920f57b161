//! Request methods (RFC 9110 section 9, PATCH from RFC 5789).
//!
//! A method that is not listed here is answered 501 by the head parser; one
//! that is listed but not served is the role's 405.

/// A request method known to the library. Names are case-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET` (C: `WSI_TOKEN_GET_URI`).
    #[default]
    Get,
    /// `HEAD`: like GET, and the response has no body.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH` (RFC 5789).
    Patch,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`, whose target may be `*`.
    Options,
    /// `CONNECT`, whose target is `host:port`.
    Connect,
    /// `TRACE`.
    Trace,
}

impl Method {
    /// Every method known.
    pub const ALL: [Self; 9] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Connect,
        Self::Trace,
    ];

    /// The method of this exact name.
    //= rfc9110#9.1 the method token is case-sensitive
    #[must_use]
    pub const fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"PATCH" => Self::Patch,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => return None,
        })
    }

    /// The name as sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
        }
    }

    /// Whether sending the request twice has the effect of sending it once,
    /// so that a client may retry it after a lost connection (RFC 9110 9.2.2).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch | Self::Connect)
    }

    /// Whether the request only reads (RFC 9110 9.2.1).
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }
}

impl core::fmt::Display for Method {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_9_1_names_are_case_sensitive() {
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str().as_bytes()), Some(method));
            let lower = method.as_str().to_ascii_lowercase();
            assert_eq!(Method::parse(lower.as_bytes()), None);
        }
        assert_eq!(Method::parse(b""), None);
        assert_eq!(Method::parse(b"BREW"), None);
    }

    #[test]
    fn rfc9110_9_2_2_idempotent_methods() {
        let not: Vec<_> = Method::ALL.into_iter().filter(|m| !m.is_idempotent()).collect();
        assert_eq!(not, [Method::Post, Method::Patch, Method::Connect]);
    }

    #[test]
    fn rfc9110_9_2_1_safe_methods_are_idempotent() {
        assert!(Method::ALL.iter().all(|m| !m.is_safe() || m.is_idempotent()));
        assert!(Method::Get.is_safe() && !Method::Put.is_safe());
    }
}
