//! The names nearly every program uses.

#[cfg(feature = "h2")]
pub use crate::h2::{H2Vhost, H2Wsi};
pub use crate::http::mount::Mount;
pub use crate::http::settings::HttpVhost;
pub use crate::http::token::Token;
pub use crate::http::wsi::HttpWsi;
#[cfg(feature = "deflate")]
pub use crate::ws::PermessageDeflate;
#[cfg(feature = "ws")]
pub use crate::ws::{WsVhost, WsWsi};
pub use lws_core::{
    Adopt, Close, Cmdline, ConnectInfo, Context, NonSsl, Protocol, Reason, Ring, Tail, Vh, Vhost, VhostReason, Write,
    Wsi, WsiId, lwsl_err, lwsl_notice, lwsl_user, lwsl_warn,
};
#[cfg(any(feature = "tls", feature = "tls-ring"))]
pub use lws_tls::{ClientTls, ServerTls, TlsWsi};
