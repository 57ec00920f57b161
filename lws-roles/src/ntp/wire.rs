//! NTP packets (RFC 5905 section 7.3): a client's request made, a server's reply read and judged, and
//! the time told by it. Bytes and numbers only: no clock, no socket.
//!
//! ```text
//!   T1 us --request: transmit = nonce--> T2 server T3 --reply: origin = nonce, receive, transmit--> us T4
//!   round trip = (T4 - T1) - (T3 - T2)          time at T4 = T3 + round trip / 2
//! ```
//!
//! The request carries a random number where its time could be: nothing is told of our clock, which
//! may be decades off, and who doesn't see the request can't answer it. T1 and T4 stay here and are
//! of a clock that never steps.

use std::fmt;
use std::time::Duration;

/// A packet without extension fields and MAC.
pub const PACKET: usize = 48;

/// Seconds from NTP's epoch, 1900, to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// The earliest moment that can be told, 2020-01-01, in seconds since 1970. A timestamp's 32 bits of
/// seconds begin anew in 2036 (RFC 5905 section 6): they mean the first moment from here on.
const PIVOT: u64 = 1_577_836_800;

/// The largest root distance that is believed: half of all delays and the dispersion between us and
/// a primary clock. RFC 5905 recommends 1 s (MAXDIST), ntpd has 1.5 s.
const MAX_DISTANCE: Duration = Duration::from_millis(1500);

/// A client's request, version 4.
//= rfc5905#7.3
pub fn request(nonce: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    // no leap warning, version 4, mode 3: client
    packet[0] = 0b00_100_011;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// A moment as in packets: seconds since 1900, or the beginning of a later era, and 2^-32 of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Microseconds since 1970, of the era that makes it one from 2020 on.
    //= rfc5905#6
    pub fn unix_us(self) -> u64 {
        let seconds = (self.0 >> 32).wrapping_sub(UNIX_EPOCH + PIVOT) & 0xffff_ffff;
        (PIVOT + seconds) * 1_000_000 + (((self.0 & 0xffff_ffff) * 1_000_000) >> 32)
    }

    /// The timestamp of a moment in microseconds since 1970.
    pub fn from_unix_us(us: u64) -> Self {
        let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
        Self(((seconds + UNIX_EPOCH) << 32) | ((fraction << 32) / 1_000_000))
    }

    /// How long after `earlier` it is; `None` when it is before, or more than an era's half away.
    fn since(self, earlier: Self) -> Option<Duration> {
        let difference = self.0.wrapping_sub(earlier.0);
        (difference < 1 << 63).then(|| from_fixed(difference, 32))
    }
}

/// A time as fixed-point seconds.
fn from_fixed(seconds: u64, fraction_bits: u32) -> Duration {
    let fraction = seconds & ((1 << fraction_bits) - 1);
    Duration::from_secs(seconds >> fraction_bits) + Duration::from_nanos((fraction * 1_000_000_000) >> fraction_bits)
}

/// Why a reply says nothing about the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refused {
    /// Not a reply of a server of a version that there is.
    NotAReply,
    /// It answers no request of ours: forged, or late (RFC 5905 section 8).
    Bogus,
    /// The server tells us to go away, or to ask less often (RFC 5905 section 7.4). The ASCII code.
    KissOfDeath([u8; 4]),
    /// The server doesn't know the time itself.
    Unsynchronised,
    /// What it says contradicts itself.
    Inconsistent,
    /// The server, or the way to it, is too far from a clock.
    TooFar(Duration),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAReply => f.write_str("not an NTP server's reply"),
            Self::Bogus => f.write_str("answers no request of ours"),
            Self::KissOfDeath(code) => write!(f, "kiss-o'-death {}", code.escape_ascii()),
            Self::Unsynchronised => f.write_str("the server isn't synchronised"),
            Self::Inconsistent => f.write_str("its times contradict each other"),
            Self::TooFar(distance) => write!(f, "root distance {distance:?}"),
        }
    }
}

