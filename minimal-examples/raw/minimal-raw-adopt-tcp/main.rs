//! Adopts a TCP connection that the program has made by itself, and speaks a little http on it.
//! See README.md.

use lws::lwsl_hexdump_user;
use lws::prelude::*;
use minimal_examples as common;
use std::cell::Cell;
use std::net::TcpStream;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-raw-adopt-tcp [--server NAME] [--port PORT] [-d LEVELS]";

struct RawTest {
    request: String,
    /// Shared with `main`: bytes received.
    received: Rc<Cell<usize>>,
}

impl Protocol for RawTest {
    const NAME: &'static str = "raw-test";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::RawAdopt => {
                lwsl_user!("RAW_ADOPT");
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(self.request.as_bytes(), Write::Raw)?;
            }
            Reason::RawRx(data) => {
                lwsl_user!("RAW_RX ({})", data.len());
                lwsl_hexdump_user!(data);
                self.received.set(self.received.get() + data.len());
            }
            Reason::RawClose => {
                lwsl_user!("RAW_CLOSE");
                wsi.vhost().stop();
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["--server", "--port"]);
    let ConnectInfo { address, port, .. } = common::connect_info(&args, "--server", "--port", false);
    let stream = TcpStream::connect((address.as_str(), port))
        .unwrap_or_else(|e| common::fail(&format!("{address}:{port}: {e}")));

    let received = Rc::new(Cell::new(0));
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let protocol = RawTest { request, received: Rc::clone(&received) };
    let mut context = lws::context().create()?;
    let vhost = context.create_vhost(Vhost::new("default").protocol(protocol))?;
    let mut vh = context.vh(vhost, RawTest::NAME).ok_or("no such protocol")?;
    vh.adopt_descriptor(stream.into(), Adopt::RawSocket, None)?;
    context.run()?;
    println!("received {} bytes", received.get());
    Ok(common::completed(received.get() > 0))
}
