//! Mounts: which part of the URL space is served from where (C: `struct
//! lws_http_mount`).
//!
//! A [`Mount`] is configuration only. The vhost checks its mounts once with
//! [`Mount::validate`], and [`find`] picks one per request. Opening files and
//! following links is the file sender's job, by the mount's rules.
//!
//! Unlike C, where a callback mount that fits replaces a longer mount that
//! was found before, the longest mountpoint always wins.

use core::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use super::uri::{Encode, decode_path, percent_encode};
use super::url::parse_absolute;
use super::{mime, status};

/// What answers for a mount (C: `origin_protocol`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountKind {
    /// Files below a directory (C: `LWSMPRO_FILE`).
    Dir {
        /// The directory.
        origin: PathBuf,
        /// The file served for a directory. Default `index.html`.
        default_file: String,
    },
    /// The HTTP reasons of a protocol (C: `LWSMPRO_CALLBACK`).
    Callback {
        /// The protocol's name.
        protocol: String,
    },
    /// A redirect to `http://` or `https://`, the target and the rest of the
    /// path (C: `LWSMPRO_REDIR_HTTP`, `LWSMPRO_REDIR_HTTPS`).
    Redirect {
        /// Host, optional port and path: what follows `//`.
        target: String,
        /// Whether to redirect to `https`.
        https: bool,
        /// 301 (default), 302, 303, 307 or 308.
        code: u16,
    },
}

/// What a directory mount does about symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymlinkPolicy {
    /// Follow a link if what it resolves to is below the origin.
    #[default]
    FollowInside,
    /// Serve nothing that is reached through a link below the origin.
    Never,
}

/// Why a mount cannot work; each names the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountError {
    /// The mountpoint does not start with `/`, or could never be the start
    /// of a normalised path.
    Mountpoint,
    /// The origin directory is empty.
    Origin,
    /// The default file is empty or has a `/`.
    DefaultFile,
    /// The protocol name is empty.
    Protocol,
    /// The redirect target is not `host[:port][/path]`.
    Target,
    /// The redirect code is not 301, 302, 303, 307 or 308.
    Code,
    /// An extra mimetype has an empty suffix, or a type with a line break.
    Mimetype,
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mountpoint => "mountpoint must start with '/' and have no empty, '.' or '..' segment",
            Self::Origin => "mount origin is empty",
            Self::DefaultFile => "mount default_file must be a plain file name",
            Self::Protocol => "mount protocol name is empty",
            Self::Target => "mount redirect target must be host[:port][/path]",
            Self::Code => "mount redirect_code must be 301, 302, 303, 307 or 308",
            Self::Mimetype => "mount extra mimetype needs a suffix or '*', and a type",
        })
    }
}

impl std::error::Error for MountError {}

/// One mount. Made by [`dir`](Self::dir), [`callback`](Self::callback) or
/// [`redirect`](Self::redirect), then refined:
///
/// ```text
/// Mount::dir("/", "./mount-origin").default_file("test.html").cache_max_age(3600).cache_reusable(true)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    mountpoint: String,
    kind: MountKind,
    protocol: Option<String>,
    extra_mimetypes: Vec<(String, String)>,
    symlinks: SymlinkPolicy,
    max_age: u32,
    reusable: bool,
    revalidate: bool,
    intermediaries: bool,
    cache_control: String,
}

impl Mount {
    /// Serves the files below `origin`.
    #[must_use]
    pub fn dir(mountpoint: &str, origin: impl Into<PathBuf>) -> Self {
        Self::new(mountpoint, MountKind::Dir { origin: origin.into(), default_file: "index.html".into() })
    }

    /// Gives the requests to the protocol of this name.
    #[must_use]
    pub fn callback(mountpoint: &str, protocol: impl Into<String>) -> Self {
        let protocol = protocol.into();
        Self::new(mountpoint, MountKind::Callback { protocol })
    }

    /// Redirects (301) to `http://target` and the rest of the path, or to
    /// `https://` when `https` is set. `target` is `host[:port][/path]`.
    #[must_use]
    pub fn redirect(mountpoint: &str, target: impl Into<String>, https: bool) -> Self {
        Self::new(mountpoint, MountKind::Redirect { target: target.into(), https, code: 301 })
    }

