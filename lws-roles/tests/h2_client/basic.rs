//! One request and its response: heads both ways, bodies, interim responses and trailers.

use super::bench::{Came, Net, data, get};
use lws_roles as lws;

use lws::h2::error::ErrorCode;
use lws::h2::settings::ENABLE_PUSH;
use lws::http::wsi::HttpWsi;
use lws::{Reason, Write};
use std::cell::RefCell;
use std::rc::Rc;

fn fields(frames: &[Came], want: u32) -> Vec<(&str, &str)> {
    let found = frames.iter().find_map(|frame| match frame {
        Came::Headers { sid, fields, .. } if *sid == want => Some(fields),
        _ => None,
    });
    found.expect("a request").iter().map(|(name, value)| (&**name, &**value)).collect()
}

#[test]
fn rfc9113_3_4_a_client_begins_with_preface_settings_and_its_request() {
    let mut net = Net::new();
    net.connect(get("/x?y").origin("http://o"));
    let mut server = net.accept();
    let frames = server.frames(&mut net);
    let Some(Came::Settings { ack: false, parameters }) = frames.first() else { panic!("{frames:?}") };
    assert!(parameters.contains(&(ENABLE_PUSH, 0)), "rfc9113 8.4: no pushes: {parameters:?}");
    let want =
        [(":method", "GET"), (":scheme", "http"), (":path", "/x?y"), (":authority", "mem"), ("origin", "http://o")];
    assert_eq!(fields(&frames, 1), want, "without waiting for the server's SETTINGS");
    assert!(frames.iter().any(|f| matches!(f, Came::Headers { sid: 1, end: true, .. })), "{frames:?}");
    server.settings(&mut net, &[]);
    server.answer(&mut net, 1, 200, &[("content-length", "5")], "hello");
    net.assert_done(0, "hello");
    let want = ["append", "filter", "bind", "established 200", "read hello", "completed", "drop", "closed"];
    assert_eq!(net.events(0), want);
    let frames = server.frames(&mut net);
    assert!(frames.contains(&Came::Goaway(ErrorCode::NoError)), "nobody else comes: {frames:?}");
    assert!(net.ended(&mut server));
    server.hang_up(&mut net);
    net.assert_empty();
}

