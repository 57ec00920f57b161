//! Windows by RFC 9113 section 6.9.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn rfc9113_6_9_1_a_window_has_a_maximum() {
    let mut window = SendWindow::new(DEFAULT_WINDOW);
    assert_eq!(window.grow(MAX_31 - DEFAULT_WINDOW), Ok(()));
    assert_eq!(window.available(), MAX_31);
    assert_eq!(window.grow(1), Err(FlowError));
    assert_eq!(window.available(), MAX_31, "unchanged");
    assert_eq!(window.take(u32::MAX), MAX_31);
    assert_eq!(window.available(), 0);
    assert_eq!((FlowError.scope(0), FlowError.scope(1)), (Scope::Connection, Scope::Stream));
}

#[test]
fn rfc9113_6_9_2_a_window_may_become_negative() {
    // the RFC's example: 60 KB sent, then the initial window becomes 16 KB
    let mut window = SendWindow::new(65_535);
    assert_eq!(window.take(61_440), 61_440);
    assert_eq!(window.resize(65_535, 16_384), Ok(()));
    assert_eq!((window.value(), window.available()), (-45_056, 0));
    assert_eq!(window.take(1), 0);
    assert_eq!(window.grow(45_056), Ok(()));
    assert_eq!(window.available(), 0);
    assert_eq!(window.grow(1), Ok(()));
    assert_eq!(window.take(5), 1);
    let mut window = SendWindow::new(10);
    assert_eq!(window.grow(MAX_31 - 10), Ok(()));
    assert_eq!(window.resize(10, 11), Err(FlowError));
}

#[test]
fn rfc9113_6_9_1_the_peer_keeps_to_the_window() {
    let mut window = RecvWindow::new(100);
    assert_eq!(window.received(100), Ok(()));
    assert_eq!(window.received(1), Err(FlowError));
    assert_eq!(window.received(0), Ok(()), "an empty frame is always allowed");
}

#[test]
fn rfc9113_5_2_2_credit_comes_back_by_halves() {
    let mut window = RecvWindow::new(100);
    window.received(100).unwrap();
    assert_eq!(window.consumed(49), None);
    assert_eq!(window.consumed(1), Some(50));
    assert_eq!(window.available(), 50);
    assert_eq!(window.consumed(50), Some(50));
    assert_eq!(window.consumed(0), None);
    assert_eq!(window.grow_to(1000), Some(900));
    assert_eq!((window.available(), window.size()), (1000, 1000));
    assert_eq!(window.grow_to(10), None, "never smaller");
    assert_eq!(window.grow_to(u32::MAX), Some(MAX_31 - 1000));
}

#[test]
fn rfc9113_6_9_2_our_own_change_of_the_initial_window() {
    let mut window = RecvWindow::new(100);
    window.received(80).unwrap();
    window.resize(100, 50);
    assert_eq!((window.available(), window.size()), (0, 50));
    assert_eq!(window.received(1), Err(FlowError));
    assert_eq!(window.consumed(80), Some(80));
    assert_eq!(window.available(), 50);
}

proptest! {
    #[test]
    fn both_ends_agree_and_never_starve(size in 1u32..2000, steps in vec((0u32..500, 0u32..500), 1..200)) {
        let (mut send, mut recv) = (SendWindow::new(size), RecvWindow::new(size));
        let mut unread = 0u32;
        for (write, read) in steps {
            let sent = send.take(write);
            prop_assert_eq!(recv.received(sent), Ok(()));
            unread += sent;
            let read = read.min(unread);
            unread -= read;
            if let Some(increment) = recv.consumed(read) {
                prop_assert!(increment > 0);
                prop_assert_eq!(send.grow(increment), Ok(()));
            }
            prop_assert_eq!(send.available(), recv.available());
            prop_assert!(unread > 0 || send.available() > 0, "all is read: there is credit");
            prop_assert!(send.available() + unread <= size);
        }
    }
}
