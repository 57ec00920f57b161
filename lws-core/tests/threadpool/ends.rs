//! Every way in which a task can end.

use crate::common::{create, real};
use crate::site::{Guard, PATIENCE, blocker, read_all, site, site_with};
use lws_core::Vhost;
use lws_core::threadpool::{EnqueueError, Step, TaskStatus, Threadpool};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn a_running_task_of_a_closed_connection_sees_it_and_is_not_heard_of() {
    let mut site = site(1, 1);
    let (told, tells) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let (dropped, is_dropped) = mpsc::channel();
    let guard = Guard(dropped);
    let peer = site.connect(move |cx| {
        let _owned = &guard;
        told.send(cx.is_stopping()).unwrap();
        let _ = may_go.recv();
        Step::CheckingIn
    });
    assert!(!tells.recv_timeout(PATIENCE).unwrap());
    drop(peer);
    site.until_logged("closed", 1);
    go.send(()).unwrap();
    assert!(tells.recv_timeout(PATIENCE).unwrap(), "a step of its own to tidy up");
    // that one was the last, though it wants to go on
    go.send(()).unwrap();
    is_dropped.recv_timeout(PATIENCE).unwrap();
    assert!(tells.recv_timeout(PATIENCE).is_err(), "its closure has gone");
    site.until(|world| world.pool.as_ref().unwrap().stats().stopped == 1);
    assert_eq!(site.log.count("writeable"), 0);
    assert_eq!(site.stats().finished, 0);
}

#[test]
fn a_step_that_takes_long_sees_the_end_of_its_connection() {
    let mut site = site(1, 1);
    let (begun, has_begun) = mpsc::channel();
    let peer = site.connect(move |cx| {
        begun.send(()).unwrap();
        while !cx.is_stopping() {
            thread::yield_now();
        }
        Step::Stopped
    });
    has_begun.recv_timeout(PATIENCE).unwrap();
    drop(peer);
    site.until_logged("closed", 1);
    site.until(|world| world.pool.as_ref().unwrap().stats().stopped == 1);
}

#[test]
fn a_syncing_task_of_a_closed_connection_lets_its_worker_go() {
    let mut site = site(1, 1);
    site.world.borrow_mut().without_sync = true;
    let (told, tells) = mpsc::channel();
    let peer = site.connect(move |cx| {
        told.send(cx.is_stopping()).unwrap();
        Step::Sync("x".to_owned())
    });
    site.until_logged("writeable", 1);
    drop(peer);
    site.until_logged("closed", 1);
    assert_eq!((tells.recv_timeout(PATIENCE), tells.recv_timeout(PATIENCE)), (Ok(false), Ok(true)));
    site.until(|world| world.pool.as_ref().unwrap().stats().stopped == 1);
    // its only thread is free again
    let _peer = site.connect(|_| Step::Finished(None));
    site.until_logged("Finished", 1);
}

