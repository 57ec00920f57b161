//! The names nearly every program uses.

pub use crate::http::mount::Mount;
pub use crate::http::settings::HttpVhost;
pub use crate::http::token::Token;
pub use crate::http::wsi::HttpWsi;
#[cfg(feature = "ws")]
pub use crate::ws::WsVhost;
pub use lws_core::{
    Adopt, Close, Cmdline, ConnectInfo, Context, Protocol, Reason, Ring, Tail, Vh, Vhost, VhostReason, Write, Wsi,
    WsiId, lwsl_err, lwsl_notice, lwsl_user, lwsl_warn,
};
