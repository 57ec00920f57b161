//! What a client connection is to be: [`ConnectInfo`]. Data only; `connect` acts on it.

use super::{Proxy, ProxyChoice};
use crate::{RetryPolicy, SeqId, TlsAllow};

/// Where a client connection goes and what it says there (C: `lws_client_connect_info`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectInfo {
    /// Name or numeric address; `+path` is a unix socket, `+@name` an abstract one.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Path and query of the request. Default "/".
    pub path: String,
    /// The Host header. Default: the address, with the port unless it is the scheme's own.
    pub host: Option<String>,
    /// The Origin header. Default: none is sent.
    pub origin: Option<String>,
    /// WebSocket subprotocols to offer, comma-separated. Default: none.
    pub protocol: Option<String>,
    /// Offer the WebSocket extensions that the vhost has on (RFC 7692). Default: yes.
    pub ws_extensions: bool,
    /// Give WebSocket messages to user code whole, each up to this many bytes; longer ones close the
    /// connection with 1009. Default: as the vhost has it, which is in pieces as they come.
    pub ws_assemble: Option<usize>,
    /// `None` is WebSocket, "RAW" a raw socket, anything else the http method.
    pub method: Option<String>,
    /// Which protocol of the vhost handles the connection. Default: the one that connects.
    pub local_protocol_name: Option<String>,
    /// Interface or address to connect from. Default: the system's choice.
    pub iface: Option<String>,
    /// The proxy it goes through. Default: the vhost's.
    pub proxy: ProxyChoice,
    /// TLS, and which faults of the server's certificate are forgiven (C: `ssl_connection`).
    /// Default: none, plain text.
    pub tls: Option<TlsAllow>,
    /// Application protocols to offer (RFC 7301), comma-separated, best first. Default: those of the
    /// role.
    pub alpn: Option<String>,
    /// Without TLS: the server is known to speak HTTP/2, so that is spoken at once
    /// (C: `LCCSCF_H2_PRIOR_KNOWLEDGE`; RFC 9113 section 3.3). Under TLS ALPN decides. Default off.
    pub h2_prior_knowledge: bool,
    /// WebSocket over HTTP/2 (RFC 8441) where the server speaks that and allows it, else over a
    /// connection of its own with HTTP/1.1. Default off: HTTP/1.1.
    pub ws_over_h2: bool,
    /// Share one connection with other requests to the same endpoint that set this: HTTP/2 carries them
    /// all at once, HTTP/1 one after the other (C: `LCCSCF_PIPELINE`). Http, and WebSocket over HTTP/2.
    /// Default off.
    pub pipeline: bool,
    /// How many http redirects are followed (C: 3). More is an error.
    pub max_redirects: u8,
    /// Backoff and validity policy of this connection. Default: the vhost's.
    pub retry_and_idle_policy: Option<RetryPolicy>,
    /// A number for user code, readable on the connection (C: `opaque_user_data`).
    pub opaque_user_data: u64,
    /// The sequencer that hears of this connection (C: `seq`). Default: none.
    pub seq: Option<SeqId>,
}

impl ConnectInfo {
    /// A WebSocket connection to `address`:`port`, path "/", nothing else set.
    pub fn new(address: &str, port: u16) -> Self {
        Self {
            address: address.to_owned(),
            port,
            path: "/".to_owned(),
            host: None,
            origin: None,
            protocol: None,
            ws_extensions: true,
            ws_assemble: None,
            method: None,
            local_protocol_name: None,
            iface: None,
            proxy: ProxyChoice::Vhost,
            tls: None,
            alpn: None,
            h2_prior_knowledge: false,
            ws_over_h2: false,
            pipeline: false,
            max_redirects: 3,
            retry_and_idle_policy: None,
            opaque_user_data: 0,
            seq: None,
        }
    }

    /// Sets the path and query. A missing leading '/' is added.
    pub fn path(mut self, path: &str) -> Self {
        self.path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        self
    }

