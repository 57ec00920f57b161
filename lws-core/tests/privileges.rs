//! Dropping privileges, in a process of its own: this program again, told so by its environment.

use lws_core::system::privileges::{Capability, Privileges, PrivilegesError, effective_ids};
#[cfg(target_os = "linux")]
use std::process::Command;

#[cfg(target_os = "linux")]
const TOLD: &str = "LWS_TEST_DROP_PRIVILEGES";

/// What the child prints: who it is and what it can do.
#[cfg(target_os = "linux")]
fn become_nobody(keep: bool) {
    let mut privileges = Privileges::of_user("nobody");
    if keep {
        privileges = privileges.keep(Capability::NET_BIND_SERVICE);
    }
    match privileges.enter() {
        Ok(()) => {
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("readable");
            let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            println!("\nids {:?}", effective_ids());
            ["Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:"].iter().for_each(|name| println!("{}", line(name)));
            println!("again: {}", Privileges::of_user("root").enter().is_err());
        }
        Err(e) => println!("\nfailed: {e}"),
    }
}

/// Whether root here has what it takes, or is one of a container that lacks some of it: CAP_SETGID, CAP_SETUID,
/// CAP_NET_BIND_SERVICE.
#[cfg(target_os = "linux")]
fn root_is_whole() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let caps = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("Linux tells");
    let caps = u64::from_str_radix(caps.trim(), 16).expect("a hexadecimal number");
    [6, 7, 10].iter().all(|bit| caps >> bit & 1 == 1)
}

#[test]
#[cfg(target_os = "linux")]
fn root_becomes_nobody_with_what_it_keeps() {
    if let Ok(keep) = std::env::var(TOLD) {
        return become_nobody(keep == "keep");
    }
    for keep in ["keep", "nothing"] {
        let me = std::env::current_exe().expect("known");
        let test = ["--exact", "root_becomes_nobody_with_what_it_keeps", "--nocapture"];
        let child = Command::new(me).args(test).env(TOLD, keep).output().expect("started");
        let said = String::from_utf8_lossy(&child.stdout);
        if effective_ids().0 != 0 {
            assert!(said.contains("failed: dropping privileges"), "only root can: {said}");
            continue;
        }
        if !root_is_whole() {
            continue;
        }
        let line = |name: &str| {
            let line =
                said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {said}"));
            line.split_whitespace().collect::<Vec<_>>()
        };
        let uid = line("Uid:");
        assert!(uid.len() == 4 && uid.iter().all(|id| *id == uid[0] && *id != "0"), "{uid:?}");
        let gid = line("Gid:");
        assert!(gid.len() == 4 && gid.iter().all(|id| *id == gid[0] && *id != "0"), "{gid:?}");
        assert_eq!(line("Groups:"), [gid[0]], "no group of root's is left");
        assert_eq!(line("ids"), [format!("({},", uid[0]), format!("{})", gid[0])]);
        let bits = if keep == "keep" { 1_u64 << 10 } else { 0 };
        for caps in ["CapPrm:", "CapEff:"] {
            assert_eq!(line(caps), [format!("{bits:016x}")], "{caps} {keep}");
        }
        assert_eq!(line("again:"), ["true"]);
    }
}

#[test]
fn names_that_are_not_there_change_nothing() {
    let before = effective_ids();
    let user = Privileges::of_user("no such user").enter();
    assert!(matches!(&user, Err(PrivilegesError::User(name)) if name == "no such user"), "{user:?}");
    let group = Privileges::of_user("root").group("no such group").enter();
    assert!(matches!(&group, Err(PrivilegesError::Group(name)) if name == "no such group"), "{group:?}");
    assert_eq!(effective_ids(), before);
    assert_eq!(Capability::from_number(10), Some(Capability::NET_BIND_SERVICE));
    assert_eq!((Capability::from_number(64), Capability::NET_ADMIN.number()), (None, 12));
}
