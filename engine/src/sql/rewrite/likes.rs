//! Patterns of `LIKE … ESCAPE` and `SIMILAR TO`: the first with the one escape that DataFusion has, the second as a regular expression.
//!
//! DataFusion takes what stands behind `SIMILAR TO` for a regular expression that may be found anywhere. By the standard it is
//! the whole text, `%` any characters, `_` one; `|`, `*`, `+`, `?`, `{m,n}`, brackets as in regular expressions, and nothing else.

use std::iter::Peekable;
use std::str::Chars;

use datafusion::sql::sqlparser::ast::{Expr, Value, ValueWithSpan};

/// Whether an escape is the one that DataFusion has.
pub fn is_usual(escape: &ValueWithSpan) -> bool {
    text(&escape.value) == Some("\\")
}

/// A constant pattern of `LIKE` with `\` as its escape, as SQL.
pub fn escaped(word: &str, pattern: &Expr, escape: &ValueWithSpan) -> Result<String, String> {
    let (pattern, escape) = (constant(word, pattern)?, one(word, Some(escape))?);
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            c if Some(c) == escape => match rest.next() {
                Some(c @ ('%' | '_' | '\\')) => out.extend(['\\', c]),
                Some(c) => out.push(c),
                None => return Err(format!("the pattern of {word} ends with its escape")),
            },
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    Ok(quoted(&out))
}

/// A constant pattern of `SIMILAR TO` as a regular expression, as SQL.
pub fn similar(pattern: &Expr, escape: Option<&ValueWithSpan>) -> Result<String, String> {
    const WORD: &str = "SIMILAR TO";
    let (pattern, escape) = (constant(WORD, pattern)?, one(WORD, escape)?);
    let mut out = String::from("^(?s:");
    let (mut rest, mut in_braces) = (pattern.chars().peekable(), false);
    while let Some(c) = rest.next() {
        match c {
            c if Some(c) == escape => match rest.next() {
                Some(c) => literal(c, &mut out),
                None => return Err(format!("the pattern of {WORD} ends with its escape")),
            },
            '[' => class(&mut rest, escape, &mut out),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '{' | '}' => {
                in_braces = c == '{';
                out.push(c);
            }
            ',' if in_braces => out.push(c),
            '|' | '*' | '+' | '?' | '(' | ')' => out.push(c),
            c => literal(c, &mut out),
        }
    }
    out.push_str(")$");
    Ok(quoted(&out))
}

/// One of some characters: `[a-z]`, `[^0-9_]`, `[[:alnum:]]`; a bracket that closes at once is one of them.
fn class(rest: &mut Peekable<Chars<'_>>, escape: Option<char>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut is_first = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if !is_first => return out.push(']'),
            '[' if rest.next_if_eq(&':').is_some() => {
                out.push_str("[:");
                out.extend(rest.by_ref().take_while(|c| *c != ']'));
                out.push(']');
            }
            '-' => out.push('-'),
            c if Some(c) == escape => rest.next().into_iter().for_each(|c| literal(c, out)),
            c => literal(c, out),
        }
        is_first = false;
    }
}

fn literal(c: char, out: &mut String) {
    // Behind a backslash these two are ends of words.
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
        _ => None,
    }
}

fn constant<'a>(word: &str, pattern: &'a Expr) -> Result<&'a str, String> {
    let found = match pattern {
        Expr::Nested(inner) => return constant(word, inner),
        Expr::Value(value) => text(&value.value),
        _ => None,
    };
    found.ok_or_else(|| match word {
        "SIMILAR TO" => "SIMILAR TO other than a constant is not supported yet (write ~ and a regular expression)".to_string(),
        word => format!("{word} … ESCAPE with a pattern that is no constant is not supported yet"),
    })
}

/// The character that is the escape; none where there is none.
fn one(word: &str, escape: Option<&ValueWithSpan>) -> Result<Option<char>, String> {
    let Some(escape) = escape else { return Ok(Some('\\')) };
    let text = text(&escape.value).unwrap_or_default();
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (one, None) => Ok(one),
        _ => Err(format!("ESCAPE of {word} is one character")),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
