//! The hooks of a build without the feature: nothing, which takes no room.

use crate::service::Service;
use crate::time::clock::Clock;
use crate::{QueryId, WsiId};

/// What the service has to keep.
#[derive(Default)]
pub(crate) struct Latency {}

/// A time that nobody asks for.
#[derive(Clone, Copy)]
pub(crate) struct Moment;

const _: () = assert!(size_of::<Latency>() == 0 && size_of::<Moment>() == 0);

macro_rules! nothing {
    ($($hook:ident($($argument:ty),*);)*) => {
        $(#[inline(always)]
        pub(crate) fn $hook(_: &mut Service $(, _: $argument)*) {})*
    };
}

nothing! {
    name_asked(QueryId, Option<WsiId>, &str);
    name_answered(QueryId);
    name_found(Option<WsiId>, &str, Moment);
    connecting(WsiId);
    connected(WsiId);
    handshake_begins(WsiId);
    handshake_over(WsiId, bool);
    callback_begins();
    callback_over();
    wanted(WsiId);
    writeable(WsiId);
    writeable_over(WsiId);
    writes(WsiId);
    write_failed(WsiId);
    wrote(WsiId, Moment, usize, Option<usize>);
    came(Moment, usize, usize);
    delivered(WsiId);
    gone(WsiId);
    turn_over();
    ends();
}

#[inline(always)]
pub(crate) fn now(_: &Latency, _: &Clock) -> Moment {
    Moment
}
