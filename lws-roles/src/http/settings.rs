//! An http vhost's settings, and the methods that set them on a [`Vhost`].

use super::head::{HeadLimits, MAX_HEADERS};
use super::mount::Mount;
use lws_core::{Cx, FieldError, Fields, Settings, Vhost};
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

/// Most bytes of a request body, by default.
const MAX_BODY: u64 = 128 * 1024 * 1024;

/// What the http roles read of a vhost. Set by [`HttpVhost`].
#[derive(Clone)]
pub(crate) struct HttpSettings {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) limits: HeadLimits,
    pub(crate) max_body: u64,
    pub(crate) head_timeout: Duration,
    pub(crate) content_timeout: Duration,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) headers: Fields,
    /// The first header that was refused, for the error at creation.
    pub(crate) bad_header: Option<(String, FieldError)>,
    pub(crate) server_string: Option<String>,
    pub(crate) security: bool,
    /// The value of Strict-Transport-Security.
    pub(crate) transport_security: Option<String>,
    pub(crate) error_document_404: Option<String>,
    /// What every response has, without and with TLS.
    common: OnceCell<Fields>,
    common_tls: OnceCell<Fields>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            mounts: Vec::new(),
            limits: HeadLimits::default(),
            max_body: MAX_BODY,
            head_timeout: Duration::from_secs(20),
            content_timeout: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(5),
            headers: Fields::new(),
            bad_header: None,
            server_string: Some("lws".to_owned()),
            security: false,
            transport_security: None,
            error_document_404: None,
            common: OnceCell::new(),
            common_tls: OnceCell::new(),
        }
    }
}

/// Headers of `security_best_practices` (C: `LWS_SERVER_OPTION_HTTP_HEADERS_SECURITY_BEST_PRACTICES_ENFORCE`).
const SECURITY: [(&str, &str); 5] = [
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "deny"),
    ("x-xss-protection", "1; mode=block"),
    ("x-content-type-options", "nosniff"),
    (
        "content-security-policy",
        "default-src 'none'; img-src 'self' data: ; script-src 'self'; font-src 'self'; style-src 'self'; \
         connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self';",
    ),
];

/// Whether a field belongs to one message, not to a vhost.
fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding", "date"].iter().any(|f| f.eq_ignore_ascii_case(name))
}

thread_local! {
    static DEFAULTS: Rc<HttpSettings> = Rc::new(HttpSettings::default());
}

