//! Output: order, backlog, pauses and big payloads through real sockets with slow readers.

use api_tests::{PATIENCE, Tests, pattern, raw_server, wait_until};
use lws::prelude::*;
use std::cell::RefCell;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

/// The sizes that one answer is written in: corked ones, direct ones, and more than any kernel
/// buffer holds.
const PIECES: [usize; 8] = [1, 3_000, 70_000, 5, 16 * 1024, 16 << 20, 100, 200_000];

#[derive(Default)]
struct Seen {
    writeables: usize,
    backlogs: usize,
    /// Writes that were taken though a tail was pending, or refused though none was.
    wrong: usize,
    received: Vec<u8>,
}

struct Server(Rc<RefCell<Seen>>);

impl Protocol for Server {
    const NAME: &'static str = "server";
    /// How many pieces of the answer have been written.
    type Session = usize;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, done: &mut usize) -> Result<(), Close> {
        let mut seen = self.0.borrow_mut();
        match reason {
            Reason::RawRx(b"go") => wsi.callback_on_writable(),
            Reason::RawRx(b"hold") => {
                wsi.rx_flow_control(false);
                wsi.set_timer(Some(Duration::from_millis(30)));
            }
            Reason::RawRx(data) => seen.received.extend_from_slice(data),
            Reason::Timer => {
                seen.wrong += usize::from(!seen.received.is_empty());
                wsi.rx_flow_control(true);
            }
            Reason::RawWriteable => {
                seen.writeables += 1;
                seen.wrong += usize::from(wsi.partial_buffered());
                while let Some(&len) = PIECES.get(*done) {
                    let pending = wsi.partial_buffered();
                    match wsi.write(&pattern(len), Write::Raw) {
                        Ok(n) => {
                            seen.wrong += usize::from(pending || n != len);
                            *done += 1;
                        }
                        Err(_) => {
                            seen.wrong += usize::from(!pending);
                            seen.backlogs += 1;
                            wsi.callback_on_writable();
                            return Ok(());
                        }
                    }
                }
                // the rest goes first, then the end
                return Err(Close::NORMAL);
            }
            _ => {}
        }
        Ok(())
    }
}

fn slow_reader(tests: &mut Tests, cx: &mut Context, port: u16, seen: &RefCell<Seen>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"go")?;
    stream.set_nonblocking(true)?;
    let (mut got, mut piece, mut ended) = (Vec::new(), vec![0; 1 << 20], false);
    let expected: Vec<u8> = PIECES.iter().flat_map(|&len| pattern(len)).collect();
    let mut turn = 0;
    let done = wait_until(cx, PATIENCE, |_| {
        // reads now and then only, so that the kernel's buffers fill up again and again
        turn += 1;
        if turn % 3 == 0
            && let Ok(n) = stream.read(&mut piece)
        {
            got.extend_from_slice(&piece[..n]);
            ended = n == 0;
        }
        ended
    });
    tests.check("the answer ends", done);
    tests.check("all of it has come, in order", got == expected);
    let seen = seen.borrow();
    tests.check("a full kernel was met", seen.backlogs > 0);
    tests.equal("each WRITEABLE was asked for", &seen.writeables, &(1 + seen.backlogs));
    tests.equal("writes are refused while a tail waits and only then", &seen.wrong, &0);
    tests.equal("nothing is left", &(cx.connections(), cx.sessions(), cx.timers()), &(0, 0, 0));
    Ok(())
}

fn pause(tests: &mut Tests, cx: &mut Context, port: u16, seen: &RefCell<Seen>) -> std::io::Result<()> {
    const LEN: usize = 2 << 20;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"hold")?;
    let sent = pattern(LEN);
    let held = wait_until(cx, PATIENCE, |cx| cx.timers() == 1);
    tests.check("it holds", held);
    let bytes = sent.clone();
    let sender = std::thread::spawn(move || stream.write_all(&bytes).map(|()| stream));
    let all = wait_until(cx, PATIENCE, |_| seen.borrow().received.len() >= LEN);
    tests.check("what was held comes after the hold, whole and in order", all && seen.borrow().received == sent);
    tests.equal("and none of it during the hold", &seen.borrow().wrong, &0);
    drop(sender.join());
    Ok(())
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let seen = Rc::new(RefCell::new(Seen::default()));
    if let Some((mut cx, _, port)) = tests.result("a server", raw_server(Server(Rc::clone(&seen)))) {
        let result = slow_reader(&mut tests, &mut cx, port, &seen);
        tests.result("the slow reader's side", result);
        let result = pause(&mut tests, &mut cx, port, &seen);
        tests.result("the held sender's side", result);
    }
    tests.finish();
}
