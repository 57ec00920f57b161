//! Command line options as C programs of this family take them (C: `lws_cmdline_option`).
//!
//! `-p 7681`, `-p7681`, `-p=7681`, `--port 7681` and `--port=7681` all give 7681; of several the
//! last counts; after `--` nothing is an option. Used by the examples and by applications; the
//! library itself reads no command line.

use crate::system::log::{Level, log_level, set_log_level};
use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

/// The arguments of a program, without its name.
#[derive(Clone, Debug, Default)]
pub struct Cmdline {
    args: Vec<String>,
}

/// An option whose value can't be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CmdlineError {
    option: String,
    value: String,
    why: String,
}

impl CmdlineError {
    /// An error of `option`, whose value was `value`, for programs that check further.
    pub fn new(option: &str, value: &str, why: impl fmt::Display) -> Self {
        Self { option: option.to_owned(), value: value.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for CmdlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            return write!(f, "option {}: value missing", self.option);
        }
        write!(f, "option {}: {:?}: {}", self.option, self.value, self.why)
    }
}

impl std::error::Error for CmdlineError {}

impl Cmdline {
    /// The arguments that this process was started with. What isn't UTF-8 in them becomes U+FFFD.
    pub fn from_env() -> Self {
        Self::new(std::env::args_os().skip(1))
    }

    /// These arguments; the program's name isn't one.
    pub fn new<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        let text = |arg: A| arg.into().into_string().unwrap_or_else(|arg| arg.to_string_lossy().into_owned());
        Self { args: args.into_iter().map(text).collect() }
    }

    /// The value of an option given with its dashes, `-p` or `--port`: the rest of its argument,
    /// or the next one, whatever that is. "" if nothing follows, `None` without the option.
    pub fn option(&self, name: &str) -> Option<&str> {
        let options = self.options();
        options.iter().enumerate().rev().find_map(|(at, arg)| match rest(arg, name)? {
            Rest::Next => Some(options.get(at + 1).map_or("", String::as_str)),
            Rest::Value(value) => Some(value),
        })
    }

    /// Whether a switch is there, given with its dashes: `-s` or `--h1`.
    pub fn has(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    /// The value of an option as a number or whatever else parses; `None` without the option.
    ///
    /// # Errors
    /// The value is missing or doesn't parse; the error names the option and the text.
    pub fn parse<T>(&self, name: &str) -> Result<Option<T>, CmdlineError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.option(name).map(|value| value.parse().map_err(|why| CmdlineError::new(name, value, why))).transpose()
    }

    /// Does what all programs have in common (C: `lws_cmdline_option_handle_builtin`): `-d LEVELS`
    /// sets the log mask, as C's decimal number or as names ("err,warn,user").
    ///
    /// # Errors
    /// The value of `-d` is no set of levels.
    pub fn handle_builtin(&self) -> Result<(), CmdlineError> {
        set_log_level(self.parse::<Level>("-d")?.unwrap_or_else(log_level), None);
        Ok(())
    }

    /// The first argument that looks like an option and is none of `known`, for programs that
    /// refuse typing errors. An argument that may be the value of the option before it (`-x -1`)
    /// counts as such only if it is a negative number or a lone `-`.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        // Not "-inf", which parses as well.
        let is_value =
            |arg: &str| arg == "-" || (arg.contains(|c: char| c.is_ascii_digit()) && arg.parse::<f64>().is_ok());
        let is_known = |arg: &str| known.iter().any(|name| rest(arg, name).is_some());
        self.options().iter().map(String::as_str).find(|arg| arg.starts_with('-') && !is_value(arg) && !is_known(arg))
    }

    /// The arguments before `--`.
    fn options(&self) -> &[String] {
        self.args.split(|arg| arg == "--").next().unwrap_or_default()
    }
}

/// What an argument that is a certain option has of its value.
enum Rest<'a> {
    Value(&'a str),
    Next,
}

/// What follows the option's name in `arg`; `None` if this is another option. A value may follow
/// at once only where the name is one letter: `--ports` isn't `--port` with the value "s".
fn rest<'a>(arg: &'a str, name: &str) -> Option<Rest<'a>> {
    let rest = arg.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(Rest::Next);
    }
    if let Some(value) = rest.strip_prefix('=') {
        return Some(Rest::Value(value));
    }
    let one_letter = name.strip_prefix('-').is_some_and(|letter| letter != "-" && letter.chars().count() == 1);
    one_letter.then_some(Rest::Value(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cmdline(text: &str) -> Cmdline {
        Cmdline::new(text.split_whitespace())
    }

    #[test]
    fn every_way_to_write_a_value() {
        for text in ["-p 7681", "-p7681", "-p=7681"] {
            assert_eq!(cmdline(text).parse("-p"), Ok(Some(7681u16)), "{text}");
            assert_eq!(cmdline(text).option("--port"), None, "{text}");
        }
        for text in ["--port 7681", "--port=7681"] {
            assert_eq!(cmdline(text).option("--port"), Some("7681"), "{text}");
            assert_eq!(cmdline(text).option("-p"), None, "{text}");
            assert_eq!(cmdline(text).option("--po"), None, "{text}");
        }
        assert_eq!(cmdline("--port7681").option("--port"), None);
        assert_eq!(cmdline("-p=").option("-p"), Some(""));
        assert_eq!(cmdline("").option("-p"), None);
    }

    #[test]
    fn the_last_one_counts_and_nothing_after_two_dashes() {
        assert_eq!(cmdline("-p 1 -s -p 2").option("-p"), Some("2"));
        assert_eq!(cmdline("-p 1 -- -p 2 -s").option("-p"), Some("1"));
        assert!(!cmdline("-- -s").has("-s"));
        assert!(cmdline("-s -p 1").has("-s"));
        assert_eq!(cmdline("-p --").option("-p"), Some(""));
    }

    #[test]
    fn errors_name_the_option_and_the_text() {
        let error = cmdline("-p 99999").parse::<u16>("-p").unwrap_err();
        assert_eq!(error.to_string(), "option -p: \"99999\": number too large to fit in target type");
        assert_eq!(cmdline("-p").parse::<u16>("-p").unwrap_err().to_string(), "option -p: value missing");
        assert_eq!(cmdline("-x -1").parse("-x"), Ok(Some(-1)));
        assert!(cmdline("-d loud").handle_builtin().unwrap_err().to_string().starts_with("option -d: \"loud\""));
    }

    #[test]
    fn typing_errors_are_found() {
        let known = ["-p", "-d", "--h1", "-x"];
        assert_eq!(cmdline("-p7 -d 15 --h1 path -x -1.5 -").unknown(&known), None);
        assert_eq!(cmdline("-p 7 --h2").unknown(&known), Some("--h2"));
        assert_eq!(cmdline("--h1x").unknown(&known), Some("--h1x"));
        assert_eq!(cmdline("-- --h2").unknown(&known), None);
        assert_eq!(cmdline("-x -inf").unknown(&known), Some("-inf"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf8_stays_one_argument() {
        use std::os::unix::ffi::OsStringExt;
        let c = Cmdline::new([OsString::from("-f"), OsString::from_vec(b"a\xff".to_vec())]);
        assert_eq!(c.option("-f"), Some("a\u{fffd}"));
    }
}
