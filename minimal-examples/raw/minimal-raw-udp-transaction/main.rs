//! Questions and answers by UDP, each asked again until it is answered. See README.md.

use lws::prelude::*;
use lws::{RetryPolicy, UdpInfo};
use minimal_examples as common;
use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

const USAGE: &str = "minimal-raw-udp-transaction [--server NAME] [--port PORT] [-c COUNT] \
    [--udp-rx-loss PERCENT] [--udp-tx-loss PERCENT] [-d LEVELS]";

/// How long an answer is waited for, more each time, and how often it is asked again.
const POLICY: RetryPolicy = RetryPolicy {
    retry_ms_table: &[50, 100, 150, 250],
    conceal_count: 30,
    secs_since_valid_ping: 0,
    secs_since_valid_hangup: 0,
    jitter_percent: 20,
};

struct Transactions {
    server: String,
    port: u16,
    count: u32,
    /// Shared with `main`: all were answered.
    good: Rc<Cell<bool>>,
}

/// The transaction that is on.
#[derive(Default)]
struct Transaction {
    number: u32,
    /// How often it was asked.
    tries: u16,
    /// Of all transactions.
    asked: u32,
}

impl Transaction {
    fn question(&self) -> String {
        format!("question {}", self.number)
    }
}

impl Protocol for Transactions {
    const NAME: &'static str = "udp-transaction";
    type Session = Transaction;

    fn vhost_callback(&mut self, vh: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::ProtocolInit = reason {
            let to = UdpInfo::connect(&self.server, self.port).retry_and_idle_policy(POLICY);
            if let Err(e) = vh.create_adopt_udp(&to) {
                common::fail(&format!("{}: {e}", self.server));
            }
        }
        Ok(())
    }

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, on: &mut Transaction) -> Result<(), Close> {
        match reason {
            Reason::ClientConnectionError(why) => {
                lwsl_err!("{why}");
                wsi.vhost().stop();
            }
            // the first time, and again when no answer has come in time
            Reason::RawAdopt | Reason::Timer => wsi.callback_on_writable(),
            Reason::RawWriteable => {
                if !wsi.retry_sul_schedule_retry_wsi(&mut on.tries) {
                    lwsl_err!("question {} was asked {} times: given up", on.number, on.tries);
                    return Err(Close::ABORT);
                }
                on.asked += 1;
                wsi.write(on.question().as_bytes(), Write::Raw)?;
            }
            // an answer to an earlier one, that came twice or late, is none to this
            Reason::RawRx(data) if data == on.question().as_bytes() => {
                wsi.set_timer(None);
                (on.number, on.tries) = (on.number + 1, 0);
                if on.number < self.count {
                    wsi.callback_on_writable();
                    return Ok(());
                }
                println!("{} transactions in {} datagrams", on.number, on.asked);
                self.good.set(true);
                return Err(Close::NORMAL);
            }
            Reason::RawClose => wsi.vhost().stop(),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["--server", "--port", "-c", "--udp-rx-loss", "--udp-tx-loss"]);
    let good = Rc::new(Cell::new(false));
    let transactions = Transactions {
        server: args.option("--server").unwrap_or("localhost").to_owned(),
        port: common::number(&args, "--port", 7681),
        count: common::number(&args, "-c", 20),
        good: Rc::clone(&good),
    };
    let vhost = Vhost::new("client").protocol(transactions);
    let context = lws::context().cmdline_builtin(&args).unwrap_or_else(|e| common::fail(&e.to_string()));
    context.vhost(vhost).create()?.run()?;
    Ok(common::completed(good.get()))
}
