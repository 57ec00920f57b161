//! Tests of sending: over a socket pair, where the kernel sends files, and over the simulated
//! network, where bytes are copied. A role of the tests' own has one job to do.

use super::super::scratch::Scratch;
use super::*;
use crate::http::range::RangeSet;
use crate::http::transaction::Outgoing;
use lws_core::{
    Adopt, ConnectInfo, Context, ContextBuilder, Flow, Halves, MemoryOptions, Protocol, Reason, RoleFactory, RoleRx,
    RoleTx, RxBuf, TxCx, Vhost, Write, Wsi,
};
use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// More than a socket pair holds and one call sends.
const BIG: usize = 8 * 1024 * 1024 + 321;

/// Turns after which a test has failed.
const TURNS: usize = 200_000;

#[derive(Default)]
struct Seen {
    /// Bytes that each call has counted.
    calls: Vec<u64>,
    end: Option<Result<(), String>>,
    outgoing: Option<Outgoing>,
    most_buffered: usize,
}

fn opened(file: File) -> Rc<Opened> {
    let meta = file.metadata().unwrap();
    Rc::new(Opened::new((file, meta)))
}

thread_local! {
    /// The job of the next connection, and the length it announces.
    static NEXT: RefCell<Option<(FileJob, u64)>> = const { RefCell::new(None) };
    static SEEN: RefCell<Seen> = RefCell::new(Seen::default());
}

struct Factory;

impl RoleFactory for Factory {
    fn name(&self) -> &'static str {
        "file-test"
    }

    fn server(&self) -> Option<Halves> {
        Some(Halves { rx: Box::new(Rx(None)), tx: Box::new(Tx) })
    }

    fn client(&self, _: &Rc<ConnectInfo>) -> Option<Halves> {
        None
    }

    fn adopts(&self, kind: Adopt) -> bool {
        kind == Adopt::RawSocket
    }
}

struct Rx(Option<FileJob>);

fn left(cx: &mut Cx<'_>) -> u64 {
    match cx.role_data::<Transaction>().map(|t| t.outgoing) {
        Some(Outgoing::Length(n)) => n,
        _ => 0,
    }
}

impl RoleRx for Rx {
    fn name(&self) -> &'static str {
        "file-test"
    }

    fn connected(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some((job, announced)) = NEXT.take() else { return Flow::Close(Close::ABORT) };
        self.0 = Some(job);
        SEEN.take();
        let transaction = Transaction { outgoing: Outgoing::Length(announced), ..Transaction::default() };
        cx.set_role_data(Some(Box::new(transaction)));
        cx.hold_rx(true);
        self.writeable(cx)
    }

    fn rx(&mut self, _: &mut Cx<'_>, _: &mut RxBuf<'_>) -> Flow {
        Flow::Continue
    }

    fn writeable(&mut self, cx: &mut Cx<'_>) -> Flow {
        let Some(job) = &mut self.0 else { return Flow::Close(Close::ABORT) };
        let before = left(cx);
        let result = job.send(cx);
        let after = left(cx);
        SEEN.with_borrow_mut(|seen| {
            seen.calls.push(before - after);
            seen.most_buffered = seen.most_buffered.max(cx.buffered());
            seen.outgoing = cx.role_data::<Transaction>().map(|t| t.outgoing);
            match result {
                Ok(Progress::More) => Flow::Continue,
                Ok(Progress::Done) => {
                    seen.end = Some(Ok(()));
                    Flow::Close(Close::NORMAL)
                }
                Err(e) => {
                    seen.end = Some(Err(e.to_string()));
                    Flow::Close(Close::ABORT)
                }
            }
        })
    }

    fn closed(&mut self, _: &mut Cx<'_>) {}
}

struct Tx;

impl RoleTx for Tx {
    fn write(&mut self, cx: &mut TxCx<'_>, data: &[u8], _: Write) -> Result<usize, WriteError> {
        cx.role_data::<Transaction>().ok_or(WriteError::Gone)?.outgoing.piece(data.len(), false)?;
        cx.send(&[], data)?;
        Ok(data.len())
    }
}

struct Nobody;

