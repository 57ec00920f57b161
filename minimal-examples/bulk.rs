//! The message of minimal-ws-server-pmd-bulk and minimal-ws-client-pmd-bulk: 100 x 1337 bytes that
//! both sides can make, so that each can check what the other has sent. The bytes are those of C's
//! examples of these names.

/// Bytes of the message.
pub const LEN: usize = 100 * TEXT.len();
/// Bytes that are written at a time.
pub const PIECE: usize = 1024;

/// How a connection ends whose peer has sent something else.
pub const WRONG: &str = "this is not the bulk message";

/// What is repeated in the message that compresses well: the beginning of The War of the Worlds, by
/// H. G. Wells.
const TEXT: &[u8] = b"No one would have believed in the last years of the nineteenth \
century that this world was being watched keenly and closely by \
intelligences greater than man's and yet as mortal as his own; that as \
men busied themselves about their various concerns they were \
scrutinised and studied, perhaps almost as narrowly as a man with a \
microscope might scrutinise the transient creatures that swarm and \
multiply in a drop of water.  With infinite complacency men went to \
and fro over this globe about their little affairs, serene in their \
assurance of their empire over matter. It is possible that the \
infusoria under the microscope do the same.  No one gave a thought to \
the older worlds of space as sources of human danger, or thought of \
them only to dismiss the idea of life upon them as impossible or \
improbable.  It is curious to recall some of the mental habits of \
those departed days.  At most terrestrial men fancied there might be \
other men upon Mars, perhaps inferior to themselves and ready to \
welcome a missionary enterprise. Yet across the gulf of space, minds \
that are to our minds as ours are to those of the beasts that perish, \
intellects vast and cool and unsympathetic, regarded this earth with \
envious eyes, and slowly and surely drew their plans against us.  And \
early in the twentieth century came the great disillusionment. ";

/// The part of the message that is still to come, byte by byte.
#[derive(Clone, Debug, Default)]
pub struct Bulk {
    text: bool,
    /// How much of it there has been.
    at: usize,
    random: u64,
}

impl Bulk {
    /// The whole message: the text, or else bytes that no compressor makes smaller.
    pub fn new(text: bool) -> Self {
        Self { text, at: 0, random: 4 }
    }

    /// Whether none of it has been taken.
    pub fn is_whole(&self) -> bool {
        self.at == 0
    }

    /// Whether these are the next bytes of the message, which are taken.
    pub fn takes(&mut self, piece: &[u8]) -> bool {
        piece.iter().all(|&byte| self.next() == Some(byte))
    }
}

impl Iterator for Bulk {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.at == LEN {
            return None;
        }
        let text = TEXT.get(self.at % TEXT.len()).copied();
        self.at += 1;
        if self.text {
            return text;
        }
        // xorshift, not for secrets
        self.random ^= self.random << 21;
        self.random ^= self.random >> 35;
        self.random ^= self.random << 4;
        Some(self.random as u8)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (LEN - self.at, Some(LEN - self.at))
    }
}

impl ExactSizeIterator for Bulk {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_messages_have_the_length_of_c() {
        assert_eq!(LEN, 133_700);
        for text in [true, false] {
            assert_eq!(Bulk::new(text).count(), LEN);
        }
    }

    #[test]
    fn a_message_takes_itself_in_any_pieces_and_nothing_else() {
        for text in [true, false] {
            let message: Vec<u8> = Bulk::new(text).collect();
            let mut bulk = Bulk::new(text);
            assert!(bulk.is_whole() && message.chunks(7).all(|piece| bulk.takes(piece)));
            assert!(bulk.len() == 0 && !bulk.takes(b"x"), "nothing comes after it");
            let mut wrong = message;
            wrong[LEN - 1] ^= 1;
            assert!(!Bulk::new(text).takes(&wrong));
        }
    }
}