/// A time as the core's timers have it; what is too long is as long as can be.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl HttpSettings {
    /// Those of the connection's vhost, or the defaults.
    pub(crate) fn of(cx: &Cx<'_>) -> Rc<Self> {
        cx.settings().unwrap_or_else(|| DEFAULTS.with(Rc::clone))
    }

    /// Adds what every response of the vhost has, unless it is there already.
    pub(crate) fn add_common(&self, fields: &mut Fields, under_tls: bool) -> Result<(), FieldError> {
        //= rfc6797#7.2 an HSTS host MUST NOT include the field in responses over non-secure transport
        let common = if under_tls { &self.common_tls } else { &self.common };
        fields.add_missing(common.get_or_init(|| self.common(under_tls)))
    }

    /// Put together once. What can't be sent was refused when it was set, or by [`check`](Self::check).
    fn common(&self, under_tls: bool) -> Fields {
        let mut all = self.headers.clone();
        let mut add = |name: &str, value: &str| {
            if !all.contains(name) {
                let _ = all.add(name, value);
            }
        };
        if self.security {
            SECURITY.iter().for_each(|(name, value)| add(name, value));
        }
        if let Some(value) = self.transport_security.as_ref().filter(|_| under_tls) {
            add("strict-transport-security", value);
        }
        if let Some(server) = &self.server_string {
            add("server", server);
        }
        all
    }

    /// What is wrong with the settings, if anything; the text names the setting.
    pub(crate) fn check(settings: &Settings, rx_buffer: usize) -> Result<(), String> {
        let Some(http) = settings.get::<Self>() else { return Ok(()) };
        // a head must fit, with room to read the next bytes, into the buffer it is parsed in
        if http.limits.head_bytes == 0 || http.limits.head_bytes > rx_buffer / 2 {
            return Err(format!(
                "http_limits: head_bytes {} must be 1 to half of rx_buffer ({rx_buffer})",
                http.limits.head_bytes
            ));
        }
        if http.limits.headers > MAX_HEADERS {
            return Err(format!("http_limits: headers {} is above {MAX_HEADERS}", http.limits.headers));
        }
        if http.limits.headers == 0 || http.limits.uri == 0 {
            return Err("http_limits: headers and uri must be at least 1".to_owned());
        }
        if let Some((name, why)) = &http.bad_header {
            return Err(format!("http_header {name:?}: {why}"));
        }
        if let Some((name, _)) = http.headers.iter().find(|(name, _)| is_framing(name)) {
            return Err(format!("http_header {name:?}: is not the same for every response"));
        }
        for (name, value) in [("server_string", &http.server_string), ("error_document_404", &http.error_document_404)]
        {
            if let Some(value) = value {
                Fields::new().add("x", value).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        for (name, zero) in [
            ("http_head_timeout", http.head_timeout.is_zero()),
            ("http_content_timeout", http.content_timeout.is_zero()),
            ("http_keepalive_timeout", http.keepalive_timeout.is_zero()),
        ] {
            if zero {
                return Err(format!("{name} is zero"));
            }
        }
        for mount in &http.mounts {
            mount.validate().map_err(|e| format!("mount {:?}: {e}", mount.mountpoint()))?;
        }
        Ok(())
    }
}

/// Http settings of a [`Vhost`].
pub trait HttpVhost: Sized {
    /// Adds a mount (C: the `mounts` list). The longest mountpoint that fits a request wins.
    #[must_use]
    fn mount(self, mount: Mount) -> Self;

    /// Bounds of request heads. Default: 8 KiB, 100 fields, 4 KiB of URI.
    #[must_use]
    fn http_limits(self, limits: HeadLimits) -> Self;

    /// Most bytes of a request body; more is answered 413. Default 128 MiB; bodies are delivered as
    /// they come and cost no memory here, so `u64::MAX` is no danger by itself.
    #[must_use]
    fn http_max_body(self, bytes: u64) -> Self;

    /// How long a request head may take from its first byte, before 408. Default 20 s.
    #[must_use]
    fn http_head_timeout(self, timeout: Duration) -> Self;

    /// How long a request body or a response may stand still (C: `timeout_secs`). Default 20 s.
    #[must_use]
    fn http_content_timeout(self, timeout: Duration) -> Self;

    /// How long a connection may idle between requests (C: `keepalive_timeout`). Default 5 s.
    #[must_use]
    fn http_keepalive_timeout(self, timeout: Duration) -> Self;

    /// Adds a header to every response (C: the `headers` list). A name or value that can't be sent
    /// is an error when the vhost is created.
    #[must_use]
    fn http_header(self, name: &str, value: &str) -> Self;

    /// The Server header (C: `server_string`); empty for none. Default "lws".
    #[must_use]
    fn server_string(self, text: &str) -> Self;

    /// Adds the headers that keep a page to itself: content-security-policy, x-frame-options and
    /// others (C: `LWS_SERVER_OPTION_HTTP_HEADERS_SECURITY_BEST_PRACTICES_ENFORCE`). Default off.
    #[must_use]
    fn security_best_practices(self) -> Self;

    /// Under TLS, tells browsers to come by TLS only, for so long, and to subdomains too if that is
    /// set (RFC 6797; C: `LWS_SERVER_OPTION_STS`, with half a year and subdomains). Whole seconds,
    /// default off.
    #[must_use]
    fn strict_transport_security(self, max_age: Duration, include_subdomains: bool) -> Self;

    /// Where a request for a missing file is redirected to (C: `error_document_404`).
    #[must_use]
    fn error_document_404(self, uri: &str) -> Self;
}

impl HttpVhost for Vhost {
    fn mount(mut self, mount: Mount) -> Self {
        self.settings_mut::<HttpSettings>().mounts.push(mount);
        self
    }

    fn http_limits(mut self, limits: HeadLimits) -> Self {
        self.settings_mut::<HttpSettings>().limits = limits;
        self
    }

    fn http_max_body(mut self, bytes: u64) -> Self {
        self.settings_mut::<HttpSettings>().max_body = bytes;
        self
    }

    fn http_head_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut::<HttpSettings>().head_timeout = timeout;
        self
    }

    fn http_content_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut::<HttpSettings>().content_timeout = timeout;
        self
    }

    fn http_keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut::<HttpSettings>().keepalive_timeout = timeout;
        self
    }

    fn http_header(mut self, name: &str, value: &str) -> Self {
        let settings = self.settings_mut::<HttpSettings>();
        if let Err(e) = settings.headers.add(name, value) {
            settings.bad_header.get_or_insert((name.to_owned(), e));
        }
        self
    }

    fn server_string(mut self, text: &str) -> Self {
        let settings = self.settings_mut::<HttpSettings>();
        settings.server_string = (!text.is_empty()).then(|| text.to_owned());
        self
    }

    fn strict_transport_security(mut self, max_age: Duration, include_subdomains: bool) -> Self {
        let subdomains = if include_subdomains { "; includeSubDomains" } else { "" };
        self.settings_mut::<HttpSettings>().transport_security =
            Some(format!("max-age={}{subdomains}", max_age.as_secs()));
        self
    }

    fn security_best_practices(mut self) -> Self {
        self.settings_mut::<HttpSettings>().security = true;
        self
    }

    fn error_document_404(mut self, uri: &str) -> Self {
        self.settings_mut::<HttpSettings>().error_document_404 = Some(uri.to_owned());
        self
    }
}
