//! Where a request goes: a mount, or the vhost's first protocol. Asks the user's protocol for extra
//! headers where a file mount names one; decides nothing else and writes nothing.

use crate::http::file::{self, Found};
use crate::http::method::Method;
use crate::http::mount::{self, MountKind};
use crate::http::settings::HttpSettings;
use crate::http::transaction::Transaction;
use lws_core::{BindingId, Close, Cx, Fields, Reason};

/// What [`route`] found.
pub(super) enum Routed {
    /// User code of this binding; the path below the mount point starts at this byte.
    Binding(BindingId, usize),
    /// A file, and the header fields so far.
    File(Found, Fields),
    /// Elsewhere: status and location.
    Redirect(u16, String),
    /// An error.
    Refused(u16),
}

/// Finds what answers for `path`.
pub(super) fn route(cx: &mut Cx<'_>, settings: &HttpSettings, path: &str, method: Method) -> Result<Routed, Close> {
    let first = cx.binding_at(0);
    let Some(hit) = mount::find(&settings.mounts, path) else {
        return Ok(first.map_or(Routed::Refused(404), |b| Routed::Binding(b, 0)));
    };
    let Some(mount) = settings.mounts.get(hit.index) else { return Ok(Routed::Refused(404)) };
    match mount.kind() {
        MountKind::Callback { protocol } => Ok(match cx.binding_named(protocol) {
            Some(binding) => Routed::Binding(binding, path.len() - hit.rest.len()),
            None => {
                lws_core::lwsl_err!(
                    "mount {:?}: no protocol {protocol:?} on vhost {:?}",
                    mount.mountpoint(),
                    cx.vhost_name()
                );
                Routed::Refused(500)
            }
        }),
        MountKind::Redirect { code, .. } => {
            let mut location = Vec::new();
            if let Some(t) = cx.role_data::<Transaction>() {
                mount.write_location(&mut location, hit.rest, t.head.query());
            }
            Ok(String::from_utf8(location).map_or(Routed::Refused(400), |location| Routed::Redirect(*code, location)))
        }
        MountKind::Dir { .. } => {
            if !matches!(method, Method::Get | Method::Head) {
                return Ok(Routed::Refused(405));
            }
            let found = file::find(mount, hit.rest, cx.turn_data());
            let mut fields = cx.take_fields();
            let Some(t) = cx.role_data::<Transaction>() else { return Ok(Routed::Refused(500)) };
            let found = file::open(mount, hit.rest, found, &t.head, &mut fields);
            if let Some(name) = mount.protocol_name() {
                let Some(binding) = cx.binding_named(name) else {
                    lws_core::lwsl_err!(
                        "mount {:?}: no protocol {name:?} on vhost {:?}",
                        mount.mountpoint(),
                        cx.vhost_name()
                    );
                    return Ok(Routed::Refused(500));
                };
                if cx.binding() != Some(binding) {
                    cx.bind(binding, Reason::HttpDropProtocol, Reason::HttpBindProtocol)?;
                }
                cx.user(Reason::AddHeaders(&mut fields))?;
            }
            Ok(Routed::File(found, fields))
        }
    }
}
