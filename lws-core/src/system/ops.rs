//! What a device knows of itself and can do to itself (C: `lws_system_ops_t`, `lws_system_get_info`):
//! one object, given when the context is created, that library and user code ask from any callback.
//!
//! ```
//! use lws_core::{ContextBuilder, SystemOps};
//!
//! struct Board;
//! impl SystemOps for Board {
//!     fn device_model(&self) -> Option<&str> {
//!         Some("kettle mk 2")
//!     }
//! }
//!
//! let mut context = ContextBuilder::new(&[]).system_ops(Board).create()?;
//! assert_eq!(context.system_ops().device_model(), Some("kettle mk 2"));
//! assert_eq!(context.system_ops().device_serial(), None);
//! # Ok::<(), lws_core::CreateError>(())
//! ```
//!
//! The library itself asks for the NTP server and sets the clock, where the NTP client is in use; all
//! else is for user code.

use crate::context::{Context, ContextBuilder};
use crate::{Vh, Wsi};

/// The operations. Each has a default that knows, or does, nothing.
pub trait SystemOps: 'static {
    /// C: `LWS_SYSI_HRS_DEVICE_MODEL`.
    fn device_model(&self) -> Option<&str> {
        None
    }

    /// C: `LWS_SYSI_HRS_DEVICE_SERIAL`.
    fn device_serial(&self) -> Option<&str> {
        None
    }

    /// C: `LWS_SYSI_HRS_FIRMWARE_VERSION`.
    fn firmware_version(&self) -> Option<&str> {
        None
    }

    /// Name or address of the time server, and a port after a `:` if it isn't 123
    /// (C: `LWS_SYSI_HRS_NTP_SERVER`).
    fn ntp_server(&self) -> Option<&str> {
        None
    }

    /// Whatever else user code asks for, by its own numbers (C: from `LWS_SYSI_USER_BASE`, 100, on).
    fn user_info(&self, _item: u32) -> Option<&str> {
        None
    }

    /// Restarts the device (C: `reboot`). `false`: it can't.
    fn reboot(&mut self) -> bool {
        false
    }

    /// Sets the machine's clock to `wall_us`, microseconds since 1970 (C: `set_clock`). `true` when it
    /// shows that time now; on `false` the context keeps the difference for itself.
    fn set_clock(&mut self, _wall_us: u64) -> bool {
        false
    }
}

/// Of a context that was given none.
pub(crate) struct NoOps;

impl SystemOps for NoOps {}

impl ContextBuilder {
    /// What the device knows of itself and can do to itself (C: `system_ops`). Default: nothing.
    pub fn system_ops(mut self, ops: impl SystemOps) -> Self {
        self.ops = Box::new(ops);
        self
    }
}

impl Context {
    /// The operations given at creation (C: `lws_system_get_ops`).
    pub fn system_ops(&mut self) -> &mut dyn SystemOps {
        &mut *self.svc.ops
    }
}

impl Vh<'_> {
    /// The operations given at creation (C: `lws_system_get_ops`).
    pub fn system_ops(&mut self) -> &mut dyn SystemOps {
        &mut *self.svc.ops
    }
}

impl Wsi<'_> {
    /// The operations given at creation (C: `lws_system_get_ops`).
    pub fn system_ops(&mut self) -> &mut dyn SystemOps {
        &mut *self.svc.ops
    }
}
