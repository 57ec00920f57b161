//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 4.1, 4.2.2).
//!
//! The accept value proves that the answer comes from a WebSocket server and not from a cache or
//! from another protocol; it protects nothing else. Called by the handshake checks of both ends.
//! Random bytes come from the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// The length of a key: 16 bytes in base64.
pub const KEY_LEN: usize = 24;
/// The length of an accept value: a SHA-1 hash in base64.
pub const ACCEPT_LEN: usize = 28;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The accept value that answers `key`, which is taken as it was sent, not decoded.
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_LEN] {
    //= rfc6455#4.2.2 base64 of the SHA-1 of the key concatenated with the GUID
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    encode(&digest)
}

/// The key for a request, made of 16 random bytes.
pub fn new_key(random: [u8; 16]) -> [u8; KEY_LEN] {
    encode(&random)
}

/// Whether `key` is 16 bytes in base64.
///
/// Set bits in the last digit that carry no data are tolerated, as decoders may (RFC 4648 3.5):
/// nobody uses the decoded value.
pub fn is_valid_key(key: &[u8]) -> bool {
    let Some((digits, b"==")) = key.split_last_chunk::<2>() else {
        return false;
    };
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == KEY_LEN && digits.iter().all(digit)
}

/// Base64 of `data`, which is as long as `N` characters need.
fn encode<const N: usize>(data: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let written = STANDARD.encode_slice(data, &mut out);
    debug_assert_eq!(written, Ok(N));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6455_1_3_accept_of_the_sample_nonce() {
        assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn rfc6455_4_1_key_is_base64_of_16_bytes() {
        assert_eq!(&new_key(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_valid_key(&new_key([0xff; 16])));
        assert!(is_valid_key(&new_key([0; 16])));
    }

    #[test]
    fn rfc6455_4_2_1_bad_keys() {
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25jZQ=A",
            "dGhlIHNhbXBsZSBub25jZA",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZSEhISE=",
            "dGhlIHNhbXBs=SBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j-_==",
            "dGhlIHNhbXBs SBub25jZQ==",
        ] {
            assert!(!is_valid_key(key.as_bytes()), "{key}");
        }
    }
}
