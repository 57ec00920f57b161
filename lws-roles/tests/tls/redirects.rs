//! Redirects between http and https, as our client follows them (RFC 9110 section 15.4), and the
//! Host it sends (section 7.2).

use crate::agent::Talk;
use crate::bench::*;
use lws_roles::{ConnectInfo, NonSsl};

/// Plain on port 80, TLS on 443 and 8443.
fn three() -> Bench {
    Bench::of(|log| vec![plain_site("plain", log).port(80), site("secure", log), site("localhost", log).port(8443)])
}

fn plain(path: &str) -> ConnectInfo {
    ConnectInfo::new("localhost", 80).method("GET").path(path)
}

fn hosts(talk: &Talk) -> Vec<String> {
    let text = talk.text();
    text.lines().filter_map(|line| line.strip_prefix("host=")).map(str::to_owned).collect()
}

#[test]
fn rfc9110_15_4_http_to_https_is_followed() {
    let mut b = three();
    for pipeline in [false, true] {
        let talk = b.fetch(plain("/redirect?to=https://localhost/headers").pipeline(pipeline));
        talk.completed();
        assert_eq!(hosts(&talk), ["localhost"]);
        assert_eq!(talk.count("PerformServerCertVerification"), 1);
        let talk = b.fetch(plain("/redirect?to=https://localhost:8443/headers").pipeline(pipeline));
        assert_eq!(hosts(&talk), ["localhost:8443"]);
    }
    let chain = "/redirect?to=https://localhost/redirect%3Fto%3Dhttps://localhost:8443/";
    assert_eq!(b.fetch(plain(chain)).completed(), b"localhost");
}

#[test]
fn https_to_http_is_not() {
    let mut b = three();
    for info in [
        https("/redirect?to=http://localhost/"),
        plain("/redirect?to=https://localhost/redirect%3Fto%3Dhttp://localhost/"),
    ] {
        for info in [info.clone(), info.pipeline(true)] {
            let talk = b.fetch(info);
            assert_eq!(talk.error(), "HS: Redirect attempted SSL downgrade");
            assert_eq!((talk.count("ClientConnectionError"), talk.count("EstablishedClientHttp")), (1, 0));
        }
    }
    assert_eq!(b.count("plain Http"), 2, "asked by those that begin there only: {}", b.log());
}

#[test]
fn a_redirect_that_is_not_to_be_followed_is_the_response() {
    let mut b = three();
    let talk = b.fetch(https("/redirect?to=http://localhost/").max_redirects(0));
    talk.completed();
    assert_eq!((talk.status, talk.header("location")), (Some(302), Some("http://localhost/")));
}

#[test]
fn the_new_server_is_checked_by_its_own_name() {
    let mut b = three();
    let talk = b.fetch(https("/redirect?to=https://other.example/"));
    assert!(talk.error().contains("server's cert didn't look good") && talk.error().contains("other.example"));
    let talk = b.fetch(https("/redirect?to=https://127.0.0.1:8443/headers"));
    assert_eq!(hosts(&talk), ["127.0.0.1:8443"]);
    // what was set for the first server isn't for the next
    let talk = b.fetch(plain("/redirect?to=https://localhost/headers").host("virtual.example"));
    assert_eq!(hosts(&talk), ["localhost"]);
}

#[test]
fn allowances_are_kept_on_the_way() {
    let mut b = three();
    let strict = b.fetch(https("/redirect?to=https://other.example/"));
    assert_eq!(strict.errors.len(), 1);
    let lenient = https("/redirect?to=https://other.example/").skip_server_cert_hostname_check();
    assert_eq!(b.fetch(lenient).completed(), b"secure");
}

#[test]
fn a_tls_port_that_redirects_plain_http_is_followed_to_itself() {
    let mut b = Bench::with(|v| v.non_ssl(NonSsl::Redirect));
    for info in [http("/headers"), http("/headers").pipeline(true)] {
        let talk = b.fetch(info);
        talk.completed();
        assert_eq!(hosts(&talk), ["localhost"], "443 goes without saying under TLS");
    }
}

#[test]
fn requests_behind_one_that_is_redirected_are_served() {
    let mut b = three();
    let keys: Vec<_> = ["/", "/redirect?to=https://localhost/", "/len/5", "/"]
        .into_iter()
        .map(|path| b.begin(plain(path).pipeline(true), Talk::default()))
        .collect();
    b.run();
    let bodies: Vec<_> = keys.into_iter().map(|key| b.talk(key).completed().len()).collect();
    assert_eq!(bodies, [5, 6, 5, 5]);
}

#[test]
fn rfc9110_7_2_the_host_under_tls() {
    let mut b = three();
    assert_eq!(hosts(&b.fetch(https("/headers"))), ["localhost"]);
    let port = ConnectInfo::new("localhost", 8443).method("GET").path("/headers").tls();
    assert_eq!(hosts(&b.fetch(port)), ["localhost:8443"]);
    let address = ConnectInfo::new("::1", 443).method("GET").path("/headers").tls();
    assert_eq!(hosts(&b.fetch(address)), ["[::1]"]);
    assert_eq!(hosts(&b.fetch(http("/headers").allow_selfsigned())), ["localhost"]);
}

#[test]
fn a_websocket_follows_to_tls() {
    let mut b = Bench::with(|v| v.non_ssl(NonSsl::Redirect));
    let talk = b.fetch(ConnectInfo::new("localhost", 443).protocol("site"));
    assert_eq!((talk.count("ClientConnectionError"), talk.count("ClientEstablished")), (0, 1), "{talk:?}");
    assert_eq!(talk.count("PerformServerCertVerification"), 1);
}

#[test]
fn a_websocket_that_follows_none_says_so() {
    let mut b = Bench::with(|v| v.non_ssl(NonSsl::Redirect));
    let talk = b.fetch(ConnectInfo::new("localhost", 443).protocol("site").max_redirects(0));
    assert!(talk.error().contains("redirect 301 is not followed"), "{talk:?}");
    assert_eq!((talk.count("ClientConnectionError"), talk.count("ClientEstablished")), (1, 0));
}
