//! What C's two functions do, step by step, and what can be wished for in the midst of it.

use super::*;

type Trace = Vec<(&'static str, u32, u32)>;

const NAMES: &[&str] = &["ZERO", "ONE", "TWO", "THREE"];

fn manager() -> StateManager<Trace> {
    StateManager::new("test", NAMES, 0)
}

/// Records each call; holds the step to `hold` as often as `times` says.
fn notifier(
    name: &'static str,
    hold: u32,
    mut times: u32,
) -> impl FnMut(&mut Trace, &mut StateStep<'_>) -> StateVerdict {
    move |trace, step| {
        let change = step.change();
        trace.push((name, change.current, change.target));
        if change.target == hold && !change.is_done() && times > 0 {
            times -= 1;
            return StateVerdict::Hold;
        }
        StateVerdict::Pass
    }
}

#[test]
fn steps_ask_and_tell_the_newest_first_one_state_at_a_time() {
    let (mut m, mut trace) = (manager(), Trace::new());
    m.reg_notifier("old", notifier("old", 9, 0));
    m.reg_notifier("new", notifier("new", 9, 0));
    m.transition_steps(2);
    assert_eq!((m.state(), m.run(&mut trace)), (0, false));
    let expected = [("new", 0, 1), ("old", 0, 1), ("new", 1, 1), ("old", 1, 1)];
    assert_eq!(trace[..4], expected);
    assert_eq!(trace[4..], expected.map(|(name, from, to)| (name, from + 1, to + 1)));
    assert_eq!((m.state(), m.state_name()), (2, "TWO"));
}

#[test]
fn a_held_step_stops_the_walk_where_it_is_and_resume_goes_on_to_its_end() {
    let (mut m, mut trace) = (manager(), Trace::new());
    m.reg_notifier("old", notifier("old", 9, 0));
    m.reg_notifier("new", notifier("new", 2, 1));
    m.transition_steps(3);
    m.run(&mut trace);
    assert_eq!((m.state(), trace.last()), (1, Some(&("new", 1, 2))), "the older one isn't asked");
    assert!(!m.run(&mut trace));
    trace.clear();
    assert!(m.resume());
    m.run(&mut trace);
    assert_eq!((m.state(), trace[0]), (3, ("new", 1, 2)), "asked again, by whom it was held too");
    assert!(!m.resume(), "nothing is held any more");
}

#[test]
fn a_wish_takes_the_place_of_what_is_held() {
    let (mut m, mut trace) = (manager(), Trace::new());
    m.reg_notifier("holds", notifier("holds", 3, 1));
    m.transition_steps(3);
    m.run(&mut trace);
    assert_eq!(m.state(), 2);
    m.transition(0);
    m.run(&mut trace);
    assert_eq!(m.state(), 0);
    assert!(!m.resume());
}

#[test]
fn a_jump_asks_once_goes_back_too_and_can_be_vetoed() {
    let (mut m, mut trace) = (manager(), Trace::new());
    m.reg_notifier("n", notifier("n", 1, 1));
    m.transition(3);
    m.run(&mut trace);
    assert_eq!(trace, [("n", 0, 3), ("n", 3, 3)]);
    m.transition_steps(1);
    m.run(&mut trace);
    assert_eq!((m.state(), trace.len()), (3, 2), "steps never go back");
    m.transition(1);
    m.run(&mut trace);
    assert_eq!((m.state(), trace.last()), (3, Some(&("n", 3, 1))), "vetoed");
    m.transition(3);
    m.run(&mut trace);
    assert_eq!(trace.len(), 3, "it is there already");
}

#[test]
fn what_a_notifier_asks_for_waits_for_its_step_and_never_nests() {
    let (mut m, mut trace) = (manager(), Trace::new());
    m.reg_notifier("n", notifier("n", 9, 0));
    m.reg_notifier("jumps", |_, step: &mut StateStep<'_>| {
        if step.change() == (StateChange { current: 0, target: 1 }) {
            step.transition(3);
        }
        StateVerdict::Pass
    });
    m.transition_steps(2);
    assert!(m.run(&mut trace), "there is more to do");
    assert_eq!((m.state(), &trace[..]), (1, &[("n", 0, 1), ("n", 1, 1)][..]));
    assert!(!m.run(&mut trace));
    assert_eq!((m.state(), &trace[2..]), (3, &[("n", 1, 3), ("n", 3, 3)][..]));
}

#[test]
fn two_that_contradict_each_other_come_back_to_the_caller() {
    let mut m = StateManager::<u32>::new("test", NAMES, 0);
    m.reg_notifier("toggles", |calls, step| {
        *calls += 1;
        let change = step.change();
        if change.is_done() {
            step.transition(3 - change.target);
        }
        StateVerdict::Pass
    });
    m.transition(3);
    let mut calls = 0;
    for n in 1..50 {
        assert!(m.run(&mut calls));
        assert_eq!(calls, 2 * n);
    }
}

#[test]
fn a_notifier_that_was_removed_is_not_called() {
    let (mut m, mut trace) = (manager(), Trace::new());
    let gone = m.reg_notifier("gone", notifier("gone", 1, 1));
    m.reg_notifier("stays", notifier("stays", 9, 0));
    m.transition_steps(1);
    m.run(&mut trace);
    assert_eq!(m.state(), 0);
    assert!(m.unreg_notifier(gone) && !m.unreg_notifier(gone));
    trace.clear();
    assert!(m.resume());
    m.run(&mut trace);
    assert_eq!(trace, [("stays", 0, 1), ("stays", 1, 1)]);
}
