//! Names in certificates: distinguished names as text, RFC 4514, and subject alternative names,
//! RFC 5280 section 4.2.1.6. Made by `certificate`.

use std::fmt::{self, Write};
use std::net::IpAddr;
use x509_parser::asn1_rs::{Any, Oid, Tag};
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

/// A name that a certificate is made for besides its subject. Its text is `DNS:localhost` and the
/// like, with control characters escaped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AlternativeName {
    /// A host's name, maybe with `*` as its first label.
    Dns(String),
    /// A host's address.
    Ip(IpAddr),
    /// A resource, such as a SPIFFE identity.
    Uri(String),
    /// A mail address.
    Email(String),
}

impl AlternativeName {
    pub(super) fn new(parsed: &GeneralName<'_>) -> Option<Self> {
        Some(match *parsed {
            GeneralName::DNSName(name) => Self::Dns(name.to_owned()),
            GeneralName::IPAddress(bytes) => Self::Ip(address(bytes)?),
            GeneralName::URI(uri) => Self::Uri(uri.to_owned()),
            GeneralName::RFC822Name(mail) => Self::Email(mail.to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{}", Printable(name)),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Uri(uri) => write!(f, "URI:{}", Printable(uri)),
            Self::Email(mail) => write!(f, "email:{}", Printable(mail)),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

/// Text of a peer's making on its way to a log: no control characters.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => escape_bytes(f, c),
            false => f.write_char(c),
        })
    }
}

/// RFC 4514 section 2.4: any character may be given as the hexadecimal of its UTF-8.
fn escape_bytes(out: &mut impl Write, c: char) -> fmt::Result {
    c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(out, "\\{byte:02X}"))
}

/// The first common name, decoded and not escaped.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    decode(name.iter_common_name().next()?.attr_value())
}

/// The whole name in one line, its last part first as the RFC has it.
//= rfc4514#2
pub(super) fn text(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (at, part) in parts.into_iter().rev().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        for (at, attribute) in part.iter().enumerate() {
            out.push_str(if at > 0 { "+" } else { "" });
            attribute_text(&mut out, attribute.attr_type(), attribute.attr_value());
        }
    }
    out
}

//= rfc4514#2.4
fn attribute_text(out: &mut String, kind: &Oid<'_>, value: &Any<'_>) {
    let oid = kind.to_id_string();
    match (keyword(&oid), decode(value)) {
        (Some(keyword), Some(text)) => {
            out.push_str(keyword);
            out.push('=');
            escape(out, &text);
        }
        (keyword, _) => {
            out.push_str(keyword.unwrap_or(&oid));
            out.push_str("=#");
            out.push_str(&super::hex(&der(value), ""));
        }
    }
}

fn der(value: &Any<'_>) -> Vec<u8> {
    let mut out = value.header.raw_tag().unwrap_or_default().to_vec();
    let length = value.data.len();
    match u8::try_from(length) {
        Ok(short @ ..=0x7f) => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            out.push(0x80 | (bytes.len() - zeros) as u8);
            out.extend(bytes.into_iter().skip(zeros));
        }
    }
    out.extend_from_slice(value.data);
    out
}

/// The short names of RFC 4514 section 3, and registered ones that are seen in practice.
fn keyword(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.42" => "givenName",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// The characters that RFC 4514 section 2.4 wants escaped, and control characters.
fn escape(out: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', c]),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            // a String takes everything
            c if c.is_control() => escape_bytes(out, c).unwrap_or_default(),
            c => out.push(c),
        }
    }
}

