//! A UDP echo server: each datagram goes back to who has sent it. See README.md.

use lws::UdpInfo;
use lws::prelude::*;
use minimal_examples as common;
use std::collections::VecDeque;
use std::net::SocketAddr;

const USAGE: &str = "minimal-raw-adopt-udp [-p PORT] [--udp-rx-loss PERCENT] [--udp-tx-loss PERCENT] [-d LEVELS]";

/// Datagrams that wait to go back, at most. As on any network, more are lost.
const MAX_WAITING: usize = 128;

struct Echo {
    port: u16,
}

impl Protocol for Echo {
    const NAME: &'static str = "raw-test";
    /// Datagrams that came and didn't go back yet, with their senders.
    type Session = VecDeque<(SocketAddr, Box<[u8]>)>;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason
            && let Err(e) = vh.create_adopt_udp(&UdpInfo::bind(None, self.port))
        {
            common::fail(&format!("port {}: {e}", self.port));
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, waiting: &mut Self::Session) -> Result<(), Close> {
        match reason {
            Reason::RawAdopt => {
                if let Some(here) = wsi.local_addr() {
                    println!("open udp://localhost:{}", here.port());
                }
            }
            Reason::RawRx(data) => {
                if let Some(from) = wsi.udp_peer()
                    && waiting.len() < MAX_WAITING
                {
                    waiting.push_back((from, data.into()));
                    wsi.callback_on_writable();
                }
            }
            Reason::RawWriteable => {
                if let Some((to, data)) = waiting.pop_front() {
                    // one who can't be reached any more is no reason to end
                    if let Err(e) = wsi.write_to(to, &data) {
                        lwsl_user!("to {to}: {e}");
                    }
                }
                if !waiting.is_empty() {
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--udp-rx-loss", "--udp-tx-loss"]);
    let vhost = Vhost::new("default").protocol(Echo { port: common::port(&args) });
    let context = lws::context().cmdline_builtin(&args).unwrap_or_else(|e| common::fail(&e.to_string()));
    context.vhost(vhost).create()?.run()?;
    Ok(())
}
