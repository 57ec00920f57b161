//! Dropping of privileges (C: `uid`, `gid`, `username`, `groupname` and `caps` of the context's creation): a
//! program that is started as root opens what needs that, then becomes somebody else for good.
//!
//! ```no_run
//! use lws_core::system::privileges::{Capability, Privileges};
//!
//! // after the vhosts were created, before threads are started
//! Privileges::of_user("www-data").keep(Capability::NET_BIND_SERVICE).enter()?;
//! # Ok::<(), lws_core::system::privileges::PrivilegesError>(())
//! ```

use crate::sys;
use std::{fmt, io};

/// Whom to become, and what to keep.
#[derive(Clone, Debug)]
#[must_use]
pub struct Privileges {
    user: String,
    group: Option<String>,
    keep: u64,
}

/// A part of root's power on Linux, by its number in capabilities(7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability(u8);

impl Capability {
    /// Binding to ports below 1024.
    pub const NET_BIND_SERVICE: Self = Self(10);
    /// Network administration: interfaces, routes, `SO_MARK`.
    pub const NET_ADMIN: Self = Self(12);
    /// Raw and packet sockets, any source address.
    pub const NET_RAW: Self = Self(13);
    /// Priorities and scheduling of processes.
    pub const SYS_NICE: Self = Self(23);

    /// The capability of this number, 0 to 63.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number < 64 { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Why privileges weren't dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrivilegesError {
    /// The system has no such user.
    User(String),
    /// The system has no such group.
    Group(String),
    /// The system refuses. Some of it may have been done: the process should end.
    Refused(io::Error),
}

impl fmt::Display for PrivilegesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "no user {name}"),
            Self::Group(name) => write!(f, "no group {name}"),
            Self::Refused(e) => write!(f, "dropping privileges: {e}"),
        }
    }
}

impl std::error::Error for PrivilegesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(e) => Some(e),
            Self::User(_) | Self::Group(_) => None,
        }
    }
}

impl From<io::Error> for PrivilegesError {
    fn from(e: io::Error) -> Self {
        Self::Refused(e)
    }
}

impl Privileges {
    /// Those of the user of this name, with its groups (C: `username`).
    pub fn of_user(name: &str) -> Self {
        Self { user: name.to_owned(), group: None, keep: 0 }
    }

    /// Another first group than the user's own (C: `groupname`).
    pub fn group(mut self, name: &str) -> Self {
        self.group = Some(name.to_owned());
        self
    }

    /// Keeps a capability, for this thread and those that it starts; programs that are executed don't get it
    /// (C: `caps`). May be called several times. Linux only.
    pub const fn keep(mut self, capability: Capability) -> Self {
        self.keep |= 1 << capability.0;
        self
    }

    /// Becomes that user, for good. To be called by root while the process has one thread: others would keep
    /// no capability.
    ///
    /// # Errors
    /// See [`PrivilegesError`]. `Refused` too if the process could become root again, or if a capability is to
    /// be kept where the system has none.
    pub fn enter(&self) -> Result<(), PrivilegesError> {
        let (uid, own_group) = sys::user(&self.user)?.ok_or_else(|| PrivilegesError::User(self.user.clone()))?;
        let gid = match &self.group {
            Some(name) => sys::group_id(name)?.ok_or_else(|| PrivilegesError::Group(name.clone()))?,
            None => own_group,
        };
        Ok(sys::drop_privileges(&self.user, uid, gid, self.keep)?)
    }
}

/// The effective ids of the process's user and group (C: `lws_get_effective_uid_gid`).
pub fn effective_ids() -> (u32, u32) {
    sys::effective_ids()
}
