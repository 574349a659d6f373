//! Clauses of queries that DataFusion's parser does not know: taken off, or said in words that it knows.
//!
//! `EMIT CHANGES` is the default and is taken off; `EMIT FINAL` (`EMIT ON WINDOW CLOSE`) is kept beside the statement.
//! `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))` loses the words that say nothing here; `AS MATERIALIZED (…)` loses one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Place;
use super::maps;
use super::tokens::{are, at, closing, is, place, token, word, words};
use crate::sql::rewrite::VERSION;

/// The column that a `MERGE` changes where it does nothing.
pub const NOTHING: &str = "do nothing";

/// A statement's tokens without such clauses, and what those said.
#[derive(Default)]
pub struct Stripped {
    /// What is left.
    pub tokens: Vec<TokenWithSpan>,
    /// Whether rows are wanted only once they are final.
    pub emit_final: bool,
}

/// Takes such clauses off.
pub fn strip(tokens: &[TokenWithSpan]) -> Result<Stripped, (String, Place)> {
    if maps::is_made(tokens) {
        return strip(&maps::made(tokens));
    }
    let mut out = Stripped::default();
    let (mut i, mut keys) = (0, None);
    while let Some(here) = tokens.get(i) {
        if let Some((_, keys)) = keys.take_if(|(close, _)| *close == i) {
            out.tokens.extend::<Vec<TokenWithSpan>>(keys);
        }
        if let Some(length) = emitted(tokens, i, &mut out)? {
            i += length;
            continue;
        }
        // A join by time keeps every row of the left, however it is called.
        if are(tokens, i, &["LEFT", "ASOF", "JOIN"]) {
            i += 1;
            continue;
        }
        if are(tokens, i, &["FOR", "SYSTEM_TIME"]) {
            i = version(tokens, i, &mut out)?;
            continue;
        }
        if are(tokens, i, &["BETWEEN", "SYMMETRIC"]) || are(tokens, i, &["BETWEEN", "ASYMMETRIC"]) {
            return Err(("BETWEEN SYMMETRIC is not supported yet (write least and greatest)".into(), place(here)));
        }
        if are(tokens, i, &["WITH", "MUTUALLY", "RECURSIVE"]) {
            return Err(("WITH MUTUALLY RECURSIVE is not supported yet (WITH RECURSIVE is)".into(), place(here)));
        }
        if are(tokens, i, &["FROM", "LAST"]) && i > 0 && at(tokens, i - 1, &Token::RParen) && are(tokens, i + 2, &["OVER"]) {
            return Err(("FROM LAST of a window function is not supported yet (turn its order round)".into(), place(here)));
        }
        if let Some(length) = in_known_words(tokens, i, &mut out.tokens) {
            i += length;
            continue;
        }
        // TABLE t and DESCRIPTOR(ts) within a window, and the TABLE(…) around it.
        let in_call = i > 0 && tokens.get(i - 1).is_some_and(|t| matches!(t.token, Token::LParen | Token::RArrow));
        if in_call && is(here, "TABLE") && tokens.get(i + 1).is_some_and(|t| matches!(t.token, Token::Word(_))) {
            i += 1;
            if are(tokens, i + 1, &["PARTITION", "BY"]) {
                out.tokens.extend(tokens.get(i).cloned());
                (i, keys) = partitioned(tokens, i + 1)?;
            }
            continue;
        }
        if is(here, "DESCRIPTOR")
            && at(tokens, i + 1, &Token::LParen)
            && at(tokens, i + 3, &Token::RParen)
            && let Some(name) = tokens.get(i + 2)
        {
            out.tokens.push(name.clone());
            i += 4;
            continue;
        }
        out.tokens.push(here.clone());
        i += 1;
    }
    Ok(out)
}

/// Says in words that the parser knows what the tokens from a place on say; how many those are, where there are such.
fn in_known_words(tokens: &[TokenWithSpan], i: usize, out: &mut Vec<TokenWithSpan>) -> Option<usize> {
    let here = tokens.get(i)?;
    // WITH t AS [NOT] MATERIALIZED (…): how often it is computed is the engine's business.
    if is(here, "AS") && (are(tokens, i + 1, &["MATERIALIZED"]) || are(tokens, i + 1, &["NOT", "MATERIALIZED"])) {
        let word = if are(tokens, i + 1, &["MATERIALIZED"]) { 1 } else { 2 };
        if at(tokens, i + word + 1, &Token::LParen) {
            out.push(here.clone());
            return Some(word + 1);
        }
    }
    // MERGE … WHEN MATCHED THEN DO NOTHING, as a change of a column that no table has.
    if are(tokens, i, &["THEN", "DO", "NOTHING"]) {
        let when = (0..i).rev().find(|at| are(tokens, *at, &["WHEN"])).unwrap_or(0);
        let is_new = are(tokens, when, &["WHEN", "NOT", "MATCHED"]) && !are(tokens, when + 3, &["BY", "SOURCE"]);
        let (before, behind) = if is_new { ("INSERT (", ") VALUES ( 0 )") } else { ("UPDATE SET", "= 0") };
        out.push(here.clone());
        out.extend(words(before, here.span));
        out.push(token(Token::make_word(NOTHING, Some('"')), here.span));
        out.extend(words(behind, here.span));
        return Some(3);
    }
    // INTERVAL 1 MINUTE, which the planner takes in some places and not before PRECEDING.
    if let (true, Some(TokenWithSpan { token: Token::Number(number, false), span })) = (is(here, "INTERVAL"), tokens.get(i + 1))
        && tokens.get(i + 2).is_some_and(|t| matches!(t.token, Token::Word(_)))
    {
        out.extend([here.clone(), token(Token::SingleQuotedString(number.clone()), *span)]);
        return Some(2);
    }
    // JSON_OBJECT(KEY 'a' VALUE b)
    let begins = i > 0 && tokens.get(i - 1).is_some_and(|t| matches!(t.token, Token::LParen | Token::Comma));
    (begins && is(here, "KEY") && are(tokens, i + 2, &["VALUE"])).then_some(1)
}

