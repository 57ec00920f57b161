//! DNS messages: queries are built, responses are checked and read (RFC 1035 section 4, RFC 6891,
//! RFC 2308 for what isn't there). Pure: bytes in, bytes out.
//!
//! ```text
//!   Query -- encode --> packet        packet -- read --> Reply | Dropped
//! ```
//!
//! The question goes out in random case and has to come back in it, which makes an answer that somebody
//! guesses as unlikely as two for each letter (draft-vixie-dnsext-dns0x20). Nothing in a response makes
//! this loop, panic or allocate more than its records' worth: compression pointers go backwards only,
//! records and alias chains are bounded.

use super::name::{MAX_LABEL, MAX_NAME, Name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The largest response by UDP that is asked for and taken: what crosses the Internet in one piece
/// (RFC 6891 section 6.2.5 leaves it to us).
pub const UDP_PAYLOAD: usize = 1232;
/// The largest by UDP from a server that is asked without EDNS (RFC 1035 section 4.2.1).
pub const PLAIN_PAYLOAD: usize = 512;
/// Aliases that are followed within one response.
const MAX_CHAIN: usize = 16;
/// Records of one response's answers that are looked at.
const MAX_RECORDS: usize = 256;
/// Addresses of one name that are kept.
const MAX_ADDRESSES: usize = 64;
const HEADER: usize = 12;

/// RFC 1035 section 4.1.1: the response's code, those that mean something here.
pub(super) const FORMERR: u16 = 1;
pub(super) const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
pub(super) const NOTIMP: u16 = 4;
/// RFC 6891 section 6.1.3.
pub(super) const BADVERS: u16 = 16;

/// What is asked for (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum RecordType {
    /// IPv4 address.
    A = 1,
    /// IPv6 address.
    Aaaa = 28,
}

const CNAME: u16 = 5;
const SOA: u16 = 6;
const NS: u16 = 2;
const OPT: u16 = 41;
const IN: u16 = 1;

/// A question as it was sent: what a response has to fit.
#[derive(Clone, Debug)]
pub struct Query {
    id: u16,
    /// In the case that it was sent in.
    name: Box<[u8]>,
    kind: RecordType,
    edns: bool,
}

/// What a response says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// Addresses of the name at the end of the aliases.
    Found {
        /// In the order they were sent, at most 64.
        addresses: Vec<IpAddr>,
        /// Whose addresses they are.
        canonical: Name,
        /// Seconds they are good for: the least of all records used.
        ttl: u32,
    },
    /// The name is another's alias, whose addresses aren't in the response.
    Alias {
        /// The name to ask for.
        target: Name,
        /// Seconds the aliases are good for.
        ttl: u32,
    },
    /// The name exists and has no such address (RFC 2308 section 2.2). `ttl` as in `NxDomain`.
    NoData {
        /// Seconds this is good for; 0 when the response doesn't say.
        ttl: u32,
    },
    /// There is no such name (RFC 2308 section 2.1).
    NxDomain {
        /// Seconds this is good for, by the zone's SOA (RFC 2308 section 5); 0 when the response has none.
        ttl: u32,
    },
    /// It didn't fit: ask by TCP (RFC 1035 section 4.2.1, RFC 7766 section 5).
    Truncated,
    /// The server can't or won't, by this code (RFC 1035 section 4.1.1, RFC 6891 section 6.1.3).
    Refused(u16),
}

/// Why a response isn't believed. It is counted, and waiting goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Dropped {
    /// It isn't a response as RFC 1035 has it.
    Malformed,
    /// Its aliases lead in a circle, or are too many.
    Looping,
    /// It is larger than was asked for.
    Oversized,
    /// The id isn't the question's.
    WrongId,
    /// The question isn't the one that was asked.
    WrongQuestion,
    /// The question is the right one in other letters' case.
    WrongCase,
    /// It came from another address than was asked.
    WrongSource,
}

/// Where something ends too early, or isn't what it must be.
type Read<T> = Result<T, Dropped>;

impl Query {
    /// A question for `name`. `random` gives the id and the case of the letters.
    pub fn new(name: &Name, kind: RecordType, edns: bool, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut cases = [0; MAX_NAME / 8 + 1];
        let mut id = [0; 2];
        random(&mut cases);
        random(&mut id);
        let bits = (0..).map(|at| cases.get(at / 8).is_some_and(|byte: &u8| byte >> (at % 8) & 1 == 1));
        let mut wire: Box<[u8]> = name.as_wire().into();
        // a label's length is below 64, no letter
        for (byte, upper) in wire.iter_mut().zip(bits) {
            if upper {
                byte.make_ascii_uppercase();
            }
        }
        Self { id: u16::from_ne_bytes(id), name: wire, kind, edns }
    }

    /// As [`new`](Self::new) in lower case, for TCP: who guesses can't answer there, and servers that
    /// write names their own way can.
    pub fn lower(name: &Name, kind: RecordType, edns: bool, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut id = [0; 2];
        random(&mut id);
        Self { id: u16::from_ne_bytes(id), name: name.as_wire().into(), kind, edns }
    }

