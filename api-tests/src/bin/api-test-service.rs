//! The loop: woken from another thread, driven by a foreign loop through its descriptor, asleep
//! while idle.

use api_tests::{PATIENCE, Tests, pattern, raw_server, wait_until};
use lws::prelude::*;
use std::cell::Cell;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Sends back what it receives and counts the wakeups from other threads.
#[derive(Default)]
struct Echo {
    cancelled: Rc<Cell<u32>>,
}

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, pending: &mut Vec<u8>) -> Result<(), Close> {
        match reason {
            Reason::RawRx(data) => {
                pending.extend_from_slice(data);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(pending, Write::Raw)?;
                pending.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::EventWaitCancelled = reason {
            self.cancelled.set(self.cancelled.get() + 1);
        }
        Ok(())
    }
}

/// A cancel ends a sleep without end, in one turn.
fn wakes(tests: &mut Tests, cx: &mut Context, cancelled: &Cell<u32>) {
    const LATER: Duration = Duration::from_millis(100);
    wait_until(cx, PATIENCE, |cx| cx.next_timeout() != Some(Duration::ZERO));
    let (cancel, start) = (cx.cancel_service(), Instant::now());
    let thread = std::thread::spawn(move || {
        std::thread::sleep(LATER);
        cancel.cancel();
    });
    let served = cx.service(None).is_ok();
    tests.check("an idle context sleeps until it is cancelled", served && start.elapsed() >= LATER);
    tests.equal("and has told its protocol", &cancelled.replace(0), &1);
    tests.check("the other thread ends", thread.join().is_ok());
    for _ in 0..1_000 {
        cx.cancel_service().cancel();
    }
    wait_until(cx, PATIENCE, |_| cancelled.get() > 0);
    tests.equal("a thousand cancels before it wakes are one", &cancelled.replace(0), &1);
}

/// Several threads hand over work and cancel; none is lost, whatever the order.
fn no_cancel_is_lost(tests: &mut Tests, cx: &mut Context) {
    const THREADS: usize = 3;
    const EACH: usize = 5_000;
    let (sender, work) = mpsc::channel();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (cancel, sender) = (cx.cancel_service(), sender.clone());
            std::thread::spawn(move || {
                for n in 0..EACH {
                    if sender.send(n).is_err() {
                        return;
                    }
                    cancel.cancel();
                }
            })
        })
        .collect();
    let mut found = 0;
    let stuck = watchdog();
    while found < THREADS * EACH && cx.service(None).is_ok() {
        found += work.try_iter().count();
    }
    stuck.store(false, Ordering::Release);
    tests.equal("all work that threads hand over is found", &found, &(THREADS * EACH));
    tests.check("the threads end", threads.into_iter().all(|t| t.join().is_ok()));
}

/// Ends the program with a failure when a wait without end isn't over in time.
fn watchdog() -> Arc<AtomicBool> {
    let armed = Arc::new(AtomicBool::new(true));
    let watched = Arc::clone(&armed);
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        if watched.load(Ordering::Acquire) {
            println!("FAIL the loop sleeps though it was cancelled\nCompleted: PASS: 0, FAIL: 1");
            std::process::exit(1);
        }
    });
    armed
}

/// Another loop owns the wait and knows of the context only its descriptor and `next_timeout`.
fn foreign_loop(tests: &mut Tests, cx: &mut Context, port: u16) {
    const LEN: usize = 1 << 20;
    let fired = Rc::new(Cell::new(false));
    let at = Rc::clone(&fired);
    cx.sul_schedule(Duration::from_micros(2_700), move |_| at.set(true));
    let client = std::thread::spawn(move || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        let mut sender = stream.try_clone()?;
        let sending = std::thread::spawn(move || sender.write_all(&pattern(LEN)));
        let mut got = vec![0; LEN];
        stream.read_exact(&mut got)?;
        Ok(sending.join().is_ok_and(|sent| sent.is_ok()) && got == pattern(LEN))
    });
    let Some(mut outer) = tests.result("a context in another context's loop", Outer::new(cx)) else { return };
    let start = Instant::now();
    while !(client.is_finished() && fired.get() && cx.connections() == 0) && start.elapsed() < PATIENCE {
        outer.wait(cx.next_timeout().unwrap_or(Duration::from_millis(100)));
        if cx.service(Some(Duration::ZERO)).is_err() {
            break;
        }
    }
    tests.check("a megabyte is echoed under a foreign loop", matches!(client.join(), Ok(Ok(true))));
    tests.check("its timers fire", fired.get());
    tests.at_most("it waits, and doesn't spin", outer.waits.load(Ordering::Relaxed), 20_000);
    tests.equal("and has nothing left to do", &cx.next_timeout(), &None);
}

/// The foreign loop: another context that watches the first one's descriptor as a raw file.
struct Outer {
    cx: Context,
    waits: AtomicUsize,
}

struct Watch;

impl Protocol for Watch {
    const NAME: &'static str = "watch";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        // readable until the inner context has been served: not to be told again before that
        if let Reason::RawRxFile = reason {
            wsi.rx_flow_control(false);
        }
        Ok(())
    }
}

impl Outer {
    fn new(inner: &Context) -> Result<Self, String> {
        let fd = inner.as_fd().try_clone_to_owned().map_err(|e| e.to_string())?;
        let mut cx = lws::context().create().map_err(|e| e.to_string())?;
        let vhost = cx.create_vhost(Vhost::new("outer").protocol(Watch)).map_err(|e| e.to_string())?;
        let mut vh = cx.vh(vhost, "watch").ok_or("no vhost")?;
        vh.adopt_descriptor(fd, Adopt::RawFile, None).map_err(|e| e.to_string())?;
        cx.sul_schedule(Duration::ZERO, move |cx| resume(cx, vhost));
        Ok(Self { cx, waits: AtomicUsize::new(0) })
    }

    /// Sleeps until the inner context's descriptor is readable, or this long.
    fn wait(&mut self, limit: Duration) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        if let Err(e) = self.cx.service(Some(limit)) {
            println!("outer loop: {e}");
        }
    }
}

/// Listens to the inner context again, once a millisecond at most.
fn resume(cx: &mut Context, vhost: lws::VhostId) {
    if let Some(mut vh) = cx.vh(vhost, "watch")
        && let Some(&id) = vh.members().first()
        && let Some(mut wsi) = vh.wsi(id)
    {
        wsi.rx_flow_control(true);
    }
    cx.sul_schedule(Duration::from_millis(1), move |cx| resume(cx, vhost));
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let cancelled = Rc::new(Cell::new(0));
    let server = raw_server(Echo { cancelled: Rc::clone(&cancelled) });
    if let Some((mut cx, _, port)) = tests.result("a server", server) {
        wakes(&mut tests, &mut cx, &cancelled);
        no_cancel_is_lost(&mut tests, &mut cx);
        foreign_loop(&mut tests, &mut cx, port);
    }
    tests.finish();
}
