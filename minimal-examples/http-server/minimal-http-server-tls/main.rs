//! An https server: the files of a folder, and a page that says what is known of the connection.
//! See README.md.

use lws::prelude::*;
use lws::tls::{ClientCerts, TlsWsi};
use minimal_examples as common;
use std::time::Duration;

const USAGE: &str = "minimal-http-server-tls [-p PORT] [--cert FILE --key FILE] \
                     [--client-ca FILE] [--require-client-cert] [--hsts] \
                     [--reload-secs SECONDS] [--handshake-secs SECONDS] [-d LEVELS]";
const OPTIONS: [&str; 8] =
    ["-p", "--cert", "--key", "--client-ca", "--require-client-cert", "--hsts", "--reload-secs", "--handshake-secs"];

struct Connection;

impl Protocol for Connection {
    const NAME: &'static str = "http";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::VhostCertAging { days_left, .. } => lwsl_user!("certificate: {days_left} days left"),
            // its issuer and dates are good already; Err would refuse it
            VhostReason::PerformClientCertVerification(id) => {
                if let Some(name) = vh.wsi(id).and_then(|wsi| client_name(&wsi)) {
                    lwsl_user!("client certificate: {name:?}");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::Http(_) = reason {
            let body = describe(wsi).unwrap_or_default();
            wsi.respond(200).content_type("text/plain").content_length(body.len() as u64).send()?;
            wsi.write(body.as_bytes(), Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    }
}

/// The common name in the client's certificate, if it has shown one.
fn client_name(wsi: &Wsi<'_>) -> Option<String> {
    Some(wsi.tls_peer_cert_info(0)?.common_name().unwrap_or_default().to_owned())
}

fn describe(wsi: &Wsi<'_>) -> Option<String> {
    let facts = wsi.tls_facts()?;
    Some(format!(
        "version: {}\ncipher: {}\nalpn: {}\nserver name: {}\nresumed: {}\nclient: {}\n",
        facts.version,
        facts.cipher,
        facts.alpn.unwrap_or("none"),
        facts.server_name.unwrap_or("none"),
        if facts.resumed { "yes" } else { "no" },
        client_name(wsi).as_deref().unwrap_or("none"),
    ))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &OPTIONS);
    let mut tls = common::certificate(&args);
    if let Some(ca) = args.option("--client-ca") {
        tls = tls.client_ca_file(ca).client_certificates(ClientCerts::Optional);
    }
    if args.has("--require-client-cert") {
        tls = tls.client_certificates(ClientCerts::Required);
    }
    let mut vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .tls(tls)
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-tls", "mount-origin")))
        .mount(Mount::callback("/connection", Connection::NAME))
        .protocol(Connection)
        .error_document_404("/404.html")
        .security_best_practices();
    if args.has("--hsts") {
        vhost = vhost.strict_transport_security(Duration::from_secs(15_768_000), true);
    }
    let context = lws::context()
        .certificate_check(Duration::from_secs(common::number(&args, "--reload-secs", 86_400)))
        .handshake_timeout(Duration::from_secs(common::number(&args, "--handshake-secs", 20)))
        .vhost(vhost)
        .create()?;
    common::run(context, &["localhost"])
}
