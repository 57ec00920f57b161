//! Byte ranges (RFC 9110 section 14) and the multipart body that carries
//! several (section 14.6).
//!
//! [`RangeSet::parse`] turns a `Range` field and a size into what to send.
//! Ranges that overlap or touch are merged, so that no byte is sent twice
//! however often it is asked for; more than [`MAX_RANGES`] count as none. The
//! file sender asks for the texts and the exact length before it starts.

use std::io::Write as _;

/// Most ranges that are served; a request for more gets the whole.
pub const MAX_RANGES: usize = 16;

/// Bytes `start..=end` of a representation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The last byte, which is sent too.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes it spans.
    #[must_use]
    pub const fn byte_count(&self) -> u64 {
        self.end - self.start + 1
    }
}

/// What a `Range` field asks of a representation.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one request; a box would allocate")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSet {
    /// All of it, 200: the field is to be ignored.
    Whole,
    /// None of it, 416.
    Unsatisfiable,
    /// These parts, 206.
    Partial(Ranges),
}

/// One or more satisfiable ranges of one representation, none overlapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    list: [ByteRange; MAX_RANGES],
    len: usize,
    size: u64,
}

impl RangeSet {
    /// Reads the value of a `Range` field for a representation of `size`
    /// bytes. A unit other than bytes, or too many ranges, is `Whole`; bad
    /// syntax is `Unsatisfiable`, as in C. Unlike C, ends past the size are
    /// clipped to it.
    //= rfc9110#14.2 an origin server MUST ignore a range unit it does not understand
    #[must_use]
    pub fn parse(value: &str, size: u64) -> Self {
        let Some((unit, set)) = value.split_once('=') else {
            return Self::Unsatisfiable;
        };
        if !unit.eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let mut ranges = Ranges { list: [ByteRange::default(); MAX_RANGES], len: 0, size };
        let (mut asked, mut whole) = (0, false);
        for spec in set.split(',') {
            let spec = spec.trim_matches([' ', '\t']);
            if spec.is_empty() {
                continue;
            }
            asked += 1;
            if asked > MAX_RANGES {
                return Self::Whole;
            }
            match parse_spec(spec, size) {
                None => return Self::Unsatisfiable,
                Some(Spec::Outside) => {}
                Some(Spec::EmptyWhole) => whole = true,
                Some(Spec::Inside(range)) => ranges.push(range),
            }
        }
        if whole {
            Self::Whole
        } else if ranges.len == 0 {
            Self::Unsatisfiable
        } else {
            ranges.merge();
            Self::Partial(ranges)
        }
    }
}

enum Spec {
    Inside(ByteRange),
    Outside,
    /// A suffix of an empty representation: satisfiable, yet no
    /// `Content-Range` can say so.
    EmptyWhole,
}

/// One `first-[last]` or `-suffix`; `None` if it is neither.
fn parse_spec(spec: &str, size: u64) -> Option<Spec> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        //= rfc9110#14.1.2 a suffix longer than the representation is all of it
        let count = position(last)?;
        return Some(match (count, size.checked_sub(1)) {
            (0, _) => Spec::Outside,
            (_, None) => Spec::EmptyWhole,
            (_, Some(end)) => Spec::Inside(ByteRange { start: size.saturating_sub(count), end }),
        });
    }
    let start = position(first)?;
    let end = if last.is_empty() { u64::MAX } else { position(last)? };
    //= rfc9110#14.1.1 an int-range is invalid if the last-pos is less than the first-pos
    if end < start {
        return None;
    }
    if start >= size {
        return Some(Spec::Outside);
    }
    Some(Spec::Inside(ByteRange { start, end: end.min(size - 1) }))
}

