//! The context's states, what the device knows of itself, and the context's clock.

mod common;

use common::{Log, User, calm, client, pass, real, settle};
use lws_core::{
    Close, ConnectInfo, Context, ContextBuilder, MemoryOptions, StateVerdict, SystemChange, SystemOps, SystemState,
    VhostReason,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use SystemState::{ContextCreated, Initialized, Operational, PolicyInvalid, Registered, TimeValid};

fn text(change: SystemChange) -> String {
    match change.current == change.target {
        true => format!("is {}", change.target.name()),
        false => format!("{}?", change.target.name()),
    }
}

fn noting(log: &Log) -> impl FnMut(&mut Context, SystemChange) -> StateVerdict + 'static {
    let log = log.clone();
    move |_, change| {
        log.add(text(change));
        StateVerdict::Pass
    }
}

#[test]
fn a_context_walks_straight_to_operational_in_its_first_turn() {
    let log = Log::default();
    let mut cx = calm().system_notifier("log", noting(&log)).create().unwrap();
    assert_eq!((cx.system_state(), log.all().len()), (ContextCreated, 0));
    assert_eq!(cx.next_timeout(), Some(Duration::ZERO));
    cx.service(None).unwrap();
    assert_eq!(cx.system_state(), Operational);
    let all = log.take();
    assert_eq!(all.len(), 18);
    assert_eq!(all[..4], ["INITIALIZED?", "is INITIALIZED", "IFACE_COLDPLUG?", "is IFACE_COLDPLUG"]);
    assert_eq!(all[16..], ["OPERATIONAL?", "is OPERATIONAL"]);
    drop(cx);
    assert_eq!(log.take(), ["POLICY_INVALID?", "is POLICY_INVALID"]);
}

#[test]
fn numbers_and_names_are_those_of_c() {
    assert_eq!((ContextCreated as u32, TimeValid as u32, Operational as u32, PolicyInvalid as u32), (1, 5, 10, 11));
    assert_eq!((ContextCreated.name(), SystemState::Auth2.name()), ("CONTEXT_CREATED", "AUTH2"));
}

#[test]
fn a_notifier_added_after_creation_sees_the_walk_and_one_removed_does_not() {
    let (log, gone) = (Log::default(), Log::default());
    let mut cx = calm().create().unwrap();
    let id = cx.system_reg_notifier("gone", noting(&gone));
    cx.system_reg_notifier("log", noting(&log));
    assert!(cx.system_unreg_notifier(id) && !cx.system_unreg_notifier(id));
    settle(&mut cx);
    assert_eq!((log.all().len(), gone.all().len()), (18, 0));
}

/// A protocol that takes REGISTERED over until its timer is due.
fn takes_over(log: &Log, done: &Rc<Cell<bool>>) -> User {
    let (log, done) = (log.clone(), Rc::clone(done));
    User::new(&Log::default()).on_vhost(move |vh, reason| {
        match *reason {
            VhostReason::ProtocolInit => vh.system_reg_notifier("enrol"),
            VhostReason::SystemState(change) => {
                log.add(format!("enrol {}", text(change)));
                if change.asks_for(Registered) && !done.get() {
                    vh.sul_schedule(1, Duration::from_secs(3));
                    return Err(Close::HANGUP);
                }
            }
            VhostReason::User(1) => {
                done.set(true);
                assert!(vh.system_resume() && !vh.system_resume());
                assert_eq!(vh.system_state(), SystemState::PolicyValid, "not from inside this callback");
            }
            _ => {}
        }
        Ok(())
    })
}

#[test]
fn a_protocol_takes_a_step_over_and_moves_the_state_on_when_its_work_is_done() {
    let (log, done) = (Log::default(), Rc::new(Cell::new(false)));
    let builder = calm().vhost(client(takes_over(&log, &done))).system_notifier("app", noting(&log));
    let mut cx = builder.create().unwrap();
    settle(&mut cx);
    assert_eq!(cx.system_state(), SystemState::PolicyValid);
    assert_eq!(log.take().last().unwrap(), "enrol REGISTERED?", "the older one isn't asked");
    pass(&mut cx, Duration::from_secs(2));
    assert_eq!((cx.system_state(), log.take().len()), (SystemState::PolicyValid, 0));
    pass(&mut cx, Duration::from_secs(1));
    assert_eq!(cx.system_state(), Operational);
    assert_eq!(log.take()[..4], ["enrol REGISTERED?", "REGISTERED?", "enrol is REGISTERED", "is REGISTERED"]);
}

