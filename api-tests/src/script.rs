//! Peer scripts of `api-tests/peers`, run with the Python that has their modules
//! (`LWS_PEERS_PYTHON`, set by `api-tests/run`) and for a bounded time.

use crate::Tests;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

impl Tests {
    /// Runs a script at most this long and counts whether it ends well, showing what it said if
    /// it doesn't. Without the peers' Python it is skipped.
    pub fn python_peer(&mut self, what: &str, script: &str, args: &[&str], limit: Duration) {
        let Some(python) = std::env::var_os("LWS_PEERS_PYTHON").filter(|p| !p.is_empty()) else {
            return self.skip(what, "LWS_PEERS_PYTHON is not set; api-tests/run sets it");
        };
        let mut command = Command::new(python);
        command.arg(peers_dir().join(script)).args(args);
        let result = run_bounded(&mut command, limit).and_then(|out| match out.status.success() {
            true => Ok(()),
            false => Err(format!("{}\n{}{}", out.status, text(&out.stdout), text(&out.stderr))),
        });
        self.result(what, result);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the scripts are.
fn peers_dir() -> PathBuf {
    match std::env::var_os("PEERS") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("peers"),
    }
}

/// Runs a program to its end, at most this long; then it is killed.
///
/// # Errors
/// It couldn't be started, or its time was up.
pub fn run_bounded(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    // both pipes are drained while it runs, so that it never waits for us
    let drain = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            if let Some(mut pipe) = pipe
                && let Err(e) = pipe.read_to_end(&mut all)
            {
                all.extend_from_slice(e.to_string().as_bytes());
            }
            all
        })
    };
    let stdout = drain(child.stdout.take().map(|p| Box::new(p) as _));
    let stderr = drain(child.stderr.take().map(|p| Box::new(p) as _));
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
                return Err(format!("not done in {limit:?}"));
            }
            Err(e) => return Err(e.to_string()),
        }
    };
    let join = |thread: std::thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    Ok(Output { status, stdout: join(stdout), stderr: join(stderr) })
}
