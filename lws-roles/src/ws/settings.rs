//! A vhost's WebSocket settings, and the methods that set them on a [`Vhost`].

use super::deflate;
use lws_core::{Settings, Vhost};
use std::time::Duration;

/// What the ws role reads of a vhost. Set by [`WsVhost`].
#[derive(Clone, Debug, Default)]
pub(crate) struct WsSettings {
    pub(crate) max_message: Option<u64>,
    pub(crate) assemble: Option<usize>,
    pub(crate) validate_utf8: bool,
    pub(crate) close_timeout: Option<Duration>,
    pub(crate) any_subprotocol: bool,
    pub(crate) deflate: Option<deflate::Settings>,
    pub(crate) strict_host: bool,
    /// `None`: any origin, and none.
    pub(crate) origins: Option<Vec<Box<str>>>,
    /// The protocol of handshakes that offer no subprotocol; `None` is the vhost's first.
    pub(crate) default_protocol: Option<Box<str>>,
}

/// Whether this is how a client writes an origin (RFC 6454 6.2, 7): "null", or a lower case scheme
/// and host with a port unless it is the scheme's own.
fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return origin == "null" };
    let good = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@,\\".contains(&byte);
    let own_port = matches!(scheme, "http" | "ws") && host.ends_with(":80")
        || matches!(scheme, "https" | "wss") && host.ends_with(":443");
    !scheme.is_empty() && !host.is_empty() && !own_port && scheme.bytes().chain(host.bytes()).all(good)
}

impl WsSettings {
    /// What is wrong with the settings, if anything; the text names the setting.
    pub(crate) fn check(settings: &Settings) -> Result<(), String> {
        let Some(ws) = settings.get::<Self>() else { return Ok(()) };
        if ws.max_message == Some(0) {
            return Err("ws_max_message: 0 lets no message through".to_owned());
        }
        if ws.assemble == Some(0) {
            return Err("ws_assemble: 0 lets no message through".to_owned());
        }
        if ws.close_timeout == Some(Duration::ZERO) {
            return Err("ws_close_timeout: 0 leaves the peer no time to answer".to_owned());
        }
        ws.deflate.map_or(Ok(()), |deflate| deflate.check())?;
        match ws.origins.iter().flatten().find(|origin| !is_origin(origin)) {
            Some(bad) => Err(format!("ws_allowed_origins: {bad:?} is no origin as a client sends it")),
            None => Ok(()),
        }
    }

    /// Whether a page of this origin may connect. `origins` are the values of the request's fields.
    pub(crate) fn allows<'a>(&self, mut origins: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(allowed) = &self.origins else { return true };
        //= rfc6454#7.3 a user agent MUST NOT send more than one
        match (origins.next(), origins.next()) {
            (Some(origin), None) => allowed.iter().any(|allowed| allowed.as_bytes() == origin),
            _ => false,
        }
    }
}

/// WebSocket settings of a [`Vhost`], for its server and client connections alike.
pub trait WsVhost {
    /// The most payload bytes that a received message may have, over all of its fragments. A frame
    /// that would pass it closes the connection with 1009 before any of it is delivered (RFC 6455
    /// 7.4.1); of a compressed message, inflated bytes count, and the piece that passes it isn't
    /// delivered. Default: no limit, because messages are streamed and their length costs no memory
    /// here; set one where user code gathers whole messages.
    fn ws_max_message(self, bytes: u64) -> Self;

    /// Gathers messages and gives them to user code whole, `first` and `last` both set. One that is
    /// longer than `max` bytes closes the connection with 1009 (RFC 6455 7.4.1), and so does one that
    /// [`ws_max_message`](Self::ws_max_message) forbids. A connection holds up to twice `max` while a
    /// message comes. Clients also by [`ConnectInfo::ws_assemble`](lws_core::ConnectInfo::ws_assemble).
    /// Default: off, pieces are given as they come.
    fn ws_assemble(self, max: usize) -> Self;

