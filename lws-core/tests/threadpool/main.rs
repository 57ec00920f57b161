//! Tasks on threads, for connections: sync, the queue's bound, every way to end, and nothing that
//! dangles.

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod site;

use common::{create, real};
use lws_core::Vhost;
use lws_core::threadpool::{Step, TaskStatus, Threadpool, ThreadpoolBuilder};
use site::{PATIENCE, World, blocker, read_all, site, site_with};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn sync_holds_the_worker_until_the_loop_has_seen_the_result() {
    let mut site = site(1, 1);
    let seen = Arc::clone(&site.world.borrow().seen);
    let mut n = 0;
    let peer = site.connect(move |_| {
        let ahead = seen.load(Ordering::SeqCst) != n;
        n += 1;
        match n {
            _ if ahead => Step::Finished(Some("the worker went on alone".to_owned())),
            1..=50 => Step::Sync(format!("{n} ")),
            _ => Step::Finished(Some("end".to_owned())),
        }
    });
    let wanted: String = (1..=50).map(|n| format!("{n} ")).chain(["end".to_owned()]).collect();
    assert_eq!(read_all(&mut site, peer), wanted);
    assert!(site.log.has("Finished"));
    assert_eq!(site.stats().finished, 1);
}

#[test]
fn more_than_the_queue_holds_is_refused_and_fits_later() {
    let mut site = site(1, 2);
    let (step, has_begun, go) = blocker();
    let _first = site.connect(step);
    has_begun.recv_timeout(PATIENCE).unwrap();
    let peers: Vec<_> = (0..3).map(|_| site.connect(|_| Step::Finished(None))).collect();
    assert_eq!(site.log.count("Full"), 1);
    let stats = site.stats();
    assert_eq!((stats.threads, stats.running, stats.queued, stats.refused), (1, 1, 2, 1));
    go.send(()).unwrap();
    site.until_logged("closed", 3);
    assert_eq!(site.log.count("Finished"), 3);
    drop(peers);
    let _later = site.connect(|_| Step::Finished(None));
    site.until_logged("Finished", 4);
    assert_eq!(site.stats().refused, 1);
}

#[test]
fn tasks_begin_in_the_order_they_came() {
    let mut site = site(1, 8);
    let (step, has_begun, go) = blocker();
    let mut peers = vec![site.connect(step)];
    has_begun.recv_timeout(PATIENCE).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..8 {
        let order = Arc::clone(&order);
        peers.push(site.connect(move |_| {
            order.lock().unwrap().push(n);
            Step::Finished(None)
        }));
    }
    go.send(()).unwrap();
    site.until_logged("Finished", 9);
    assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
}

#[test]
fn times_say_where_a_task_has_been() {
    let mut site = site(1, 1);
    site.world.borrow_mut().kept = Some(Vec::new());
    let (step, has_begun, go) = blocker();
    let _first = site.connect(step);
    has_begun.recv_timeout(PATIENCE).unwrap();
    let at_least = Duration::from_millis(3);
    let spin = move || {
        let start = Instant::now();
        while start.elapsed() < at_least {
            thread::yield_now();
        }
    };
    let mut n = 0;
    let _second = site.connect(move |_| {
        n += 1;
        spin();
        if n == 1 { Step::Sync(String::new()) } else { Step::Finished(None) }
    });
    spin();
    go.send(()).unwrap();
    let status = |world: &World| world.kept.as_ref().unwrap()[1].status();
    site.until(|world| status(world) == TaskStatus::Syncing);
    spin();
    site.world.borrow_mut().kept.as_mut().unwrap()[1].sync();
    site.until(|world| status(world) == TaskStatus::Finished);
    let times = site.world.borrow().kept.as_ref().unwrap()[1].times();
    assert!(times.queued >= at_least && times.running >= 2 * at_least && times.syncing >= at_least, "{times:?}");
    assert_eq!(site.world.borrow().kept.as_ref().unwrap()[1].times(), times, "they stand still when it has ended");
    site.until(|world| world.pool.as_ref().unwrap().stats().finished == 2);
    let all = site.stats();
    assert!(all.times.queued >= times.queued && all.times.running >= times.running, "{all}");
    assert!(
        all.to_string()
            .starts_with("threads 1, running 0, queued 0, refused 0, finished 2, stopped 0 (0 panicked); queued ")
    );
}

#[test]
fn many_tasks_on_many_threads_all_end() {
    const TASKS: usize = 60;
    let mut site = site(4, TASKS);
    let peers: Vec<_> = (0..TASKS)
        .map(|at| {
            let mut n = 0;
            site.connect(move |_| {
                n += 1;
                match n {
                    1 => Step::CheckingIn,
                    2..=4 => Step::Sync(format!("{at}.{n} ")),
                    _ => Step::Finished(Some("end".to_owned())),
                }
            })
        })
        .collect();
    for (at, peer) in peers.into_iter().enumerate() {
        assert_eq!(read_all(&mut site, peer), format!("{at}.2 {at}.3 {at}.4 end"));
    }
    assert_eq!(site.stats().finished, TASKS as u64);
    assert_eq!((site.stats().running, site.stats().queued), (0, 0));
}

#[test]
fn threads_have_the_name_of_their_pool() {
    let mut site = site_with(|cx| Threadpool::builder("na\0me").create(cx.cancel_service()));
    let peer = site.connect(|_| Step::Finished(thread::current().name().map(str::to_owned)));
    assert_eq!(read_all(&mut site, peer), "name-0");
}

#[test]
fn a_setting_of_zero_is_refused() {
    let (cx, _) = create(real(), Vhost::new("v"));
    let error = |builder: ThreadpoolBuilder| builder.create(cx.cancel_service()).err().unwrap().to_string();
    let new = || Threadpool::builder("zero");
    assert_eq!(error(new().threads(0)), "threadpool: threads is zero");
    assert_eq!(error(new().max_queue_depth(0)), "threadpool: max_queue_depth is zero");
    assert_eq!(error(new().sync_timeout(Duration::ZERO)), "threadpool: sync_timeout is zero");
}

#[test]
fn statuses_have_the_numbers_of_c() {
    use TaskStatus::{Finished, Queued, Running, Stopped, Stopping, Syncing};
    for (number, status) in [Queued, Running, Syncing, Stopping, Finished, Stopped].into_iter().enumerate() {
        assert_eq!((status.number(), status.has_ended()), (number as u32, number >= 4));
    }
}
