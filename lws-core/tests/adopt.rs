//! Adopting descriptors: sockets, pipes and files that were opened elsewhere.

mod common;

use common::{Log, User, client, create, real, settle, until};
use lws_core::{Adopt, AdoptError, Close, Context, Reason, VhostId, Write};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

fn adopt(cx: &mut Context, vhost: VhostId, fd: impl Into<OwnedFd>, kind: Adopt) {
    cx.vh(vhost, "user").unwrap().adopt_descriptor(fd.into(), kind, None).unwrap();
}

/// Reads at most `n` bytes of the connection's own descriptor.
fn read_some(wsi: &lws_core::Wsi<'_>, n: usize) -> std::io::Result<Vec<u8>> {
    let mut file = File::from(wsi.fd().unwrap().try_clone_to_owned()?);
    let mut data = vec![0; n];
    let n = file.read(&mut data)?;
    data.truncate(n);
    Ok(data)
}

#[test]
fn a_socket_speaks_both_ways_and_its_end_is_seen() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, _| {
        if let Reason::RawRx(data) = reason {
            wsi.write(data, Write::Raw)?;
        }
        Ok(())
    });
    let (mut cx, vhost) = create(real(), client(user));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"early").unwrap();
    adopt(&mut cx, vhost, ours, Adopt::RawSocket);
    assert!(!log.has("RawAdopt"), "later, not from inside");
    until(&mut cx, |_| log.has("rx early"));
    settle(&mut cx);
    let mut got = [0; 5];
    theirs.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"early");
    drop(theirs);
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.take(), ["ProtocolInit", "WsiCreate", "RawAdopt", "rx early", "User 4", "RawClose", "WsiDestroy"]);
}

#[test]
fn a_socket_may_speak_the_accept_role() {
    let log = Log::default();
    let (mut cx, vhost) = create(real(), client(User::new(&log)));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"a line\nand no").unwrap();
    adopt(&mut cx, vhost, ours, Adopt::Http);
    until(&mut cx, |_| log.has("rx a line\n"));
    assert_eq!(log.received(), "a line\n");
}

#[test]
fn what_was_read_before_comes_first_also_from_within_a_callback() {
    let log = Log::default();
    let passed_on = RefCell::new(Vec::new());
    let user = User::new(&log).on(move |wsi, reason, _| {
        if let Reason::RawRx(b"pass on\n") = reason {
            let (ours, mut theirs) = UnixStream::pair().map_err(|_| Close::ABORT)?;
            theirs.write_all(b" late\n").map_err(|_| Close::ABORT)?;
            passed_on.borrow_mut().push(theirs);
            let mut vh = wsi.vhost();
            vh.adopt_descriptor_readbuf(ours.into(), Adopt::Http, None, b"early").map_err(|_| Close::ABORT)?;
        }
        Ok(())
    });
    let (mut cx, vhost) = create(real(), client(user));
    let mut vh = cx.vh(vhost, "user").unwrap();
    // nothing more comes of this one
    let (ours, _theirs) = UnixStream::pair().unwrap();
    vh.adopt_descriptor_readbuf(ours.into(), Adopt::Http, None, b"pass on\n").unwrap();
    until(&mut cx, |_| log.has("rx early late\n"));
    assert_eq!(log.received(), "pass on\nearly late\n");

    let mut vh = cx.vh(vhost, "user").unwrap();
    let mut refused = |fd: OwnedFd, kind, readbuf: &[u8]| {
        matches!(vh.adopt_descriptor_readbuf(fd, kind, None, readbuf), Err(AdoptError::Refused(_)))
    };
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    assert!(refused(ours.into(), Adopt::Http, &[b'x'; 8193]));
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it was closed");
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(refused(reader.into(), Adopt::RawFile, b"x"));
}

#[test]
fn a_pipe_is_told_again_until_it_is_drained() {
    let log = Log::default();
    let user = {
        let log = log.clone();
        User::new(&log.clone()).on(move |wsi, reason, _| {
            if matches!(reason, Reason::RawRxFile) {
                let data = read_some(wsi, 1).map_err(|_| Close::ABORT)?;
                if data.is_empty() {
                    return Err(Close::NORMAL);
                }
                log.add(format!("rx {}", String::from_utf8_lossy(&data)));
            }
            Ok(())
        })
    };
    let (mut cx, vhost) = create(real(), client(user));
    let (reader, mut writer) = std::io::pipe().unwrap();
    adopt(&mut cx, vhost, reader, Adopt::RawFile);
    settle(&mut cx);
    assert_eq!((log.count("RawAdoptFile"), log.count("RawRxFile")), (1, 0));
    writer.write_all(b"pieces").unwrap();
    until(&mut cx, |_| log.received() == "pieces");
    settle(&mut cx);
    assert_eq!(log.count("RawRxFile"), 6, "not once more than there was something");
    assert_eq!(cx.next_timeout(), None);
    drop(writer);
    until(&mut cx, |cx| cx.connections() == 0);
    assert_eq!(log.count("RawCloseFile"), 1);
}