    /// The message (RFC 1035 section 4.1), with EDNS (RFC 6891 section 6.1) if it is to have that.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.name.len() + 4 + 11);
        out.extend_from_slice(&self.id.to_be_bytes());
        // a standard query, recursion desired; one question, and an OPT at the end
        out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, self.edns.into()]);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&(self.kind as u16).to_be_bytes());
        out.extend_from_slice(&IN.to_be_bytes());
        if self.edns {
            out.push(0);
            out.extend_from_slice(&OPT.to_be_bytes());
            out.extend_from_slice(&(UDP_PAYLOAD as u16).to_be_bytes());
            out.extend_from_slice(&[0; 6]);
        }
        out
    }

    /// Whether it was asked with EDNS.
    pub fn has_edns(&self) -> bool {
        self.edns
    }

    /// Reads what came by UDP.
    ///
    /// # Errors
    /// See [`Dropped`].
    pub fn read_datagram(&self, packet: &[u8]) -> Result<Reply, Dropped> {
        if packet.len() > if self.edns { UDP_PAYLOAD } else { PLAIN_PAYLOAD } {
            return Err(Dropped::Oversized);
        }
        self.read(packet)
    }

    /// Reads a response of any size, as it comes by TCP.
    ///
    /// # Errors
    /// See [`Dropped`].
    pub fn read(&self, packet: &[u8]) -> Result<Reply, Dropped> {
        let header = packet.first_chunk::<HEADER>().ok_or(Dropped::Malformed)?;
        let [id0, id1, flags0, flags1, qd0, qd1, an0, an1, ns0, ns1, ar0, ar1] = *header;
        if u16::from_be_bytes([id0, id1]) != self.id {
            return Err(Dropped::WrongId);
        }
        let rcode = u16::from(flags1 & 0x0f);
        // a response to a standard query
        if flags0 & 0xf8 != 0x80 {
            return Err(Dropped::Malformed);
        }
        let questions = u16::from_be_bytes([qd0, qd1]);
        if questions == 0 && matches!(rcode, FORMERR | NOTIMP) {
            // a server that couldn't read the question needn't repeat it
            return Ok(Reply::Refused(rcode));
        }
        if questions != 1 {
            return Err(Dropped::WrongQuestion);
        }
        let mut at = self.check_question(packet)?;
        if flags0 & 0x02 != 0 {
            return Ok(Reply::Truncated);
        }
        let counts = [(an0, an1), (ns0, ns1), (ar0, ar1)].map(|(a, b)| u16::from_be_bytes([a, b]));
        let mut answers = Vec::new();
        for _ in 0..counts[0] {
            let record = Record::read(packet, &mut at)?;
            if record.class == IN && answers.len() < MAX_RECORDS {
                answers.push(record);
            }
        }
        let (mut negative, mut referral) = (None, false);
        for _ in 0..counts[1] {
            let record = Record::read(packet, &mut at)?;
            match record.kind {
                SOA if record.class == IN => negative = negative.or(Some(record.negative_ttl(packet)?)),
                NS => referral = true,
                _ => {}
            }
        }
        let mut extended = None;
        for _ in 0..counts[2] {
            let record = Record::read(packet, &mut at)?;
            if record.kind == OPT {
                //= rfc6891#6.1.1
                if extended.replace(record.raw_ttl >> 24).is_some() {
                    return Err(Dropped::Malformed);
                }
            }
        }
        let rcode = rcode | (extended.unwrap_or(0) as u16) << 4;
        let ttl = negative.unwrap_or(0);
        match rcode {
            0 => {}
            NXDOMAIN => return Ok(Reply::NxDomain { ttl }),
            _ => return Ok(Reply::Refused(rcode)),
        }
        match self.follow(packet, &answers)? {
            // the end of the aliases is known to have none (RFC 2308 section 2.2)
            Some(Reply::Alias { ttl: alias, .. }) if negative.is_some() => Ok(Reply::NoData { ttl: alias.min(ttl) }),
            Some(reply) => Ok(reply),
            // where others are to be asked that we can't ask: this server doesn't serve us
            None if referral && negative.is_none() && flags0 & 0x04 == 0 => Ok(Reply::Refused(SERVFAIL)),
            None => Ok(Reply::NoData { ttl }),
        }
    }

    /// Where the question ends, which is the one that was asked.
    fn check_question(&self, packet: &[u8]) -> Read<usize> {
        let end = HEADER + self.name.len();
        let name = packet.get(HEADER..end).ok_or(Dropped::WrongQuestion)?;
        let tail = packet.get(end..end + 4).ok_or(Dropped::WrongQuestion)?;
        let [k0, k1] = (self.kind as u16).to_be_bytes();
        if !name.eq_ignore_ascii_case(&self.name) || tail != [k0, k1, 0, IN as u8] {
            return Err(Dropped::WrongQuestion);
        }
        if name != &*self.name {
            return Err(Dropped::WrongCase);
        }
        Ok(end + 4)
    }

    /// From the name asked for along its aliases to addresses, in whatever order the records are.
    fn follow(&self, packet: &[u8], answers: &[Record]) -> Read<Option<Reply>> {
        let mut name = Name::from_wire(&self.name);
        let mut ttl = u32::MAX;
        for hop in 0..=MAX_CHAIN {
            let of_name = || answers.iter().filter(|r| r.owner == name);
            let mut addresses = Vec::new();
            for record in of_name().filter(|r| r.kind == self.kind as u16) {
                ttl = ttl.min(record.ttl());
                let address = record.address(packet)?;
                if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if !addresses.is_empty() {
                return Ok(Some(Reply::Found { addresses, canonical: name, ttl }));
            }
            let Some(alias) = of_name().find(|r| r.kind == CNAME) else {
                return Ok((hop > 0).then_some(Reply::Alias { target: name, ttl }));
            };
            ttl = ttl.min(alias.ttl());
            let (target, end) = read_name(packet, alias.data)?;
            if end != alias.data + alias.len {
                return Err(Dropped::Malformed);
            }
            name = target;
        }
        Err(Dropped::Looping)
    }
}

