//! Where a request goes: mounts, redirects, files, and the page for what isn't there.

use crate::bench::*;
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost;
use lws_roles::http::wsi::HttpWsi;
use lws_roles::{Close, Reason, Vhost};

/// Answers with the path it was given.
fn name_path(wsi: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session) -> Outcome {
    if let Reason::Http(path) = reason {
        wsi.respond(200).content_length(path.len() as u64).send()?;
        wsi.write(path.as_bytes(), lws_roles::Write::HttpFinal)?;
        wsi.http_transaction_completed();
    }
    Ok(())
}

/// Two protocols, "app" and "other", both of which [`name_path`].
fn two(settings: impl FnOnce(Vhost) -> Vhost) -> Bench {
    Bench::of(|log| {
        let v = vhost("localhost").protocol(Probe::new(log, "", name_path));
        vec![settings(v.protocol_named("other", Probe::new(log, "other ", name_path)))]
    })
}

#[test]
fn a_callback_mount_gets_the_rest_of_the_path() {
    let mut b = two(|v| v.mount(Mount::callback("/api", "other")));
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/api/x/y?q")), echoed("/x/y"));
    assert_eq!(b.log(), "bind, new, filter /api/x/y, drop, other bind, other http /x/y, other drop");
    assert_eq!(b.ask(peer, get("/api")), echoed("/"));
    assert_eq!(b.ask(peer, get("/api/")), echoed("/"));
    b.log();
    assert_eq!(b.ask(peer, get("/apiary")), echoed("/apiary"));
    assert_eq!(b.log(), "bind, filter /apiary, http /apiary, drop");
    b.net().peer_close(peer);
    b.run();
    assert_eq!(b.log(), "closed", "between transactions it is the first protocol's");
}

#[test]
fn a_callback_mount_of_the_first_protocol_is_not_bound_twice() {
    let mut b = two(|v| v.mount(Mount::callback("/api", "app")));
    assert_eq!(b.once(get("/api/x")), echoed("/x"));
    assert_eq!(b.log(), "bind, new, filter /api/x, http /x, drop");
}

#[test]
fn the_longest_mountpoint_wins_in_any_order() {
    let long = || Mount::redirect("/a/b", "long.example", false);
    let short = || Mount::callback("/a", "other");
    for mounts in [[long(), short()], [short(), long()]] {
        let mut b = two(|v| mounts.into_iter().fold(v, HttpVhost::mount));
        assert_eq!(b.once(get("/a/c")), echoed("/c"));
        assert!(b.once(get("/a/b/c")).contains("location: http://long.example/c\r\n"));
        assert_eq!(b.once(get("/a/bc")), echoed("/bc"));
        assert_eq!(b.once(get("/a/b/../x")), echoed("/x"), "the path is made plain first");
    }
}

#[test]
fn a_callback_mount_without_its_protocol_is_an_error() {
    let mut b = two(|v| v.mount(Mount::callback("/api", "missing")));
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/api")), page(500, "", ""));
    assert_eq!(b.ask(peer, get("/")), echoed("/"));
}

#[test]
fn a_redirect_mount_keeps_the_rest_and_the_query() {
    let mut b = two(|v| v.mount(Mount::redirect("/old", "new.example:81/base/", true).redirect_code(308)));
    assert_eq!(
        b.once(get("/old/a%20b?x=%31&y")),
        "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://new.example:81/base/a%20b?x=%31&y\r\n\
         content-type: text/html\r\ncontent-length: 0\r\n\r\n"
    );
    let injected = b.once(get("/old/%0d%0aset-cookie:x"));
    assert!(injected.contains("location: https://new.example:81/base/%0D%0Aset-cookie:x\r\n"), "{injected}");
}

/// The crate's own folder, which has a Cargo.toml.
fn folder() -> Mount {
    Mount::dir("/files", env!("CARGO_MANIFEST_DIR")).mimetype(".toml", "text/plain")
}

