//! Settings that can't be: creation fails and the error names them.

use crate::bench::{Log, Probe, hello, vhost};
use lws_roles::http::head::HeadLimits;
use lws_roles::http::mount::Mount;
use lws_roles::http::settings::HttpVhost;
use lws_roles::{MemoryOptions, Vhost};
use std::time::Duration;

fn create(settings: impl FnOnce(Vhost) -> Vhost) -> Result<(), String> {
    let vhost = settings(vhost("named").protocol(Probe::new(&Log::default(), "", hello)));
    let builder = lws_roles::context().rx_buffer(32 * 1024).memory(MemoryOptions::default()).vhost(vhost);
    builder.create().map(drop).map_err(|e| e.to_string())
}

/// That creation fails and says all of `words`.
fn assert_fails(words: &[&str], settings: impl FnOnce(Vhost) -> Vhost) {
    let error = create(settings).expect_err(words[0]);
    for word in words.iter().chain(&["vhost \"named\""]) {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

#[test]
fn head_limits() {
    let limits = HeadLimits::default();
    assert_fails(&["http_limits", "head_bytes 16385"], |v| v.http_limits(HeadLimits { head_bytes: 16385, ..limits }));
    assert_fails(&["http_limits", "head_bytes 0"], |v| v.http_limits(HeadLimits { head_bytes: 0, ..limits }));
    assert_fails(&["http_limits", "headers 129"], |v| v.http_limits(HeadLimits { headers: 129, ..limits }));
    assert_fails(&["http_limits", "headers"], |v| v.http_limits(HeadLimits { headers: 0, ..limits }));
    assert_fails(&["http_limits", "uri"], |v| v.http_limits(HeadLimits { uri: 0, ..limits }));
    assert_eq!(create(|v| v.http_limits(HeadLimits { head_bytes: 16384, headers: 128, uri: 1 })), Ok(()));
}

#[test]
fn timeouts() {
    assert_fails(&["http_head_timeout"], |v| v.http_head_timeout(Duration::ZERO));
    assert_fails(&["http_content_timeout"], |v| v.http_content_timeout(Duration::ZERO));
    assert_fails(&["http_keepalive_timeout"], |v| v.http_keepalive_timeout(Duration::ZERO));
}

#[test]
fn headers() {
    assert_fails(&["http_header \"x\"", "value"], |v| v.http_header("x", "a\r\nb"));
    assert_fails(&["http_header \"x y\"", "name"], |v| v.http_header("x y", "a").http_header("z", "\n"));
    for name in ["Content-Length", "transfer-encoding", "date"] {
        assert_fails(&["http_header", name], |v| v.http_header(name, "5"));
    }
    assert_fails(&["server_string"], |v| v.server_string("a\r\nb: c"));
    assert_fails(&["error_document_404"], |v| v.error_document_404("/x\r\nb: c"));
}

#[test]
fn mounts() {
    assert_fails(&["mount \"files\"", "mountpoint"], |v| v.mount(Mount::dir("files", "/tmp")));
    assert_fails(&["mount \"/a/../b\""], |v| v.mount(Mount::dir("/a/../b", "/tmp")));
    assert_fails(&["mount \"/\"", "origin"], |v| v.mount(Mount::dir("/", "")));
    assert_fails(&["mount \"/\"", "default_file"], |v| v.mount(Mount::dir("/", "/tmp").default_file("../x")));
    assert_fails(&["mount \"/\"", "protocol"], |v| v.mount(Mount::callback("/", "")));
    assert_fails(&["mount \"/\"", "target"], |v| v.mount(Mount::redirect("/", "a b", false)));
    assert_fails(&["mount \"/\"", "redirect_code"], |v| v.mount(Mount::redirect("/", "x", false).redirect_code(200)));
}
