//! Reads the fields of a block, one by one, into a head.
//!
//! ```text
//!  Decoder ──Field──> RequestReader::field .. ──> finish ──> RequestHead
//!             :method :scheme :authority :path  (:protocol) │ then the others
//!             └ kept until the first other field, or the end │ └ cookies joined at the end
//! ```
//!
//! A block is always read to its end, for the sake of the compression; a reader notes the first
//! thing that is wrong and says so in the end. What is malformed ends the stream with
//! PROTOCOL_ERROR (8.1.1); what is well-formed and refused is answered with a status, as in HTTP/1.
//!
//! Called by the connection, for each header block. A reader is reused, and one can serve any
//! number of connections as long as blocks aren't mixed.

use super::{HeadFault, Malformed, RequestRules, check_regular, check_value};
use crate::h2::hpack::{BlockEnd, Field};
use crate::http::head::{HeadError, HeadLimits, RequestHead, ResponseHead, Target};
use crate::http::method::Method;
use core::ops::Range;
use lws_core::Fields;

/// Keeps the first thing that is wrong; that a message is malformed counts more than that it is
/// refused.
fn note(fault: &mut Option<HeadFault>, found: Result<(), HeadFault>) {
    if let Err(new) = found
        && !matches!((&*fault, new), (Some(HeadFault::Malformed(_)), _) | (Some(_), HeadFault::Refused(_)))
    {
        *fault = Some(new);
    }
}

/// Reads the fields of a request.
#[derive(Debug, Default)]
pub struct RequestReader {
    /// The values of the pseudo fields.
    pseudo: Vec<u8>,
    method: Option<Range<usize>>,
    scheme: Option<Range<usize>>,
    authority: Option<Range<usize>>,
    path: Option<Range<usize>>,
    protocol: Option<Range<usize>>,
    begun: bool,
    cookie: Vec<u8>,
    fault: Option<HeadFault>,
}

impl RequestReader {
    /// Forgets the last request and keeps the memory. To be called before a block.
    pub fn reset(&mut self) {
        self.pseudo.clear();
        self.cookie.clear();
        (self.method, self.scheme, self.authority, self.path, self.protocol) = (None, None, None, None, None);
        self.begun = false;
        self.fault = None;
    }

    /// Takes the next field of the block.
    pub fn field(&mut self, head: &mut RequestHead, rules: &RequestRules, field: Field<'_>) {
        let done = match field.name {
            [b':', ..] => self.pseudo(field, rules),
            _ => self.regular(head, rules, field),
        };
        note(&mut self.fault, done);
    }

    /// Ends the block. `end_stream`: there is no body.
    ///
    /// # Errors
    /// [`HeadFault`]; `head` is then of no use.
    pub fn finish(
        &mut self,
        head: &mut RequestHead,
        rules: &RequestRules,
        end: BlockEnd,
        end_stream: bool,
    ) -> Result<(), HeadFault> {
        if end.too_large {
            note(&mut self.fault, Err(HeadFault::Refused(HeadError::TooLarge)));
        }
        if self.fault.is_none() {
            let done = self.finished(head, rules, end_stream);
            note(&mut self.fault, done);
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn finished(&mut self, head: &mut RequestHead, rules: &RequestRules, end_stream: bool) -> Result<(), HeadFault> {
        self.begin(head, rules)?;
        if !self.cookie.is_empty() {
            head.add(b"cookie", &self.cookie, &rules.limits)?;
        }
        Ok(head.finish(end_stream)?)
    }

    /// What CONNECT is to bootstrap, as `websocket`, if it is (RFC 8441).
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.text(&self.protocol)
    }

    /// The scheme, `http` or `https`; not with a plain CONNECT.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        self.text(&self.scheme)
    }

    fn text(&self, range: &Option<Range<usize>>) -> Option<&str> {
        str::from_utf8(self.pseudo.get(range.clone()?)?).ok()
    }

