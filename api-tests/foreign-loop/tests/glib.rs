//! A context in GLib's main loop: its descriptor is a source there, and `arm` is all it needs to know
//! of time. Beside it the loop has sources of its own.

use glib::{ControlFlow, IOCondition, MainContext, MainLoop};
use lws::prelude::*;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LEN: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything back as it comes, a piece each time there is room.
#[derive(Default)]
struct Echo {
    closed: Rc<Cell<usize>>,
    cancelled: Rc<Cell<usize>>,
}

impl Protocol for Echo {
    const NAME: &'static str = "echo";
    type Session = Vec<u8>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, waiting: &mut Vec<u8>) -> Result<(), Close> {
        match reason {
            Reason::RawRx(data) => {
                waiting.extend_from_slice(data);
                wsi.rx_flow_control(false);
                wsi.callback_on_writable();
            }
            Reason::RawWriteable => {
                wsi.write(waiting, Write::Raw)?;
                waiting.clear();
                wsi.rx_flow_control(true);
            }
            Reason::RawClose => self.closed.set(self.closed.get() + 1),
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if matches!(reason, VhostReason::EventWaitCancelled) {
            self.cancelled.set(self.cancelled.get() + 1);
        }
        Ok(())
    }
}

/// What the sources of the main loop share.
struct Embedded {
    context: RefCell<Context>,
    /// How often GLib has found the descriptor readable.
    calls: Cell<usize>,
}

impl Embedded {
    /// Puts the context into the thread's main loop.
    fn attach(context: Context) -> Rc<Self> {
        let fd = context.as_fd().as_raw_fd();
        let embedded = Rc::new(Self { context: RefCell::new(context), calls: Cell::new(0) });
        let me = Rc::clone(&embedded);
        glib_unix::unix_fd_add_local(fd, IOCondition::IN, move |_, _| {
            me.calls.set(me.calls.get() + 1);
            let mut context = me.context.borrow_mut();
            context.service(Some(Duration::ZERO)).unwrap();
            assert_eq!(context.arm(), None, "the descriptor has to be enough");
            ControlFlow::Continue
        });
        assert_eq!(embedded.context.borrow_mut().arm(), None);
        embedded
    }

    /// Uses the context from outside of its callbacks.
    fn with<R>(&self, f: impl FnOnce(&mut Context) -> R) -> R {
        let mut context = self.context.borrow_mut();
        let result = f(&mut context);
        assert_eq!(context.arm(), None);
        result
    }
}

/// Runs the thread's main loop until `done`, which is asked every few milliseconds.
#[track_caller]
fn until(main_loop: &MainLoop, done: impl Fn() -> bool + 'static) {
    let (quit, late) = (main_loop.clone(), main_loop.clone());
    let is_late = Rc::new(Cell::new(false));
    let (set_late, was_late) = (Rc::clone(&is_late), is_late);
    let guard = glib::timeout_add_local_once(PATIENCE, move || {
        set_late.set(true);
        late.quit();
    });
    glib::timeout_add_local(Duration::from_millis(5), move || {
        if done() {
            quit.quit();
            return ControlFlow::Break;
        }
        ControlFlow::Continue
    });
    main_loop.run();
    assert!(!was_late.get(), "not within {PATIENCE:?}");
    guard.remove();
}

#[test]
fn glib_serves_connections_timers_and_other_threads_sleeps_otherwise_and_goes_on_without() {
    // the sources go to the default context, which is the process's: one test
    let main = MainContext::default();
    let _owned = main.acquire().unwrap();
    let main_loop = &MainLoop::new(Some(&main), false);
    let echo = Echo::default();
    let (closed, cancelled) = (Rc::clone(&echo.closed), Rc::clone(&echo.cancelled));
    let ends = Rc::clone(&closed);
    let vhost = Vhost::new("v").port(0).iface("127.0.0.1").accept_role("raw-skt").protocol(echo);
    let mut context = lws::context().create().unwrap();
    let vhost = context.create_vhost(vhost).unwrap();
    let port = context.listen_port(vhost).unwrap();
    let cancel = context.cancel_service();
    let embedded = Embedded::attach(context);

    // timers of lws, finer than GLib's milliseconds
    let fired = Rc::new(Cell::new(0));
    for n in 1..=50_u64 {
        let fired = Rc::clone(&fired);
        embedded.with(|context| {
            let due = context.now_us() + 170 * n;
            context.sul_schedule(Duration::from_micros(170 * n), move |context| {
                assert!(context.now_us() >= due, "early");
                fired.set(fired.get() + 1);
            });
        });
    }
    // a source of the loop's own
    let ticks = Rc::new(Cell::new(0));
    let tick = Rc::clone(&ticks);
    glib::timeout_add_local(Duration::from_millis(1), move || {
        tick.set(tick.get() + 1);
        ControlFlow::Continue
    });

    let echoed = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&echoed);
    let client = std::thread::spawn(move || {
        let sent: Vec<u8> = (0..LEN).map(|n| (n % 251) as u8).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut sender = stream.try_clone().unwrap();
        let all = sent.clone();
        let writes = std::thread::spawn(move || sender.write_all(&all));
        let mut got = vec![0; LEN];
        stream.read_exact(&mut got).unwrap();
        writes.join().unwrap().unwrap();
        says.store(got == sent, Ordering::SeqCst);
        cancel.cancel();
    });

    let timers = Rc::clone(&fired);
    until(main_loop, move || timers.get() == 50 && closed.get() == 1 && cancelled.get() > 0 && ticks.get() > 0);
    client.join().unwrap();
    assert!(echoed.load(Ordering::SeqCst), "what came back isn't what was sent");

    // now there is nothing to do: the descriptor says so for as long as the loop runs
    let before = embedded.calls.get();
    let enough = Rc::new(Cell::new(false));
    let set = Rc::clone(&enough);
    glib::timeout_add_local_once(Duration::from_millis(100), move || set.set(true));
    until(main_loop, move || enough.get());
    // at most what had been armed for a timer that fired before its turn
    assert!(embedded.calls.get() <= before + 1, "{} calls while idle", embedded.calls.get() - before);

    // the server ends in good order, and the loop goes on
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let me = Rc::clone(&embedded);
    until(main_loop, move || me.context.borrow().connections() == 1);
    embedded.with(|context| context.close_all(Close::GOING_AWAY));
    let me = Rc::clone(&embedded);
    until(main_loop, move || me.context.borrow().connections() == 0);
    assert_eq!(ends.get(), 2);
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it listens no more");
}
