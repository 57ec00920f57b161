//! What timers cost as their number grows: one JSON object per population, in nanoseconds per
//! operation. With the argument "precision", how late they come. `servers/lws_sul.c` measures the
//! same of C's lws_sul.

use lws::TimerId;
use lws::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

const POPULATIONS: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Operations per figure.
const OPS: usize = 20_000;

/// xorshift64: the same delays on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// An hour's worth of timeouts, none of them due while this program runs.
    fn delay(&mut self) -> Duration {
        Duration::from_secs(60 + self.next() % 3600) + Duration::from_micros(self.next() % 1_000_000)
    }

    fn one_of(&mut self, timers: &[TimerId]) -> TimerId {
        timers[(self.next() % timers.len() as u64) as usize]
    }
}

fn per_op(since: Instant, ops: usize) -> f64 {
    since.elapsed().as_nanos() as f64 / ops as f64
}

fn population(cx: &mut Context, random: &mut Random, n: usize) {
    let mut timers: Vec<_> = (0..n).map(|_| cx.sul_schedule(random.delay(), |_| {})).collect();
    for i in (1..n).rev() {
        timers.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }

    // in batches, so that the population stays what it is said to be
    let batch = (n / 10).min(OPS);
    let mut spent = Duration::ZERO;
    for _ in 0..OPS / batch {
        let began = Instant::now();
        let more: Vec<_> = (0..batch).map(|_| cx.sul_schedule(random.delay(), |_| {})).collect();
        spent += began.elapsed();
        for timer in more {
            cx.sul_cancel(timer);
        }
    }
    let schedule = spent.as_nanos() as f64 / (OPS / batch * batch) as f64;

    let began = Instant::now();
    for _ in 0..OPS {
        cx.sul_reschedule(random.one_of(&timers), random.delay());
    }
    let move_anywhere = per_op(began, OPS);

    let began = Instant::now();
    for _ in 0..OPS {
        cx.sul_reschedule(random.one_of(&timers), Duration::from_secs(7200));
    }
    let postpone = per_op(began, OPS);

    let began = Instant::now();
    for &timer in &timers {
        cx.sul_cancel(timer);
    }
    let cancel = per_op(began, n);

    let left = Rc::new(Cell::new(n));
    for i in 0..n {
        let left = Rc::clone(&left);
        cx.sul_schedule(Duration::from_micros(2 * (n - i) as u64), move |_| left.set(left.get() - 1));
    }
    // all are due: what the timers themselves cost
    std::thread::sleep(Duration::from_micros(2 * n as u64 + 1000));
    let began = Instant::now();
    while left.get() > 0 && cx.service(Some(Duration::ZERO)).is_ok() {}
    let expire = per_op(began, n);
    println!(
        "{{\"timers\":{n},\"schedule_ns\":{schedule:.1},\"move_ns\":{move_anywhere:.1},\"postpone_ns\":{postpone:.1},\
         \"cancel_ns\":{cancel:.1},\"expire_ns\":{expire:.1}}}"
    );
}

/// One timer at a time, none of them a whole number of milliseconds away.
fn precision(cx: &mut Context) {
    let mut late: Vec<f64> = (0..500_u64)
        .map(|i| {
            let after = Duration::from_micros(1150 + i * 7);
            let fired = Rc::new(Cell::new(None));
            let at = Rc::clone(&fired);
            let began = Instant::now();
            cx.sul_schedule(after, move |_| at.set(Some(began.elapsed())));
            while fired.get().is_none() && cx.service(None).is_ok() {}
            fired.get().map_or(f64::NAN, |took| took.as_secs_f64() * 1e6 - after.as_secs_f64() * 1e6)
        })
        .collect();
    late.sort_by(f64::total_cmp);
    println!("{{\"late_p50_us\":{:.1},\"late_p99_us\":{:.1}}}", late[late.len() / 2], late[late.len() * 99 / 100]);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut cx = lws::context().create()?;
    if std::env::args().nth(1).as_deref() == Some("precision") {
        precision(&mut cx);
        return Ok(());
    }
    let mut random = Random(88_172_645_463_325_252);
    for n in POPULATIONS {
        population(&mut cx, &mut random, n);
    }
    Ok(())
}
