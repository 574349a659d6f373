//! Characters that are escaped as a pair, such as `\ud840\udc00`: arrow-json 59 reads half of them as others, as it puts the
//! two together with an "or" where it should add. So they are written out before it sees them.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::text::unescape;

/// A pair's bytes.
const PAIR: usize = 12;

/// A block with its pairs written out; as it is when there are none.
pub fn written_out(block: &[u8]) -> Cow<'_, [u8]> {
    if memmem::find(block, br"\ud").or_else(|| memmem::find(block, br"\uD")).is_none() {
        return Cow::Borrowed(block);
    }
    let (mut out, mut rest) = (Vec::with_capacity(block.len()), block);
    while let Some(at) = memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        out.extend_from_slice(before);
        let pair = escape.get(..PAIR).filter(|pair| is_pair(pair));
        let taken = match pair.and_then(|pair| unescape(pair, &mut out).map(|()| PAIR)) {
            Some(taken) => taken,
            None => {
                // Whatever else is escaped stays, with the letter behind the backslash.
                let taken = escape.len().min(2);
                out.extend_from_slice(escape.get(..taken).unwrap_or_default());
                taken
            }
        };
        rest = escape.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Whether twelve bytes are two escapes of four digits, the first of which is not a character alone.
fn is_pair(bytes: &[u8]) -> bool {
    let starts = |at: usize| bytes.get(at..at + 2) == Some(br"\u");
    starts(0) && starts(PAIR / 2) && matches!(bytes.get(2..4), Some([b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_are_written_out() {
        for (text, expected) in [
            (r#"{"a":"x"}"#, r#"{"a":"x"}"#),
            (r#"{"a":"\ud840\udc00\n\ud83d\ude00"}"#, "{\"a\":\"\u{20000}\\n😀\"}"),
            (r#"{"a":"\\ud840\udc00"}"#, r#"{"a":"\\ud840\udc00"}"#),
            (r#"{"a":"\ud840x\uDBFF\uDFFF"}"#, "{\"a\":\"\\ud840x\u{10FFFF}\"}"),
            (r#"\ud840\ud"#, r#"\ud840\ud"#),
        ] {
            assert_eq!(String::from_utf8_lossy(&written_out(text.as_bytes())), expected, "{text}");
        }
    }
}
