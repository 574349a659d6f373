//! Whole statements that other engines write otherwise: said in words that DataFusion's parser knows, or found to say nothing here.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Place;
use super::table::named_at;
use super::tokens::{are, at, closing, is, place, token, words};

/// What a statement turned out to be.
pub enum Whole {
    /// One that may be parsed.
    Statement,
    /// One that changes nothing here: bounds of Flink's statement sets, `FLUSH`, an index, a comment on a thing.
    Nothing,
}

/// Rewrites a statement's tokens; within a statement set an `END` ends only that.
pub fn whole(tokens: &mut Vec<TokenWithSpan>, in_set: &mut bool) -> Result<Whole, (String, Place)> {
    let Some((from, span)) = tokens.first().map(|t| (place(t), t.span)) else { return Ok(Whole::Nothing) };
    if are(tokens, 0, &["EXECUTE", "STATEMENT", "SET", "BEGIN"]) {
        *in_set = true;
        tokens.drain(..4);
        return Ok(if tokens.is_empty() { Whole::Nothing } else { Whole::Statement });
    }
    if are(tokens, 0, &["BEGIN", "STATEMENT", "SET"]) && tokens.len() == 3 {
        *in_set = true;
        return Ok(Whole::Nothing);
    }
    if *in_set && are(tokens, 0, &["END"]) && tokens.len() == 1 {
        *in_set = false;
        return Ok(Whole::Nothing);
    }
    if are(tokens, 0, &["FLUSH"]) && tokens.len() == 1 {
        return Ok(Whole::Nothing);
    }
    let index =
        are(tokens, 0, &["CREATE", "INDEX"]) || are(tokens, 0, &["CREATE", "DEFAULT", "INDEX"]) || are(tokens, 0, &["DROP", "INDEX"]);
    if index || are(tokens, 0, &["COMMENT", "ON"]) {
        return Ok(Whole::Nothing);
    }
    if are(tokens, 0, &["TABLE"]) {
        tokens.splice(0..1, words("SELECT * FROM", span).collect::<Vec<_>>());
    }
    if are(tokens, 0, &["EXPLAIN", "PLAN", "FOR"]) {
        tokens.drain(1..3);
    }
    let after_name = named_at(tokens, &["SOURCE", "TABLE"]).map(|name| name + 1);
    let after_columns = after_name.map(|i| if at(tokens, i, &Token::LParen) { closing(tokens, i).unwrap_or(i) + 1 } else { i });
    if let Some(here) = after_columns.and_then(|i| tokens.get(i)).filter(|t| is(t, "FROM")) {
        return Err(("CREATE SOURCE or TABLE … FROM a source of several is not supported yet".into(), place(here)));
    }
    for (start, name) in [
        (["USE"].as_slice(), "USE"),
        (&["DECLARE"], "DECLARE"),
        (&["ADD", "JAR"], "ADD JAR"),
        (&["LATENESS"], "LATENESS of a view"),
        (&["SUBSCRIBE"], "SUBSCRIBE"),
        (&["CREATE", "FUNCTION"], "CREATE FUNCTION"),
        (&["CREATE", "TEMPORARY", "FUNCTION"], "CREATE FUNCTION"),
        (&["CREATE", "TEMPORARY", "SYSTEM", "FUNCTION"], "CREATE FUNCTION"),
    ] {
        if are(tokens, 0, start) {
            return Err((format!("{name} is not supported yet"), from));
        }
    }
    recursive_view(tokens);
    Ok(Whole::Statement)
}

/// `CREATE RECURSIVE VIEW r (n) AS query` is a view of `WITH RECURSIVE r (n) AS (query) SELECT n FROM r`.
fn recursive_view(tokens: &mut Vec<TokenWithSpan>) {
    let Some(recursive) = (1..=4).find(|i| are(tokens, *i, &["RECURSIVE", "VIEW"])).filter(|_| are(tokens, 0, &["CREATE"])) else { return };
    tokens.remove(recursive);
    let Some(named) = named_at(tokens, &["VIEW"]) else { return };
    let (Some(name), true) = (tokens.get(named).cloned(), at(tokens, named + 1, &Token::LParen)) else { return };
    let Some(close) = closing(tokens, named + 1).filter(|close| are(tokens, close + 1, &["AS"])) else { return };
    let span = name.span;
    let columns: Vec<TokenWithSpan> = tokens.get(named + 1..=close).unwrap_or_default().to_vec();
    let inside = columns.get(1..columns.len().saturating_sub(1)).unwrap_or_default().to_vec();
    let query: Vec<TokenWithSpan> = tokens.drain(close + 2..).collect();
    tokens.extend(words("WITH RECURSIVE", span).chain([name.clone()]).chain(columns).chain(words("AS (", span)).chain(query));
    tokens.push(token(Token::RParen, span));
    tokens.extend(words("SELECT", span).chain(inside).chain(words("FROM", span)).chain([name]));
}
