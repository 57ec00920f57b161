//! How many system calls an echoed message costs, counted by `strace` on minimal-ws-server-echo: at
//! most one receive and one send, no epoll_ctl, and none at all while idle.
//!
//! Two runs that differ only in the number of messages are subtracted, so that start and end cancel
//! out.

use api_tests::Tests;
use api_tests::peer::{Server, built, has_program, peers_are_required};
use api_tests::wsclient::WsClient;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

type Counts = BTreeMap<String, u64>;

/// Runs the server under strace, echoes so many messages, idles so long, and counts by call.
fn count(messages: u32, idle: Duration) -> std::io::Result<Counts> {
    let summary =
        std::env::temp_dir().join(format!("lws-syscalls-{}-{messages}-{}", std::process::id(), idle.as_millis()));
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&summary).arg(built("minimal-ws-server-echo")?).args(["-p", "0"]);
    let mut server = Server::start(&mut command)?;
    let mut client = WsClient::connect(([127, 0, 0, 1], server.port).into(), None)?;
    for n in 0..messages {
        let text = format!("message {n}");
        client.send(text.as_bytes())?;
        let echo = client.receive()?;
        if echo != text.as_bytes() {
            return Err(std::io::Error::other(format!("{text:?} came back as {echo:?}")));
        }
    }
    // not to wait for anything: the length of the silence is what is measured
    std::thread::park_timeout(idle);
    drop(client);
    // strace passes the signal on to nobody: end the server itself
    let child = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()))?;
    for pid in child.split_whitespace() {
        Command::new("kill").arg(pid).status()?;
    }
    server.wait()?;
    let text = std::fs::read_to_string(&summary)?;
    std::fs::remove_file(&summary)?;
    Ok(parse(&text))
}

/// The table of `strace -c`: calls in the fourth column, name in the last.
fn parse(table: &str) -> Counts {
    let rows = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        Some(((*columns.last()?).to_owned(), columns.get(3)?.parse().ok()?))
    });
    rows.filter(|(name, _)| name != "total").collect()
}

const RECEIVES: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];
const SENDS: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];

fn of(counts: &Counts, names: &[&str]) -> u64 {
    names.iter().filter_map(|n| counts.get(*n)).sum()
}

fn main() -> std::io::Result<()> {
    let (mut tests, _) = Tests::start(&[]);
    if !has_program("strace") {
        println!("strace is missing: apt-get install strace");
        tests.check("strace is there where peers are required", !peers_are_required());
        tests.finish();
    }
    let (few, many) = (100, 1100);
    let quiet = Duration::ZERO;
    let (a, b) = (count(few, quiet)?, count(many, quiet)?);
    let messages = u64::from(many - few);
    let more = |names: &[&str]| of(&b, names).saturating_sub(of(&a, names));
    for (what, names) in
        [("receives", &RECEIVES[..]), ("sends", &SENDS[..]), ("epoll_wait", &["epoll_wait", "epoll_pwait"])]
    {
        println!("{what} a message: {:.3}", more(names) as f64 / messages as f64);
    }
    tests.check("at most one receive a message", more(&RECEIVES) <= messages);
    tests.check("at most one send a message", more(&SENDS) <= messages);
    tests.check("no epoll_ctl a message", more(&["epoll_ctl"]) == 0);
    let all = |c: &Counts| c.values().sum::<u64>();
    let rest = all(&b).saturating_sub(all(&a));
    tests.check(
        &format!("nothing beside poll, receive and send: {rest} calls for {messages} messages"),
        rest <= 3 * messages,
    );

    let idle = count(few, Duration::from_secs(3))?;
    let woken = all(&idle).abs_diff(all(&a));
    tests.check(&format!("no call while idle: 3 s of silence cost {woken}"), woken <= 4);
    tests.finish();
}
