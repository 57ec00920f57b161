//! Shows what the certificate of an https server says. See README.md.

use lws::lwsl_hexdump_user;
use lws::prelude::*;
use lws::tls::{Certificate, TlsWsi};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-http-client-certinfo [-l] [--server NAME] [-p PORT] [-k] [--h1] [--ca FILE] \
                     [--cert FILE --key FILE] [-d LEVELS]";

struct CertInfo {
    to: ConnectInfo,
    /// Shared with `main`: there was a certificate and a complete response of status 200.
    good: Rc<Cell<bool>>,
}

fn show(cert: &Certificate) {
    lwsl_user!(" Peer Cert CN        : {}", cert.common_name().unwrap_or("none"));
    lwsl_user!(" Peer Cert issuer    : {}", cert.issuer());
    lwsl_user!(" Peer Cert Valid from: {}", cert.not_before_text());
    lwsl_user!(" Peer Cert Valid to  : {}", cert.not_after_text());
    for name in cert.alternative_names() {
        lwsl_user!(" Peer Cert for       : {name}");
    }
    if let Some(usage) = cert.key_usage() {
        lwsl_user!(" Peer Cert usage bits: {:#x} ({usage})", usage.bits());
    }
    lwsl_user!(" Peer Cert public key: {}", cert.public_key());
    lwsl_hexdump_user!(cert.public_key().der());
}

impl Protocol for CertInfo {
    const NAME: &'static str = "http";
    /// Whether the server's certificate has been shown.
    type Session = bool;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            vh.client_connect(self.to.clone());
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, shown: &mut bool) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("connection failed: {why}");
                wsi.vhost().stop();
            }
            Reason::EstablishedClientHttp => {
                lwsl_user!("status {}", wsi.http_status().unwrap_or_default());
                if let Some(cert) = wsi.tls_peer_cert_info(0) {
                    show(&cert);
                    *shown = true;
                }
            }
            Reason::CompletedClientHttp => {
                self.good.set(*shown && wsi.http_status() == Some(200));
                wsi.vhost().stop();
            }
            Reason::ClosedClientHttp => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start_client(USAGE, &["-l", "--server", "-p", "-k", "--h1"]);
    let mut to = common::http_connect_info(&args, "-p", true);
    if args.has("-k") {
        to = to.allow_insecure();
    }
    let good = Rc::new(Cell::new(false));
    let certinfo = CertInfo { to, good: Rc::clone(&good) };
    lws::context().vhost(common::client_vhost(&args).protocol(certinfo)).create()?.run()?;
    Ok(common::completed(good.get()))
}
