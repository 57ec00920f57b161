//! HTTP/1 client role (RFC 9112; RFC 9110 section 15.4 for redirects).
//!
//! ```text
//!   ConnectInfo --> ClientExchange --> request --> socket --> ClientRx --> ClientExchange --> user
//!        ^                                                                      |
//!        '----------------------- redirect, one retry --------------------------'
//! ```
//!
//! | module | is |
//! |---|---|
//! | `request` | the head of a request |
//! | `rx` | the life of a connection: response, reuse |
//! | `tx` | user code's request body |
//!
//! Made by [`H1ClientFactory`]; connecting, and sharing a socket among requests, is the core's.

mod request;
mod rx;
mod tx;

use crate::http::method::Method;
use lws_core::{Adopt, ConnectInfo, Halves, RoleFactory};
use std::rc::Rc;

/// Makes HTTP/1 client connections, for every method but CONNECT, which asks for a tunnel.
pub struct H1ClientFactory;

impl RoleFactory for H1ClientFactory {
    fn name(&self) -> &'static str {
        "h1-client"
    }

    fn alpn(&self) -> &'static [&'static str] {
        &["http/1.1"]
    }

    fn server(&self) -> Option<Halves> {
        None
    }

    fn client(&self, info: &Rc<ConnectInfo>) -> Option<Halves> {
        let method = Method::parse(info.method.as_deref()?.as_bytes())?;
        (method != Method::Connect)
            .then(|| Halves { rx: Box::new(rx::ClientRx::default()), tx: Box::new(tx::ClientTx) })
    }

    fn adopts(&self, _: Adopt) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