    fn pseudo(&mut self, field: Field<'_>, rules: &RequestRules) -> Result<(), HeadFault> {
        //= rfc9113#8.3 all pseudo-header fields MUST appear before all regular fields
        if self.begun {
            return Err(Malformed::PseudoOrder.into());
        }
        let slot = match field.name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            //= rfc8441#4 :protocol MAY be included on requests with the CONNECT method
            b":protocol" if rules.connect_protocol => &mut self.protocol,
            //= rfc9113#8.3 a request with undefined or invalid pseudo-header fields MUST be treated as malformed
            _ => return Err(Malformed::Pseudo.into()),
        };
        let start = self.pseudo.len();
        if slot.replace(start..start + field.value.len()).is_some() {
            return Err(Malformed::PseudoTwice.into());
        }
        self.pseudo.extend_from_slice(field.value);
        check_value(field.value)
    }

    fn regular(&mut self, head: &mut RequestHead, rules: &RequestRules, field: Field<'_>) -> Result<(), HeadFault> {
        check_regular(field)?;
        if self.fault.is_some() {
            return Ok(());
        }
        self.begin(head, rules)?;
        if field.name == b"cookie" {
            //= rfc9113#8.2.3 cookie fields MUST be concatenated with "; " before being passed on
            if !self.cookie.is_empty() {
                self.cookie.extend_from_slice(b"; ");
            }
            self.cookie.extend_from_slice(field.value);
            return Ok(());
        }
        Ok(head.add(field.name, field.value, &rules.limits)?)
    }

    /// Begins the head with what the pseudo fields say, once.
    fn begin(&mut self, head: &mut RequestHead, rules: &RequestRules) -> Result<(), HeadFault> {
        if core::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        const MISSING: HeadFault = HeadFault::Malformed(Malformed::PseudoMissing);
        // nearly always all of them are text, which is told at once
        let all = str::from_utf8(&self.pseudo);
        let text = |range: &Option<Range<usize>>| match all {
            Ok(all) => all.get(range.clone()?),
            Err(_) => self.text(range),
        };
        let method = text(&self.method).filter(|m| !m.is_empty()).ok_or(MISSING)?;
        let (scheme, authority, path) = (text(&self.scheme), text(&self.authority), text(&self.path));
        let known = Method::parse(method.as_bytes());
        if authority == Some("") || (self.authority.is_some() && authority.is_none()) {
            return Err(Malformed::Host.into());
        }
        if method == "CONNECT" && self.protocol.is_none() {
            //= rfc9113#8.5 :scheme and :path MUST be omitted with CONNECT
            if self.scheme.is_some() || self.path.is_some() || authority.is_none() {
                return Err(MISSING);
            }
            return Ok(head.begin(Method::Connect, authority, Target::Authority, &rules.limits)?);
        }
        if self.protocol.is_some() {
            //= rfc8441#4 :scheme and :path MUST be included with :protocol, and the method is CONNECT
            if known != Some(Method::Connect) || authority.is_none() || self.protocol() == Some("") {
                return Err(MISSING);
            }
        }
        //= rfc9113#8.3.1 all requests MUST include exactly one valid :method, :scheme and :path, unless CONNECT
        let (Some(scheme), Some(path)) = (scheme, path) else {
            return Err(MISSING);
        };
        //= rfc9113#8.3.1 :path MUST NOT be empty for http or https, and is "*" only with OPTIONS
        let star = path == "*" && known == Some(Method::Options);
        if !(star || path.starts_with('/')) || path.bytes().any(|b| matches!(b, b' ' | b'\t' | b'#')) {
            return Err(MISSING);
        }
        if !matches!(scheme, "http" | "https") {
            return Err(HeadFault::Refused(HeadError::Uri));
        }
        let known = known.ok_or(HeadError::Method)?;
        Ok(head.begin(known, authority, Target::Path(path), &rules.limits)?)
    }
}

/// Reads the fields of a response.
#[derive(Debug, Default)]
pub struct ResponseReader {
    status: Option<u16>,
    fields: bool,
    fault: Option<HeadFault>,
}

impl ResponseReader {
    /// Forgets the last response. To be called before a block.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the next field of the block.
    pub fn field(&mut self, head: &mut ResponseHead, limits: &HeadLimits, field: Field<'_>) {
        let done = match field.name {
            [b':', ..] => self.pseudo(head, field),
            _ => self.regular(head, limits, field),
        };
        note(&mut self.fault, done);
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`HeadFault`]; `head` is then of no use.
    pub fn finish(&mut self, head: &mut ResponseHead, end: BlockEnd) -> Result<(), HeadFault> {
        if end.too_large {
            note(&mut self.fault, Err(HeadFault::Refused(HeadError::TooLarge)));
        }
        //= rfc9113#8.3.2 :status MUST be included in all responses
        if self.status.is_none() {
            note(&mut self.fault, Err(Malformed::PseudoMissing.into()));
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(head.finish()?),
        }
    }

    fn pseudo(&mut self, head: &mut ResponseHead, field: Field<'_>) -> Result<(), HeadFault> {
        if self.fields {
            return Err(Malformed::PseudoOrder.into());
        }
        if field.name != b":status" {
            return Err(Malformed::Pseudo.into());
        }
        if self.status.is_some() {
            return Err(Malformed::PseudoTwice.into());
        }
        let [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = field.value else {
            return Err(Malformed::PseudoMissing.into());
        };
        let status = field.value.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        //= rfc9113#8.6 HTTP/2 doesn't support 101
        if status == 101 {
            return Err(Malformed::PseudoMissing.into());
        }
        self.status = Some(status);
        head.begin(status);
        Ok(())
    }

    fn regular(&mut self, head: &mut ResponseHead, limits: &HeadLimits, field: Field<'_>) -> Result<(), HeadFault> {
        self.fields = true;
        check_regular(field)?;
        if self.status.is_none() || self.fault.is_some() {
            return Ok(());
        }
        Ok(head.add(field.name, field.value, limits)?)
    }
}

/// Reads the fields of a trailer section (RFC 9113 8.1), of either side.
#[derive(Debug, Default)]
pub struct TrailerReader {
    fault: Option<HeadFault>,
}

impl TrailerReader {
    /// Takes the next field of the block.
    pub fn field(&mut self, trailers: &mut Fields, field: Field<'_>) {
        let done = match str::from_utf8(field.name) {
            //= rfc9113#8.1 trailers MUST NOT include pseudo-header fields
            _ if field.name.starts_with(b":") => Err(Malformed::Pseudo.into()),
            Ok(name) => check_regular(field).and_then(|()| {
                trailers.add_bytes(name, field.value).map_err(|_| HeadFault::Refused(HeadError::TooLarge))
            }),
            Err(_) => Err(Malformed::Name.into()),
        };
        note(&mut self.fault, done);
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`HeadFault`].
    pub fn finish(self, end: BlockEnd) -> Result<(), HeadFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if end.too_large => Err(HeadFault::Refused(HeadError::TooLarge)),
            None => Ok(()),
        }
    }
}