/// A resource record (RFC 1035 section 4.1.3).
struct Record {
    owner: Name,
    kind: u16,
    class: u16,
    raw_ttl: u32,
    /// Where its data begins, and how long it is: within the packet.
    data: usize,
    len: usize,
}

impl Record {
    fn read(packet: &[u8], at: &mut usize) -> Read<Self> {
        let (owner, fixed) = read_name(packet, *at)?;
        let head = packet.get(fixed..).and_then(<[u8]>::first_chunk::<10>).ok_or(Dropped::Malformed)?;
        let [k0, k1, c0, c1, t0, t1, t2, t3, l0, l1] = *head;
        let (data, len) = (fixed + 10, usize::from(u16::from_be_bytes([l0, l1])));
        if packet.len() - data < len {
            return Err(Dropped::Malformed);
        }
        *at = data + len;
        Ok(Self {
            owner,
            kind: u16::from_be_bytes([k0, k1]),
            class: u16::from_be_bytes([c0, c1]),
            raw_ttl: u32::from_be_bytes([t0, t1, t2, t3]),
            data,
            len,
        })
    }

    fn ttl(&self) -> u32 {
        //= rfc2181#8
        if self.raw_ttl > i32::MAX as u32 { 0 } else { self.raw_ttl }
    }

    fn address(&self, packet: &[u8]) -> Read<IpAddr> {
        let data = packet.get(self.data..self.data + self.len).unwrap_or_default();
        if self.kind == RecordType::A as u16 {
            Ok(Ipv4Addr::from(<[u8; 4]>::try_from(data).map_err(|_| Dropped::Malformed)?).into())
        } else {
            Ok(Ipv6Addr::from(<[u8; 16]>::try_from(data).map_err(|_| Dropped::Malformed)?).into())
        }
    }

    /// How long a denial with this SOA is good for.
    fn negative_ttl(&self, packet: &[u8]) -> Read<u32> {
        let (_, after_mname) = read_name(packet, self.data)?;
        let (_, numbers) = read_name(packet, after_mname)?;
        let minimum = packet.get(numbers + 16..).and_then(<[u8]>::first_chunk::<4>).ok_or(Dropped::Malformed)?;
        if numbers + 20 != self.data + self.len {
            return Err(Dropped::Malformed);
        }
        //= rfc2308#5
        Ok(self.ttl().min(u32::from_be_bytes(*minimum)))
    }
}

/// The name at `at`, and where what follows it begins.
fn read_name(packet: &[u8], mut at: usize) -> Read<(Name, usize)> {
    let mut wire = [0; MAX_NAME];
    let mut len = 0;
    let mut end = None;
    // pointers go to before this only, so each can be met once
    let mut begin = at;
    loop {
        let &byte = packet.get(at).ok_or(Dropped::Malformed)?;
        let label = usize::from(byte);
        match byte {
            0 => {
                *wire.get_mut(len).ok_or(Dropped::Malformed)? = 0;
                let name = Name::from_wire(wire.get(..=len).unwrap_or_default());
                return Ok((name, end.unwrap_or(at + 1)));
            }
            _ if label <= MAX_LABEL => {
                let from = packet.get(at..=at + label).ok_or(Dropped::Malformed)?;
                let to = wire.get_mut(len..=len + label).ok_or(Dropped::Malformed)?;
                to.copy_from_slice(from);
                len += label + 1;
                at += label + 1;
            }
            0xc0.. => {
                let &low = packet.get(at + 1).ok_or(Dropped::Malformed)?;
                let target = (label & 0x3f) << 8 | usize::from(low);
                end = end.or(Some(at + 2));
                //= rfc1035#4.1.4
                //# a pointer to a prior occurance of the same name
                if target >= begin {
                    return Err(Dropped::Malformed);
                }
                begin = target;
                at = target;
            }
            _ => return Err(Dropped::Malformed),
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
