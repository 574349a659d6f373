//! A place in a block of JSON text: what stands there, and the ways past it.
//!
//! Everything that is not plain JSON, or not understood here, is none: the block then goes to arrow-json. Text was checked to
//! be UTF-8 before. Not here: values that are wanted (`column.rs`), numbers (`number.rs`).

use memchr::memchr2;

/// Objects and lists within each other that are skipped; what lies deeper is left to arrow-json, which needs no stack to skip it.
const DEPTH_MAX: usize = 64;
/// Bytes of a text that are looked at word by word, before a search that takes longer to begin is worth it.
const NEAR_BYTES: usize = 32;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// A place in a text.
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

/// The high bit of each byte that equals one; above the lowest such byte there may be more bits.
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & HIGH
}

impl<'a> Cursor<'a> {
    /// The beginning of a text.
    pub fn new(text: &'a [u8]) -> Self {
        Cursor { text, at: 0 }
    }

    /// What is left.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The byte here; none at the end.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The byte so many bytes ahead; zero after the end.
    #[inline]
    pub fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The byte here, passed by.
    #[inline]
    pub fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Passes by some bytes.
    #[inline]
    pub fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The eight bytes that begin so many bytes ahead, the first one lowest; zeros after the end.
    #[inline]
    pub fn word(&self, ahead: usize) -> u64 {
        let rest = self.text.get(self.at + ahead..).unwrap_or_default();
        match rest.first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => last_word(rest),
        }
    }

    /// Passes by white space.
    #[inline]
    pub fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Passes by a word of the language.
    #[inline]
    pub fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.rest().starts_with(literal).then(|| self.at += literal.len())
    }

    /// The raw bytes of a text whose opening quote was passed by, and whether something in them is escaped.
    #[inline]
    pub fn quoted(&mut self) -> Option<(&'a [u8], bool)> {
        let begin = self.at;
        let mut escaped = false;
        loop {
            let ahead = self.mark()?;
            self.at += ahead;
            if self.take()? == b'"' {
                return Some((self.text.get(begin..self.at - 1)?, escaped));
            }
            escaped = true;
            // Whatever stands behind the backslash does not end the text.
            self.take()?;
        }
    }

    /// How far it is to the next quote or backslash.
    #[inline]
    fn mark(&self) -> Option<usize> {
        for ahead in (0..NEAR_BYTES).step_by(8) {
            let word = self.word(ahead);
            let found = equal(word, b'"') | equal(word, b'\\');
            if found != 0 {
                return Some(ahead + found.trailing_zeros() as usize / 8);
            }
        }
        memchr2(b'"', b'\\', self.rest().get(NEAR_BYTES..)?).map(|far| NEAR_BYTES + far)
    }

    /// The bytes here of which numbers are made.
    pub fn number(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|b| !is_of_number(*b)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Passes by a value that nobody wants.
    pub fn value(&mut self, scratch: &mut Vec<u8>) -> Option<()> {
        scratch.clear();
        self.nested(0, scratch)
    }

    fn nested(&mut self, depth: usize, scratch: &mut Vec<u8>) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                let (raw, escaped) = self.quoted()?;
                if escaped { super::text::unescape(raw, scratch) } else { Some(()) }
            }
            b'-' | b'0'..=b'9' => {
                self.number();
                Some(())
            }
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            open @ (b'{' | b'[') if depth < DEPTH_MAX => {
                self.at += 1;
                self.members(open == b'{', depth, scratch)
            }
            _ => None,
        }
    }

    fn members(&mut self, object: bool, depth: usize, scratch: &mut Vec<u8>) -> Option<()> {
        let close = if object { b'}' } else { b']' };
        self.space();
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            if object {
                (self.peek()? == b'"').then(|| self.nested(DEPTH_MAX, scratch))??;
                self.space();
                (self.take()? == b':').then(|| self.space())?;
            }
            self.nested(depth + 1, scratch)?;
            self.space();
            match self.take()? {
                b',' => self.space(),
                byte => return (byte == close).then_some(()),
            }
        }
    }
}

/// Whether arrow-json takes a byte for a part of a number.
#[inline]
pub fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

#[cold]
fn last_word(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(bytes)
}
