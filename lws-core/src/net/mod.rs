//! Where bytes come from and go to: addresses, the operating system's sockets, and the simulated
//! network. Nothing here knows connections, roles or users.

pub(crate) mod address;
pub(crate) mod datagrams;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod os;
pub(crate) mod udp;

use crate::time::clock::Clock;
use std::io as stdio;

/// Which network a context lives on. An enum and not a generic: one branch a syscall costs nothing
/// beside the syscall.
pub(crate) enum Net {
    Os(os::OsNet),
    Memory(Box<memory::MemoryNet>),
}

/// What a poll found about one registered source.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) token: mio::Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer will send no more, or the socket is dead: read until the end even after a short read.
    pub(crate) read_closed: bool,
}

impl Net {
    /// The simulated one, if it is that.
    pub(crate) fn memory(&self) -> Option<&memory::MemoryNet> {
        match self {
            Self::Os(_) => None,
            Self::Memory(net) => Some(net),
        }
    }

    /// Waits until a source is ready, the deadline (clock µs) is reached or a waker woke, and
    /// fills `ready`. `Some(0)` doesn't wait, `None` waits without end.
    pub(crate) fn poll(
        &mut self,
        clock: &mut Clock,
        deadline: Option<u64>,
        ready: &mut Vec<Ready>,
    ) -> stdio::Result<()> {
        ready.clear();
        match self {
            Self::Os(net) => net.poll(clock, deadline, ready),
            Self::Memory(net) => {
                net.poll(clock, deadline, ready);
                Ok(())
            }
        }
    }
}
