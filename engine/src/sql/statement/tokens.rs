//! Tokens of a statement without spaces and comments: words, brackets, lists.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::Place;

/// Whether a token is a word, not quoted.
pub fn is(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Whether the tokens from a place on are these words.
pub fn are(tokens: &[TokenWithSpan], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|t| is(t, word)))
}

/// Whether a token is this one.
pub fn at(tokens: &[TokenWithSpan], place: usize, token: &Token) -> bool {
    tokens.get(place).is_some_and(|t| &t.token == token)
}

/// A word as a token.
pub fn word(text: &str, span: Span) -> TokenWithSpan {
    TokenWithSpan { token: Token::make_word(text, None), span }
}

/// A keyword, or anything else, as a token.
pub fn token(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}

/// Words as tokens, all at one place.
pub fn words(text: &str, span: Span) -> impl Iterator<Item = TokenWithSpan> + '_ {
    text.split(' ').map(move |one| {
        let token = match one {
            "(" => Token::LParen,
            ")" => Token::RParen,
            "," => Token::Comma,
            "*" => Token::Mul,
            "=" => Token::Eq,
            "0" => Token::Number("0".into(), false),
            one => Token::make_keyword(one),
        };
        TokenWithSpan { token, span }
    })
}

/// Where a token stands.
pub fn place(token: &TokenWithSpan) -> Place {
    (token.span.start.line, token.span.start.column)
}

/// The place of the bracket that closes the one at `open`.
pub fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i);
                }
            }
            _ => {}
        }
    }
    None
}

/// Parts of a list between commas that stand in no brackets; angles of types are brackets too.
pub fn parts(tokens: &[TokenWithSpan]) -> Vec<Vec<TokenWithSpan>> {
    let (mut out, mut depth) = (vec![Vec::new()], 0i64);
    for token in tokens {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace | Token::Lt => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace | Token::Gt => depth -= 1,
            Token::ShiftRight => depth -= 2,
            Token::Comma if depth <= 0 => {
                out.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(token.clone());
        }
    }
    out.retain(|part| !part.is_empty());
    out
}

/// The text of tokens.
pub fn text(tokens: &[TokenWithSpan]) -> String {
    tokens.iter().map(|t| t.token.to_string()).collect::<Vec<_>>().join(" ")
}

/// A name as SQL means it: lower case unless quoted.
pub fn name(token: &TokenWithSpan) -> Option<String> {
    match &token.token {
        Token::Word(w) if w.quote_style.is_some() => Some(w.value.clone()),
        Token::Word(w) => Some(w.value.to_lowercase()),
        _ => None,
    }
}