    /// Sets the Host header.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Sets the Origin header.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// Sets the WebSocket subprotocols to offer, comma-separated.
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.protocol = Some(protocol.to_owned());
        self
    }

    /// Sets whether the WebSocket extensions that the vhost has on are offered.
    pub fn ws_extensions(mut self, on: bool) -> Self {
        self.ws_extensions = on;
        self
    }

    /// Sets that WebSocket messages come whole, each up to `max` bytes.
    pub fn ws_assemble(mut self, max: usize) -> Self {
        self.ws_assemble = Some(max);
        self
    }

    /// Sets the method: an http method, or "RAW".
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Sets the protocol of the vhost that handles the connection.
    pub fn local_protocol_name(mut self, name: &str) -> Self {
        self.local_protocol_name = Some(name.to_owned());
        self
    }

    /// Sets the interface or address to connect from.
    pub fn iface(mut self, iface: &str) -> Self {
        self.iface = Some(iface.to_owned());
        self
    }

    /// Goes through this proxy, whatever the vhost says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = ProxyChoice::By(proxy);
        self
    }

    /// Goes through no proxy, whatever the vhost says.
    pub fn without_proxy(mut self) -> Self {
        self.proxy = ProxyChoice::Direct;
        self
    }

    /// Connects by TLS and forgives nothing (C: `LCCSCF_USE_SSL`).
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// By TLS, forgiving a self-signed certificate (C: `LCCSCF_ALLOW_SELFSIGNED`).
    pub fn allow_selfsigned(mut self) -> Self {
        self.tls.get_or_insert_default().selfsigned = true;
        self
    }

    /// By TLS, forgiving a certificate that has expired or isn't valid yet
    /// (C: `LCCSCF_ALLOW_EXPIRED`).
    pub fn allow_expired(mut self) -> Self {
        self.tls.get_or_insert_default().expired = true;
        self
    }

    /// By TLS, forgiving a certificate for another name
    /// (C: `LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK`).
    pub fn skip_server_cert_hostname_check(mut self) -> Self {
        self.tls.get_or_insert_default().hostname = true;
        self
    }

    /// By TLS, with whatever certificate there is (C: `LCCSCF_ALLOW_INSECURE`).
    pub fn allow_insecure(mut self) -> Self {
        self.tls.get_or_insert_default().insecure = true;
        self
    }

    /// Sets the application protocols to offer under TLS, comma-separated.
    pub fn alpn(mut self, protocols: &str) -> Self {
        self.alpn = Some(protocols.to_owned());
        self
    }

    /// The name that the server's certificate must be for: the Host without its port, else the
    /// address.
    pub(crate) fn tls_name(&self) -> &str {
        crate::vhost::host_without_port(self.host.as_deref().unwrap_or(&self.address))
    }

    /// Sets that the server is known to speak HTTP/2 without TLS.
    pub fn h2_prior_knowledge(mut self, on: bool) -> Self {
        self.h2_prior_knowledge = on;
        self
    }

    /// Sets that a WebSocket goes over HTTP/2 where that can be.
    pub fn ws_over_h2(mut self, on: bool) -> Self {
        self.ws_over_h2 = on;
        self
    }

    /// Whether HTTP/2 may be spoken there at all: by ALPN under TLS, unless others are to be offered, by
    /// prior knowledge without.
    pub fn may_speak_h2(&self) -> bool {
        let offered = |list: &str| list.split(',').any(|name| name.trim() == "h2");
        match self.tls {
            Some(_) => self.alpn.as_deref().is_none_or(offered),
            None => self.h2_prior_knowledge,
        }
    }

    /// Reuses one connection to the endpoint.
    pub fn pipeline(mut self, on: bool) -> Self {
        self.pipeline = on;
        self
    }

    /// Sets how many redirects are followed.
    pub fn max_redirects(mut self, n: u8) -> Self {
        self.max_redirects = n;
        self
    }

    /// Sets the backoff and validity policy.
    pub fn retry_and_idle_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_and_idle_policy = Some(policy);
        self
    }

    /// Sets the number for user code.
    pub fn opaque_user_data(mut self, data: u64) -> Self {
        self.opaque_user_data = data;
        self
    }

    /// Sets the sequencer that hears of this connection.
    pub fn seq(mut self, seq: SeqId) -> Self {
        self.seq = Some(seq);
        self
    }
}