#[test]
fn a_file_mount_serves_get_and_head_only() {
    let mut b = two(|v| v.mount(folder()));
    let peer = b.connect();
    let file = b.ask(peer, get("/files/Cargo.toml"));
    assert!(file.starts_with("HTTP/1.1 200 OK\r\n") && file.contains("[package]"), "{file}");
    assert_eq!(b.log(), "bind, new, filter /files/Cargo.toml, drop", "the library answers");
    assert_eq!(b.ask(peer, post("/files/Cargo.toml", "body")), page(405, "allow: GET, HEAD\r\n", ""));
    assert_eq!(
        b.ask(peer, "DELETE /files/Cargo.toml HTTP/1.1\r\nHost: x\r\n\r\n"),
        page(405, "allow: GET, HEAD\r\n", "")
    );
    assert_eq!(b.ask(peer, get("/files/none.toml")), page(404, "", ""));
    assert!(!b.ended(peer));
}

#[test]
fn a_file_with_a_body_in_its_request_reads_that_away() {
    let mut b = two(|v| v.mount(folder()));
    let peer = b.connect();
    let head = "GET /files/Cargo.toml HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n";
    let answer = b.ask(peer, head.to_owned() + "GET /x HTTP/1.1\r\n\r\n\n" + &get("/next"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&echoed("/next")), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
}

#[test]
fn a_file_mounts_protocol_adds_headers() {
    let mut b = Bench::of(|log| {
        let adds = Probe::new(log, "other ", |_: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session| {
            if let Reason::AddHeaders(fields) = reason {
                fields.add("x-added", "yes")?;
            }
            Ok(())
        });
        let v = vhost("localhost").protocol(Probe::new(log, "", name_path)).protocol_named("other", adds);
        vec![v.mount(folder().protocol("other")).mount(Mount::dir("/lost", "/tmp").protocol("missing"))]
    });
    let peer = b.connect();
    for _ in 0..2 {
        let answer = b.ask(peer, get("/files/Cargo.toml"));
        assert_eq!(answer.matches("x-added: yes\r\n").count(), 1, "{answer}");
    }
    let each = "filter /files/Cargo.toml, drop, other bind, other add-headers, other drop";
    assert_eq!(b.log(), format!("bind, new, {each}, bind, {each}"));
    assert_eq!(b.ask(peer, get("/lost/x")), page(500, "", ""));
}

#[test]
fn a_refusal_to_add_headers_hangs_up() {
    let mut b = Bench::of(|log| {
        let refuses =
            Probe::new(log, "", |_: &mut lws_roles::Wsi<'_>, reason: Reason<'_>, _: &mut Session| match reason {
                Reason::AddHeaders(_) => Err(Close::NORMAL),
                _ => Ok(()),
            });
        vec![vhost("localhost").protocol(refuses).mount(folder().protocol("app"))]
    });
    let peer = b.connect();
    assert_eq!(b.ask(peer, get("/files/Cargo.toml")), "");
    assert!(b.ended(peer));
    assert_eq!(b.log(), "bind, new, filter /files/Cargo.toml, add-headers, drop, closed");
}

#[test]
fn the_error_document_stands_for_what_is_missing() {
    let settings = |v: Vhost| v.error_document_404("/404.html").mount(folder());
    let mut b = Bench::with(settings, |wsi, reason, _| match reason {
        Reason::Http("/mine") => Ok(wsi.return_http_status(404, "no")?),
        Reason::Http("/other") => Ok(wsi.return_http_status(410, "Gone")?),
        _ => Ok(()),
    });
    let there = "HTTP/1.1 302 Found\r\nlocation: /404.html\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
    for path in ["/x", "/files/none.toml", "/mine"] {
        assert_eq!(b.once(get(path)), there, "{path}");
    }
    assert_eq!(b.once(get("/404.html")), page(404, "", ""), "and not for itself");
    assert_eq!(b.once(get("/other")), page(410, "", ""));
}

#[test]
fn a_vhost_without_protocols_serves_its_files() {
    let mut b = Bench::of(|_| vec![vhost("localhost").mount(folder())]);
    assert!(b.once(get("/files/Cargo.toml")).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(b.once(get("/else")), page(404, "", ""));
}

#[test]
fn rfc9112_3_2_the_forms_of_a_target() {
    let mut b = two(|v| v.mount(Mount::callback("/api", "other")));
    assert_eq!(b.once("GET http://localhost/api/x?q HTTP/1.1\r\nHost: elsewhere\r\n\r\n"), echoed("/x"));
    assert_eq!(b.once("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), echoed("*"));
    assert_eq!(b.once(get("/a//b/./c/../d%2f")), echoed("/a/b/d/"));
}