#[test]
fn a_queued_task_of_a_closed_connection_never_begins_and_makes_room() {
    let mut site = site(1, 1);
    let (step, has_begun, go) = blocker();
    let _first = site.connect(step);
    has_begun.recv_timeout(PATIENCE).unwrap();
    let (dropped, is_dropped) = mpsc::channel();
    let guard = Guard(dropped);
    let ran = Arc::new(AtomicUsize::new(0));
    let runs = Arc::clone(&ran);
    let second = site.connect(move |_| {
        let _owned = &guard;
        runs.fetch_add(1, Ordering::SeqCst);
        Step::Finished(None)
    });
    drop(second);
    site.until_logged("closed", 1);
    is_dropped.try_recv().unwrap();
    assert_eq!(site.stats().queued, 0);
    let _third = site.connect(|_| Step::Finished(None));
    go.send(()).unwrap();
    site.until_logged("Finished", 2);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn results_for_a_connection_that_has_gone_are_dropped_even_if_the_handle_is_kept() {
    let mut site = site(1, 1);
    site.world.borrow_mut().kept = Some(Vec::new());
    let (go, may_go) = mpsc::channel::<()>();
    let (told, tells) = mpsc::channel();
    let peer = site.connect(move |cx| {
        let _ = may_go.recv();
        told.send(cx.is_stopping()).unwrap();
        Step::Sync("for nobody".to_owned())
    });
    drop(peer);
    site.until_logged("closed", 1);
    go.send(()).unwrap();
    assert!(!tells.recv_timeout(PATIENCE).unwrap());
    drop(go);
    // the loop finds nobody to ask for WRITEABLE
    site.until(|world| world.kept.as_ref().unwrap()[0].status() == TaskStatus::Stopped);
    assert!(site.world.borrow_mut().kept.as_mut().unwrap()[0].take().is_none());
    assert!(tells.recv_timeout(PATIENCE).unwrap());
    assert_eq!(site.log.count("writeable"), 0);
}

#[test]
fn a_panicking_task_ends_and_its_thread_goes_on() {
    let mut site = site(1, 4);
    let (dropped, is_dropped) = mpsc::channel();
    let guard = Guard(dropped);
    let mut n = 0;
    let peer = site.connect(move |_| {
        let _owned = &guard;
        n += 1;
        // as panic!, without the hook's message in the test's output
        if n == 2 { std::panic::resume_unwind(Box::new("a bug")) } else { Step::Sync("before ".to_owned()) }
    });
    assert_eq!(read_all(&mut site, peer), "before ");
    assert!(site.log.has("Stopped by a panic"));
    is_dropped.try_recv().unwrap();
    let peer = site.connect(|_| Step::Finished(Some("after".to_owned())));
    assert_eq!(read_all(&mut site, peer), "after");
    let stats = site.stats();
    assert_eq!((stats.finished, stats.stopped, stats.panicked, stats.running), (1, 1, 1, 0));
}

#[test]
fn without_a_sync_in_time_a_task_is_stopped() {
    let mut site =
        site_with(|cx| Threadpool::builder("test").sync_timeout(Duration::from_millis(1)).create(cx.cancel_service()));
    site.world.borrow_mut().without_sync = true;
    let peer = site.connect(|cx| {
        if cx.is_stopping() { Step::Finished(Some("late".to_owned())) } else { Step::Sync(String::new()) }
    });
    assert_eq!(read_all(&mut site, peer), "late");
    assert!(site.log.has("Finished"), "the last step may still finish");
}

#[test]
fn a_detached_task_outlives_its_connection() {
    let mut site = site(1, 1);
    site.world.borrow_mut().kept = Some(Vec::new());
    let (told, tells) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let mut n = 0;
    let peer = site.connect(move |cx| {
        let _ = may_go.recv();
        n += 1;
        told.send((n, cx.is_stopping())).unwrap();
        if n == 3 { Step::Finished(Some("unheard".to_owned())) } else { Step::Sync("unheard".to_owned()) }
    });
    go.send(()).unwrap();
    site.until(|world| world.kept.as_ref().unwrap()[0].status() == TaskStatus::Syncing);
    site.world.borrow_mut().kept.as_mut().unwrap().remove(0).detach();
    drop(peer);
    site.until_logged("closed", 1);
    drop(go);
    for n in 1..=3 {
        assert_eq!(tells.recv_timeout(PATIENCE), Ok((n, false)));
    }
    site.until(|world| world.pool.as_ref().unwrap().stats().finished == 1);
}

#[test]
fn a_task_that_is_stopped_reports_its_end() {
    let mut site = site(1, 1);
    site.world.borrow_mut().kept = Some(Vec::new());
    let (step, has_begun, go) = blocker();
    let _first = site.connect(step);
    has_begun.recv_timeout(PATIENCE).unwrap();
    let _second = site.connect(|_| Step::Finished(None));
    {
        let world = &mut *site.world.borrow_mut();
        let [running, queued] = &mut world.kept.as_mut().unwrap()[..] else { panic!() };
        running.stop();
        queued.stop();
        assert_eq!((running.status(), queued.status()), (TaskStatus::Stopping, TaskStatus::Stopped));
        assert_eq!(
            (running.name(), format!("{running:?}")),
            ("task", "Task { name: \"task\", status: Stopping, .. }".into())
        );
    }
    site.until_logged("writeable", 1);
    go.send(()).unwrap();
    site.until_logged("writeable", 2);
    assert_eq!(site.world.borrow().kept.as_ref().unwrap()[0].status(), TaskStatus::Finished);
}

#[test]
fn destroying_the_pool_ends_tasks_in_every_state_and_joins() {
    let mut site = site(3, 4);
    site.world.borrow_mut().without_sync = true;
    let (dropped, is_dropped) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let guard = || Guard(dropped.clone());
    let (checks_in, is_busy, syncs) = (guard(), guard(), guard());
    let (one, two) = (begun.clone(), begun);
    let mut peers = vec![
        site.connect(move |_| {
            let _owned = &checks_in;
            let _ = one.send(());
            Step::CheckingIn
        }),
        site.connect(move |cx| {
            let _owned = &is_busy;
            let _ = two.send(());
            while !cx.is_stopping() {
                thread::yield_now();
            }
            Step::Stopped
        }),
        site.connect(move |_| {
            let _owned = &syncs;
            Step::Sync("x".to_owned())
        }),
    ];
    has_begun.recv_timeout(PATIENCE).unwrap();
    site.until_logged("writeable", 1);
    for _ in 0..4 {
        let queued = guard();
        peers.push(site.connect(move |_| {
            let _owned = &queued;
            Step::CheckingIn
        }));
    }
    let pool = site.world.borrow_mut().pool.take().unwrap();
    pool.finish();
    let id = site.world.borrow().ids[0];
    let refused = pool.enqueue(id, "late", |_| Step::<()>::Stopped);
    assert_eq!(refused.err(), Some(EnqueueError::Finishing));
    let stats = pool.destroy();
    assert_eq!((stats.threads, stats.running, stats.queued, stats.finished, stats.stopped), (3, 0, 0, 0, 7));
    assert_eq!(is_dropped.try_iter().count(), 7, "when it returns, nothing of a task is left");
    // connections and handles that are left over do no harm
    drop(peers);
    site.until_logged("closed", 7);
}

#[test]
fn a_context_that_ends_takes_its_tasks_along() {
    let mut site = site(2, 2);
    let (dropped, is_dropped) = mpsc::channel();
    let guard = Guard(dropped);
    let _peer = site.connect(move |_| {
        let _owned = &guard;
        Step::CheckingIn
    });
    drop(site);
    is_dropped.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_pool_that_its_own_task_drops_does_not_wait_for_itself() {
    let (cx, _) = create(real(), Vhost::new("v"));
    let mut site = site(1, 1);
    let _peer = site.connect(|_| Step::Stopped);
    let id = site.world.borrow().ids[0];
    let pool = Arc::new(Threadpool::builder("own").create(cx.cancel_service()).unwrap());
    let (give, given) = mpsc::channel::<Arc<Threadpool>>();
    let (done, is_done) = mpsc::channel();
    let task = pool.enqueue(id, "drops the pool", move |_| {
        drop(given.recv());
        done.send(()).unwrap();
        Step::Finished(Some(()))
    });
    give.send(pool).unwrap();
    is_done.recv_timeout(PATIENCE).unwrap();
    drop(task);
}
