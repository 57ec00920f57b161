//! `--key value` options. Called by every command; ends the program at a value it can't read.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

pub struct Args(HashMap<String, String>);

impl Args {
    pub fn parse(mut argv: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut map = HashMap::new();
        while let Some(k) = argv.next() {
            let key = k.strip_prefix("--").ok_or_else(|| format!("unexpected argument {k}"))?;
            let v = argv.next().ok_or_else(|| format!("--{key} needs a value"))?;
            map.insert(key.to_owned(), v);
        }
        Ok(Self(map))
    }

    pub fn get<T: FromStr>(&self, key: &str, default: T) -> T {
        match self.0.get(key) {
            None => default,
            Some(v) => v.parse().unwrap_or_else(|_| crate::die(&format!("bad value for --{key}: {v}"))),
        }
    }

    pub fn opt<T: FromStr>(&self, key: &str) -> Option<T> {
        self.0.get(key)?;
        Some(self.get_required(key))
    }

    fn get_required<T: FromStr>(&self, key: &str) -> T {
        self.0[key].parse().unwrap_or_else(|_| crate::die(&format!("bad value for --{key}")))
    }

    pub fn str(&self, key: &str, default: &str) -> String {
        self.get(key, default.to_owned())
    }

    pub fn flag(&self, key: &str) -> bool {
        self.get::<u8>(key, 0) != 0
    }

    pub fn secs(&self, key: &str, default: f64) -> Duration {
        Duration::from_secs_f64(self.get(key, default))
    }

    pub fn addr(&self) -> SocketAddr {
        self.get("addr", SocketAddr::from(([127, 0, 0, 1], 7681)))
    }
}
