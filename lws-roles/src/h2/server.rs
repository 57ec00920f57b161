//! Makes HTTP/2 server connections: by ALPN, by prior knowledge (RFC 9113 section 3), and by Upgrade
//! (RFC 7540 section 3.2).

use super::limits::H2Settings;
use super::receive::NetRx;
use super::send::NetTx;
use super::settings::Side;
use crate::http::transaction::Transaction;
use lws_core::{Adopt, ConnectInfo, Halves, RoleFactory, Settings};
use std::rc::Rc;

/// Makes HTTP/2 server connections, which ALPN chooses under TLS. On a port without TLS http/1 gives
/// a connection over to this role when a client begins with HTTP/2's preface.
pub struct H2Factory;

/// The halves of a server's connection.
pub(crate) fn halves() -> Halves {
    Halves { rx: Box::new(NetRx::new(Side::Server)), tx: Box::new(NetTx) }
}

/// As [`halves`], of a connection whose first request came by HTTP/1 and is stream 1, with the payload
/// of the client's first SETTINGS.
pub(crate) fn upgraded(request: Box<Transaction>, settings: Vec<u8>) -> Halves {
    Halves { rx: Box::new(NetRx::upgraded(request, settings)), tx: Box::new(NetTx) }
}

impl RoleFactory for H2Factory {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn server(&self) -> Option<Halves> {
        Some(halves())
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }

    fn alpn(&self) -> &'static [&'static str] {
        &["h2"]
    }

    fn needs_alpn(&self) -> bool {
        true
    }

    fn check(&self, settings: &Settings, _: usize) -> Result<(), String> {
        H2Settings::check(settings)
    }
}