/// A number of digits only; one past 64 bits is past every size, too.
fn position(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

impl Ranges {
    fn push(&mut self, range: ByteRange) {
        if let Some(slot) = self.list.get_mut(self.len) {
            *slot = range;
            self.len += 1;
        }
    }

    /// Joins ranges that overlap or touch. Ranges that do neither stay in
    /// the order that was asked; otherwise the order is that of the bytes.
    //= rfc9110#15.3.7.2 a server MAY coalesce ranges that overlap
    fn merge(&mut self) {
        let mut sorted = self.list;
        let Some(live) = sorted.get_mut(..self.len) else {
            return;
        };
        live.sort_unstable_by_key(|range| range.start);
        let mut merged = Self { len: 0, ..*self };
        for range in live.iter() {
            match merged.len.checked_sub(1).and_then(|i| merged.list.get_mut(i)) {
                Some(last) if range.start <= last.end.saturating_add(1) => {
                    last.end = last.end.max(range.end);
                }
                _ => merged.push(*range),
            }
        }
        if merged.len < self.len {
            *self = merged;
        }
    }

    /// The ranges in the order to send them: at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[ByteRange] {
        self.list.get(..self.len).unwrap_or_default()
    }

    /// The only range: the body is then it alone, with its `Content-Range`
    /// in the head. `None` if there are several: the body is multipart.
    #[must_use]
    pub fn single(&self) -> Option<ByteRange> {
        match self.as_slice() {
            [range] => Some(*range),
            _ => None,
        }
    }

    /// The size of the representation that the ranges are of.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The `Content-Length` of the response body: of the single range, else
    /// of the multipart body made with `boundary` and `mime`.
    #[must_use]
    pub fn body_len(&self, boundary: &str, mime: &str) -> u64 {
        if let Some(range) = self.single() {
            return range.byte_count();
        }
        let parts: u64 = self
            .as_slice()
            .iter()
            .map(|range| part_head_len(boundary, mime, range, self.size) + range.byte_count())
            .sum();
        parts + boundary.len() as u64 + 8
    }

    /// Appends what stands before the bytes of `range` in a multipart body.
    //= rfc9110#14.6
    pub fn write_part_head(&self, out: &mut Vec<u8>, boundary: &str, mime: &str, range: &ByteRange) {
        for piece in ["\r\n--", boundary, "\r\nContent-Type: ", mime, "\r\nContent-Range: "] {
            out.extend_from_slice(piece.as_bytes());
        }
        write_content_range(out, range, self.size);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Appends what ends a multipart body.
pub fn write_multipart_end(out: &mut Vec<u8>, boundary: &str) {
    for piece in ["\r\n--", boundary, "--\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Appends the `Content-Range` value of a 206, `bytes 0-9/100`.
//= rfc9110#14.4
pub fn write_content_range(out: &mut Vec<u8>, range: &ByteRange, size: u64) {
    let written = write!(out, "bytes {}-{}/{size}", range.start, range.end);
    debug_assert!(written.is_ok(), "a Vec takes all");
}

/// Appends the `Content-Range` value of a 416, `bytes */100`.
//= rfc9110#15.5.17
pub fn write_unsatisfied_range(out: &mut Vec<u8>, size: u64) {
    let written = write!(out, "bytes */{size}");
    debug_assert!(written.is_ok(), "a Vec takes all");
}

/// Appends the `Content-Type` value of a multipart body.
pub fn write_multipart_type(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"multipart/byteranges; boundary=");
    out.extend_from_slice(boundary.as_bytes());
}

/// The length of what [`Ranges::write_part_head`] writes.
fn part_head_len(boundary: &str, mime: &str, range: &ByteRange, size: u64) -> u64 {
    let fixed = "\r\n--\r\nContent-Type: \r\nContent-Range: bytes -/\r\n\r\n".len();
    let numbers = digits(range.start) + digits(range.end) + digits(size);
    (fixed + boundary.len() + mime.len()) as u64 + u64::from(numbers)
}

fn digits(n: u64) -> u32 {
    n.checked_ilog10().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(value: &str, size: u64) -> Vec<(u64, u64)> {
        match RangeSet::parse(value, size) {
            RangeSet::Partial(r) => r.as_slice().iter().map(|r| (r.start, r.end)).collect(),
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn rfc9110_14_1_2_examples() {
        assert_eq!(parts("bytes=0-499", 10_000), [(0, 499)]);
        assert_eq!(parts("bytes=500-999", 10_000), [(500, 999)]);
        assert_eq!(parts("bytes=-500", 10_000), [(9500, 9999)]);
        assert_eq!(parts("bytes=9500-", 10_000), [(9500, 9999)]);
        assert_eq!(parts("bytes=0-0,-1", 10_000), [(0, 0), (9999, 9999)]);
        assert_eq!(parts("Bytes= 0-1 ,, 4-5", 10), [(0, 1), (4, 5)]);
    }

    #[test]
    fn rfc9110_14_1_2_ends_are_clipped_to_the_size() {
        assert_eq!(parts("bytes=5-100", 10), [(5, 9)]);
        assert_eq!(parts("bytes=-100", 10), [(0, 9)]);
        assert_eq!(parts("bytes=0-99999999999999999999999", 10), [(0, 9)]);
        assert_eq!(parts("bytes=20-30,0-1", 10), [(0, 1)]);
    }

    #[test]
    fn rfc9110_14_2_unsatisfiable_or_malformed_is_416() {
        for value in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=-0",
            "bytes=",
            "bytes=,",
            "bytes",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=1",
            "bytes=-",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=0-1,x",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(RangeSet::parse(value, 10), RangeSet::Unsatisfiable, "{value}");
        }
        assert_eq!(RangeSet::parse("bytes=0-", 0), RangeSet::Unsatisfiable);
    }

    #[test]
    fn rfc9110_14_2_other_units_and_empty_files_are_whole() {
        assert_eq!(RangeSet::parse("lines=1-2", 10), RangeSet::Whole);
        assert_eq!(RangeSet::parse("bytes=-5", 0), RangeSet::Whole);
    }

    #[test]
    fn rfc9110_17_15_range_abuse_is_bounded() {
        assert_eq!(parts("bytes=0-,0-,0-,-5", 10), [(0, 9)]);
        assert_eq!(parts("bytes=4-5,0-3", 10), [(0, 5)]);
        assert_eq!(parts("bytes=8-9,0-1", 10), [(8, 9), (0, 1)]);
        let many = |n: u64| (0..n).map(|i| format!("{}-{0}", i * 2)).collect::<Vec<_>>().join(",");
        assert_eq!(parts(&format!("bytes={}", many(16)), 100).len(), 16);
        assert_eq!(RangeSet::parse(&format!("bytes={}", many(17)), 100), RangeSet::Whole);
    }

    #[test]
    fn rfc9110_14_4_and_15_5_17_texts() {
        let mut out = Vec::new();
        write_content_range(&mut out, &ByteRange { start: 42, end: 1233 }, 1234);
        out.push(b' ');
        write_unsatisfied_range(&mut out, 1234);
        out.push(b' ');
        write_multipart_type(&mut out, "_lws");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "bytes 42-1233/1234 bytes */1234 multipart/byteranges; boundary=_lws"
        );
    }

    /// The body that a sender would make of the ranges.
    fn body(ranges: &Ranges, boundary: &str, mime: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for range in ranges.as_slice() {
            if ranges.single().is_none() {
                ranges.write_part_head(&mut out, boundary, mime, range);
            }
            out.extend((range.start..=range.end).map(|n| n as u8));
        }
        if ranges.single().is_none() {
            write_multipart_end(&mut out, boundary);
        }
        out
    }

    #[test]
    fn rfc9110_14_6_multipart_body() {
        let RangeSet::Partial(ranges) = RangeSet::parse("bytes=65-66,70-70", 100) else {
            panic!("satisfiable");
        };
        let text = String::from_utf8(body(&ranges, "B", "text/plain")).expect("ascii");
        assert_eq!(
            text,
            "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 65-66/100\r\n\r\nAB\
             \r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 70-70/100\r\n\r\nF\
             \r\n--B--\r\n"
        );
    }

    proptest! {
        #[test]
        fn ranges_are_inside_disjoint_and_their_length_is_exact(
            asked in prop::collection::vec((0u64..1100, 0u64..1100, 0..3), 1..20),
            size in 0u64..1000,
        ) {
            let set: Vec<_> = asked.iter().map(|&(a, b, kind)| match kind {
                0 => format!("{}-{}", a.min(b), a.max(b)),
                1 => format!("{a}-"),
                _ => format!("-{b}"),
            }).collect();
            if let RangeSet::Partial(ranges) = RangeSet::parse(&format!("bytes={}", set.join(",")), size) {
                let mut sent = vec![false; size as usize];
                for range in ranges.as_slice() {
                    for n in range.start..=range.end {
                        let slot = &mut sent[n as usize];
                        prop_assert!(!*slot, "byte {} twice", n);
                        *slot = true;
                    }
                }
                prop_assert_eq!(
                    ranges.body_len("_lws", "text/html"),
                    body(&ranges, "_lws", "text/html").len() as u64
                );
                prop_assert_eq!(ranges.size(), size);
            }
        }

        #[test]
        fn any_value_gives_ranges_inside_the_size(value in "(bytes=)?[0-9,\\- ]{0,40}", size in any::<u64>()) {
            if let RangeSet::Partial(ranges) = RangeSet::parse(&value, size) {
                prop_assert!(ranges.as_slice().iter().all(|r| r.start <= r.end && r.end < size));
            }
        }
    }
}
