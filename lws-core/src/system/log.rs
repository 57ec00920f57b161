//! The log: levels in a bit mask, one line per message, an emit hook.
//!
//! The mask is one atomic, looked at before anything is formatted: a disabled line costs a load
//! and a branch. An enabled one is formatted into a buffer on the stack, with the control
//! characters escaped that a peer may have put into it, so no peer forges lines or drives a
//! terminal; past [`MAX_LINE`] bytes it is cut. The default hook writes each line to stderr with
//! one write: `[YYYY/MM/DD HH:MM:SS:ffff] L: text`.
//!
//! Anybody may log from any thread, the emit hook excepted: lines that it logs itself are dropped.

mod level;
mod line;
#[macro_use]
mod macros;

pub use level::{Level, LevelError};
pub use line::MAX_LINE;

use crate::sys;
use line::Line;
use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Takes each enabled line: its level and its text, without time and line end.
pub type LogEmit = Box<dyn Fn(Level, &str) + Send + Sync>;

static MASK: AtomicU32 = AtomicU32::new(Level::DEFAULT.bits());
static EMIT: RwLock<Option<Arc<LogEmit>>> = RwLock::new(None);

thread_local! {
    /// Whether the emit hook runs on this thread.
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Sets the enabled levels of the process and, if given, the hook that gets the lines from here
/// on (C: `lws_set_log_level`). Without a hook the one from before stays; at the start it is
/// [`emit_stderr`].
pub fn set_log_level(mask: Level, emit: Option<LogEmit>) {
    if let Some(emit) = emit {
        *EMIT.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(emit));
    }
    MASK.store(mask.bits(), Ordering::Relaxed);
}

/// The enabled levels.
pub fn log_level() -> Level {
    Level::from_bits(MASK.load(Ordering::Relaxed))
}

/// Whether lines of this level are emitted (C: `lwsl_visible`); of a set, of any of its levels.
#[inline]
pub fn is_enabled(level: Level) -> bool {
    MASK.load(Ordering::Relaxed) & level.bits() != 0
}

/// Formats and emits one line; the macros have looked at the mask.
#[doc(hidden)]
#[cold]
pub fn emit(level: Level, text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    // The error of a line that is too long, or of a Display: what it wrote is there.
    let _ = line.write_fmt(text);
    let text = line.text();
    if EMITTING.replace(true) {
        return;
    }
    let _running = Emitting;
    #[cfg(feature = "log")]
    log::log!(target: "lws", bridge_level(level), "{text}");
    // Out of the lock, so that the hook may set another.
    let hook = EMIT.read().unwrap_or_else(PoisonError::into_inner).clone();
    match hook {
        Some(hook) => hook(level, text),
        None => emit_stderr(level, text),
    }
}

/// Ends the thread's [`EMITTING`], also when the hook panics.
struct Emitting;

impl Drop for Emitting {
    fn drop(&mut self) {
        EMITTING.set(false);
    }
}

/// The `log` crate has five levels: the protocols' details are its `Trace`.
#[cfg(feature = "log")]
fn bridge_level(level: Level) -> log::Level {
    match level {
        Level::ERR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::NOTICE | Level::USER => log::Level::Info,
        Level::INFO | Level::DEBUG | Level::CLIENT | Level::LATENCY => log::Level::Debug,
        _ => log::Level::Trace,
    }
}

/// The hook at the start: a line on stderr with local time and the level's mark, coloured if
/// that is a terminal (C: `lwsl_emit_stderr`).
pub fn emit_stderr(level: Level, text: &str) {
    let mut line = Vec::with_capacity(MAX_LINE + 64);
    let colour = std::io::stderr().is_terminal();
    // Writing to a Vec doesn't fail, and a log that can't be written has nobody to tell.
    let _ = write_line(&mut line, level, text, sys::wall_us(), colour);
    let _ = std::io::stderr().write_all(&line);
}

/// One line as on stderr. The fraction of the second is in units of 100 us.
fn write_line(to: &mut Vec<u8>, level: Level, text: &str, wall_us: u64, colour: bool) -> std::io::Result<()> {
    let t = sys::local_time((wall_us / 1_000_000) as i64).unwrap_or_default();
    let (year, month, day) = (t.year, t.month, t.day);
    let (hour, minute, second, fraction) = (t.hour, t.minute, t.second, wall_us % 1_000_000 / 100);
    write!(to, "[{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}:{fraction:04}] ")?;
    match level.first() {
        Some((.., mark, ansi)) if colour => writeln!(to, "\x1b[{ansi}m{mark}: {text}\x1b[0m"),
        _ => writeln!(to, "{}: {text}", level.mark()),
    }
}

/// Logs bytes as hex and text, 16 to a line, with their offset (C: `lwsl_hexdump_level`).
pub fn hexdump(level: Level, bytes: &[u8]) {
    if !is_enabled(level) {
        return;
    }
    if bytes.is_empty() {
        emit(level, format_args!("(hexdump: zero length)"));
    }
    for (line, chunk) in bytes.chunks(16).enumerate() {
        emit(level, format_args!("{}", HexLine { offset: line * 16, chunk }));
    }
}

struct HexLine<'a> {
    offset: usize,
    chunk: &'a [u8],
}

