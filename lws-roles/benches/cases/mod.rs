//! The fixed inputs that `micro` times and `instructions` counts: each a name, how many operations a
//! call is, and what makes the call. Public API only. Setting up isn't part of a call.

mod parse;
mod turn;

/// What is measured: one call does `ops` operations.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ops: u32,
    pub(crate) make: fn() -> Call,
}

pub(crate) type Call = Box<dyn FnMut()>;

const fn case(name: &'static str, ops: u32, make: fn() -> Call) -> Case {
    Case { name, ops, make }
}

/// All cases, by what they are about.
pub(crate) const ALL: &[Case] = &[
    case("ws_frame_20", 1, || parse::frame(20)),
    case("ws_frame_1k", 1, || parse::frame(1024)),
    case("ws_frame_64k", 1, || parse::frame(65536)),
    case("ws_frame_head_encode", 1, parse::frame_head),
    case("http_head_3_fields", 1, || parse::head(3)),
    case("http_head_12_fields", 1, || parse::head(12)),
    case("http_head_64_fields", 1, || parse::head(64)),
    case("timer_schedule_cancel_1k", 1, || turn::timer_schedule_cancel(1_000)),
    case("timer_schedule_cancel_100k", 1, || turn::timer_schedule_cancel(100_000)),
    case("timer_postpone_1k", 1, || turn::timer_postpone(1_000)),
    case("timer_postpone_100k", 1, || turn::timer_postpone(100_000)),
    case("timer_fire", 1, turn::timer_fire),
    case("dispatch_of_1k", 1_000, || turn::dispatch(1_000)),
    case("dispatch_of_10k", 10_000, || turn::dispatch(10_000)),
    case("turn_empty", 1, turn::empty),
    case("turn_ws_echo_20", 1, || turn::ws_echo(1)),
    case("turn_ws_echo_20_at_once_16", 16, || turn::ws_echo(16)),
    case("turn_http_response", 1, || turn::http_get(1)),
    case("turn_http_response_pipelined_16", 16, || turn::http_get(16)),
];
