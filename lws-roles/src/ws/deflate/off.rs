//! Stands for `deflate` where it isn't built in: nothing is offered, taken or compressed. The types
//! have no values, so what is written for them is never run and not built.

use crate::ws::frame::Sender;

/// The extension's name.
pub(crate) const NAME: &str = "permessage-deflate";

/// No settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), String> {
        match *self {}
    }
}

/// Nothing is agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {}

/// No offer is looked at.
pub(crate) struct Offers;

impl Offers {
    pub(crate) fn read<'v>(_: impl IntoIterator<Item = &'v [u8]>) -> Self {
        Self
    }

    pub(crate) fn choose(&self, own: &Settings) -> Option<(Agreed, String)> {
        match *own {}
    }
}

pub(crate) fn offer(own: &Settings) -> String {
    match *own {}
}

/// Any extension is one that wasn't offered, so the others don't come.
#[allow(dead_code, reason = "the same as with deflate, for who matches them")]
pub(crate) enum BadAnswer {
    Unknown,
    Options,
    Rejected,
}

pub(crate) fn check<'v>(
    values: impl IntoIterator<Item = &'v [u8]>,
    _: Option<&Settings>,
) -> Result<Option<Agreed>, BadAnswer> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
    //= rfc6455#4.1 an extension that was not in the request MUST fail the connection
    if values.into_iter().flatten().all(blank) { Ok(None) } else { Err(BadAnswer::Unknown) }
}

pub(crate) struct Corrupt;

pub(crate) enum Inflater {}

impl Inflater {
    pub(crate) fn new(agreed: &Agreed, _: Sender) -> Self {
        match *agreed {}
    }

    pub(crate) fn begin(&mut self) {
        match *self {}
    }

    pub(crate) fn inflate(&mut self, _: &[u8], _: &mut [u8]) -> Result<(usize, usize), Corrupt> {
        match *self {}
    }

    pub(crate) fn inflate_tail(&mut self, _: &mut [u8]) -> Result<usize, Corrupt> {
        match *self {}
    }

    pub(crate) fn end(&mut self) {
        match *self {}
    }

    pub(crate) fn take_buffer() -> Vec<u8> {
        Vec::new()
    }

    pub(crate) fn return_buffer(_: Vec<u8>) {}
}

/// There is no way to compress.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Config;

pub(crate) enum Deflater {}

impl Deflater {
    pub(crate) fn new(agreed: &Agreed, _: Sender) -> Self {
        match *agreed {}
    }

    pub(crate) fn config(&self) -> Config {
        match *self {}
    }

    pub(crate) fn alone<R>(_: Config, _: &[u8], _: impl FnOnce(&[u8]) -> R) -> Option<R> {
        None
    }

    pub(crate) fn passed_by(&mut self) {
        match *self {}
    }

    pub(crate) fn takes(&self, _: bool, _: bool, _: usize) -> bool {
        match *self {}
    }

    pub(crate) fn part<R>(&mut self, _: &[u8], _: bool, _: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match *self {}
    }
}
