//! Maps as other engines write them, in words that DataFusion's parser knows: the type `MAP<key, value>` is `MAP(key, value)`,
//! and Flink's `MAP[key, value, …]` is `MAP {key: value, …}`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{at, closing, is, parts, token};

/// Puts round brackets in the place of the angles of a type that begins at `i`; false where they are not closed.
pub fn of_type(part: &mut Vec<TokenWithSpan>, i: usize) -> bool {
    let mut depth = 0i64;
    for end in i + 1..part.len() {
        let Some(here) = part.get(end).cloned() else { return false };
        let closed = match here.token {
            Token::Lt => {
                depth += 1;
                continue;
            }
            Token::Gt => 1,
            Token::ShiftRight => 2,
            _ => continue,
        };
        depth -= closed;
        if depth > 0 {
            continue;
        }
        // Of `>>` the first may be this one, where the second closes what stands around it.
        let close = token(Token::RParen, here.span);
        let angle = token(Token::Gt, here.span);
        let new = match (closed, depth) {
            (1, _) => vec![close],
            (_, 0) => vec![angle, close],
            _ => vec![close, angle],
        };
        part.splice(end..=end, new);
        if let Some(open) = part.get_mut(i + 1) {
            open.token = Token::LParen;
        }
        return true;
    }
    false
}

/// Whether there is a map made of its keys and values in turn.
pub fn is_made(tokens: &[TokenWithSpan]) -> bool {
    (0..tokens.len()).any(|i| begins(tokens, i))
}

/// Puts braces and colons into maps that are made of keys and values in turn.
pub fn made(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out = tokens.to_vec();
    for i in (0..tokens.len()).filter(|i| begins(tokens, *i)) {
        let Some(close) = closing(tokens, i + 1) else { continue };
        let (mut depth, mut is_key) = (0usize, true);
        for (at, here) in out.iter_mut().enumerate().take(close + 1).skip(i + 1) {
            match here.token {
                Token::LBracket if at == i + 1 => here.token = Token::LBrace,
                Token::RBracket if at == close => here.token = Token::RBrace,
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => {
                    if is_key {
                        here.token = Token::Colon;
                    }
                    is_key = !is_key;
                }
                _ => {}
            }
        }
    }
    out
}

/// Whether a map begins: of a column that is called so, `map[1]`, one element is asked for.
fn begins(tokens: &[TokenWithSpan], i: usize) -> bool {
    if !tokens.get(i).is_some_and(|t| is(t, "MAP")) || !at(tokens, i + 1, &Token::LBracket) {
        return false;
    }
    let inside = closing(tokens, i + 1).and_then(|close| tokens.get(i + 2..close));
    inside.is_some_and(|inside| parts(inside).len() > 1)
}
