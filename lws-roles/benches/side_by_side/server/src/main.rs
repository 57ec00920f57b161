//! What the peers of the side-by-side benchmark serve, on this library:
//!
//! * `GET /`: 13 bytes of text/plain from a callback
//! * `GET /static/...`: files below `--root`
//! * WebSocket, subprotocol "echo": each message back; "bcast": each message to every "bcast" connection
//! * the same by TLS when there is a `--cert`
//!
//! `servers/lws_server.c` is the same on C libwebsockets.

use lws::prelude::*;
use lws::ws::Shared;
use std::collections::VecDeque;
use std::time::Duration;

const USAGE: &str = "server [--plain PORT] [--tls PORT --cert FILE --key FILE] [--root DIR]";
const OPTIONS: [&str; 5] = ["--plain", "--tls", "--cert", "--key", "--root"];

/// Idle connections outlive the longest measurement.
const KEEPALIVE: Duration = Duration::from_secs(600);

const BODY: &[u8] = b"Hello, World!";

struct Hello;

impl Protocol for Hello {
    const NAME: &'static str = "http";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        if let Reason::Http(_) = reason {
            wsi.respond(200).content_type("text/plain").content_length(BODY.len() as u64).send()?;
            wsi.write(BODY, Write::HttpFinal)?;
            wsi.http_transaction_completed();
        }
        Ok(())
    }
}

struct Echo;

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    /// A piece that came while earlier echoes were stuck.
    type Session = Option<(Box<[u8]>, Write)>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, held: &mut Self::Session) -> Result<(), Close> {
        match reason {
            Reason::Receive(rx) => {
                let how = Write::ws(rx.binary, rx.first, rx.last);
                if wsi.partial_buffered() {
                    *held = Some((rx.data.into(), how));
                } else {
                    wsi.write(rx.data, how)?;
                }
                if wsi.partial_buffered() {
                    wsi.rx_flow_control(false);
                    wsi.callback_on_writable();
                }
            }
            Reason::ServerWriteable => {
                if let Some((data, how)) = held.take() {
                    wsi.write(&data, how)?;
                }
                if wsi.partial_buffered() {
                    wsi.callback_on_writable();
                } else {
                    wsi.rx_flow_control(true);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Messages that are kept for those who are slower.
const KEPT: usize = 64;

#[derive(Default)]
struct Broadcast {
    messages: VecDeque<Shared>,
    /// The number of the oldest kept message.
    first: u64,
}

#[derive(Default)]
struct Subscriber {
    /// The number of the message to be sent next.
    next: u64,
    partial: Vec<u8>,
}

impl Protocol for Broadcast {
    const NAME: &'static str = "bcast";
    type Session = Subscriber;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Subscriber) -> Result<(), Close> {
        match reason {
            Reason::Established => session.next = self.first + self.messages.len() as u64,
            Reason::Receive(rx) => {
                session.partial.extend_from_slice(rx.data);
                if rx.last {
                    if self.messages.len() == KEPT {
                        self.messages.pop_front();
                        self.first += 1;
                    }
                    let message = std::mem::take(&mut session.partial);
                    self.messages.push_back(if rx.binary { Shared::binary(message) } else { Shared::text(message) });
                    wsi.callback_on_writable_all_protocol();
                }
            }
            Reason::ServerWriteable => {
                session.next = session.next.max(self.first);
                if let Some(message) = self.messages.get((session.next - self.first) as usize) {
                    wsi.write_shared(message)?;
                    session.next += 1;
                    if session.next < self.first + self.messages.len() as u64 {
                        wsi.callback_on_writable();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn vhost(name: &str, port: u16, root: Option<&str>) -> Vhost {
    let vhost = Vhost::new(name)
        .port(port)
        .backlog(4096)
        .mount(Mount::callback("/", Hello::NAME))
        .protocol(Hello)
        .protocol(Echo)
        .protocol(Broadcast::default())
        .http_keepalive_timeout(KEEPALIVE)
        .ws_validate_utf8(true)
        .ws_permessage_deflate(PermessageDeflate::new());
    match root {
        Some(root) => vhost.mount(Mount::dir("/static", root)),
        None => vhost,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Cmdline::from_env();
    if let Some(unknown) = args.unknown(&OPTIONS) {
        return Err(format!("unknown option {unknown}\n{USAGE}").into());
    }
    let root = args.option("--root");
    let mut context = lws::context();
    if let Some(port) = args.parse("--plain")? {
        context = context.vhost(vhost("plain", port, root));
    }
    if let Some(port) = args.parse("--tls")? {
        let (Some(cert), Some(key)) = (args.option("--cert"), args.option("--key")) else { return Err(USAGE.into()) };
        context = context.vhost(vhost("tls", port, root).tls(ServerTls::from_files(cert, key)));
    }
    context.create()?.run()?;
    Ok(())
}