/// The keys of `SESSION(TABLE t PARTITION BY key, …)`, which are its last arguments, with the place of the bracket that they stand
/// before; and where the query goes on.
type Partitioned = (usize, Option<(usize, Vec<TokenWithSpan>)>);

fn partitioned(tokens: &[TokenWithSpan], start: usize) -> Result<Partitioned, (String, Place)> {
    let open = around(tokens, start);
    // The next argument is the time, or has a name.
    let is_next = |i: usize| at(tokens, i, &Token::Comma) && (are(tokens, i + 1, &["DESCRIPTOR"]) || at(tokens, i + 2, &Token::RArrow));
    let is_end = |i: usize| is_next(i + 1) || open.and_then(|open| closing(tokens, open)) == Some(i + 1);
    let end = (start..tokens.len()).find(|i| is_end(*i));
    let of_session = open.filter(|open| *open > 0 && are(tokens, open - 1, &["SESSION"]));
    let (Some(first), Some(end), Some(open)) = (tokens.get(start), end, of_session) else {
        let from = tokens.get(start).map_or((1, 1), place);
        return Err(("PARTITION BY in a window is known as SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), gap)".into(), from));
    };
    let bracketed = at(tokens, start + 2, &Token::LParen) && closing(tokens, start + 2) == Some(end);
    let keys = if bracketed { start + 3..end } else { start + 2..end + 1 };
    let keys = std::iter::once(token(Token::Comma, first.span)).chain(tokens.get(keys).unwrap_or_default().iter().cloned());
    Ok((end + 1, closing(tokens, open).map(|close| (close, keys.collect()))))
}

/// The place of the bracket that a token stands in.
fn around(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    (0..at).rev().find(|i| match tokens.get(*i).map(|t| &t.token) {
        Some(Token::RParen) => {
            depth += 1;
            false
        }
        Some(Token::LParen) if depth > 0 => {
            depth -= 1;
            false
        }
        token => token == Some(&Token::LParen),
    })
}

/// How many tokens say when rows are given, when these do.
fn emitted(tokens: &[TokenWithSpan], i: usize, out: &mut Stripped) -> Result<Option<usize>, (String, Place)> {
    if i == 0 || !are(tokens, i, &["EMIT"]) {
        return Ok(None);
    }
    for (words, is_final) in [(["CHANGES"].as_slice(), false), (&["FINAL"], true), (&["ON", "WINDOW", "CLOSE"], true)] {
        if are(tokens, i + 1, words) {
            out.emit_final |= is_final;
            return Ok(Some(1 + words.len()));
        }
    }
    let wrong = ["AFTER", "STREAM", "PERIODIC", "ON", "TIMEOUT", "BATCH"].iter().any(|w| are(tokens, i + 1, &[w]));
    match tokens.get(i).filter(|_| wrong) {
        Some(here) => Err(("EMIT is only known as EMIT CHANGES, EMIT FINAL or EMIT ON WINDOW CLOSE".into(), place(here))),
        None => Ok(None),
    }
}

/// Makes `b FOR SYSTEM_TIME AS OF a.time` a table function, as which it is known (`rewrite`); gives where the query goes on.
fn version(words: &[TokenWithSpan], start: usize, out: &mut Stripped) -> Result<usize, (String, Place)> {
    let Some(first) = words.get(start) else { return Ok(start) };
    let wrong = || ("write table FOR SYSTEM_TIME AS OF time, where the time is a column".to_string(), place(first));
    let table = out.tokens.pop().filter(|t| matches!(t.token, Token::Word(_))).ok_or_else(wrong)?;
    if !are(words, start + 2, &["AS", "OF"]) {
        return Err(wrong());
    }
    if are(words, start + 4, &["PROCTIME"]) {
        return Err(("FOR SYSTEM_TIME AS OF PROCTIME() is not supported yet: times are given by rows".into(), place(first)));
    }
    let mut end = start + 4;
    while words.get(end).is_some_and(|t| matches!(t.token, Token::Word(_))) && at(words, end + 1, &Token::Period) {
        end += 2;
    }
    let time = words.get(start + 4..=end).filter(|w| w.last().is_some_and(|t| matches!(t.token, Token::Word(_)))).ok_or_else(wrong)?;
    let with = |t: Token| token(t, first.span);
    out.tokens.extend([word(VERSION, first.span), with(Token::LParen), table, with(Token::Comma)]);
    out.tokens.extend(time.iter().cloned());
    out.tokens.push(with(Token::RParen));
    Ok(end + 1)
}