impl fmt::Display for HexLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:", self.offset)?;
        for at in 0..16 {
            match self.chunk.get(at) {
                Some(byte) => write!(f, " {byte:02x}")?,
                None => f.write_str("   ")?,
            }
        }
        f.write_str("  ")?;
        for &byte in self.chunk {
            f.write_char(if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '.' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::line::CUT;
    use super::*;
    use std::sync::Mutex;

    /// What the hook got on the thread of a test; other tests of the program log as well.
    type Lines = Arc<Mutex<Vec<(Level, String)>>>;

    /// Serialises the tests that change the mask and the hook.
    static ALONE: Mutex<()> = Mutex::new(());

    fn with_hook(mask: Level, test: impl FnOnce(&Lines)) {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = Lines::default();
        let (thread, sink) = (std::thread::current().id(), lines.clone());
        let hook = move |level, text: &str| {
            if std::thread::current().id() == thread {
                sink.lock().unwrap().push((level, text.to_owned()));
                lwsl_err!("from inside the hook");
            }
        };
        set_log_level(mask, Some(Box::new(hook)));
        test(&lines);
        set_log_level(Level::DEFAULT, Some(Box::new(emit_stderr)));
    }

    fn take(lines: &Lines) -> Vec<(Level, String)> {
        std::mem::take(&mut lines.lock().unwrap())
    }

    /// A value that must not be formatted.
    struct Untouchable;

    impl fmt::Display for Untouchable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("formatted though its level is off");
        }
    }

    #[test]
    fn only_enabled_levels_are_formatted_and_reach_the_hook() {
        with_hook(Level::ERR | Level::USER, |lines| {
            lwsl_err!("{} of {n}", 1, n = 2);
            lwsl_warn!("{Untouchable}");
            lwsl_notice!("{Untouchable}");
            lwsl_info!("{Untouchable}");
            lwsl_debug!("{Untouchable}");
            lwsl_user!("done\n");
            assert_eq!(take(lines), [(Level::ERR, "1 of 2".into()), (Level::USER, "done".into())]);
            assert_eq!(log_level(), Level::ERR | Level::USER);
            assert!(is_enabled(Level::ERR) && !is_enabled(Level::WARN));

            set_log_level(Level::ALL, None);
            lwsl_parser!("p");
            lwsl_header!("h");
            lwsl_ext!("e");
            lwsl_client!("c");
            lwsl_latency!("l");
            lwsl_thread!("t");
            let marks: Vec<_> = take(lines).into_iter().map(|(level, _)| level.mark()).collect();
            assert_eq!(marks, ["P", "H", "EXT", "C", "L", "T"], "the hook stays when none is given");
        });
    }

    #[test]
    fn a_peer_can_not_forge_lines_or_drive_the_terminal() {
        with_hook(Level::ALL, |lines| {
            lwsl_warn!("got {}", "x\r\n[2020] E: \x1b[2J\0\t\u{9b}\u{202e}é\n\n");
            assert_eq!(take(lines)[0].1, r"got x\r\n[2020] E: \u{1b}[2J\u{0}\t\u{9b}\u{202e}é");
        });
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        with_hook(Level::ALL, |lines| {
            lwsl_info!("{}", "x".repeat(MAX_LINE));
            lwsl_info!("{}", "é".repeat(MAX_LINE));
            lwsl_info!("x{}{}", "é".repeat(MAX_LINE), Untouchable);
            lwsl_info!("{}\n\nx", "\n".repeat(MAX_LINE));
            let lines = take(lines);
            assert_eq!(lines[0].1, "x".repeat(MAX_LINE));
            assert_eq!(lines[1].1, "é".repeat(MAX_LINE / 2) + CUT);
            assert_eq!(lines[2].1, format!("x{}{CUT}", "é".repeat(MAX_LINE / 2 - 1)));
            assert_eq!(lines[3].1, r"\n".repeat(MAX_LINE / 2) + CUT);
        });
    }

    #[test]
    fn hexdump_has_sixteen_bytes_to_a_line() {
        with_hook(Level::USER, |lines| {
            lwsl_hexdump_user!(b"0123456789abcdef\xff \n");
            lwsl_hexdump_debug!(b"off");
            lwsl_hexdump_user!(&[]);
            let text: Vec<_> = take(lines).into_iter().map(|(_, text)| text).collect();
            assert_eq!(text[0], "0000: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef");
            assert_eq!(text[1], format!("0010: ff 20 0a{}  . .", "   ".repeat(13)));
            assert_eq!(text[2], "(hexdump: zero length)");
            assert_eq!(text.len(), 3);
        });
    }

    #[test]
    fn stderr_lines_have_c_s_form() {
        let line = |level, colour| {
            let mut to = Vec::new();
            // 2000-06-15 12:00:00 UTC; the hour and perhaps the day depend on the time zone.
            write_line(&mut to, level, "text", 961_070_400_012_399, colour).unwrap();
            String::from_utf8(to).unwrap()
        };
        let plain = line(Level::EXT, false);
        assert!(plain.starts_with("[2000/06/1"), "{plain}");
        assert!(plain.ends_with(":00:0123] EXT: text\n"), "{plain}");
        assert_eq!(plain.len(), "[2000/06/15 12:00:00:0123] EXT: text\n".len());
        assert!(line(Level::ERR, true).ends_with("] \x1b[1;31mE: text\x1b[0m\n"));
    }

    #[test]
    fn levels_have_c_s_numbers_and_parse_from_numbers_and_names() {
        assert_eq!((Level::DEFAULT | Level::USER).bits(), 1031);
        assert_eq!(Level::THREAD.bits(), 2048);
        assert_eq!("1031".parse(), Ok(Level::DEFAULT | Level::USER));
        assert_eq!("65535".parse(), Ok(Level::ALL));
        assert_eq!("err,header".parse(), Ok(Level::ERR | Level::HEADER));
        assert_eq!("none".parse(), Ok(Level::NONE));
        for bad in ["", "-1", "15x", "err,", "loud", "99999999999"] {
            assert_eq!(bad.parse::<Level>(), Err(LevelError), "{bad:?}");
        }
        assert_eq!(format!("{:?}", Level::ERR | Level::USER), "err|user");
        assert_eq!(!Level::DEFAULT & Level::ALL, Level::from_bits(!7));
    }
}
