//! Dumps what can be read from a file, as it comes: a tty, a pipe, a device. See README.md.

use lws::lwsl_hexdump_user;
use lws::prelude::*;
use minimal_examples as common;
use std::fs::File;
use std::io::{ErrorKind, Read};

const USAGE: &str = "minimal-raw-file [-d LEVELS] PATH";

struct RawFile {
    file: File,
}

impl Protocol for RawFile {
    const NAME: &'static str = "raw-test";
    type Session = ();

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, _: &mut ()) -> Result<(), Close> {
        match reason {
            Reason::RawAdoptFile => lwsl_user!("RAW_ADOPT_FILE"),
            Reason::RawRxFile => {
                let mut block = [0; 1024];
                match self.file.read(&mut block) {
                    Ok(0) => return Err(Close::NORMAL),
                    Ok(n) => {
                        lwsl_user!("RAW_RX_FILE: {n} bytes");
                        lwsl_hexdump_user!(&block[..n]);
                    }
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(e) => {
                        lwsl_err!("read: {e}");
                        return Err(Close::ABORT);
                    }
                }
            }
            Reason::RawCloseFile => {
                lwsl_user!("RAW_CLOSE_FILE");
                wsi.vhost().stop();
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    common::start(USAGE, &[]);
    let path = std::env::args_os().skip(1).last().unwrap_or_else(|| common::fail(USAGE));
    let file = File::open(&path).unwrap_or_else(|e| common::fail(&format!("{}: {e}", path.display())));

    // the library closes what it adopts; we go on reading through a descriptor of our own
    let mut context = lws::context().create()?;
    let vhost = context.create_vhost(Vhost::new("default").protocol(RawFile { file: file.try_clone()? }))?;
    let mut vh = context.vh(vhost, RawFile::NAME).ok_or("no such protocol")?;
    vh.adopt_descriptor(file.into(), Adopt::RawFile, None)?;
    context.run()?;
    Ok(())
}
