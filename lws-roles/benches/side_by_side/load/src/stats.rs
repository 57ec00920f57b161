//! Latency histogram, process accounting from /proc, JSON assembly. Latencies are in nanoseconds,
//! CPU times are those of the scheduler, not of its ticks.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

/// Log-linear histogram of nanoseconds: 64 sub-buckets per power of two (error < 1.6 %).
pub struct Hist {
    buckets: Vec<u64>,
    n: u64,
    max: u64,
}

const SUB: u32 = 6;

impl Hist {
    pub fn new() -> Self {
        Self { buckets: vec![0; (64 << SUB) as usize], n: 0, max: 0 }
    }

    pub fn add(&mut self, ns: u64) {
        self.buckets[Self::index(ns)] += 1;
        self.n += 1;
        self.max = self.max.max(ns);
    }

    fn index(v: u64) -> usize {
        let v = v.max(1);
        let msb = 63 - v.leading_zeros();
        if msb < SUB {
            return v as usize;
        }
        let shift = msb - SUB;
        ((((shift + 1) as u64) << SUB) + ((v >> shift) & ((1 << SUB) - 1))) as usize
    }

    fn value(i: usize) -> u64 {
        let (hi, lo) = (i >> SUB, (i & ((1 << SUB) - 1)) as u64);
        if hi == 0 { lo } else { ((1 << SUB) | lo) << (hi - 1) }
    }

    /// Quantile in microseconds.
    pub fn q(&self, q: f64) -> f64 {
        let want = ((self.n as f64) * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, c) in self.buckets.iter().enumerate() {
            seen += c;
            if seen >= want {
                return Self::value(i) as f64 / 1e3;
            }
        }
        self.max as f64 / 1e3
    }

    pub fn json(&self, j: &mut Json) {
        if self.n > 0 {
            j.num("p50_us", self.q(0.5));
            j.num("p99_us", self.q(0.99));
            j.num("p999_us", self.q(0.999));
            j.num("max_us", self.max as f64 / 1e3);
        }
    }
}

/// CPU nanoseconds of all threads of a process and of its children.
pub fn cpu_ns(pid: u32) -> u64 {
    let mut total = 0;
    if let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) {
        for t in tasks.flatten() {
            let p = t.path();
            total += fs::read_to_string(p.join("schedstat"))
                .ok()
                .and_then(|s| s.split(' ').next().and_then(|f| f.parse::<u64>().ok()))
                .unwrap_or(0);
            for c in children(&p) {
                total += cpu_ns(c);
            }
        }
    }
    total
}

fn children(task: &std::path::Path) -> Vec<u32> {
    fs::read_to_string(task.join("children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|s| s.parse().ok())
        .collect()
}

/// (RSS, proportional anonymous memory) in bytes of a process and its children.
pub fn memory(pid: u32) -> (u64, u64) {
    let roll = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        roll.lines()
            .find_map(|l| l.strip_prefix(name))
            .and_then(|l| l.split_whitespace().next())
            .and_then(|v| v.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    let mut sum = (field("Rss:"), field("Pss_Anon:"));
    if let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) {
        for c in tasks.flatten().flat_map(|t| children(&t.path())) {
            let m = memory(c);
            sum = (sum.0 + m.0, sum.1 + m.1);
        }
    }
    sum
}

/// Measures a window: wall time, server CPU, own CPU.
pub struct Window {
    pid: Option<u32>,
    start: Instant,
    server: u64,
    own: u64,
}

impl Window {
    pub fn open(pid: Option<u32>) -> Self {
        let server = pid.map_or(0, cpu_ns);
        let own = cpu_ns(std::process::id());
        Self { pid, start: Instant::now(), server, own }
    }

    /// Adds rate, CPU per operation and both utilisations for `ops` operations.
    pub fn close(self, ops: u64, j: &mut Json) {
        let wall = self.start.elapsed().as_secs_f64();
        let own = cpu_ns(std::process::id()) - self.own;
        j.num("ops", ops as f64);
        j.num("wall_s", wall);
        j.num("rate", ops as f64 / wall);
        j.num("load_util", own as f64 / 1e9 / wall);
        if let Some(pid) = self.pid {
            let cpu = cpu_ns(pid).saturating_sub(self.server);
            j.num("server_util", cpu as f64 / 1e9 / wall);
            j.num("server_ns_per_op", cpu as f64 / ops.max(1) as f64);
        }
    }
}

/// Flat JSON object writer.
pub struct Json(String);

impl Json {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    fn key(&mut self, k: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{k}\":");
    }

    pub fn num(&mut self, k: &str, v: f64) {
        self.key(k);
        let _ = if v.fract() == 0.0 && v.abs() < 1e15 { write!(self.0, "{v:.0}") } else { write!(self.0, "{v:.4}") };
    }

    pub fn done(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
