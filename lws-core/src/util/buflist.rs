//! A bounded list of byte segments (C: `struct lws_buflist`): append at the tail, use up from the
//! head, a segment keeps its borders. Used wherever bytes wait; independent of all else.

use std::collections::VecDeque;
use std::fmt;

/// Byte segments in the order they came. Empty ones don't exist.
#[derive(Clone, Debug)]
pub struct Buflist {
    segments: VecDeque<Box<[u8]>>,
    /// What has been used up of the first segment; less than its length.
    used: usize,
    total_len: usize,
    limit: usize,
}

/// Why nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuflistError {
    /// The list would hold more bytes than its limit.
    Bytes,
    /// The list has [`Buflist::MAX_SEGMENTS`] segments.
    Segments,
}

impl fmt::Display for BuflistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "buffered bytes would pass the limit of the list",
            Self::Segments => "too many buffered segments",
        })
    }
}

impl std::error::Error for BuflistError {}

impl Buflist {
    /// The most segments in one list: bounds the memory that many tiny ones take.
    pub const MAX_SEGMENTS: usize = 1024;

    /// An empty list that takes up to `limit` bytes. Has no memory until something is appended.
    pub const fn new(limit: usize) -> Self {
        Self { segments: VecDeque::new(), used: 0, total_len: 0, limit }
    }

    /// Changes the limit; what is there already stays.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Copies `bytes` to the tail as one segment and tells whether it is the first of the list
    /// (C: `lws_buflist_append_segment`). No bytes are no segment, hence `false`.
    ///
    /// # Errors
    /// The list is full; it is unchanged.
    pub fn append(&mut self, bytes: &[u8]) -> Result<bool, BuflistError> {
        self.make_room(bytes.len())?;
        Ok(!bytes.is_empty() && self.push(bytes.into()))
    }

    /// As [`append`](Self::append), but takes the bytes without a copy unless the vector has room
    /// to spare.
    ///
    /// # Errors
    /// The list is full; it is unchanged and the bytes are gone.
    pub fn append_vec(&mut self, bytes: Vec<u8>) -> Result<bool, BuflistError> {
        self.make_room(bytes.len())?;
        Ok(!bytes.is_empty() && self.push(bytes.into_boxed_slice()))
    }

    /// What is left of the first segment (C: `lws_buflist_next_segment_len`); `None` if the list
    /// is empty.
    pub fn next_segment(&self) -> Option<&[u8]> {
        self.segments.front()?.get(self.used..)
    }

    /// Uses up the first `len` bytes of the first segment, at most all of it, and gives how many
    /// are left of it (C: `lws_buflist_use_segment`): with 0 the next segment is the first.
    pub fn use_segment(&mut self, len: usize) -> usize {
        let left = self.next_segment().map_or(0, <[u8]>::len);
        let len = len.min(left);
        self.total_len -= len;
        self.used += len;
        if len == left {
            self.segments.pop_front();
            self.used = 0;
        }
        left - len
    }

    /// Forgets everything and frees the memory (C: `lws_buflist_destroy_all_segments`).
    pub fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// How many bytes are in all segments (C: `lws_buflist_total_len`).
    pub const fn total_len(&self) -> usize {
        self.total_len
    }

