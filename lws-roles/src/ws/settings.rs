//! A vhost's WebSocket settings, and the methods that set them on a [`Vhost`].

use lws_core::{Settings, Vhost};

/// What the ws role reads of a vhost. Set by [`WsVhost`].
#[derive(Clone, Debug, Default)]
pub(crate) struct WsSettings {
    pub(crate) max_message: Option<u64>,
    pub(crate) validate_utf8: bool,
    pub(crate) any_subprotocol: bool,
}

impl WsSettings {
    /// What is wrong with the settings, if anything; the text names the setting.
    pub(crate) fn check(settings: &Settings) -> Result<(), String> {
        match settings.get::<Self>() {
            Some(ws) if ws.max_message == Some(0) => Err("ws_max_message: 0 lets no message through".to_owned()),
            _ => Ok(()),
        }
    }
}

/// WebSocket settings of a [`Vhost`], for its server and client connections alike.
pub trait WsVhost {
    /// The most payload bytes that a received message may have, over all of its fragments. A frame
    /// that would pass it closes the connection with 1009 before any of it is delivered (RFC 6455
    /// 7.4.1). Default: no limit, because messages are streamed and their length costs no memory
    /// here; set one where user code gathers whole messages.
    fn ws_max_message(self, bytes: u64) -> Self;

    /// Checks that text messages are UTF-8, across fragments and as early as it is certain; one
    /// that isn't closes the connection with 1007 (RFC 6455 8.1; C:
    /// `LWS_SERVER_OPTION_VALIDATE_UTF8`). Close reasons always are checked. Default: off, as in C.
    fn ws_validate_utf8(self, on: bool) -> Self;

    /// Server: takes handshakes that offer only subprotocols which none of the vhost's protocols is
    /// named after. The vhost's default protocol serves them, and the first one offered is answered.
    /// Default: off, such a handshake is refused with 400.
    fn ws_any_subprotocol(self, on: bool) -> Self;
}

impl WsVhost for Vhost {
    fn ws_max_message(mut self, bytes: u64) -> Self {
        self.settings_mut::<WsSettings>().max_message = Some(bytes);
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
}
