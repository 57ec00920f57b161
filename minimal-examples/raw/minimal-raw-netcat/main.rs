//! Standard input to a socket, the socket to standard output. See README.md.

use lws::prelude::*;
use lws::{Reconnect, RetryPolicy};
use minimal_examples as common;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

const USAGE: &str = "minimal-raw-netcat [--server NAME] [--port PORT] [-w MS] [--retry TRIES] [-d LEVELS]";

/// Bytes read from standard input at once, and all that is ever held of it.
const BLOCK: usize = 4096;

/// With `--retry`: a server that isn't there is tried again after these times, and up to a fifth more.
const WAITS_MS: &[u32] = &[250, 500, 1000, 2000, 4000];

/// The timer's key.
const AGAIN: u32 = 1;

struct Netcat {
    link: Reconnect,
    /// How long the peer may go on after the end of standard input.
    linger: Duration,
    input: File,
    /// The two connections: the socket, and standard input.
    socket: Option<WsiId>,
    stdin: Option<WsiId>,
    /// Input that waits to be sent. No more is read meanwhile.
    block: Vec<u8>,
    /// Shared with `main`: a connection was made.
    connected: Rc<Cell<bool>>,
}

impl Netcat {
    fn adopt_stdin(&mut self, wsi: &mut Wsi<'_>) -> Result<WsiId, Box<dyn std::error::Error>> {
        let copy = self.input.try_clone()?;
        Ok(wsi.vhost().adopt_descriptor(copy.into(), Adopt::RawFile, None)?)
    }

    /// Standard input is readable.
    fn read(&mut self, stdin: &mut Wsi<'_>) -> Result<(), Close> {
        self.block.resize(BLOCK, 0);
        let got = match self.input.read(&mut self.block) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            got => got.inspect_err(|e| lwsl_err!("standard input: {e}")).unwrap_or(0),
        };
        self.block.truncate(got);
        if got == 0 {
            return Err(Close::NORMAL);
        }
        stdin.rx_flow_control(false);
        if let Some(mut socket) = self.socket.and_then(|id| stdin.other(id)) {
            socket.callback_on_writable();
        }
        Ok(())
    }
}

impl Protocol for Netcat {
    const NAME: &'static str = "raw-netcat";
    type Session = ();

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        match reason {
            VhostReason::ProtocolInit => drop(self.link.connect(vh)),
            VhostReason::User(key) => drop(self.link.due(vh, key)),
            _ => {}
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("{why}");
                if !self.link.ended(wsi) {
                    wsi.vhost().stop();
                }
            }
            Reason::RawConnected => {
                self.connected.set(true);
                self.socket = Some(wsi.id());
                match self.adopt_stdin(wsi) {
                    Ok(id) => self.stdin = Some(id),
                    Err(e) => common::fail(&format!("standard input: {e}")),
                }
            }
            Reason::RawRxFile => self.read(wsi)?,
            Reason::RawWriteable => {
                wsi.write(&self.block, Write::Raw)?;
                if let Some(mut stdin) = self.stdin.and_then(|id| wsi.other(id)) {
                    stdin.rx_flow_control(true);
                }
            }
            Reason::RawRx(data) => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(data).and_then(|()| stdout.flush());
                written.map_err(|_| Close::NORMAL)?;
            }
            Reason::RawCloseFile => {
                if let Some(mut socket) = self.socket.and_then(|id| wsi.other(id)) {
                    socket.set_timer(Some(self.linger));
                }
            }
            Reason::Timer => return Err(Close::NORMAL),
            Reason::RawClose => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["--server", "--port", "-w", "--retry"]);
    // Adopting makes a file non-blocking. Opened anew, that doesn't reach a terminal's other users,
    // our standard output above all; where it can't be (a socket), the descriptor is shared.
    let input = File::open("/dev/stdin").or_else(|_| io::stdin().as_fd().try_clone_to_owned().map(File::from))?;
    let connected = Rc::new(Cell::new(false));
    let policy = RetryPolicy {
        retry_ms_table: WAITS_MS,
        conceal_count: common::number(&args, "--retry", 0),
        ..RetryPolicy::DEFAULT
    };
    let to = common::connect_info(&args, "--server", "--port", false).method("RAW").retry_and_idle_policy(policy);
    let netcat = Netcat {
        link: Reconnect::new(to, AGAIN),
        linger: Duration::from_millis(common::number(&args, "-w", 1000)),
        input,
        socket: None,
        stdin: None,
        block: Vec::new(),
        connected: Rc::clone(&connected),
    };
    lws::context().vhost(Vhost::new("default").protocol(netcat)).create()?.run()?;
    Ok(if connected.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
