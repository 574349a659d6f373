//! What is found by a look over a block before arrow-json reads it: how deep values lie within each other, and whether there are
//! numbers with a fraction. What lies too deep is refused before arrow-json sees it, which takes a call of a
//! function a level to tell of a value that it does not take, and so the whole stack of its thread.

use std::fmt;
use std::io::BufRead;

/// Objects and lists within each other, at most. Nobody writes so many by hand, nor does a program that its reader (most stop at 128)
/// is to understand; a thread's stack has room for some thirty times as many.
const DEPTH_MAX: usize = 512;

/// Says that values lie too deep.
#[derive(Debug)]
pub struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "objects and lists lie within each other more than {DEPTH_MAX} deep")
    }
}

impl std::error::Error for TooDeep {}

/// How deep a place of a text lies.
#[derive(Default)]
struct Depth {
    open: usize,
    quoted: bool,
    escaped: bool,
}

impl Depth {
    /// Goes on through a text; to where it is too deep.
    fn pass(&mut self, text: &[u8]) -> Option<usize> {
        text.iter().position(|byte| {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = self.quoted,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'{' | b'[' => self.open += 1,
                b'}' | b']' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            self.open > DEPTH_MAX
        })
    }
}

/// Whether something in a block lies too deep.
pub fn is_too_deep(block: &[u8]) -> bool {
    Depth::default().pass(block).is_some()
}

/// Whether a number in a block has a point or an exponent; all others are whole.
pub fn has_long_number(block: &[u8]) -> bool {
    let (mut depth, mut before) = (Depth::default(), 0);
    block.iter().any(|byte| {
        depth.pass(std::slice::from_ref(byte));
        let before = std::mem::replace(&mut before, *byte);
        !depth.quoted && (*byte == b'.' || matches!(byte, b'e' | b'E') && before.is_ascii_digit())
    })
}

/// The first line of a file that lies too deep, from one; none where it cannot be found again.
pub fn deep_line(mut input: impl BufRead) -> Option<usize> {
    let lines = |text: &[u8]| memchr::memchr_iter(b'\n', text).count();
    let (mut depth, mut line) = (Depth::default(), 1);
    loop {
        let text = input.fill_buf().ok().filter(|text| !text.is_empty())?;
        if let Some(at) = depth.pass(text) {
            return Some(line + lines(text.get(..at).unwrap_or_default()));
        }
        line += lines(text);
        let read = text.len();
        input.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(levels: usize) -> String {
        format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
    }

    #[test]
    fn brackets_count_but_in_texts() {
        assert!(!is_too_deep(deep(DEPTH_MAX).as_bytes()));
        assert!(is_too_deep(deep(DEPTH_MAX + 1).as_bytes()));
        let text = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(2 * DEPTH_MAX));
        assert!(!is_too_deep(text.as_bytes()), "in a text");
        assert!(!is_too_deep("{}[]".repeat(DEPTH_MAX).as_bytes()), "one after the other");
    }

    #[test]
    fn numbers_with_a_fraction_are_seen() {
        for (text, long) in [("{\"a\":1.5}", true), ("[1e3]", true), ("{\"1.5e1\":\"1.5\",\"b\":[true,false,12]}", false), ("", false)] {
            assert_eq!(has_long_number(text.as_bytes()), long, "{text}");
        }
    }

    #[test]
    fn the_line_is_told() {
        let text = format!("{{\"a\":1}}\n{{\"a\":\n{}", deep(DEPTH_MAX));
        for bytes in [3, 1 << 16] {
            assert_eq!(deep_line(std::io::BufReader::with_capacity(bytes, text.as_bytes())), Some(3));
        }
        assert_eq!(deep_line(deep(DEPTH_MAX).as_bytes()), None);
    }
}
