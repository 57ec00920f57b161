//! An HTTP/2 peer of the tests, made of the crate's own codec: it can send anything, and writes down
//! in a line each what the server sends.
//!
//! A frame is noted as `headers 1 200 name=value end`, `data 1 hello end`, `rst 1 CANCEL`,
//! `goaway 1 NO_ERROR`, `settings-ack`, `pong`, `window 1 +8`; Date is left out. Long bodies
//! are noted by their length, and whole in [`Client::body`].

use lws_roles::h2::error::ErrorCode;
use lws_roles::h2::frame::{self, FrameHead, HEAD_LEN, Kind};
use lws_roles::h2::hpack::{Decoder, DecoderLimits, Encoder, Scratch};
use lws_roles::h2::payload::Control;
use lws_roles::h2::write;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A field list.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct Client {
    pub(crate) encoder: Encoder,
    decoder: Decoder,
    scratch: Scratch,
    input: Vec<u8>,
    block: Vec<u8>,
    bodies: BTreeMap<u32, Vec<u8>>,
    /// How many frames of each kind have come.
    pub(crate) counts: BTreeMap<u8, usize>,
    /// The longest DATA.
    pub(crate) longest: usize,
    /// Headers blocks that came in more than one frame.
    pub(crate) continued: usize,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            encoder: Encoder::new(4096),
            decoder: Decoder::new(DecoderLimits::default()),
            scratch: Scratch::default(),
            input: Vec::new(),
            block: Vec::new(),
            bodies: BTreeMap::new(),
            counts: BTreeMap::new(),
            longest: 0,
            continued: 0,
        }
    }

    /// The body that has come on a stream.
    pub(crate) fn body(&self, stream: u32) -> &[u8] {
        self.bodies.get(&stream).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.counts.get(&(kind as u8)).copied().unwrap_or(0)
    }

    /// A header block, unframed.
    pub(crate) fn block(&mut self, fields: Fields<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.encoder.begin(&mut out);
        for (name, value) in fields {
            self.encoder.field(name.as_bytes(), value.as_bytes(), &mut out);
        }
        out
    }

    /// HEADERS, whole.
    pub(crate) fn headers(&mut self, stream: u32, fields: Fields<'_>, end: bool) -> Vec<u8> {
        let block = self.block(fields);
        raw(Kind::Headers, frame::END_HEADERS | if end { frame::END_STREAM } else { 0 }, stream, &block)
    }

    /// A GET that is whole.
    pub(crate) fn get(&mut self, stream: u32, path: &str) -> Vec<u8> {
        self.headers(stream, &request("GET", path), true)
    }

    /// The head of a POST.
    pub(crate) fn post(&mut self, stream: u32, path: &str) -> Vec<u8> {
        self.headers(stream, &request("POST", path), false)
    }

    /// Reads what has come, and writes it down.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> String {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        let mut notes = Vec::new();
        while let Some(head) = FrameHead::read(rest) {
            let Some(payload) = rest.get(HEAD_LEN..HEAD_LEN + head.len as usize) else { break };
            head.check(16_384).expect("the server sends sound frames");
            *self.counts.entry(head.number).or_default() += 1;
            notes.extend(self.frame(head, payload));
            rest = &rest[HEAD_LEN + payload.len()..];
        }
        self.input = rest.to_vec();
        notes.join(", ")
    }

    fn frame(&mut self, head: FrameHead, payload: &[u8]) -> Option<String> {
        let sid = head.stream;
        let end = if head.has(frame::END_STREAM) { " end" } else { "" };
        match head.kind().expect("the server sends known frames") {
            Kind::Data => {
                self.bodies.entry(sid).or_default().extend_from_slice(payload);
                self.longest = self.longest.max(payload.len());
                Some(match std::str::from_utf8(payload) {
                    Ok("") => format!("data {sid}{end}"),
                    Ok(text) if text.len() <= 40 => format!("data {sid} {text}{end}"),
                    _ => format!("data {sid} [{}]{end}", payload.len()),
                })
            }
            kind @ (Kind::Headers | Kind::Continuation) => {
                self.continued += usize::from(kind == Kind::Continuation);
                let last = head.has(frame::END_HEADERS);
                if kind == Kind::Headers {
                    self.block = end.as_bytes().to_vec();
                }
                let mut text = format!("headers {sid}");
                let decoded = self.decoder.feed(payload, last, &mut self.scratch, &mut |field| {
                    let (name, value) = (String::from_utf8_lossy(field.name), String::from_utf8_lossy(field.value));
                    match &*name {
                        ":status" => write!(text, " {value}").expect("a string"),
                        "date" => {}
                        _ => write!(text, " {name}={value}").expect("a string"),
                    }
                });
                let done = decoded.expect("the server's block can be decoded");
                // a block in several frames is only counted: its fields are spread over notes
                let end =
                    if done.is_some() { String::from_utf8_lossy(&self.block).into_owned() } else { String::new() };
                Some(text + &end)
            }
            _ => Some(match Control::parse(head, payload).expect("sound").expect("control") {
                Control::RstStream(code) => format!("rst {sid} {}", code.name()),
                Control::Settings(parameters) => {
                    let all: Vec<String> = parameters.map(|(id, value)| format!("{id}={value}")).collect();
                    format!("settings {}", all.join(" "))
                }
                Control::SettingsAck => "settings-ack".into(),
                Control::Ping(_) => "ping".into(),
                Control::Pong(data) => format!("pong {}", u64::from_be_bytes(data)),
                Control::Goaway { last, code, .. } => format!("goaway {last} {}", code.name()),
                Control::WindowUpdate(more) => format!("window {sid} +{more}"),
                other => panic!("{other:?} from a server"),
            }),
        }
    }
}

/// The pseudo fields of a request.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]
}

/// Any frame.
pub(crate) fn raw(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    raw_of(kind as u8, flags, stream, payload)
}

/// Any frame, of any type.
pub(crate) fn raw_of(number: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead { number, ..FrameHead::new(Kind::Data, flags, stream, payload.len()) };
    [&head.to_wire(), payload].concat()
}

pub(crate) fn data(stream: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    raw(Kind::Data, if end { frame::END_STREAM } else { 0 }, stream, bytes)
}

pub(crate) fn rst(stream: u32) -> Vec<u8> {
    written(|out| write::rst_stream(out, stream, ErrorCode::Cancel))
}

pub(crate) fn window(stream: u32, more: u32) -> Vec<u8> {
    raw(Kind::WindowUpdate, 0, stream, &more.to_be_bytes())
}

pub(crate) fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    written(|out| write::settings(out, parameters.iter().copied()))
}

pub(crate) fn ack() -> Vec<u8> {
    written(write::settings_ack)
}

pub(crate) fn ping(data: u64) -> Vec<u8> {
    written(|out| write::ping(out, data.to_be_bytes(), false))
}

pub(crate) fn goaway() -> Vec<u8> {
    written(|out| write::goaway(out, 0, ErrorCode::NoError, ""))
}

fn written(f: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    f(&mut out);
    out
}