#[test]
fn user_codes_fields_go_both_ways() {
    let mut net = Net::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&seen);
    net.hook(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(fields) => {
                for (name, value) in [("X-Custom", "One"), ("Host", "other"), ("Connection", "x-gone"), ("x-gone", "1")]
                {
                    fields.add(name, value).expect("valid");
                }
            }
            Reason::EstablishedClientHttp => {
                for (name, value) in wsi.headers() {
                    heard.borrow_mut().push(format!("{name}: {}", String::from_utf8_lossy(value)));
                }
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/"));
    let mut server = net.serve(&[]);
    let frames = server.frames(&mut net);
    let got = fields(&frames, 1);
    assert!(got.contains(&("x-custom", "One")), "rfc9113 8.2: in lower case: {got:?}");
    assert!(got.contains(&(":authority", "other")), "{got:?}");
    assert!(!got.iter().any(|(name, _)| ["host", "connection", "x-gone"].contains(name)), "rfc9113 8.2.2: {got:?}");
    server.answer(&mut net, 1, 204, &[("x-back", "a"), ("set-cookie", "b"), ("set-cookie", "c")], "");
    net.assert_done(0, "");
    assert_eq!(*seen.borrow(), ["x-back: a", "set-cookie: b", "set-cookie: c"]);
}

#[test]
fn rfc9113_8_1_interim_responses_are_skipped_and_trailers_taken() {
    let mut net = Net::new();
    net.connect(get("/"));
    let mut server = net.serve(&[]);
    for status in [103, 100, 103] {
        let head = server.head(1, status, &[("link", "x")], false);
        server.send(&mut net, &head);
    }
    assert_eq!(net.events(0), ["append"]);
    let mut all = server.head(1, 200, &[], false);
    all.extend(data(1, b"body", false));
    // a trailer section is a block without :status
    let mut trailers = Vec::new();
    let at = lws::h2::write::begin_block(&mut trailers);
    let mut fields = lws::Fields::new();
    fields.add("x-sum", "1").expect("valid");
    lws::h2::head::write_trailers(&mut lws::h2::hpack::Encoder::new(0), &fields, &mut trailers);
    lws::h2::write::end_block(&mut trailers, at, 1, true, 16_384);
    all.extend(trailers);
    server.send(&mut net, &all);
    net.assert_done(0, "body");
}

#[test]
fn a_head_in_many_pieces_is_one_head() {
    let mut net = Net::new();
    net.connect(get("/"));
    let mut server = net.serve(&[]);
    let long = "v".repeat(3000);
    let mut all = server.head(1, 200, &[("x-long", &long), ("content-length", "2")], false);
    all.extend(data(1, b"ok", true));
    for byte in all {
        server.send(&mut net, &[byte]);
    }
    net.assert_done(0, "ok");
}

/// What a server sends for a request.
type Sends<'a> = &'a dyn Fn(&mut super::bench::Server) -> Vec<u8>;

#[test]
fn rfc9113_8_1_1_malformed_responses_are_errors_of_their_stream() {
    let cases: [(&str, Sends<'_>); 7] = [
        ("DATA before HEADERS", &|_| data(1, b"x", false)),
        ("malformed response", &|s| s.head(1, 101, &[], false)),
        ("an interim response that ends the stream", &|s| s.head(1, 103, &[], true)),
        ("body isn't as long as announced", &|s| s.head(1, 200, &[("content-length", "5")], true)),
        ("body isn't as long as announced", &|s| {
            [s.head(1, 200, &[("content-length", "5")], false), data(1, b"four", true)].concat()
        }),
        ("body isn't as long as announced", &|s| {
            [s.head(1, 200, &[("content-length", "5")], false), data(1, b"sixsix", false)].concat()
        }),
        ("HEADERS in the middle of a body", &|s| [s.head(1, 200, &[], false), s.head(1, 200, &[], false)].concat()),
    ];
    for (why, bytes) in cases {
        let mut net = Net::new();
        net.connect(get("/").pipeline(true).opaque_user_data(1));
        let mut server = net.serve(&[]);
        server.frames(&mut net);
        let bytes = bytes(&mut server);
        server.send(&mut net, &bytes);
        let events = net.events(1);
        assert!(!events.iter().any(|e| e == "completed"), "{why}: {events:?}");
        let ended = events.iter().filter(|e| e.starts_with("error ") || *e == "closed").count();
        assert_eq!(ended, 1, "{why}: {events:?}");
        if let Some(error) = events.iter().find(|e| e.starts_with("error ")) {
            assert!(error.ends_with(why), "{error}");
        }
        let frames = server.frames(&mut net);
        assert!(frames.contains(&Came::Reset { sid: 1, code: ErrorCode::ProtocolError }), "{why}: {frames:?}");
        // the connection goes on
        net.connect(get("/2").pipeline(true).opaque_user_data(2));
        assert_eq!(server.requests(&mut net), [(3, "/2".to_owned())], "{why}");
        server.answer(&mut net, 3, 200, &[], "fine");
        net.assert_done(2, "fine");
    }
}

#[test]
fn rfc9113_8_4_a_push_ends_the_connection() {
    let mut net = Net::new();
    net.connect(get("/"));
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    let mut push = lws::h2::frame::FrameHead::new(lws::h2::frame::Kind::PushPromise, 4, 1, 4).to_wire().to_vec();
    push.extend([0, 0, 0, 2]);
    server.send(&mut net, &push);
    assert!(server.frames(&mut net).contains(&Came::Goaway(ErrorCode::ProtocolError)));
    net.assert_failed(0, "read failed: PUSH_PROMISE wasn't wanted");
}

#[test]
fn an_upload_ends_with_end_stream_and_its_length_is_kept() {
    for (length, last) in [(Some("10"), false), (Some("10"), true), (None, true), (None, false)] {
        let mut net = Net::new();
        net.hook(move |wsi, reason| {
            match reason {
                Reason::ClientAppendHandshakeHeader(fields) => {
                    if let Some(length) = length {
                        fields.add("Content-Length", length).expect("valid");
                    }
                    wsi.client_http_body_pending(true);
                }
                Reason::ClientHttpWriteable => {
                    wsi.write(b"01234", Write::Http)?;
                    wsi.write(b"56789", if last { Write::HttpFinal } else { Write::Http })?;
                    wsi.client_http_body_pending(false);
                }
                _ => {}
            }
            Ok(())
        });
        net.connect(get("/").method("POST"));
        let mut server = net.serve(&[]);
        let frames = server.frames(&mut net);
        let got = fields(&frames, 1);
        assert_eq!(got.iter().find(|(n, _)| *n == "content-length").map(|(_, v)| *v), length, "{got:?}");
        assert!(!got.iter().any(|(name, _)| *name == "transfer-encoding"));
        let mut sent = Vec::new();
        let mut ends = 0;
        for frame in &frames {
            if let Came::Data { sid: 1, end, data } = frame {
                assert_eq!(ends, 0, "nothing behind the end");
                sent.extend(data);
                ends += u32::from(*end);
            }
        }
        assert_eq!((&sent[..], ends), (&b"0123456789"[..], 1), "{length:?} {last}");
        server.answer(&mut net, 1, 201, &[], "");
        net.assert_done(0, "");
    }
}

#[test]
fn a_post_without_a_body_says_so() {
    let mut net = Net::new();
    net.connect(get("/").method("POST"));
    let frames = net.accept().frames(&mut net);
    assert!(fields(&frames, 1).contains(&("content-length", "0")));
    assert!(frames.iter().any(|f| matches!(f, Came::Headers { end: true, .. })));
}