#[test]
fn a_veto_holds_the_state_until_somebody_asks_anew() {
    let vetoes = Rc::new(Cell::new(true));
    let says = Rc::clone(&vetoes);
    let mut cx = calm()
        .system_notifier("vetoes", move |_, change| match change.asks_for(TimeValid) && says.get() {
            true => StateVerdict::Hold,
            false => StateVerdict::Pass,
        })
        .create()
        .unwrap();
    settle(&mut cx);
    cx.system_transition_steps(Operational);
    settle(&mut cx);
    assert_eq!(cx.system_state(), SystemState::Dhcp);
    assert_eq!(cx.next_timeout(), None, "a held state costs no turns");
    vetoes.set(false);
    cx.system_transition_steps(Operational);
    settle(&mut cx);
    assert_eq!(cx.system_state(), Operational);
    // the network has gone: back, and up again
    cx.system_transition(Initialized);
    settle(&mut cx);
    assert_eq!(cx.system_state(), Initialized);
}

#[test]
fn a_notifier_may_do_to_the_context_what_it_likes() {
    let log = Log::default();
    let told = log.clone();
    let mut cx = calm()
        .system_notifier("busy", move |cx, change| {
            if change.has_reached(Operational) {
                cx.create_vhost(client(User::new(&told))).unwrap();
                let inner = told.clone();
                cx.system_reg_notifier("later", noting(&inner));
                cx.system_transition(Initialized);
                cx.close_all(Close::GOING_AWAY);
            }
            StateVerdict::Pass
        })
        .create()
        .unwrap();
    settle(&mut cx);
    assert_eq!(log.all(), ["ProtocolInit", "POLICY_INVALID?", "is POLICY_INVALID"]);
    assert_eq!(cx.system_state(), PolicyInvalid);
}

#[test]
fn a_protocol_whose_vhost_has_gone_has_no_say() {
    let (log, done) = (Log::default(), Rc::new(Cell::new(false)));
    let mut cx = calm().create().unwrap();
    let vhost = cx.create_vhost(client(takes_over(&log, &done))).unwrap();
    settle(&mut cx);
    assert_eq!(cx.system_state(), SystemState::PolicyValid);
    assert!(cx.destroy_vhost(vhost));
    assert!(cx.system_resume());
    settle(&mut cx);
    assert_eq!(cx.system_state(), Operational);
    // so has one whose vhost was never created
    let refuses = User::new(&Log::default()).on_vhost(|vh, _| {
        vh.system_reg_notifier("refuses");
        Err(Close::HANGUP)
    });
    assert!(cx.create_vhost(client(refuses)).is_err());
    cx.system_transition(Initialized);
    settle(&mut cx);
    assert_eq!(cx.system_state(), Initialized);
}

#[test]
fn connections_can_be_made_in_any_state_for_the_services_that_provide_it() {
    let log = Log::default();
    let told = log.clone();
    let user = User::new(&log).on_vhost(move |vh, reason| {
        match reason {
            VhostReason::ProtocolInit => vh.system_reg_notifier("service"),
            VhostReason::SystemState(change) if change.asks_for(SystemState::Dhcp) => {
                vh.client_connect(ConnectInfo::new("x", 1).method("RAW"));
                return Err(Close::HANGUP);
            }
            _ => {}
        }
        Ok(())
    });
    let user = user.on(move |wsi, reason, _| {
        told.add(format!("{reason:?} in {}", wsi.system_state().name()));
        Ok(())
    });
    let mut cx = calm().create().unwrap();
    cx.memory().unwrap().peer_listen("port:1").unwrap();
    cx.create_vhost(client(user)).unwrap();
    settle(&mut cx);
    assert!(log.has("RawConnected 101 in IFACE_COLDPLUG"), "{:?}", log.all());
}