    /// Whether no bytes are there.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    fn make_room(&self, len: usize) -> Result<(), BuflistError> {
        match self.total_len.checked_add(len) {
            Some(total) if total <= self.limit || len == 0 => {}
            _ => return Err(BuflistError::Bytes),
        }
        if self.segments.len() >= Self::MAX_SEGMENTS { Err(BuflistError::Segments) } else { Ok(()) }
    }

    fn push(&mut self, segment: Box<[u8]>) -> bool {
        let first = self.segments.is_empty();
        self.total_len += segment.len();
        self.segments.push_back(segment);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_keep_their_borders_and_their_order() {
        let mut list = Buflist::new(100);
        assert_eq!(list.append(b"hello"), Ok(true));
        assert_eq!(list.append_vec(b"world!".to_vec()), Ok(false));
        assert_eq!(list.append(b""), Ok(false));
        assert_eq!(list.total_len(), 11);
        assert_eq!(list.use_segment(2), 3);
        assert_eq!(list.next_segment(), Some(&b"llo"[..]));
        assert_eq!(list.use_segment(99), 0, "not beyond the border");
        assert_eq!((list.next_segment(), list.total_len()), (Some(&b"world!"[..]), 6));
        assert_eq!(list.use_segment(0), 6);
        assert_eq!(list.use_segment(6), 0);
        assert!(list.is_empty());
        assert_eq!((list.use_segment(1), list.total_len(), list.next_segment()), (0, 0, None));
        assert_eq!(list.append(b"again"), Ok(true));
    }

    #[test]
    fn the_list_is_bounded_in_bytes_and_segments() {
        let mut list = Buflist::new(10);
        list.append(b"12345678").unwrap();
        assert_eq!(list.append(b"abc"), Err(BuflistError::Bytes));
        assert_eq!(list.append_vec(b"abc".to_vec()), Err(BuflistError::Bytes));
        list.use_segment(1);
        assert_eq!(list.append(b"abc"), Ok(false), "what is used up makes room");
        list.set_limit(5);
        assert_eq!((list.total_len(), list.append(b"x")), (10, Err(BuflistError::Bytes)));
        list.clear();
        assert_eq!((list.total_len(), list.append(b"12345")), (0, Ok(true)));

        let mut list = Buflist::new(usize::MAX);
        for _ in 0..Buflist::MAX_SEGMENTS {
            list.append(b"x").unwrap();
        }
        assert_eq!(list.append(b"x"), Err(BuflistError::Segments));
        list.use_segment(1);
        assert_eq!(list.append(b"x"), Ok(false));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Append(usize),
        AppendVec(usize),
        Use(usize),
        Limit(usize),
        Clear,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            4 => (0usize..20).prop_map(Op::Append),
            2 => (0usize..20).prop_map(Op::AppendVec),
            6 => (0usize..25).prop_map(Op::Use),
            1 => (0usize..80).prop_map(Op::Limit),
            1 => Just(Op::Clear),
        ];
        prop::collection::vec(op, 0..100)
    }

    proptest! {
        /// Against a list of vectors of which bytes are taken one by one.
        #[test]
        fn it_is_a_queue_of_segments(ops in ops()) {
            let (mut list, mut limit) = (Buflist::new(50), 50);
            let mut model: VecDeque<VecDeque<u8>> = VecDeque::new();
            let mut fill = (0u8..=255).cycle();
            for op in ops {
                let bytes = |model: &VecDeque<VecDeque<u8>>| model.iter().map(VecDeque::len).sum::<usize>();
                match op {
                    Op::Append(n) | Op::AppendVec(n) => {
                        let segment: Vec<u8> = (0..n).map(|_| fill.next().unwrap_or_default()).collect();
                        let fits = n == 0 || bytes(&model) + n <= limit;
                        let expected = if fits { Ok(n > 0 && model.is_empty()) } else { Err(BuflistError::Bytes) };
                        if fits && n > 0 {
                            model.push_back(segment.iter().copied().collect());
                        }
                        let done = if matches!(op, Op::Append(_)) { list.append(&segment) } else { list.append_vec(segment) };
                        prop_assert_eq!(done, expected);
                    }
                    Op::Use(n) => {
                        let first = model.front_mut();
                        let left = first.map_or(0, |first| {
                            first.drain(..n.min(first.len()));
                            first.len()
                        });
                        if left == 0 {
                            model.pop_front();
                        }
                        prop_assert_eq!(list.use_segment(n), left);
                    }
                    Op::Limit(n) => {
                        limit = n;
                        list.set_limit(n);
                    }
                    Op::Clear => {
                        model.clear();
                        list.clear();
                    }
                }
                let first = model.front().map(|first| first.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(list.next_segment().map(<[u8]>::to_vec), first);
                prop_assert_eq!((list.total_len(), list.is_empty()), (bytes(&model), model.is_empty()));
            }
        }
    }
}
