//! Bodies under flow control (RFC 9113 5.2, 6.9).

use super::bench::{Came, Net, Server, data, get};
use lws_roles as lws;

use lws::h2::settings::INITIAL_WINDOW_SIZE;
use lws::h2::{H2Vhost, write};
use lws::http::wsi::HttpWsi;
use lws::{Reason, Vhost, Write};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i * 7 % 26) as u8).collect()
}

/// Uploads a pattern in pieces of 1,000.
fn upload(net: &Net, len: usize) {
    let all = pattern(len);
    let mut at = 0;
    net.hook(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                let end = (at + 1000).min(all.len());
                let last = end == all.len();
                wsi.write(&all[at..end], if last { Write::HttpFinal } else { Write::Http })?;
                at = end;
                if !last {
                    wsi.callback_on_writable();
                }
            }
            _ => {}
        }
        Ok(())
    });
}

/// The DATA that has come on stream 1, and whether the last ended it.
fn body(server: &mut Server, net: &mut Net) -> (Vec<u8>, bool) {
    let (mut body, mut ended) = (Vec::new(), false);
    for frame in server.frames(net) {
        if let Came::Data { sid: 1, end, data } = frame {
            body.extend(data);
            ended |= end;
        }
    }
    (body, ended)
}

#[test]
fn rfc9113_6_9_an_upload_keeps_to_the_streams_window() {
    let mut net = Net::new();
    upload(&net, 5000);
    net.connect(get("/").method("POST"));
    let mut server = net.accept();
    server.settings(&mut net, &[(INITIAL_WINDOW_SIZE, 10)]);
    // what was sent before the SETTINGS came counts against the window
    let (mut all, mut ended) = body(&mut server, &mut net);
    let mut room = 10 - all.len() as i64;
    for _ in 0..5000 {
        if ended {
            break;
        }
        server.put(&mut net, |out| write::window_update(out, 1, 37));
        room += 37;
        let (more, end) = body(&mut server, &mut net);
        room -= more.len() as i64;
        assert!(room >= 0 || more.is_empty(), "{room} after {}", more.len());
        all.extend(more);
        ended = end;
    }
    assert!(ended && all == pattern(5000), "{}", all.len());
    server.answer(&mut net, 1, 200, &[], "ok");
    net.assert_done(0, "ok");
}

#[test]
fn rfc9113_6_9_an_upload_keeps_to_the_connections_window() {
    let mut net = Net::new();
    upload(&net, 100_000);
    net.connect(get("/").method("POST"));
    let mut server = net.accept();
    server.settings(&mut net, &[(INITIAL_WINDOW_SIZE, 1 << 20)]);
    let (mut all, ended) = body(&mut server, &mut net);
    assert_eq!((all.len(), ended), (65_535, false));
    server.put(&mut net, |out| write::window_update(out, 0, 20_000));
    all.extend(body(&mut server, &mut net).0);
    assert_eq!(all.len(), 85_535);
    server.put(&mut net, |out| write::window_update(out, 0, 20_000));
    let (more, ended) = body(&mut server, &mut net);
    all.extend(more);
    assert!(ended && all == pattern(100_000));
    server.answer(&mut net, 1, 200, &[], "ok");
    net.assert_done(0, "ok");
}

/// How much credit was given on a stream.
fn credit(frames: &[Came], want: u32) -> u32 {
    frames
        .iter()
        .map(|f| {
            if let Came::WindowUpdate { sid, more } = f
                && *sid == want
            {
                *more
            } else {
                0
            }
        })
        .sum()
}

#[test]
fn a_paused_reader_gives_no_credit_and_stops_nobody_else() {
    let mut net = Net::of(Vhost::new("v").h2_stream_window(65_535).h2_connection_window(65_535));
    net.hook(|wsi, reason| {
        if matches!(reason, Reason::EstablishedClientHttp) && wsi.opaque_user_data() == 1 {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    net.ask(1..3);
    let mut server = net.serve(&[]);
    server.frames(&mut net);
    let heads = [server.head(1, 200, &[], false), server.head(3, 200, &[], false)].concat();
    server.send(&mut net, &heads);
    let all = pattern(65_000);
    for piece in all.chunks(13_000) {
        server.send(&mut net, &data(1, piece, false));
    }
    let frames = server.frames(&mut net);
    assert_eq!((net.body(1), credit(&frames, 1)), (None, 0));
    assert!(credit(&frames, 0) >= 32_000, "the connection's window isn't held: {}", credit(&frames, 0));
    server.send(&mut net, &data(3, b"other", true));
    net.assert_done(2, "other");
    net.wsi(1, |wsi| wsi.rx_flow_control(true));
    assert!(credit(&server.frames(&mut net), 1) >= 32_000);
    server.send(&mut net, &data(1, b"!", true));
    net.assert_done(1, &(String::from_utf8(all).expect("text") + "!"));
}

#[test]
fn rfc9113_6_9_1_a_server_that_exceeds_a_window_is_told() {
    let mut net = Net::of(Vhost::new("v").h2_stream_window(65_535));
    net.hook(|wsi, reason| {
        if matches!(reason, Reason::EstablishedClientHttp) {
            wsi.rx_flow_control(false);
        }
        Ok(())
    });
    net.ask(1..2);
    let mut server = net.serve(&[]);
    let mut all = server.head(1, 200, &[], false);
    for _ in 0..5 {
        all.extend(data(1, &pattern(16_000), false));
    }
    server.send(&mut net, &all);
    let frames = server.frames(&mut net);
    let reset = Came::Reset { sid: 1, code: lws::h2::error::ErrorCode::FlowControlError };
    assert!(frames.contains(&reset), "{frames:?}");
    assert_eq!(net.count(1, "closed"), 1);
    assert_eq!(net.count(1, "completed"), 0);
}

#[test]
fn rfc9113_8_1_trailer_fields_go_and_come_behind_the_bodies() {
    let mut net = Net::new();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let kept = std::rc::Rc::clone(&seen);
    net.hook(move |wsi, reason| {
        match reason {
            Reason::ClientAppendHandshakeHeader(_) => wsi.client_http_body_pending(true),
            Reason::ClientHttpWriteable => {
                wsi.add_trailer("x-sum", "42").expect("in time");
                wsi.write(b"hello", Write::HttpFinal)?;
            }
            Reason::CompletedClientHttp => {
                kept.borrow_mut().push(wsi.trailer("X-Len").map(str::to_owned));
                assert_eq!((wsi.header_by_name("x-len"), wsi.trailers().len()), (None, 1));
            }
            _ => {}
        }
        Ok(())
    });
    net.connect(get("/").method("POST"));
    let mut server = net.serve(&[]);
    let mut came = server.frames(&mut net);
    came.retain(|frame| matches!(frame, Came::Headers { .. } | Came::Data { .. }));
    assert!(matches!(came.first(), Some(Came::Headers { sid: 1, end: false, .. })), "{came:?}");
    let fields = vec![("x-sum".to_owned(), "42".to_owned())];
    let behind =
        [Came::Data { sid: 1, end: false, data: b"hello".to_vec() }, Came::Headers { sid: 1, end: true, fields }];
    assert_eq!(came.get(1..), Some(&behind[..]));
    let head = server.head(1, 200, &[], false);
    let mut trailers = Vec::new();
    let at = write::begin_block(&mut trailers);
    server.field(b"x-len", b"2", &mut trailers);
    write::end_block(&mut trailers, at, 1, true, 16_384);
    server.send(&mut net, &[head, data(1, b"ok", false), trailers].concat());
    net.assert_done(0, "ok");
    assert_eq!(*seen.borrow(), [Some("2".to_owned())]);
}
