//! Two https vhosts whose certificates are in memory, one as PEM and one as DER. See README.md.

use lws::prelude::*;
use lws::tls::ServerTls;
use minimal_examples as common;

const USAGE: &str = "minimal-http-server-tls-mem [-p PORT] [-d LEVELS]";

const PEM_CERT: &[u8] = include_bytes!("../../certs/localhost-100y.cert");
const PEM_KEY: &[u8] = include_bytes!("../../certs/localhost-100y.key");
const DER_CERT: &[u8] = include_bytes!("../../certs/localhost-100y.cert.der");
const DER_KEY: &[u8] = include_bytes!("../../certs/localhost-100y.key.der");

fn vhost(name: &str, port: u16, tls: ServerTls) -> Vhost {
    Vhost::new(name)
        .port(port)
        .tls(tls)
        .mount(Mount::dir("/", common::folder("http-server/minimal-http-server-tls-mem", "mount-origin")))
        .error_document_404("/404.html")
        .security_best_practices()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p"]);
    let first = vhost("first", common::port(&args), ServerTls::from_memory(PEM_CERT, PEM_KEY));
    let second = vhost("second", common::next_port(&args), ServerTls::from_memory(DER_CERT, DER_KEY));
    common::run(lws::context().vhost(first).vhost(second).create()?, &["first", "second"])
}
