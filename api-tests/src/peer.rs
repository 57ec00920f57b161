//! Other programs: ours as child processes, and independent peers that may be missing.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Whether a missing peer is a failure (`LWS_REQUIRE_PEERS=1`) and not a skip.
#[must_use]
pub fn peers_are_required() -> bool {
    std::env::var("LWS_REQUIRE_PEERS").is_ok_and(|v| v == "1")
}

/// Whether a program of this name can be started.
#[must_use]
pub fn has_program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// A program built beside this one.
///
/// # Errors
/// This program's own place can't be told.
pub fn built(name: &str) -> std::io::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    // integration tests live one folder deeper
    if path.ends_with("deps") {
        path.pop();
    }
    Ok(path.join(name))
}

/// A server of ours in a process of its own, ended when this is dropped.
pub struct Server {
    child: Child,
    /// The port it said that it listens on.
    pub port: u16,
}

impl Server {
    /// Starts a command whose standard output says `http://localhost:PORT`.
    ///
    /// # Errors
    /// It can't be started, or ends without saying a port.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| std::io::Error::other("no standard output"))?;
        let mut said = String::new();
        for line in BufReader::new(out).lines() {
            let line = line?;
            said.push_str(&line);
            if let Some(port) = line.rsplit(':').next().and_then(|p| p.trim().parse().ok()) {
                return Ok(Self { child, port });
            }
        }
        let _ = child.wait();
        Err(std::io::Error::other(format!("the server said no port: {said:?}")))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for it to end.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self) -> std::io::Result<()> {
        self.child.wait().map(drop)
    }

    /// Asks it to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// `kill` can't be started.
    pub fn stop(&mut self) -> std::io::Result<()> {
        Command::new("kill").arg(self.pid().to_string()).status()?;
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // harmless when it has ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