#[test]
fn a_full_pipe_is_writeable_only_when_there_is_room() {
    let log = Log::default();
    let user = User::new(&log).on(|wsi, reason, session| {
        match reason {
            Reason::RawAdoptFile => wsi.callback_on_writable(),
            Reason::RawWriteableFile if session.n < 1 << 20 => {
                let mut file = File::from(wsi.fd().unwrap().try_clone_to_owned().unwrap());
                // what is full is said by WRITEABLE, never by an error here
                session.n += file.write(&[b'x'; 4096]).map_err(|_| Close::ABORT)?;
                wsi.callback_on_writable();
            }
            Reason::RawWriteableFile => return Err(Close::NORMAL),
            _ => {}
        }
        Ok(())
    });
    let (mut cx, vhost) = create(real(), client(user));
    let (mut reader, writer) = std::io::pipe().unwrap();
    adopt(&mut cx, vhost, writer, Adopt::RawFile);
    settle(&mut cx);
    let full = log.count("RawWriteableFile");
    assert_eq!(cx.next_timeout(), None, "it sleeps while the pipe is full");
    let (mut got, mut data) = (0, vec![0; 30_000]);
    while got < 1 << 20 {
        got += reader.read(&mut data).unwrap();
        settle(&mut cx);
    }
    until(&mut cx, |cx| cx.connections() == 0);
    assert!(full > 1 && full < 64, "{full}");
    assert_eq!((got, log.count("RawCloseFile")), (1 << 20, 1));
}

#[test]
fn a_regular_file_is_always_ready_until_it_is_held_or_closed() {
    let path = std::env::temp_dir().join(format!("lws-adopt-{}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(b"0123456789").unwrap();
    file.rewind().unwrap();
    let log = Log::default();
    let user = {
        let log = log.clone();
        User::new(&log.clone()).on(move |wsi, reason, _| {
            if matches!(reason, Reason::RawRxFile) {
                let data = read_some(wsi, 4).map_err(|_| Close::ABORT)?;
                log.add(format!("rx {}", String::from_utf8_lossy(&data)));
                match data.len() {
                    4 => {}
                    2 => wsi.rx_flow_control(false),
                    _ => return Err(Close::NORMAL),
                }
            }
            Ok(())
        })
    };
    let (mut cx, vhost) = create(real(), client(user));
    adopt(&mut cx, vhost, file, Adopt::RawFile);
    until(&mut cx, |_| log.received() == "0123456789");
    settle(&mut cx);
    assert_eq!(cx.next_timeout(), None, "held, it doesn't keep the loop awake");
    let mut vh = cx.vh(vhost, "user").unwrap();
    let id = vh.members()[0];
    vh.wsi(id).unwrap().rx_flow_control(true);
    until(&mut cx, |cx| cx.connections() == 0);
}

#[test]
fn what_cannot_be_adopted_is_closed_and_says_why() {
    let log = Log::default();
    let (mut cx, vhost) = create(real().max_connections(1), client(User::new(&log)));
    let mut refused = |fd: OwnedFd, kind, protocol: Option<&str>| {
        cx.vh(vhost, "user").unwrap().adopt_descriptor(fd, kind, protocol).unwrap_err()
    };
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    assert!(matches!(refused(ours.into(), Adopt::RawSocket, Some("absent")), AdoptError::NoProtocol(_)));
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "it was closed");
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(matches!(refused(reader.into(), Adopt::RawSocket, None), AdoptError::Io(_)));
    let (ours, theirs) = UnixStream::pair().unwrap();
    adopt(&mut cx, vhost, ours, Adopt::RawSocket);
    let mut vh = cx.vh(vhost, "user").unwrap();
    assert!(matches!(vh.adopt_descriptor(theirs.into(), Adopt::RawSocket, None), Err(AdoptError::Refused(_))));
}

#[test]
fn closing_an_adopted_file_whose_copy_lives_on_takes_it_out_of_the_poll() {
    let log = Log::default();
    let user = User::new(&log).on(|_, reason, _| match reason {
        Reason::RawRxFile => Err(Close::NORMAL),
        _ => Ok(()),
    });
    let (mut cx, vhost) = create(real(), client(user));
    let (reader, mut writer) = std::io::pipe().unwrap();
    let copy = reader.as_fd().try_clone_to_owned().unwrap();
    adopt(&mut cx, vhost, reader, Adopt::RawFile);
    writer.write_all(b"x").unwrap();
    until(&mut cx, |cx| cx.connections() == 0);
    settle(&mut cx);
    writer.write_all(b"y").unwrap();
    // nothing of it reaches the loop: this sleeps, but for the last stretch that timerfds are for
    let start = cx.now_us();
    cx.service(Some(Duration::from_millis(30))).unwrap();
    assert!(cx.now_us() >= start + 20_000);
    drop(copy);
}
