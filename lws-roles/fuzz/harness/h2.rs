//! Bytes at an HTTP/2 server (RFC 9113, RFC 7541), whole and in pieces.
//!
//! The first byte of an input says with what settings and whether the preface is put before it, the second how it is
//! cut; the others are what the client sends. Requests are answered when they are complete.
//!
//! What user code hears is the same however the input comes, as long as the connection isn't ended for it. When credit
//! is given, how responses mix, and whether a stream was over before the next frame for it came, isn't.

use super::{Bench, Cut, Seen};
use lws_roles as lws;

use lws::Vhost;
use lws::h2::H2Vhost as _;
use lws::http::settings::HttpVhost as _;

/// The client's preface and its SETTINGS, empty.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

fn vhost(flags: u8) -> Vhost {
    let mut vhost = Vhost::new("fuzz").h2_patience(if flags & 2 != 0 { 20 } else { 1000 });
    vhost = vhost.h2_max_streams(if flags & 4 != 0 { 2 } else { 1000 });
    if flags & 8 != 0 {
        vhost = vhost.h2_stream_window(65_535).h2_connection_window(65_535);
    }
    if flags & 16 != 0 {
        vhost = vhost.http_max_body(100);
    }
    vhost
}

/// Whether the connection ends by our word. Frames must be whole, and of their size.
fn says_goaway(mut wire: &[u8]) -> bool {
    let mut said = false;
    while let Some((head, rest)) = wire.split_first_chunk::<9>() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        assert!(length <= 16_384, "a frame of {length} bytes");
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        match head[3] {
            GOAWAY => {
                assert!(payload.len() >= 8, "a short GOAWAY");
                said = true;
            }
            RST_STREAM => assert_eq!(payload.len(), 4, "RST_STREAM"),
            _ => {}
        }
        wire = next;
    }
    said
}

fn serve(flags: u8, data: &[u8], cut: Cut) -> (Seen, Vec<u8>) {
    let mut bench = Bench::server(vhost(flags), Seen { answer: true, ..Seen::default() });
    if flags & 1 != 0 {
        bench.send(BEGIN, Cut::WHOLE);
    }
    bench.send(data, cut);
    bench.finish()
}

/// Runs an input whole and in pieces, and compares.
pub(crate) fn run(data: &[u8]) {
    let [flags, cut, data @ ..] = data else { return };
    let ((whole, whole_wire), (cut, cut_wire)) = (serve(*flags, data, Cut::WHOLE), serve(*flags, data, Cut::by(*cut)));
    // without the preface it may be another protocol
    let over = |wire: &[u8]| flags & 1 != 0 && says_goaway(wire);
    // what is an error of the connection, or comes too late for it, depends on which streams are over; so does which
    // of too many are refused. Of a body that is too long, what came before its limit was passed is delivered
    if over(&whole_wire) || over(&cut_wire) || flags & (4 | 16) != 0 {
        return;
    }
    assert_eq!(cut.events, whole.events, "what is delivered depends on how it comes");
}
