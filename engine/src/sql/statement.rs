//! Splits a SQL file into statements, each with its place; takes off what DataFusion's parser does not know.
//!
//! `EMIT CHANGES` at the end of a query is the default and is taken off. What is planned and not there yet (`EMIT FINAL`,
//! `WATERMARK FOR`) is refused by name.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::SqlProblem;

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
}

/// The statements of a file, in order.
///
/// # Errors
/// With the place of the first that does not parse.
pub fn parse(file: &str, text: &str) -> Result<Vec<Parsed>, SqlProblem> {
    if text.len() > FILE_BYTES_MAX {
        return Err(SqlProblem::at(format!("the file has {} bytes, and {FILE_BYTES_MAX} are allowed", text.len()), file, "", 1, 1));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|e| SqlProblem::at(e.message, file, text, e.location.line.max(1), e.location.column.max(1)))?;
    let mut out = Vec::new();
    for part in tokens.split(|t| t.token == Token::SemiColon) {
        let Some(first) = part.iter().find(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)) else { continue };
        let (line, column) = (first.span.start.line, first.span.start.column);
        let kept = strip(part).map_err(|(message, at)| SqlProblem::at(message, file, text, at.0, at.1))?;
        let mut parser = Parser::new(&dialect).with_recursion_limit(64).with_tokens_with_locations(kept);
        let statement = parser.parse_statement().map_err(|e| located(&e.to_string(), file, text, line, column))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            let at = if next.span.start.line > 0 { next.span.start } else { first.span.start };
            return Err(SqlProblem::at(format!("unexpected \"{}\"", next.token), file, text, at.line, at.column));
        }
        if out.len() >= STATEMENTS_MAX {
            return Err(SqlProblem::at(format!("more than {STATEMENTS_MAX} statements"), file, text, line, column));
        }
        out.push(Parsed { statement, line, column });
    }
    Ok(out)
}

type Place = (u64, u64);

/// The tokens without the clauses that only Littoral knows.
fn strip(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, (String, Place)> {
    let words: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(words.len());
    let mut i = 0;
    while let Some(token) = words.get(i) {
        let place = (token.span.start.line, token.span.start.column);
        if is(token, "EMIT") && i > 0 {
            match words.get(i + 1) {
                Some(next) if is(next, "CHANGES") => {
                    i += 2;
                    continue;
                }
                Some(next) if is(next, "FINAL") => return Err(("EMIT FINAL is not supported yet".into(), place)),
                _ => {}
            }
        }
        if is(token, "WATERMARK") && words.get(i + 1).is_some_and(|t| is(t, "FOR")) {
            return Err(("WATERMARK FOR is not supported yet".into(), place));
        }
        kept.push((*token).clone());
        i += 1;
    }
    Ok(kept)
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