impl Protocol for Nobody {
    const NAME: &'static str = "nobody";
    type Session = ();

    fn callback(&mut self, _: &mut Wsi<'_>, _: Reason<'_>, (): &mut ()) -> Result<(), Close> {
        Ok(())
    }
}

const ROLES: &[&dyn RoleFactory] = &[&Factory];

/// A context that sends a job to a socket.
fn by_socket(job: FileJob, announced: u64) -> (Context, UnixStream) {
    let mut context = ContextBuilder::new(ROLES).vhost(Vhost::new("v").protocol(Nobody)).create().unwrap();
    NEXT.set(Some((job, announced)));
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let vhost = context.vhost_by_name("v").unwrap();
    context.vh(vhost, "nobody").unwrap().adopt_descriptor(ours.into(), Adopt::RawSocket, None).unwrap();
    (context, theirs)
}

/// Turns until nothing more happens without the peer's doing.
fn until_stuck(context: &mut Context) {
    for _ in 0..50 {
        context.service(Some(Duration::ZERO)).unwrap();
    }
}

/// Reads all there is until the end.
fn drain(context: &mut Context, peer: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..TURNS {
        context.service(Some(Duration::ZERO)).unwrap();
        match peer.read_to_end(&mut all) {
            Ok(_) => return all,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => panic!("{e}"),
        }
    }
    panic!("no end after {} bytes", all.len());
}