impl std::error::Error for Refused {}

/// What a good reply tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// What the time was when the reply came, in microseconds since 1970.
    pub wall_us: u64,
    /// How far off that can be: half of the way there and back, and what the server knows of its own
    /// (RFC 5905's root distance).
    pub within: Duration,
}

/// A packet that was read. Times of 16.16 bits are given as durations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// 3: the clock isn't synchronised.
    pub leap: u8,
    /// 1 to 4.
    pub version: u8,
    /// 3: client, 4: server.
    pub mode: u8,
    /// 1: has a clock. 0: kiss-o'-death. 16 and up: unsynchronised.
    pub stratum: u8,
    /// Round trip from the server to a primary clock.
    pub root_delay: Duration,
    /// How far off the server may be.
    pub root_dispersion: Duration,
    /// Whom the server follows; the code of a kiss-o'-death.
    pub reference_id: [u8; 4],
    /// When the server's clock was last set.
    pub reference: Timestamp,
    /// The transmit timestamp of the request.
    pub origin: Timestamp,
    /// When the request came.
    pub receive: Timestamp,
    /// When this left.
    pub transmit: Timestamp,
}

impl Packet {
    /// Reads a packet; what follows its header, extension fields and MAC, isn't looked at. `None`
    /// when it is too short.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<PACKET>()?;
        let word = |at: usize| header.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied();
        let time = |at: usize| {
            let bytes = header.get(at..).and_then(|rest| rest.first_chunk::<8>());
            bytes.map(|bytes| Timestamp(u64::from_be_bytes(*bytes)))
        };
        let short = |at: usize| word(at).map(|word| from_fixed(u32::from_be_bytes(word).into(), 16));
        Some(Self {
            leap: header[0] >> 6,
            version: header[0] >> 3 & 7,
            mode: header[0] & 7,
            stratum: header[1],
            root_delay: short(4)?,
            root_dispersion: short(8)?,
            reference_id: word(12)?,
            reference: time(16)?,
            origin: time(24)?,
            receive: time(32)?,
            transmit: time(40)?,
        })
    }

    /// What time it was when this reply came to the request with `nonce` after `elapsed`.
    ///
    /// # Errors
    /// See [`Refused`]. A reply that is [`Bogus`](Refused::Bogus) says nothing about the server: the
    /// real one may be on its way.
    pub fn time(&self, nonce: u64, elapsed: Duration) -> Result<Told, Refused> {
        if self.mode != 4 || !(1..=4).contains(&self.version) {
            return Err(Refused::NotAReply);
        }
        //= rfc5905#8
        // before all else, so that no forger can stop us with a kiss
        if self.origin != Timestamp(nonce) {
            return Err(Refused::Bogus);
        }
        //= rfc5905#7.4
        if self.stratum == 0 {
            return Err(Refused::KissOfDeath(self.reference_id));
        }
        if self.leap == 3 || self.stratum >= 16 || self.transmit == Timestamp(0) {
            return Err(Refused::Unsynchronised);
        }
        let at_server = self.transmit.since(self.receive).ok_or(Refused::Inconsistent)?;
        // RFC 5905 A.5.1.1: nor was the server's clock set after it has told the time
        if self.transmit.since(self.reference).is_none() && self.reference != Timestamp(0) {
            return Err(Refused::Inconsistent);
        }
        // a server needs no longer than we wait; its clock's grain may make it look so
        let round_trip = match elapsed.checked_sub(at_server) {
            Some(round_trip) => round_trip,
            None if at_server - elapsed < Duration::from_millis(1) => Duration::ZERO,
            None => return Err(Refused::Inconsistent),
        };
        let distance = (self.root_delay + round_trip) / 2 + self.root_dispersion;
        if distance > MAX_DISTANCE {
            return Err(Refused::TooFar(distance));
        }
        Ok(Told { wall_us: self.transmit.unix_us() + round_trip.as_micros() as u64 / 2, within: distance })
    }
}

#[cfg(test)]
mod tests;
