//! Texts: copied as they stand where nothing is escaped, else put together piece by piece.

use std::sync::Arc;

use arrow::array::{ArrayRef, GenericStringArray, OffsetSizeTrait};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use memchr::memchr;

use super::column::Column;
use super::cursor::Cursor;
use super::nulls::Nulls;

/// A column of texts.
pub struct Texts<O> {
    offsets: Vec<O>,
    bytes: Vec<u8>,
    nulls: Nulls,
}

impl<O: OffsetSizeTrait> Texts<O> {
    /// No texts yet.
    pub fn new() -> Self {
        Texts { offsets: vec![O::zero()], bytes: Vec::new(), nulls: Nulls::default() }
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn end(&mut self) -> Option<()> {
        self.offsets.push(O::from_usize(self.bytes.len())?);
        Some(())
    }
}

impl<O: OffsetSizeTrait> Column for Texts<O> {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if cursor.peek()? != b'"' {
            cursor.literal(b"null")?;
            return self.null();
        }
        cursor.skip(1);
        match cursor.quoted()? {
            (raw, false) => self.bytes.extend_from_slice(raw),
            (raw, true) => unescape(raw, &mut self.bytes)?,
        }
        self.end()
    }

    fn null(&mut self) -> Option<()> {
        self.nulls.add(self.len());
        self.end()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        let (rows, size) = (self.len(), self.bytes.len());
        let offsets = std::mem::replace(&mut self.offsets, Vec::with_capacity(rows_next + 1));
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(size));
        self.offsets.push(O::zero());
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let array = GenericStringArray::<O>::try_new(offsets, bytes.into(), self.nulls.finish(rows)).ok()?;
        Some(Arc::new(array))
    }
}

/// Puts a text together that has escapes in it; none where it has some that JSON does not know.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        let (letter, after) = rest.split_first()?;
        rest = after;
        out.push(match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut bytes = [0; 4];
                out.extend_from_slice(character(&mut rest)?.encode_utf8(&mut bytes).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    out.extend_from_slice(rest);
    Some(())
}

/// The character of four digits, or of two times four.
fn character(rest: &mut &[u8]) -> Option<char> {
    let first = unit(rest)?;
    if let Some(character) = char::from_u32(first) {
        return Some(character);
    }
    *rest = rest.strip_prefix(b"\\u")?;
    let second = unit(rest)?;
    let pair = matches!((first, second), (0xD800..=0xDBFF, 0xDC00..=0xDFFF));
    pair.then(|| char::from_u32(0x1_0000 + ((first - 0xD800) << 10 | (second - 0xDC00)))).flatten()
}

fn unit(rest: &mut &[u8]) -> Option<u32> {
    let (digits, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}