/// The text of any of the string types of X.520; `None` of anything else, and of a damaged one.
fn decode(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::NumericString | Tag::Ia5String | Tag::VisibleString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        // hardly anybody means T.61; what is found is Latin-1
        Tag::TeletexString => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (units, []) = value.data.as_chunks::<2>() else { return None };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
        }
        Tag::UniversalString => {
            let (units, []) = value.data.as_chunks::<4>() else { return None };
            units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::asn1_rs::FromDer;

    /// A name of one-attribute parts, all lengths being short.
    fn name(parts: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let parts: Vec<u8> = parts
            .iter()
            .flat_map(|(oid, tag, value)| {
                let pair = [wrap(6, oid), wrap(*tag, value)].concat();
                wrap(0x31, &wrap(0x30, &pair))
            })
            .collect();
        wrap(0x30, &parts)
    }

    fn text_of(parts: &[(&[u8], u8, &[u8])]) -> String {
        text(&X509Name::from_der(&name(parts)).unwrap().1)
    }

    const CN: &[u8] = &[0x55, 4, 3];
    const UTF8: u8 = 12;

    #[test]
    fn rfc4514_2_1_the_last_part_is_first() {
        let c: &[u8] = &[0x55, 4, 6];
        assert_eq!(text_of(&[(c, 19, b"DE"), (CN, UTF8, b"a")]), "CN=a,C=DE");
        assert_eq!(text_of(&[]), "");
    }

    #[test]
    fn rfc4514_2_2_parts_of_several_values_are_joined_by_plus() {
        let pair = |oid: &[u8], value: u8| vec![0x30, 8, 6, 3, oid[0], oid[1], oid[2], 12, 1, value];
        let set = [vec![0x31, 20], pair(CN, b'a'), pair(&[0x55, 4, 11], b'b')].concat();
        let der = [vec![0x30, 22], set].concat();
        assert_eq!(text(&X509Name::from_der(&der).unwrap().1), "CN=a+OU=b");
    }

    #[test]
    fn rfc4514_2_4_escapes() {
        let escaped = |value: &str| text_of(&[(CN, UTF8, value.as_bytes())]);
        assert_eq!(escaped("a,b+c\"d\\e<f>g;h"), "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h");
        assert_eq!(escaped(" a b "), "CN=\\ a b\\ ");
        assert_eq!(escaped(" "), "CN=\\ ");
        assert_eq!(escaped("#a#"), "CN=\\#a#");
        assert_eq!(escaped("a\0b\r\n"), "CN=a\\00b\\0D\\0A");
        assert_eq!(escaped("Ä\u{85}"), "CN=Ä\\C2\\85");
    }

    #[test]
    fn rfc4514_2_4_an_unknown_type_or_value_is_in_hexadecimal() {
        assert_eq!(text_of(&[(&[0x2a, 3], UTF8, b"ab")]), "1.2.3=#0C026162");
        assert_eq!(text_of(&[(CN, 4, b"ab")]), "CN=#04026162");
        // 30 81 .. 31 81 .. 30 81 .. 06 03 55 04 03 04 81 80 00...
        let long =
            [&[0x30, 0x81, 144, 0x31, 0x81, 141, 0x30, 0x81, 138, 6, 3, 0x55, 4, 3, 4, 0x81, 130][..], &[0; 130]];
        let text = text(&X509Name::from_der(&long.concat()).unwrap().1);
        assert_eq!(text, format!("CN=#048182{}", "00".repeat(130)));
    }

    #[test]
    fn every_kind_of_string_is_read() {
        assert_eq!(text_of(&[(CN, 20, &[b'a', 0xe4])]), "CN=aä");
        assert_eq!(text_of(&[(CN, 30, &[0, b'a', 0x20, 0xac])]), "CN=a€");
        assert_eq!(text_of(&[(CN, 30, &[0xd8, 0x3d, 0xde, 0])]), "CN=😀");
        assert_eq!(text_of(&[(CN, 28, &[0, 1, 0xf6, 0])]), "CN=😀");
    }

    #[test]
    fn a_damaged_string_is_in_hexadecimal() {
        assert_eq!(text_of(&[(CN, 30, &[0, b'a', 0])]), "CN=#1E03006100");
        assert_eq!(text_of(&[(CN, 30, &[0xd8, 0])]), "CN=#1E02D800");
        assert_eq!(text_of(&[(CN, 28, &[0, 0x11, 0, 0])]), "CN=#1C0400110000");
    }

    #[test]
    fn alternative_names_as_text() {
        let text = |name: GeneralName<'_>| AlternativeName::new(&name).map(|name| name.to_string());
        assert_eq!(text(GeneralName::DNSName("*.a.b")).unwrap(), "DNS:*.a.b");
        assert_eq!(text(GeneralName::DNSName("a\nb")).unwrap(), "DNS:a\\0Ab");
        assert_eq!(text(GeneralName::IPAddress(&[127, 0, 0, 1])).unwrap(), "IP:127.0.0.1");
        let mut v6 = [0; 16];
        v6[15] = 1;
        assert_eq!(text(GeneralName::IPAddress(&v6)).unwrap(), "IP:::1");
        assert_eq!(text(GeneralName::IPAddress(&[127, 0, 0])), None);
        assert_eq!(text(GeneralName::URI("spiffe://a/b")).unwrap(), "URI:spiffe://a/b");
        assert_eq!(text(GeneralName::RFC822Name("a@b")).unwrap(), "email:a@b");
        assert_eq!(text(GeneralName::Invalid(Tag(2), b"")), None);
    }
}
