//! A vhost's WebSocket settings, and the methods that set them on a [`Vhost`].

use super::deflate;
use lws_core::{Settings, Vhost};

/// What the ws role reads of a vhost. Set by [`WsVhost`].
#[derive(Clone, Debug, Default)]
pub(crate) struct WsSettings {
    pub(crate) max_message: Option<u64>,
    pub(crate) assemble: Option<usize>,
    pub(crate) validate_utf8: bool,
    pub(crate) any_subprotocol: bool,
    pub(crate) deflate: Option<deflate::Settings>,
}

impl WsSettings {
    /// What is wrong with the settings, if anything; the text names the setting.
    pub(crate) fn check(settings: &Settings) -> Result<(), String> {
        match settings.get::<Self>() {
            Some(ws) if ws.max_message == Some(0) => Err("ws_max_message: 0 lets no message through".to_owned()),
            Some(ws) if ws.assemble == Some(0) => Err("ws_assemble: 0 lets no message through".to_owned()),
            Some(ws) => ws.deflate.map_or(Ok(()), |deflate| deflate.check()),
            None => Ok(()),
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

    fn ws_any_subprotocol(mut self, on: bool) -> Self {
        self.settings_mut::<WsSettings>().any_subprotocol = on;
        self
    }

    #[cfg(feature = "deflate")]
    fn ws_permessage_deflate(mut self, how: super::PermessageDeflate) -> Self {
        self.settings_mut::<WsSettings>().deflate = Some(how);
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
}
