//! Callbacks that hold the loop are named in the log. Alone in its program, as the log is the process's.

mod common;

use common::{Log, User, client, create, real, until};
use lws_core::ConnectInfo;
use lws_core::system::log::{Level, set_log_level};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// The warnings of a connect that fails, whose callback takes its time.
fn warnings(threshold: Option<Duration>) -> Vec<String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    set_log_level(Level::WARN, Some(Box::new(move |_, line| lines.lock().unwrap().push(line.to_owned()))));
    let user = User::new(&Log::default()).on(|_, _, _| {
        std::thread::sleep(Duration::from_millis(30));
        Ok(())
    });
    let builder = match threshold {
        Some(threshold) => real().warn_of_stalls(threshold),
        None => real(),
    };
    let (mut cx, vhost) = create(builder, client(user));
    cx.vh(vhost, "user").unwrap().client_connect(ConnectInfo::new("127.0.0.1", 1).method("RAW"));
    until(&mut cx, |cx| cx.connections() == 0);
    drop(cx);
    set_log_level(Level::ERR, Some(Box::new(|_, _| {})));
    let seen = seen.lock().unwrap();
    seen.iter().filter(|line| line.contains("has held the loop")).cloned().collect()
}

#[test]
fn a_callback_that_holds_the_loop_is_named() {
    let named = warnings(Some(Duration::from_millis(10)));
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].contains("ClientConnectionError of protocol \"user\" has held the loop for "), "{named:?}");
    assert_eq!(warnings(Some(LONG)), [""; 0]);
    assert_eq!(warnings(None), [""; 0]);
}
