//! Random bytes from the operating system: masking keys, nonces, ids.

use std::io;

/// Fills `bytes` with random from the kernel (C: `lws_get_random`). Waits only while a system
/// that has just started gathers its first entropy.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    imp::fill(bytes)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use std::io;

    pub(super) fn fill(mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let got = crate::sys::uninterrupted(|| {
                // SAFETY: pointer and length are of one writeable slice.
                let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
                usize::try_from(got).map_err(|_| io::Error::last_os_error())
            })?;
            bytes = bytes.get_mut(got..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use std::io::{self, Read};

    pub(super) fn fill(bytes: &mut [u8]) -> io::Result<()> {
        std::fs::File::open("/dev/urandom")?.read_exact(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_large_buffer_is_filled() {
        // Above 256 bytes the kernel may give less than asked for.
        let mut bytes = vec![0u8; 1 << 20];
        random(&mut bytes).unwrap();
        assert!(bytes.chunks(64).all(|chunk| chunk.iter().any(|&b| b != 0)));
        let mut other = [0u8; 64];
        random(&mut other).unwrap();
        assert_ne!(bytes[..64], other);
        random(&mut []).unwrap();
    }
}
