//! Unpredictable bytes without a system call each time: masking keys need four a frame.

use crate::net::Net;
use crate::sys;
use std::hash::{BuildHasher, RandomState};

const POOL: usize = 512;

/// A pool of the kernel's random bytes. Each byte is given out once and wiped as it leaves.
pub(crate) struct Entropy {
    pool: Box<[u8; POOL]>,
    left: usize,
}

impl Default for Entropy {
    fn default() -> Self {
        Self { pool: Box::new([0; POOL]), left: 0 }
    }
}

impl Entropy {
    /// Fills `buf` from the kernel's generator; from the seed in a simulation.
    pub(crate) fn fill(&mut self, net: &mut Net, buf: &mut [u8]) {
        if let Net::Memory(net) = net {
            for chunk in buf.chunks_mut(4) {
                let random = net.random().to_ne_bytes();
                chunk.copy_from_slice(random.get(..chunk.len()).unwrap_or_default());
            }
            return;
        }
        if buf.len() > POOL {
            kernel_random(buf);
            return;
        }
        if self.left < buf.len() {
            kernel_random(&mut self.pool[..]);
            self.left = POOL;
        }
        let start = self.left - buf.len();
        if let Some(bytes) = self.pool.get_mut(start..self.left) {
            buf.copy_from_slice(bytes);
            bytes.fill(0);
        }
        self.left = start;
    }
}

/// The kernel's random bytes; from std's randomly keyed hasher should the kernel refuse, which it
/// has no documented way to do.
fn kernel_random(buf: &mut [u8]) {
    if sys::random(buf).is_err() {
        for chunk in buf.chunks_mut(8) {
            let random = RandomState::new().hash_one(chunk.len()).to_ne_bytes();
            chunk.copy_from_slice(random.get(..chunk.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::memory::{MemoryNet, MemoryOptions};
    use crate::net::os::OsNet;

    #[test]
    fn bytes_are_given_out_once() {
        let mut net = Net::Os(OsNet::new().unwrap());
        let mut entropy = Entropy::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..500 {
            let mut b = [0; 16];
            entropy.fill(&mut net, &mut b);
            assert!(seen.insert(b));
        }
        let mut large = [0; 2 * POOL];
        entropy.fill(&mut net, &mut large);
        assert!(large.iter().any(|&b| b != 0));
    }

    #[test]
    fn a_simulation_repeats() {
        let draw = || {
            let mut net = Net::Memory(Box::new(MemoryNet::new(MemoryOptions::default()).unwrap()));
            let mut b = [0; 10];
            Entropy::default().fill(&mut net, &mut b);
            b
        };
        assert_eq!(draw(), draw());
    }
}
