//! `CREATE SOURCE`, `CREATE SINK … FROM view` and `CREATE SINK … AS query` as tables, with the query beside it.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::{are, at, is, token, words};

/// Makes `CREATE SOURCE` and `DROP SOURCE` of tables what they are, and takes the query out of `CREATE SINK name FROM view WITH (…)`,
/// `CREATE SINK name AS query WITH (…)` or `CREATE TABLE name WITH (…) AS query`, which leaves a `CREATE TABLE`; gives the query's tokens.
pub fn sink(tokens: &mut Vec<TokenWithSpan>) -> Option<Vec<TokenWithSpan>> {
    let (create, drop) = (are(tokens, 0, &["CREATE"]), are(tokens, 0, &["DROP"]));
    let sink = are(tokens, 1, &["SINK"]);
    if !(create || drop) || !(sink || are(tokens, 1, &["SOURCE"])) {
        return None;
    }
    if let Some(kind) = tokens.get_mut(1) {
        *kind = token(Token::make_keyword("TABLE"), kind.span);
    }
    let named = if are(tokens, 2, &["IF"]) { 5 } else { 2 };
    let (from, as_query) = (are(tokens, named + 1, &["FROM"]), are(tokens, named + 1, &["AS"]));
    if !(create && sink && (from || as_query)) {
        return None;
    }
    let options =
        (named + 2..tokens.len()).rev().find(|i| tokens.get(*i).is_some_and(|t| is(t, "WITH")) && at(tokens, i + 1, &Token::LParen))?;
    let mut query: Vec<TokenWithSpan> = tokens.drain(named + 1..options).skip(1).collect();
    if from {
        let span = query.first()?.span;
        query.splice(0..0, words("SELECT * FROM", span).collect::<Vec<_>>());
    }
    Some(query)
}
