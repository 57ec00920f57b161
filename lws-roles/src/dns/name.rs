//! Domain names in the form they have on the wire: length-prefixed labels, in lower case
//! (RFC 1035 section 3.1). Pure; used by all of the resolver.

use std::fmt;

/// Most bytes of a name on the wire, its root label included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Most bytes of a label (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// A domain name, absolute, in lower case. Two that differ in case only are equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// Why a text is no domain name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty, or has an empty label.
    Empty,
    /// A label has more than 63 bytes, or all of it more than 255.
    TooLong,
    /// It has characters other than visible ASCII: names of other scripts are given as they are on the
    /// wire, `xn--`.
    Characters,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty name or label",
            Self::TooLong => "a name or label that is too long",
            Self::Characters => "characters that a name can't have",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// From text, with or without the final dot.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if label.is_empty() {
                return Err(NameError::Empty);
            }
            if label.len() > MAX_LABEL {
                return Err(NameError::TooLong);
            }
            if !label.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(NameError::Characters);
            }
            wire.push(label.len() as u8);
            wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
        }
        wire.push(0);
        //= rfc1035#2.3.4
        if wire.len() > MAX_NAME { Err(NameError::TooLong) } else { Ok(Self(wire.into())) }
    }

    /// From whole, uncompressed wire form; the caller has checked it.
    pub(super) fn from_wire(wire: &[u8]) -> Self {
        Self(wire.to_ascii_lowercase().into())
    }

    /// The wire form, root label included.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The name with another behind it.
    pub(super) fn joined(&self, suffix: &Self) -> Result<Self, NameError> {
        let mut wire = self.0.strip_suffix(&[0]).unwrap_or(&self.0).to_vec();
        wire.extend_from_slice(&suffix.0);
        if wire.len() > MAX_NAME { Err(NameError::TooLong) } else { Ok(Self(wire.into())) }
    }

    /// Its labels, from the left.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&len, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(len.into())?;
            rest = behind;
            (len != 0).then_some(label)
        })
    }

    /// Whether the last label is `label`, in lower case.
    pub(super) fn is_below(&self, label: &[u8]) -> bool {
        self.labels().last() == Some(label)
    }
}

/// As text, without a final dot; bytes that aren't visible ASCII as `\DDD` (RFC 1035 section 5.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, label) in self.labels().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    b if b.is_ascii_graphic() => write!(f, "{}", char::from(b))?,
                    b => write!(f, "\\{b:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1035_2_3_3_case_doesnt_matter() {
        assert_eq!(Name::parse("WWW.Example.COM."), Name::parse("www.example.com"));
        assert_eq!(Name::parse("a.b").unwrap().as_wire(), b"\x01a\x01b\0");
    }

    #[test]
    fn rfc1035_2_3_4_limits() {
        let label = "x".repeat(63);
        assert!(Name::parse(&label).is_ok());
        assert_eq!(Name::parse(&format!("{label}x")), Err(NameError::TooLong));
        let longest = format!("{label}.{label}.{label}.{}", "y".repeat(61));
        assert_eq!(Name::parse(&longest).unwrap().as_wire().len(), MAX_NAME);
        assert_eq!(Name::parse(&format!("{longest}y")), Err(NameError::TooLong));
        let name = Name::parse(&longest).unwrap();
        assert_eq!(name.joined(&Name::parse("com").unwrap()), Err(NameError::TooLong));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, why) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("a..b", NameError::Empty),
            (".a", NameError::Empty),
            ("a b", NameError::Characters),
            ("b\u{fc}cher.example", NameError::Characters),
            ("a\0", NameError::Characters),
        ] {
            assert_eq!(Name::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn rfc1035_5_1_text_escapes_what_isnt_plain() {
        assert_eq!(Name::from_wire(b"\x04A.\\\x01\x01b\0").to_string(), "a\\.\\\\\\001.b");
        let name = Name::parse("_ldap._tcp.example.com").unwrap();
        assert_eq!(name.to_string(), "_ldap._tcp.example.com");
        assert!(name.is_below(b"com") && !name.is_below(b"example"));
    }
}
