//! Sends one message whose compressed size is near an edge: of a buffer, or of the forms that a
//! frame's length has. The path chooses the message. See README.md.

use lws::prelude::*;
use minimal_examples as common;

const USAGE: &str = "minimal-ws-server-pmd-corner [-p PORT] [-s] [--cert FILE --key FILE] [-d LEVELS]";

/// The lengths of the paths "/1" to "/5", as in C: compressed, they are just below, at and above
/// 1024 bytes, which was the size of a buffer there.
const LENGTHS: [usize; 5] = [1012, 1013, 1014, 1019, 1024];
/// The longest message. Compressed it is over 65535 bytes as text, too, whose bytes have 6 bits each.
const LONGEST: usize = 128 * 1024;

/// Characters of a text that compresses as badly as a text can.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Per vhost: what all messages are the beginning of. Random bytes can't be made smaller, so a
/// message's compressed size is its length and a few bytes more.
struct Corner {
    binary: Vec<u8>,
    text: Vec<u8>,
}

impl Corner {
    fn new() -> Self {
        let mut random = 4_u64;
        let binary: Vec<u8> = std::iter::repeat_with(|| {
            random ^= random << 21;
            random ^= random >> 35;
            random ^= random << 4;
            random as u8
        })
        .take(LONGEST)
        .collect();
        let text = binary.iter().map(|byte| ALPHABET[usize::from(byte % 64)]).collect();
        Self { binary, text }
    }
}

/// Per connection: which message it gets.
#[derive(Default)]
struct Session {
    len: usize,
    text: bool,
}

/// "/1" to "/5", or "/length/N".
fn length(path: &str) -> Option<usize> {
    if let Some(len) = path.strip_prefix("/length/") {
        return len.parse().ok().filter(|len| (..=LONGEST).contains(len));
    }
    let number: usize = path.strip_prefix('/')?.parse().ok()?;
    LENGTHS.get(number.checked_sub(1)?).copied()
}

impl Protocol for Corner {
    const NAME: &'static str = "lws-minimal";
    type Session = Session;

    fn callback(&mut self, wsi: &mut Wsi<'_>, reason: Reason<'_>, session: &mut Session) -> Result<(), Close> {
        match reason {
            // the request can still be read here, and be refused
            Reason::FilterProtocolConnection(_) => match wsi.path().and_then(length) {
                Some(len) => *session = Session { len, text: wsi.urlarg("text").is_some() },
                None => {
                    wsi.return_http_status(404, "there are /1 to /5 and /length/N")?;
                    return Err(Close::NORMAL);
                }
            },
            Reason::Established => wsi.callback_on_writable(),
            Reason::ServerWriteable => {
                let (block, how) = if session.text { (&self.text, Write::TEXT) } else { (&self.binary, Write::BINARY) };
                let message = block.get(..session.len).unwrap_or(block);
                wsi.write(message, how)?;
                // each connection is for one message
                return Err(Close::NORMAL);
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = common::start(USAGE, &["-p", "-s", "--cert", "--key"]);
    let vhost = Vhost::new("localhost")
        .port(common::port(&args))
        .mount(Mount::dir("/", common::folder("ws-server/minimal-ws-server-pmd-corner", "mount-origin")))
        .protocol(Corner::new())
        // all that comes here is control frames
        .ws_max_message(1)
        // the fast level, which is the default, makes random bytes longer by some per cent
        .ws_permessage_deflate(PermessageDeflate::new().compression_level(6).threshold(0))
        .security_best_practices();
    common::serve(common::tls(&args, vhost), "localhost")
}
