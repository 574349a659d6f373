//! Splits a SQL file into statements, each with its place; takes off what DataFusion's parser does not know.
//!
//! `EMIT CHANGES` at the end of a query is the default and is taken off; `EMIT FINAL` and `WATERMARK FOR` are taken off and
//! kept beside the statement. `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))` loses the words that say nothing here.

use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::SqlProblem;
use super::dialect::Sql;
use super::rewrite::VERSION;

/// Bytes of a SQL file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Statements of a SQL file.
const STATEMENTS_MAX: usize = 10_000;

/// A statement of a file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Line from 1.
    pub line: u64,
    /// Column from 1.
    pub column: u64,
    /// Whether it asks for rows only once the watermark has closed them.
    pub emit_final: bool,
    /// Of a table: its event-time column, and the expression that gives its watermark.
    pub watermark: Option<(String, String)>,
    /// Of a sink: the query whose changes it is given. The statement then is its `CREATE TABLE`.
    pub sink: Option<Box<Query>>,
}

/// The statements of a file, in order.
///
/// # Errors
/// With the place of the first that does not parse.
pub fn parse(file: &str, text: &str) -> Result<Vec<Parsed>, SqlProblem> {
    if text.len() > FILE_BYTES_MAX {
        return Err(SqlProblem::at(format!("the file has {} bytes, and {FILE_BYTES_MAX} are allowed", text.len()), file, "", 1, 1));
    }
    let dialect = Sql;
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|e| SqlProblem::at(e.message, file, text, e.location.line.max(1), e.location.column.max(1)))?;
    let mut out = Vec::new();
    for part in tokens.split(|t| t.token == Token::SemiColon) {
        let Some(first) = part.iter().find(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)) else { continue };
        let (line, column) = (first.span.start.line, first.span.start.column);
        let mut kept = strip(part).map_err(|(message, at)| SqlProblem::at(message, file, text, at.0, at.1))?;
        let sink = match sink(&mut kept.tokens) {
            Some(query) => Some(Parser::new(&dialect).with_recursion_limit(64).with_tokens_with_locations(query).parse_query()).transpose(),
            None => Ok(None),
        };
        let sink = sink.map_err(|e| located(&e.to_string(), file, text, line, column))?;
        let mut parser = Parser::new(&dialect).with_recursion_limit(64).with_tokens_with_locations(kept.tokens);
        let statement = parser.parse_statement().map_err(|e| located(&e.to_string(), file, text, line, column))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            let at = if next.span.start.line > 0 { next.span.start } else { first.span.start };
            return Err(SqlProblem::at(format!("unexpected \"{}\"", next.token), file, text, at.line, at.column));
        }
        if out.len() >= STATEMENTS_MAX {
            return Err(SqlProblem::at(format!("more than {STATEMENTS_MAX} statements"), file, text, line, column));
        }
        out.push(Parsed { statement, line, column, emit_final: kept.emit_final, watermark: kept.watermark, sink });
    }
    Ok(out)
}

/// Makes `CREATE SOURCE` and `DROP SOURCE` of tables what they are, and takes the query out of `CREATE SINK name FROM view WITH (…)` or
/// `CREATE SINK name AS query WITH (…)`, which leaves a `CREATE TABLE`; gives the query's tokens.
fn sink(tokens: &mut Vec<TokenWithSpan>) -> Option<Vec<TokenWithSpan>> {
    let word = |at: usize, word: &str, tokens: &[TokenWithSpan]| tokens.get(at).is_some_and(|t| is(t, word));
    let (create, drop) = (word(0, "CREATE", tokens), word(0, "DROP", tokens));
    let sink = word(1, "SINK", tokens);
    if !(create || drop) || !(sink || word(1, "SOURCE", tokens)) {
        return None;
    }
    let table = Token::make_keyword("TABLE");
    if let Some(kind) = tokens.get_mut(1) {
        kind.token = table;
    }
    let named = if word(2, "IF", tokens) { 5 } else { 2 };
    let (from, as_query) = (word(named + 1, "FROM", tokens), word(named + 1, "AS", tokens));
    if !(create && sink && (from || as_query)) {
        return None;
    }
    let options = (named + 2..tokens.len())
        .rev()
        .find(|at| word(*at, "WITH", tokens) && tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen))?;
    let mut query: Vec<TokenWithSpan> = tokens.drain(named + 1..options).skip(1).collect();
    if from {
        let span = query.first()?.span;
        let words = [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")];
        query.splice(0..0, words.map(|token| TokenWithSpan { token, span }));
    }
    Some(query)
}

type Place = (u64, u64);

/// A statement's tokens without the clauses that only Littoral knows, and what those said.
#[derive(Default)]
struct Stripped {
    tokens: Vec<TokenWithSpan>,
    emit_final: bool,
    watermark: Option<(String, String)>,
}