/// A device whose clock can be set, or not.
#[derive(Clone, Default)]
struct Board {
    sets: bool,
    set_to: Rc<RefCell<Vec<u64>>>,
    reboots: Rc<Cell<u32>>,
}

impl SystemOps for Board {
    fn device_serial(&self) -> Option<&str> {
        Some("sn-1")
    }

    fn user_info(&self, item: u32) -> Option<&str> {
        (item == 100).then_some("hundred")
    }

    fn reboot(&mut self) -> bool {
        self.reboots.set(self.reboots.get() + 1);
        true
    }

    fn set_clock(&mut self, wall_us: u64) -> bool {
        self.set_to.borrow_mut().push(wall_us);
        self.sets
    }
}

#[test]
fn the_device_s_operations_are_reached_from_every_callback() {
    let (log, board) = (Log::default(), Board::default());
    let (of_vhost, of_wsi) = (log.clone(), log.clone());
    let user = User::new(&Log::default())
        .on_vhost(move |vh, reason| {
            if matches!(reason, VhostReason::ProtocolInit) {
                of_vhost.add(vh.system_ops().device_serial().unwrap());
                of_vhost.add(vh.system_ops().user_info(100).unwrap());
                vh.client_connect(ConnectInfo::new("x", 1).method("RAW"));
            }
            Ok(())
        })
        .on(move |wsi, _, _| {
            assert!(wsi.system_ops().device_model().is_none());
            of_wsi.add(format!("{}", wsi.system_ops().reboot()));
            Ok(())
        });
    let mut cx = calm().system_ops(board.clone()).vhost(client(user)).create().unwrap();
    settle(&mut cx);
    assert_eq!(log.all(), ["sn-1", "hundred", "true"]);
    assert_eq!((board.reboots.get(), cx.system_ops().firmware_version()), (1, None));
    assert!(!real().create().unwrap().system_ops().reboot(), "without any nothing can be done");
}

const YEAR_2030: u64 = 1_893_456_000_000_000;

fn in_1970() -> ContextBuilder {
    ContextBuilder::new(common::roles::ALL).memory(MemoryOptions { wall_epoch_us: 0, ..MemoryOptions::default() })
}

#[test]
fn a_clock_that_can_not_be_set_is_put_right_by_the_context() {
    let board = Board::default();
    let mut cx = in_1970().system_ops(board.clone()).create().unwrap();
    settle(&mut cx);
    assert!(cx.wall_us() < 1_000_000);
    cx.set_clock(YEAR_2030);
    assert_eq!((cx.wall_us(), lws_core::wall_us()), (YEAR_2030, YEAR_2030));
    let monotonic = cx.now_us();
    pass(&mut cx, Duration::from_secs(7));
    assert_eq!(cx.wall_us() - YEAR_2030, cx.now_us() - monotonic, "it goes on, and timers have another");
    assert_eq!(*board.set_to.borrow(), [YEAR_2030]);
    cx.set_clock(5_000_000);
    assert_eq!(cx.wall_us(), 5_000_000, "back, too");
}

#[test]
fn a_clock_that_can_be_set_needs_no_difference() {
    let board = Board { sets: true, ..Board::default() };
    let mut cx = in_1970().system_ops(board.clone()).create().unwrap();
    let before = cx.wall_us();
    cx.set_clock(YEAR_2030);
    assert_eq!((cx.wall_us(), board.set_to.borrow().len()), (before, 1), "the machine's counts, whatever it shows");
}

#[test]
fn each_context_has_a_clock_of_its_own() {
    let (mut a, mut b) = (in_1970().create().unwrap(), in_1970().create().unwrap());
    a.set_clock(YEAR_2030);
    b.service(Some(Duration::ZERO)).unwrap();
    assert!(lws_core::wall_us() < 1_000_000, "that of the context that ran last");
    a.service(Some(Duration::ZERO)).unwrap();
    assert!(lws_core::wall_us() >= YEAR_2030);
}