    /// Checks that text messages are UTF-8, across fragments and as early as it is certain; one
    /// that isn't closes the connection with 1007 (RFC 6455 8.1; C:
    /// `LWS_SERVER_OPTION_VALIDATE_UTF8`). Close reasons always are checked. Default: off, as in C.
    fn ws_validate_utf8(self, on: bool) -> Self;

    /// How long the peer may take, once our CLOSE and all before it has gone, for its own CLOSE and the
    /// end of the connection (C: `PENDING_TIMEOUT_CLOSE_ACK`; RFC 6455 7.1.1). Output that the peer
    /// doesn't take has 5 s of standing still before that. A connection's own is
    /// [`Wsi::set_close_timeout`](lws_core::Wsi::set_close_timeout). Default: 5 s.
    fn ws_close_timeout(self, time: Duration) -> Self;

    /// Server: takes handshakes that offer only subprotocols which none of the vhost's protocols is
    /// named after. The vhost's default protocol serves them, and the first one offered is answered.
    /// Default: off, such a handshake is refused with 400.
    fn ws_any_subprotocol(self, on: bool) -> Self;

    /// Compresses messages by permessage-deflate (RFC 7692; C: the vhost's list of extensions):
    /// servers take the first offer that they can meet, clients offer it. A connection's user code
    /// can leave it off by [`ConfirmExtensionOkay`](lws_core::Reason::ConfirmExtensionOkay) and
    /// [`ConnectInfo::ws_extensions`](lws_core::ConnectInfo::ws_extensions), a message by
    /// [`Write::uncompressed`](lws_core::Write::uncompressed). Default: off, as in C.
    #[cfg(feature = "deflate")]
    fn ws_permessage_deflate(self, how: super::PermessageDeflate) -> Self;

    /// Server: takes handshakes only whose `Host` is the vhost's name (a wildcard covers what is below
    /// it) and the port that it listens on; a port left out is 443 under TLS, else 80. Others are
    /// refused with 421, which keeps a page from reaching the server by a name that it made point
    /// here (C: `LWS_SERVER_OPTION_VHOST_UPG_STRICT_HOST_CHECK`). Default: off, the first vhost of
    /// the port stands for all names.
    fn ws_strict_host(self, on: bool) -> Self;

    /// Server: takes handshakes only whose `Origin` is one of these, exactly as browsers send it:
    /// `https://example.com`, with a port unless it is the scheme's own. Others, and those without
    /// one, are refused with 403 (RFC 6455 4.2.2, 10.2). `null`, which is what sandboxed pages and
    /// local files send, is allowed only if it is listed. Called again, adds to the list; an empty
    /// list lets nobody in. Default: all, because clients that aren't browsers say what they like.
    fn ws_allowed_origins<'o>(self, origins: impl IntoIterator<Item = &'o str>) -> Self;

    /// Server: the protocol, by name, that serves handshakes which offer no subprotocol (C: the
    /// per-vhost option "default"). When the vhost has none of that name they are refused with 403.
    /// Default: the vhost's first protocol.
    fn ws_default_protocol(self, name: &str) -> Self;
}

impl WsVhost for Vhost {
    fn ws_max_message(mut self, bytes: u64) -> Self {
        self.settings_mut::<WsSettings>().max_message = Some(bytes);
        self
    }

    fn ws_assemble(mut self, max: usize) -> Self {
        self.settings_mut::<WsSettings>().assemble = Some(max);
        self
    }

    fn ws_validate_utf8(mut self, on: bool) -> Self {
        self.settings_mut::<WsSettings>().validate_utf8 = on;
        self
    }

    fn ws_close_timeout(mut self, time: Duration) -> Self {
        self.settings_mut::<WsSettings>().close_timeout = Some(time);
        self
    }

    fn ws_any_subprotocol(mut self, on: bool) -> Self {
        self.settings_mut::<WsSettings>().any_subprotocol = on;
        self
    }

    #[cfg(feature = "deflate")]
    fn ws_permessage_deflate(mut self, how: super::PermessageDeflate) -> Self {
        self.settings_mut::<WsSettings>().deflate = Some(how);
        self
    }