fn strip(tokens: &[TokenWithSpan]) -> Result<Stripped, (String, Place)> {
    let words: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let mut out = Stripped::default();
    let mut i = 0;
    while let Some(token) = words.get(i) {
        let next = |n: usize| words.get(i + n);
        if is(token, "EMIT") && i > 0 && next(1).is_some_and(|t| is(t, "CHANGES") || is(t, "FINAL")) {
            out.emit_final |= next(1).is_some_and(|t| is(t, "FINAL"));
            i += 2;
            continue;
        }
        if is(token, "WATERMARK") && next(1).is_some_and(|t| is(t, "FOR")) {
            i = watermark(&words, i, &mut out)?;
            continue;
        }
        if is(token, "FOR") && next(1).is_some_and(|t| is(t, "SYSTEM_TIME")) {
            i = version(&words, i, &mut out)?;
            continue;
        }
        // TABLE t and DESCRIPTOR(ts) within a window, and the TABLE(…) around it.
        let in_call = i > 0 && words.get(i - 1).is_some_and(|t| matches!(t.token, Token::LParen | Token::RArrow));
        if in_call && is(token, "TABLE") && next(1).is_some_and(|t| matches!(t.token, Token::Word(_))) {
            i += 1;
            continue;
        }
        if is(token, "DESCRIPTOR")
            && let (Some(open), Some(name), Some(close)) = (next(1), next(2), next(3))
            && (&open.token, &close.token) == (&Token::LParen, &Token::RParen)
        {
            out.tokens.push((*name).clone());
            i += 4;
            continue;
        }
        out.tokens.push((*token).clone());
        i += 1;
    }
    Ok(out)
}

/// Makes `b FOR SYSTEM_TIME AS OF a.time` a table function, as which it is known (`rewrite.rs`); gives where the query goes on.
fn version(words: &[&TokenWithSpan], start: usize, out: &mut Stripped) -> Result<usize, (String, Place)> {
    let Some(first) = words.get(start) else { return Ok(start) };
    let wrong = || {
        ("write table FOR SYSTEM_TIME AS OF time, where the time is a column".to_string(), (first.span.start.line, first.span.start.column))
    };
    let table = out.tokens.pop().filter(|t| matches!(t.token, Token::Word(_))).ok_or_else(wrong)?;
    if !(words.get(start + 2).is_some_and(|t| is(t, "AS")) && words.get(start + 3).is_some_and(|t| is(t, "OF"))) {
        return Err(wrong());
    }
    let mut end = start + 4;
    while words.get(end).is_some_and(|t| matches!(t.token, Token::Word(_))) && words.get(end + 1).is_some_and(|t| t.token == Token::Period)
    {
        end += 2;
    }
    let time = words.get(start + 4..=end).filter(|w| w.last().is_some_and(|t| matches!(t.token, Token::Word(_)))).ok_or_else(wrong)?;
    let with = |token: Token| TokenWithSpan { token, span: first.span };
    out.tokens.extend([with(Token::make_word(VERSION, None)), with(Token::LParen), table, with(Token::Comma)]);
    out.tokens.extend(time.iter().map(|t| (*t).clone()));
    out.tokens.push(with(Token::RParen));
    Ok(end + 1)
}

/// Takes `WATERMARK FOR column AS expression` out of a column list; gives where the list goes on.
fn watermark(words: &[&TokenWithSpan], start: usize, out: &mut Stripped) -> Result<usize, (String, Place)> {
    let at = words.get(start).map_or((1, 1), |t| (t.span.start.line, t.span.start.column));
    let wrong = || ("write WATERMARK FOR column AS column - INTERVAL '…' SECOND".to_string(), at);
    let Some(Token::Word(column)) = words.get(start + 2).map(|t| &t.token) else { return Err(wrong()) };
    if !words.get(start + 3).is_some_and(|t| is(t, "AS")) {
        return Err(wrong());
    }
    let (mut i, mut depth, mut text) = (start + 4, 0usize, Vec::new());
    while let Some(token) = words.get(i) {
        match token.token {
            Token::Comma if depth == 0 => break,
            Token::RParen if depth == 0 => break,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        text.push(token.token.to_string());
        i += 1;
    }
    if text.is_empty() || out.watermark.is_some() {
        return Err(if text.is_empty() { wrong() } else { ("a table has one WATERMARK".into(), at) });
    }
    let name = if column.quote_style.is_some() { column.value.clone() } else { column.value.to_lowercase() };
    out.watermark = Some((name, text.join(" ")));
    // One of the commas around the clause goes with it.
    if out.tokens.last().is_some_and(|t| t.token == Token::Comma) {
        out.tokens.pop();
    } else if words.get(i).is_some_and(|t| t.token == Token::Comma) {
        i += 1;
    }
    Ok(i)
}

fn is(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// A parser's message with the place that it names, or else the statement's.
fn located(message: &str, file: &str, text: &str, line: u64, column: u64) -> SqlProblem {
    let number = |after: &str| {
        let rest = message.split(after).nth(1)?;
        rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    };
    let (l, c) = (number("Line:").unwrap_or(line), number("Column:").unwrap_or(column));
    let short = message.trim_start_matches("sql parser error: ").split(" at Line:").next().unwrap_or(message);
    SqlProblem::at(short, file, text, l, c)
}
