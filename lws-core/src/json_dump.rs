//! The state of a context or a vhost as JSON (RFC 8259), for status pages and monitoring (C:
//! `lws_json_dump_context`, `lws_json_dump_vhost`).
//!
//! ```json
//! {"version":"0.1.0","uptime":12,"connections":1,"streams":0,"listening":1,"timers":2,"peers":0,
//!  "stats":{"connections":1,"closes":0},
//!  "vhosts":[{"name":"localhost","port":7681,"tls":false,
//!             "stats":{"connections":1,"refused":0},"protocols":[{"name":"http","connections":1}]}]}
//! ```
//!
//! Counts are numbers, names are escaped; `uptime` is in seconds, `port` is null without one. All counters of
//! [`Stats`](crate::Stats) and [`VhostStats`](crate::VhostStats) are there, by their names here: C's are
//! strings, and others. What roles know of a vhost, as mounts, isn't in it.

use crate::VhostId;
use crate::service::Service;
use crate::util::purify::push_json;
use std::fmt::Write as _;

impl Service {
    /// As [`Context::json_dump_vhost`](crate::Context::json_dump_vhost).
    pub(crate) fn json_dump_vhost(&self, vhost: VhostId) -> Option<String> {
        let info = self.vhosts.get(vhost.0 as usize).filter(|v| !v.destroyed)?;
        let mut out = String::from("{\"name\":");
        string(&mut out, &info.name);
        // writing to a String can't fail
        let _ = match self.listen_port(vhost) {
            Some(port) => write!(out, ",\"port\":{port}"),
            None => write!(out, ",\"port\":null"),
        };
        let _ = write!(out, ",\"tls\":{},\"stats\":", info.tls.is_some());
        counts(&mut out, info.stats.iter());
        out.push_str(",\"protocols\":[");
        for (at, binding) in info.bindings.iter().filter_map(|b| self.bindings.get(b.0 as usize)).enumerate() {
            out.push_str(if at > 0 { ",{\"name\":" } else { "{\"name\":" });
            string(&mut out, &binding.name);
            let _ = write!(out, ",\"connections\":{}}}", binding.members.len());
        }
        out.push_str("]}");
        Some(out)
    }

    /// As [`Context::json_dump_context`](crate::Context::json_dump_context).
    pub(crate) fn json_dump_context(&self, with_vhosts: bool) -> String {
        let mut out = String::new();
        // writing to a String can't fail
        let _ = write!(
            out,
            "{{\"version\":\"{}\",\"uptime\":{},\"connections\":{},\"streams\":{},\"listening\":{},\"timers\":{},\
             \"peers\":{},\"stats\":",
            env!("CARGO_PKG_VERSION"),
            self.clock.monotonic_us().saturating_sub(self.began_us) / 1_000_000,
            self.connections(),
            self.streams,
            self.listening,
            self.timers.len(),
            self.peers.as_ref().map_or(0, |peers| peers.len()),
        );
        counts(&mut out, self.stats().iter());
        if with_vhosts {
            out.push_str(",\"vhosts\":[");
            let ids = (0..self.vhosts.len()).map(|at| VhostId(at as u32));
            out.push_str(&ids.filter_map(|vhost| self.json_dump_vhost(vhost)).collect::<Vec<_>>().join(","));
            out.push(']');
        }
        out.push('}');
        out
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    text.chars().for_each(|c| push_json(c, out));
    out.push('"');
}

fn counts(out: &mut String, counters: impl Iterator<Item = (&'static str, u64)>) {
    for (at, (name, count)) in counters.enumerate() {
        let before = if at > 0 { ',' } else { '{' };
        let _ = write!(out, "{before}\"{name}\":{count}");
    }
    out.push('}');
}