    fn ws_strict_host(mut self, on: bool) -> Self {
        self.settings_mut::<WsSettings>().strict_host = on;
        self
    }

    fn ws_allowed_origins<'o>(mut self, origins: impl IntoIterator<Item = &'o str>) -> Self {
        let list = self.settings_mut::<WsSettings>().origins.get_or_insert_default();
        list.extend(origins.into_iter().map(Box::from));
        self
    }

    fn ws_default_protocol(mut self, name: &str) -> Self {
        self.settings_mut::<WsSettings>().default_protocol = Some(name.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_lets_nothing_through_is_refused() {
        let mut settings = Settings::default();
        assert_eq!(WsSettings::check(&settings), Ok(()));
        settings.get_or_default::<WsSettings>().max_message = Some(0);
        assert!(WsSettings::check(&settings).unwrap_err().contains("ws_max_message"));
        settings.get_or_default::<WsSettings>().max_message = Some(1);
        assert_eq!(WsSettings::check(&settings), Ok(()));
        settings.get_or_default::<WsSettings>().close_timeout = Some(Duration::ZERO);
        assert!(WsSettings::check(&settings).unwrap_err().contains("ws_close_timeout"));
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn what_zlib_has_not_is_refused() {
        use super::super::PermessageDeflate as Pmd;
        let check = |how| {
            let mut settings = Settings::default();
            settings.get_or_default::<WsSettings>().deflate = Some(how);
            WsSettings::check(&settings)
        };
        assert_eq!(check(Pmd::new()), Ok(()));
        assert_eq!(check(Pmd::new().compression_level(0).mem_level(1).server_max_window_bits(8)), Ok(()));
        assert_eq!(check(Pmd::new().compression_level(9).mem_level(9).client_max_window_bits(9)), Ok(()));
        assert!(check(Pmd::new().compression_level(10)).unwrap_err().contains("compression_level"));
        assert!(check(Pmd::new().mem_level(0)).unwrap_err().contains("mem_level"));
        assert!(check(Pmd::new().mem_level(10)).is_err());
        assert!(check(Pmd::new().server_max_window_bits(16)).unwrap_err().contains("window"));
        assert!(check(Pmd::new().client_max_window_bits(7)).is_err());
    }

    #[test]
    fn rfc6454_6_2_only_what_a_browser_can_send_is_an_origin() {
        for good in ["null", "http://a.test", "https://a.test:8443", "http://a.test:443", "http://[::1]:81"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["", "*", "a.test", "http://", "://a", "http://a/", "https://A.test", "http://a:80", "https://a:443"]
        {
            let mut settings = Settings::default();
            settings.get_or_default::<WsSettings>().origins = Some(vec!["null".into(), bad.into()]);
            assert!(WsSettings::check(&settings).unwrap_err().contains("ws_allowed_origins"), "{bad}");
        }
    }

    #[test]
    fn rfc6455_10_2_origins_that_are_listed() {
        let list = |list: Option<&[&str]>| WsSettings {
            origins: list.map(|list| list.iter().map(|origin| Box::from(*origin)).collect()),
            ..WsSettings::default()
        };
        let allows = |ws: &WsSettings, origins: &[&str]| ws.allows(origins.iter().map(|origin| origin.as_bytes()));
        let any = list(None);
        assert!(allows(&any, &[]) && allows(&any, &["null"]) && allows(&any, &["http://a", "http://b"]));
        let two = list(Some(&["http://a", "https://b:1"]));
        assert!(allows(&two, &["http://a"]) && allows(&two, &["https://b:1"]));
        for refused in [&["http://a:80"][..], &["null"], &[], &["http://a", "http://a"], &["http://A"], &["http://ab"]]
        {
            assert!(!allows(&two, refused), "{refused:?}");
        }
        assert!(allows(&list(Some(&["null"])), &["null"]));
        assert!(!allows(&list(Some(&[])), &["http://a"]));
    }
}
