//! Handles: a stale one finds nothing, though its slot has another tenant; with real sockets.

use api_tests::{PATIENCE, Tests, raw_server, wait_until};
use lws::prelude::*;
use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;

/// What happened to connections: handles as they came, and how many went.
#[derive(Default)]
struct Seen {
    opened: Vec<WsiId>,
    closed: Vec<WsiId>,
    destroyed: Vec<WsiId>,
    /// Handles that found something after they had been destroyed.
    revenants: u32,
}

struct Track(Rc<RefCell<Seen>>);

impl Protocol for Track {
    const NAME: &'static str = "track";
    /// The handle of the connection it was made for.
    type Session = Option<WsiId>;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, owner: &mut Option<WsiId>) -> Result<(), Close> {
        let mut seen = self.0.borrow_mut();
        // every handle ever destroyed, asked for from inside a callback
        let gone = seen.destroyed.clone();
        seen.revenants += gone.iter().filter(|&&id| wsi.other(id).is_some()).count() as u32;
        match reason {
            Reason::RawAdopt => {
                *owner = Some(wsi.id());
                seen.opened.push(wsi.id());
            }
            Reason::RawClose if *owner == Some(wsi.id()) => seen.closed.push(wsi.id()),
            Reason::RawClose => seen.revenants += 1,
            _ => {}
        }
        Ok(())
    }

    fn vhost_callback(&mut self, _: &mut Vh<'_>, reason: VhostReason) -> Result<(), Close> {
        if let VhostReason::WsiDestroy(id) = reason {
            self.0.borrow_mut().destroyed.push(id);
        }
        Ok(())
    }
}

fn rounds(tests: &mut Tests, cx: &mut Context, vhost: lws::VhostId, port: u16, seen: &RefCell<Seen>) {
    const ROUNDS: usize = 20;
    const EACH: usize = 10;
    for round in 0..ROUNDS {
        let streams: Vec<_> = (0..EACH).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
        let all = (round + 1) * EACH;
        let opened = wait_until(cx, PATIENCE, |_| seen.borrow().opened.len() == all);
        // some at once, in another order than they came
        drop(streams.into_iter().rev());
        let gone = wait_until(cx, PATIENCE, |cx| cx.connections() == 0);
        if !(opened && gone) {
            return tests.check(&format!("round {round}: {EACH} connections come and go"), false);
        }
    }
    tests.check("connections come and go", true);
    let seen = seen.borrow();
    let mut distinct: Vec<_> = seen.opened.clone();
    distinct.sort_unstable();
    distinct.dedup();
    tests.equal("no handle is given out twice", &distinct.len(), &(ROUNDS * EACH));
    let mut slots: Vec<_> = distinct.iter().map(|id| id.to_string().split('.').next().map(str::to_owned)).collect();
    slots.sort_unstable();
    slots.dedup();
    tests.at_most("though slots are used again", slots.len(), EACH + 1);
    tests.equal("each closes once", &sorted(&seen.closed), &distinct);
    tests.equal("and is destroyed once", &sorted(&seen.destroyed), &distinct);
    tests.equal("no stale handle finds anything in a callback", &seen.revenants, &0);
    let found = cx.vh(vhost, "track").map(|mut vh| distinct.iter().filter(|&&id| vh.wsi(id).is_some()).count());
    tests.equal("nor outside", &found, &Some(0));
    tests.equal("no session is left", &cx.sessions(), &0);
}

fn sorted(ids: &[WsiId]) -> Vec<WsiId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

fn main() {
    let (mut tests, _) = Tests::start(&[]);
    let seen = Rc::new(RefCell::new(Seen::default()));
    tests.equal("a handle and its option are 8 bytes", &(size_of::<WsiId>(), size_of::<Option<WsiId>>()), &(8, 8));
    if let Some((mut cx, vhost, port)) = tests.result("a server", raw_server(Track(Rc::clone(&seen)))) {
        rounds(&mut tests, &mut cx, vhost, port, &seen);
    }
    tests.finish();
}