    fn new(mountpoint: &str, kind: MountKind) -> Self {
        let mut mount = Self {
            mountpoint: mountpoint.into(),
            kind,
            protocol: None,
            extra_mimetypes: Vec::new(),
            symlinks: SymlinkPolicy::default(),
            max_age: 0,
            reusable: false,
            revalidate: false,
            intermediaries: false,
            cache_control: String::new(),
        };
        mount.compose_cache_control();
        mount
    }

    /// The file served for a directory (C: `def`). Default `index.html`.
    /// Directory mounts only; no effect on others.
    #[must_use]
    pub fn default_file(mut self, name: impl Into<String>) -> Self {
        if let MountKind::Dir { default_file, .. } = &mut self.kind {
            *default_file = name.into();
        }
        self
    }

    /// The status of a redirect mount. Default 301. No effect on others.
    #[must_use]
    pub const fn redirect_code(mut self, status: u16) -> Self {
        if let MountKind::Redirect { code, .. } = &mut self.kind {
            *code = status;
        }
        self
    }

    /// The protocol that the requests are bound to, so that it gets
    /// `AddHeaders` for the files of a directory mount (C: `protocol`).
    #[must_use]
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if let MountKind::Callback { protocol } = &mut self.kind {
            *protocol = name;
        } else {
            self.protocol = Some(name);
        }
        self
    }

    /// A type for a suffix with its dot, before the built-in ones; the suffix
    /// `*` is for files that have no type else (C: `extra_mimetypes`).
    #[must_use]
    pub fn mimetype(mut self, suffix: impl Into<String>, mime: impl Into<String>) -> Self {
        self.extra_mimetypes.push((suffix.into(), mime.into()));
        self
    }

    /// What to do about symbolic links. Default
    /// [`SymlinkPolicy::FollowInside`].
    #[must_use]
    pub const fn symlinks(mut self, policy: SymlinkPolicy) -> Self {
        self.symlinks = policy;
        self
    }

    /// Seconds that a response may be cached for. Default 0: `no-store`.
    #[must_use]
    pub fn cache_max_age(mut self, secs: u32) -> Self {
        self.max_age = secs;
        self.compose_cache_control();
        self
    }

    /// Whether a response may be cached at all. Default false: `no-store`.
    #[must_use]
    pub fn cache_reusable(mut self, yes: bool) -> Self {
        self.reusable = yes;
        self.compose_cache_control();
        self
    }

    /// Whether a cached response must be checked once it is stale. Default
    /// false.
    #[must_use]
    pub fn cache_revalidate(mut self, yes: bool) -> Self {
        self.revalidate = yes;
        self.compose_cache_control();
        self
    }

    /// Whether shared caches may keep the response. Default false: `private`.
    #[must_use]
    pub fn cache_intermediaries(mut self, yes: bool) -> Self {
        self.intermediaries = yes;
        self.compose_cache_control();
        self
    }

    fn compose_cache_control(&mut self) {
        self.cache_control.clear();
        if self.max_age == 0 || !self.reusable {
            self.cache_control.push_str("no-store");
            return;
        }
        if self.revalidate {
            self.cache_control.push_str("must-revalidate, ");
        }
        let who = if self.intermediaries { "public" } else { "private" };
        let written = write!(self.cache_control, "{who}, max-age={}", self.max_age);
        debug_assert!(written.is_ok(), "a String takes all");
    }

    /// Checks the settings, which creation of a vhost does for each mount.
    ///
    /// # Errors
    /// [`MountError`] naming the first setting that is wrong.
    pub fn validate(&self) -> Result<(), MountError> {
        // A mountpoint is right if it is what its own encoding decodes to.
        let point = self.mountpoint.as_bytes();
        let (mut coded, mut clean) = (Vec::new(), String::new());
        percent_encode(point, Encode::Path, &mut coded);
        let coded = String::from_utf8(coded).map_err(|_| MountError::Mountpoint)?;
        if decode_path(&coded, &mut clean).is_err() || clean.as_bytes() != point {
            return Err(MountError::Mountpoint);
        }
        match &self.kind {
            MountKind::Dir { origin, .. } if origin.as_os_str().is_empty() => {
                return Err(MountError::Origin);
            }
            MountKind::Dir { default_file, .. }
                if matches!(&**default_file, "" | "." | "..") || default_file.contains('/') =>
            {
                return Err(MountError::DefaultFile);
            }
            MountKind::Redirect { target, https, code } => {
                let url = [if *https { "https://" } else { "http://" }, target].concat();
                if !parse_absolute(&url).is_ok_and(|u| u.query.is_none()) || url.contains('#') {
                    return Err(MountError::Target);
                }
                if !status::is_redirect(*code) {
                    return Err(MountError::Code);
                }
            }
            MountKind::Dir { .. } | MountKind::Callback { .. } => {}
        }
        if self.protocol_name().is_some_and(str::is_empty) {
            return Err(MountError::Protocol);
        }
        let bad = |text: &str| text.is_empty() || text != text.trim() || text.contains(|c: char| c.is_ascii_control());
        if self.extra_mimetypes.iter().any(|(s, m)| bad(s) || bad(m)) {
            return Err(MountError::Mimetype);
        }
        Ok(())
    }

    /// Where it is mounted, as it was given.
    #[must_use]
    pub fn mountpoint(&self) -> &str {
        &self.mountpoint
    }

    /// What answers.
    #[must_use]
    pub const fn kind(&self) -> &MountKind {
        &self.kind
    }

    /// The directory of a directory mount.
    #[must_use]
    pub fn origin(&self) -> Option<&Path> {
        match &self.kind {
            MountKind::Dir { origin, .. } => Some(origin),
            _ => None,
        }
    }

    /// The protocol that requests are bound to, if the mount names one.
    #[must_use]
    pub fn protocol_name(&self) -> Option<&str> {
        match &self.kind {
            MountKind::Callback { protocol } => Some(protocol),
            _ => self.protocol.as_deref(),
        }
    }

    /// The symlink policy.
    #[must_use]
    pub const fn symlink_policy(&self) -> SymlinkPolicy {
        self.symlinks
    }

    /// The value of `Cache-Control` for what the mount serves.
    #[must_use]
    pub fn cache_control(&self) -> &str {
        &self.cache_control
    }

    /// The type of a file of this mount; `None` is C's 415.
    #[must_use]
    pub fn mime_of(&self, file: &str) -> Option<&str> {
        mime::lookup(file, &self.extra_mimetypes)
    }

    /// Appends where a redirect mount sends a request whose path goes on with
    /// `rest` (decoded, as [`find`] gives it) and whose raw query is `query`.
    /// Appends nothing for other mounts.
    pub fn write_location(&self, out: &mut Vec<u8>, rest: &str, query: &str) {
        let MountKind::Redirect { target, https, .. } = &self.kind else {
            return;
        };
        out.extend_from_slice(if *https { b"https://" } else { b"http://" });
        let target = target.strip_suffix('/').unwrap_or(target);
        out.extend_from_slice(target.as_bytes());
        percent_encode(rest.as_bytes(), Encode::Path, out);
        if !query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
    }

    /// What follows the mountpoint in `path`, if the mount covers it.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let point = &*self.mountpoint;
        let rest = path.strip_prefix(point.strip_suffix('/').unwrap_or(point))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// The mount that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountHit<'p> {
    /// Its index in the list.
    pub index: usize,
    /// What follows the mountpoint: empty, or starts with `/`. Empty on a
    /// directory mount calls for a redirect to the path with a `/` added.
    pub rest: &'p str,
}

/// Picks the mount for a normalised path: the longest mountpoint that is the
/// whole path or followed in it by `/`. The first of equals wins.
#[must_use]
pub fn find<'p>(mounts: &[Mount], path: &'p str) -> Option<MountHit<'p>> {
    let mut best: Option<MountHit<'p>> = None;
    for (index, mount) in mounts.iter().enumerate() {
        if let Some(rest) = mount.rest(path)
            && path.starts_with('/')
            && best.is_none_or(|hit| rest.len() < hit.rest.len())
        {
            best = Some(MountHit { index, rest });
        }
    }
    best
}

#[cfg(test)]
#[path = "mount_tests.rs"]
mod tests;
