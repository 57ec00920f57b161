//! The log levels: C's bits, their names and how their lines are marked.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// One log level or a set of them (C: the `LLL_*` bits, with the same numbers).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level(u32);

/// Bit, name as in the macros, mark in the line and ANSI attributes of each level, by bit.
const LEVELS: [(Level, &str, &str, &str); 12] = [
    (Level::ERR, "err", "E", "1;31"),
    (Level::WARN, "warn", "W", "1;33"),
    (Level::NOTICE, "notice", "N", "36"),
    (Level::INFO, "info", "I", "32"),
    (Level::DEBUG, "debug", "D", "34"),
    (Level::PARSER, "parser", "P", "35"),
    (Level::HEADER, "header", "H", "35"),
    (Level::EXT, "ext", "EXT", "35"),
    (Level::CLIENT, "client", "C", "35"),
    (Level::LATENCY, "latency", "L", "33"),
    (Level::USER, "user", "U", "0"),
    (Level::THREAD, "thread", "T", "31"),
];

impl Level {
    /// No level.
    pub const NONE: Self = Self(0);
    /// What stops something from working (C: `LLL_ERR`).
    pub const ERR: Self = Self(1);
    /// What is likely wrong (C: `LLL_WARN`).
    pub const WARN: Self = Self(1 << 1);
    /// What an operator wants to know, rarely (C: `LLL_NOTICE`).
    pub const NOTICE: Self = Self(1 << 2);
    /// What happens, per connection (C: `LLL_INFO`).
    pub const INFO: Self = Self(1 << 3);
    /// What happens inside (C: `LLL_DEBUG`).
    pub const DEBUG: Self = Self(1 << 4);
    /// Steps of the parsers (C: `LLL_PARSER`).
    pub const PARSER: Self = Self(1 << 5);
    /// Headers sent and received (C: `LLL_HEADER`).
    pub const HEADER: Self = Self(1 << 6);
    /// Extensions, such as compression (C: `LLL_EXT`).
    pub const EXT: Self = Self(1 << 7);
    /// Client connections (C: `LLL_CLIENT`).
    pub const CLIENT: Self = Self(1 << 8);
    /// What takes long (C: `LLL_LATENCY`).
    pub const LATENCY: Self = Self(1 << 9);
    /// The application's own messages (C: `LLL_USER`).
    pub const USER: Self = Self(1 << 10);
    /// Threads and their hand-overs (C: `LLL_THREAD`).
    pub const THREAD: Self = Self(1 << 11);
    /// Every level.
    pub const ALL: Self = Self((1 << LEVELS.len()) - 1);
    /// What is enabled at the start: [`ERR`](Self::ERR), [`WARN`](Self::WARN) and
    /// [`NOTICE`](Self::NOTICE).
    pub const DEFAULT: Self = Self(Self::ERR.0 | Self::WARN.0 | Self::NOTICE.0);

    /// The levels with these bits; bits that aren't a level are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// C's number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both sets together; as `|`, but for constants.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all levels of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no level is in this set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The mark in a log line, `E` for [`ERR`](Self::ERR); of a set that of its lowest level.
    pub fn mark(self) -> &'static str {
        self.first().map_or("-", |(_, _, mark, _)| mark)
    }

    pub(super) fn first(self) -> Option<(Self, &'static str, &'static str, &'static str)> {
        LEVELS.into_iter().find(|(level, ..)| self.0 & level.0 != 0)
    }
}

/// Not a number, nor names of levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelError;

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log levels are a number, such as 1031, or names, such as err,warn,notice,user")
    }
}

impl std::error::Error for LevelError {}

impl std::str::FromStr for Level {
    type Err = LevelError;

    /// Takes C's number in decimal, or the macros' names with commas between; "all" and "none"
    /// are names too.
    fn from_str(text: &str) -> Result<Self, LevelError> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return text.parse().map(Self::from_bits).map_err(|_| LevelError);
        }
        let named = |name: &str| match name {
            "all" => Ok(Self::ALL),
            "none" => Ok(Self::NONE),
            _ => LEVELS.into_iter().find(|(_, n, ..)| *n == name).map(|(level, ..)| level).ok_or(LevelError),
        };
        text.split(',').try_fold(Self::NONE, |set, name| Ok(set | named(name)?))
    }
}

impl BitOr for Level {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Level {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Level {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Level {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut between = "";
        for (_, name, ..) in LEVELS.into_iter().filter(|(level, ..)| self.contains(*level)) {
            write!(f, "{between}{name}")?;
            between = "|";
        }
        Ok(())
    }
}