/// Sends a job over the simulated network to a peer that takes all that arrives.
fn by_memory(job: FileJob, announced: u64, options: MemoryOptions, mut each_turn: impl FnMut(usize)) -> Vec<u8> {
    let vhost = Vhost::new("v").port(1).protocol(Nobody);
    let mut context = ContextBuilder::new(ROLES).vhost(vhost).memory(options).create().unwrap();
    NEXT.set(Some((job, announced)));
    let peer = context.memory().unwrap().peer_connect("port:1");
    let mut all = Vec::new();
    for turn in 0..TURNS {
        context.service(Some(Duration::from_millis(1))).unwrap();
        each_turn(turn);
        let net = context.memory().unwrap();
        all.extend_from_slice(&net.peer_receive(peer));
        if net.peer_ended(peer) {
            return all;
        }
    }
    panic!("no end after {} bytes", all.len());
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn whole(path: &Path) -> FileJob {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    FileJob::stretch(opened(file), 0, len)
}

fn parts(path: &Path, set: &str) -> (FileJob, u64) {
    let file = File::open(path).unwrap();
    let RangeSet::Partial(ranges) = RangeSet::parse(set, file.metadata().unwrap().len()) else { panic!("{set}") };
    let len = ranges.body_len("B", "a/b");
    (FileJob::multipart(opened(file), ranges, "B".to_owned(), "a/b".to_owned()), len)
}

fn body(data: &[u8], ranges: &[(usize, usize)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (start, end) in ranges {
        let head = format!("\r\n--B\r\nContent-Type: a/b\r\nContent-Range: bytes {start}-{end}/{}\r\n\r\n", data.len());
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&data[*start..=*end]);
    }
    out.extend_from_slice(b"\r\n--B--\r\n");
    out
}

fn seen<R>(f: impl FnOnce(&Seen) -> R) -> R {
    SEEN.with_borrow(f)
}

fn assert_done() {
    seen(|seen| {
        assert_eq!(seen.end, Some(Ok(())));
        assert_eq!(seen.outgoing, Some(Outgoing::Done), "every byte was counted");
    });
}

#[test]
fn a_big_file_goes_to_a_socket_in_bounded_turns() {
    let dir = Scratch::new();
    let data = pattern(BIG);
    let (mut context, mut peer) = by_socket(whole(&dir.file("f", &data)), BIG as u64);
    assert!(drain(&mut context, &mut peer) == data);
    assert_done();
    seen(|seen| {
        assert!(seen.calls.len() >= BIG / TURN_MAX as usize);
        assert!(seen.calls.iter().all(|n| *n <= TURN_MAX));
    });
}

#[test]
fn the_kernel_sends_without_a_buffer() {
    let dir = Scratch::new();
    let (mut context, mut peer) = by_socket(whole(&dir.file("f", &pattern(BIG))), BIG as u64);
    until_stuck(&mut context);
    let calls = seen(|seen| {
        assert!(seen.end.is_none(), "more than the socket holds");
        assert_eq!(seen.most_buffered, 0);
        seen.calls.len()
    });
    // nothing spins while the peer doesn't read
    until_stuck(&mut context);
    assert_eq!(seen(|seen| seen.calls.len()), calls);
    assert_eq!(drain(&mut context, &mut peer).len(), BIG);
    assert_done();
}

#[test]
fn one_connection_does_not_keep_its_turn() {
    let dir = Scratch::new();
    let data = pattern(BIG);
    let options = MemoryOptions { capacity: 2 * BIG, max_write: BIG, ..MemoryOptions::default() };
    // a network that takes all at once is no reason to send all at once
    assert!(by_memory(whole(&dir.file("f", &data)), BIG as u64, options, |_| {}) == data);
    assert_done();
    assert!(seen(|seen| seen.calls.iter().all(|n| *n <= TURN_MAX)));
}

#[test]
fn a_slow_receiver_costs_one_buffer() {
    let dir = Scratch::new();
    let data = pattern(1024 * 1024);
    let (job, len) = parts(&dir.file("f", &data), "bytes=0-300000,400000-400100,500000-1000000");
    let options = MemoryOptions { capacity: 700, max_write: 300, ..MemoryOptions::default() };
    let want = body(&data, &[(0, 300_000), (400_000, 400_100), (500_000, 1_000_000)]);
    assert!(by_memory(job, len, options, |_| {}) == want);
    assert_done();
    seen(|seen| {
        assert!(seen.most_buffered <= BUFFER, "{}", seen.most_buffered);
        assert!(seen.calls.iter().all(|n| *n <= BUFFER as u64));
    });
}

#[test]
fn rfc9110_14_6_parts_large_and_small_by_socket_and_copied() {
    let dir = Scratch::new();
    let data = pattern(600_000);
    let path = dir.file("f", &data);
    for (set, ranges) in [
        ("bytes=0-0,9-9", &[(0, 0), (9, 9)][..]),
        ("bytes=100000-499999,-1,0-9", &[(100_000, 499_999), (599_999, 599_999), (0, 9)]),
        ("bytes=0-299999,300001-599999", &[(0, 299_999), (300_001, 599_999)]),
        ("bytes=5-65540,70000-86383,90000-106384", &[(5, 65_540), (70_000, 86_383), (90_000, 106_384)]),
    ] {
        let want = body(&data, ranges);
        let (job, len) = parts(&path, set);
        assert_eq!(len, want.len() as u64);
        let (mut context, mut peer) = by_socket(job, len);
        assert!(drain(&mut context, &mut peer) == want, "{set}");
        assert_done();
        for seed in 1..6 {
            let (job, len) = parts(&path, set);
            let options = MemoryOptions { seed, max_write: 50_000, capacity: 90_000, ..MemoryOptions::default() };
            assert!(by_memory(job, len, options, |_| {}) == want, "{set}, seed {seed}");
            assert_done();
        }
    }
}

#[test]
fn small_files_and_stretches() {
    let dir = Scratch::new();
    let data = pattern(100_000);
    let path = dir.file("f", &data);
    for (at, len) in
        [(0, 1), (99_999, 1), (5, 16 * 1024 - 1), (5, 16 * 1024), (5, 16 * 1024 + 1), (1000, 65_537), (0, 100_000)]
    {
        let job = || FileJob::stretch(opened(File::open(&path).unwrap()), at, len);
        let want = &data[at as usize..(at + len) as usize];
        let (mut context, mut peer) = by_socket(job(), len);
        assert!(drain(&mut context, &mut peer) == want, "{at} {len}");
        assert_done();
        assert!(by_memory(job(), len, MemoryOptions::default(), |_| {}) == want, "{at} {len}");
        assert_done();
    }
}

const SHRUNK: &str = "the file has shrunk while it was being sent";

#[test]
fn a_file_that_shrinks_cuts_the_connection() {
    let dir = Scratch::new();
    let data = pattern(BIG);
    // to what was sent already, and to what wasn't yet
    for size in [1000, BIG - 1] {
        let path = dir.file("f", &data);
        let (mut context, mut peer) = by_socket(whole(&path), BIG as u64);
        until_stuck(&mut context);
        File::options().write(true).open(&path).unwrap().set_len(size as u64).unwrap();
        let got = drain(&mut context, &mut peer);
        assert!(got.len() < BIG && data.starts_with(&got[..got.len().min(size)]));
        assert_eq!(seen(|seen| seen.end.clone()), Some(Err(SHRUNK.to_owned())));
        assert_eq!(context.connections(), 0);
    }
}

#[test]
fn a_file_that_shrinks_cuts_the_connection_when_copied() {
    let dir = Scratch::new();
    let data = pattern(BIG);
    let path = dir.file("f", &data);
    let shrink = |turn| {
        if turn == 10 {
            File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
        }
    };
    let got = by_memory(whole(&path), BIG as u64, MemoryOptions::default(), shrink);
    assert!(got.len() < BIG);
    assert_eq!(seen(|seen| seen.end.clone()), Some(Err(SHRUNK.to_owned())));
}

#[test]
fn of_a_file_that_grows_only_the_announced_is_sent() {
    let dir = Scratch::new();
    let data = pattern(BIG);
    let path = dir.file("f", &data);
    let (mut context, mut peer) = by_socket(whole(&path), BIG as u64);
    until_stuck(&mut context);
    io::Write::write_all(&mut File::options().append(true).open(&path).unwrap(), b"more").unwrap();
    assert!(drain(&mut context, &mut peer) == data);
    assert_done();
}

#[test]
fn a_peer_that_leaves_is_no_error_of_the_file() {
    let dir = Scratch::new();
    let (mut context, peer) = by_socket(whole(&dir.file("f", &pattern(BIG))), BIG as u64);
    until_stuck(&mut context);
    assert_eq!(context.connections(), 1);
    drop(peer);
    for _ in 0..TURNS {
        context.service(Some(Duration::ZERO)).unwrap();
        if context.connections() == 0 {
            break;
        }
    }
    assert_eq!(context.connections(), 0);
    assert_eq!(seen(|seen| seen.end.clone()), None);
}

#[test]
fn more_than_was_announced_is_an_error() {
    let dir = Scratch::new();
    let (mut context, mut peer) = by_socket(whole(&dir.file("f", &pattern(5000))), 4999);
    drain(&mut context, &mut peer);
    assert_eq!(seen(|seen| seen.end.clone()), Some(Err(WriteError::TooLong.to_string())));
    assert_eq!(context.connections(), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let dir = Scratch::new();
    // a directory opens and doesn't read
    let job = |len| FileJob::stretch(opened(File::open(dir.path("")).unwrap()), 0, len);
    assert!(matches!(job(100).read_chunk(&mut [0; 10]), Err(FileError::Read(_))));
    let (mut context, mut peer) = by_socket(job(100), 100);
    assert!(drain(&mut context, &mut peer).is_empty());
    assert!(seen(|seen| seen
        .end
        .as_ref()
        .is_some_and(|end| end.as_ref().is_err_and(|e| e.starts_with("reading it failed")))));
}

#[test]
fn chunks_for_framers_are_full_to_the_end() {
    let dir = Scratch::new();
    let data = pattern(1000);
    let (mut job, len) = parts(&dir.file("f", &data), "bytes=0-99,200-299");
    let mut all = Vec::new();
    let mut buf = [0; 64];
    loop {
        let n = job.read_chunk(&mut buf).unwrap();
        all.extend_from_slice(&buf[..n]);
        if n < buf.len() {
            break;
        }
    }
    assert_eq!(all.len() as u64, len);
    assert!(all == body(&data, &[(0, 99), (200, 299)]));
    assert_eq!(job.read_chunk(&mut buf).unwrap(), 0);
    assert_eq!(job.read_chunk(&mut []).unwrap(), 0);
}
