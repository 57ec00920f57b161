//! Three vhosts on two ports: the Host header tells apart those that share one. See README.md.

use lws::prelude::*;
use minimal_examples as common;
use std::time::Duration;

const USAGE: &str =
    "minimal-http-server-multivhost [-p PORT] [--destroy-after SECONDS] [--die-after-vhost] [-d LEVELS]";

/// Each vhost serves a folder of its own.
fn vhost(name: &str, port: u16) -> Vhost {
    let origin = common::folder("http-server/minimal-http-server-multivhost", &format!("mount-origin-{name}"));
    Vhost::new(name).port(port).mount(Mount::dir("/", origin)).error_document_404("/404.html").security_best_practices()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "--destroy-after", "--die-after-vhost"]);
    let port = common::port(&args);
    let next = match port {
        0 => 0,
        port => port.checked_add(1).unwrap_or_else(|| common::fail("option -p: there is no port after it")),
    };

    // vhosts can be created at any time; here right after the context
    let mut context = lws::context().create()?;
    let localhost1 = context.create_vhost(vhost("localhost1", port))?;
    let localhost2 = context.create_vhost(vhost("localhost2", next))?;
    let shared = context.listen_port(localhost2).unwrap_or(next);
    let localhost3 = context.create_vhost(vhost("localhost3", shared))?;
    for (vhost, name) in [(localhost1, "localhost1"), (localhost2, "localhost2"), (localhost3, "localhost3")] {
        let port = context.listen_port(vhost).unwrap_or_default();
        println!("open http://localhost:{port} ({name})");
    }

    if args.has("--die-after-vhost") {
        lwsl_warn!("leaving after the vhosts were created");
        return Ok(());
    }
    if args.has("--destroy-after") {
        let after = Duration::from_secs(common::number(&args, "--destroy-after", 0));
        context.sul_schedule(after, move |context| {
            context.destroy_vhost(localhost3);
            println!("localhost3 was destroyed");
        });
    }
    context.run()?;
    Ok(())
}
