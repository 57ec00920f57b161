//! Certificates of vhosts grow old and are replaced: a look at each of them daily, and by call
//! (C: `lws_tls_check_all_cert_lifetimes`, `lws_tls_cert_updated`). Called by `turn` and the views.

use crate::dispatch;
use crate::protocol::Users;
use crate::service::{Due, Service};
use crate::{VhostId, VhostReason};
use std::path::Path;

const DAY: i64 = 86_400;
/// How soon after a vhost with a certificate was created the first look comes, µs.
const FIRST_US: u64 = 1;

/// A vhost with a certificate was created: it is looked at soon.
pub(crate) fn watch(svc: &mut Service) {
    if let Some(timer) = svc.certificate_check.take() {
        svc.timers.cancel(timer);
    }
    svc.certificate_check = Some(svc.timers.schedule(svc.now_us + FIRST_US, Due::Certificates));
}

/// Time to look: changed files are read anew, and everybody hears how many days are left.
pub(crate) fn check(svc: &mut Service, users: &mut Users) {
    svc.certificate_check = None;
    reload(svc, None);
    let now = i64::try_from(svc.clock.wall_us() / 1_000_000).unwrap_or(i64::MAX);
    let aging: Vec<_> = with_certificate(svc)
        .map(|(vhost, info, tls)| (vhost, info.name.clone(), tls.not_after().saturating_sub(now).div_euclid(DAY)))
        .collect();
    for (vhost, name, days_left) in &aging {
        match days_left {
            ..0 => crate::lwsl_warn!("vhost \"{name}\": its certificate has expired"),
            0..=14 => crate::lwsl_notice!("vhost \"{name}\": cert expiry: {days_left}d"),
            _ => crate::lwsl_info!("vhost \"{name}\": cert expiry: {days_left}d"),
        }
        for binding in 0..svc.bindings.len() {
            let reason = VhostReason::VhostCertAging { vhost: *vhost, days_left: *days_left };
            let _ = dispatch::vhost_callback(svc, users, crate::BindingId(binding as u32), reason);
        }
    }
    if !aging.is_empty() && svc.certificate_check.is_none() {
        let at = svc.now_us.saturating_add(svc.limits.certificate_check_us);
        svc.certificate_check = Some(svc.timers.schedule(at, Due::Certificates));
    }
}

/// Reads certificates anew: those whose files have changed, or those at `path`. How many were.
/// One that is of no use is said, and what was in use stays.
pub(crate) fn reload(svc: &Service, path: Option<&Path>) -> usize {
    let mut reloaded = 0;
    for (_, info, tls) in with_certificate(svc) {
        match tls.reload(path) {
            Ok(true) => {
                crate::lwsl_notice!("vhost \"{}\": new certificate", info.name);
                reloaded += 1;
            }
            Ok(false) => {}
            Err(why) => crate::lwsl_err!("vhost \"{}\": keeps its certificate: {why}", info.name),
        }
    }
    reloaded
}

fn with_certificate(svc: &Service) -> impl Iterator<Item = (VhostId, &crate::vhost::VhostInfo, &dyn crate::TlsServer)> {
    let alive = svc.vhosts.iter().enumerate().filter(|(_, info)| !info.destroyed);
    alive.filter_map(|(at, info)| Some((VhostId(at as u32), info, info.tls.as_deref()?)))
}
