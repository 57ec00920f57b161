//! Client requests that share a connection, and those that must not.

use crate::agent::Talk;
use crate::bench::*;
use lws_roles::{ConnectInfo, NonSsl};

/// Connections that idle now, of both sides: whoever shares has one of each.
fn idle(b: &mut Bench) -> usize {
    b.context.connections()
}

fn all(b: &mut Bench, infos: impl IntoIterator<Item = ConnectInfo>) -> Vec<Talk> {
    let keys: Vec<_> = infos.into_iter().map(|info| b.begin(info.pipeline(true), Talk::default())).collect();
    b.run();
    keys.into_iter().map(|key| b.talk(key)).collect()
}

#[test]
fn requests_to_one_endpoint_share_one_tls_connection() {
    for alpn in ["h2", "http/1.1"] {
        let mut b = Bench::with(|v| v);
        for talk in all(&mut b, (0..5).map(|n| https(&format!("/len/{}", n * 5_000)).alpn(alpn))) {
            talk.completed();
        }
        assert_eq!(idle(&mut b), 2, "{alpn}");
        // one that comes later, too
        all(&mut b, [https("/").alpn(alpn)])[0].completed();
        assert_eq!(idle(&mut b), 2, "{alpn}");
    }
}

#[test]
fn plain_text_and_tls_do_not_share() {
    let mut b = Bench::with(|v| v.non_ssl(NonSsl::Serve));
    let talks = all(&mut b, [https("/facts"), http("/facts"), https("/facts"), http("/facts")]);
    let plain: Vec<bool> = talks.iter().map(|talk| talk.completed() == b"plain").collect();
    assert_eq!(plain, [false, true, false, true]);
    assert_eq!(idle(&mut b), 4);
}

#[test]
fn neither_do_different_allowances_names_or_application_protocols() {
    let mut b = Bench::with(|v| v);
    let infos = [
        https("/"),
        https("/").allow_selfsigned(),
        https("/").allow_insecure(),
        https("/").host("127.0.0.1"),
        https("/").alpn("http/1.1"),
    ];
    for info in infos {
        for talk in all(&mut b, [info.clone(), info]) {
            talk.completed();
        }
    }
    assert_eq!(idle(&mut b), 10, "each twice");
}
