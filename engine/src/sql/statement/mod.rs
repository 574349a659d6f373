//! Splits a SQL file into statements, each with its place; takes off what DataFusion's parser does not know.
//!
//! A file a kind: `clauses` of queries, columns and the tail of a `table`, what it is `like`, `maps`, queries of a `sink`, `whole` statements.
//! What was taken off is kept beside the statement.

mod clauses;
mod depth;
mod like;
mod maps;
mod sink;
mod table;
mod tokens;
mod whole;

use datafusion::sql::sqlparser::ast::{Query, Statement};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::SqlProblem;
use super::dialect::Sql;
pub use clauses::NOTHING;
pub use table::{ARRIVAL, COMPUTED, Taken};
use whole::Whole;

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
    /// Of a table: what its definition says beside.
    pub taken: Taken,
    /// Of a sink: the query whose changes it is given. The statement then is its `CREATE TABLE`.
    pub sink: Option<Box<Query>>,
}

/// `WATERMARK FOR column AS expression`; without an expression it is the column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The event-time column.
    pub column: String,
    /// What the watermark is after each row.
    pub expression: Option<String>,
}

/// The statements of a file, in order.
///
/// # Errors
/// With the place of the first that does not parse.
pub fn parse(file: &str, text: &str) -> Result<Vec<Parsed>, SqlProblem> {
    if text.len() > FILE_BYTES_MAX {
        return Err(SqlProblem::at(format!("the file has {} bytes, and {FILE_BYTES_MAX} are allowed", text.len()), file, "", 1, 1));
    }
    let source = Source { file, text };
    let tokens = Tokenizer::new(&Sql, text)
        .tokenize_with_location()
        .map_err(|e| source.at((e.message, (e.location.line.max(1), e.location.column.max(1)))))?;
    let (mut out, mut in_set) = (Vec::new(), false);
    for part in tokens.split(|t| t.token == Token::SemiColon) {
        let mut words: Vec<TokenWithSpan> =
            part.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).cloned().collect();
        if matches!(whole::whole(&mut words, &mut in_set).map_err(|e| source.at(e))?, Whole::Nothing) {
            continue;
        }
        let Some(first) = words.first().map(tokens::place) else { continue };
        if out.len() >= STATEMENTS_MAX {
            return Err(source.at((format!("more than {STATEMENTS_MAX} statements"), first)));
        }
        let parsed = statement(words, first, &source)?;
        out.push(like::merged(parsed, &out).map_err(|e| source.at(e))?);
    }
    Ok(out)
}

/// Parses the tokens of one statement.
fn statement(mut words: Vec<TokenWithSpan>, (line, column): Place, source: &Source<'_>) -> Result<Parsed, SqlProblem> {
    depth::check(&words).map_err(|e| source.at(e))?;
    let taken = table::table(&mut words).map_err(|e| source.at(e))?;
    table::view(&mut words);
    let mut kept = clauses::strip(&words).map_err(|e| source.at(e))?;
    let sink = match sink::sink(&mut kept.tokens) {
        Some(query) => Some(parser(query).parse_query()).transpose(),
        None => Ok(None),
    };
    let sink = sink.map_err(|e| source.parsing(&e.to_string(), (line, column)))?;
    let mut parser = parser(kept.tokens);
    let statement = parser.parse_statement().map_err(|e| source.parsing(&e.to_string(), (line, column)))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let at = if next.span.start.line > 0 { tokens::place(&next) } else { (line, column) };
        return Err(source.at((format!("unexpected \"{}\"", next.token), at)));
    }
    Ok(Parsed { statement, line, column, emit_final: kept.emit_final, taken, sink })
}

fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&Sql).with_recursion_limit(64).with_tokens_with_locations(tokens)
}

/// The file, for messages.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn at(&self, (message, (line, column)): (String, Place)) -> SqlProblem {
        SqlProblem::at(message, self.file, self.text, line, column)
    }

    /// A parser's message with the place that it names, or else the statement's.
    fn parsing(&self, message: &str, (line, column): Place) -> SqlProblem {
        let number = |after: &str| {
            let rest = message.split(after).nth(1)?;
            rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        let (line, column) = (number("Line:").unwrap_or(line), number("Column:").unwrap_or(column));
        let short = message.trim_start_matches("sql parser error: ").split(" at Line:").next().unwrap_or(message);
        self.at((short.to_string(), (line, column)))
    }
}

/// A line and a column.
type Place = (u64, u64);
