//! How deep a statement is: operators in a row are parsed into a tree as deep as they are many, and so are set operations and joins.
//! What walks such a tree does so on the stack, so there is a limit, which is kept before anything is parsed.
//!
//! Not here: brackets within brackets, which the parser counts; the stack (`stack.rs`).

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Place;
use super::tokens::{is, place};

/// Operators above each other. Planning takes time by their square, a minute for 5,000; the stack would do for ten times as many,
/// also of a debug build.
const OPERATORS_MAX: usize = 1_200;
/// Set operations and joins of a statement: each is a node of the plan, which is walked far more often than an expression.
const PARTS_MAX: usize = 500;

/// Words that compare, or follow what they say something of.
const COMPARISONS: [&str; 12] =
    ["NOT", "IS", "IN", "BETWEEN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR", "OVERLAPS", "MATCH", "MEMBER"];
/// Other words that are operators.
const OTHERS: [&str; 5] = ["XOR", "DIV", "COLLATE", "AT", "OPERATOR"];
/// Words between expressions that do not stand within each other.
const BOUNDS: [&str; 22] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "ORDER",
    "BY",
    "ON",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "JOIN",
    "VALUES",
    "SET",
    "AS",
];
/// Words that join two queries or tables.
const PARTS: [&str; 5] = ["UNION", "EXCEPT", "INTERSECT", "MINUS", "JOIN"];

/// How many kinds of operators there are by how they bind: OR, AND, comparisons, all others.
const KINDS: usize = 4;

/// The operators of an expression, within one pair of brackets.
#[derive(Default)]
struct Row {
    /// Those of each kind since the last that binds looser.
    now: [usize; KINDS],
    /// The most that there were of each kind.
    most: [usize; KINDS],
    /// Whether the next AND is that of a BETWEEN.
    between: bool,
}

impl Row {
    /// How deep the tree is at most.
    fn depth(&self) -> usize {
        self.most.iter().sum()
    }

    fn add(&mut self, kind: usize) {
        for (i, (now, most)) in self.now.iter_mut().zip(&mut self.most).enumerate().skip(kind) {
            *now = if i == kind { *now + 1 } else { 0 };
            *most = (*most).max(*now);
        }
    }
}

/// Refuses a statement that is too deep.
pub fn check(tokens: &[TokenWithSpan]) -> Result<(), (String, Place)> {
    // The brackets that are open, and the depth of those around the innermost.
    let (mut row, mut open, mut around, mut parts) = (Row::default(), Vec::new(), 0, 0);
    for here in tokens {
        match &here.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                around += row.depth();
                open.push(std::mem::take(&mut row));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                row = open.pop().unwrap_or_default();
                around = around.saturating_sub(row.depth());
            }
            Token::Comma => row = Row::default(),
            Token::Word(_) if BOUNDS.iter().any(|b| is(here, b)) => {
                parts += usize::from(PARTS.iter().any(|p| is(here, p)));
                row = Row::default();
            }
            _ => operator(here, &mut row),
        }
        if around + row.depth() > OPERATORS_MAX {
            let message = format!("more than {OPERATORS_MAX} operators in a row are not supported: write IN (…), or make several views");
            return Err((message, place(here)));
        }
        if parts > PARTS_MAX {
            let message = format!("more than {PARTS_MAX} of UNION, EXCEPT, INTERSECT and JOIN are not supported: make several views");
            return Err((message, place(here)));
        }
    }
    Ok(())
}

/// Counts an operator.
fn operator(here: &TokenWithSpan, row: &mut Row) {
    use Token::{DoubleEq, Eq, Gt, GtEq, Lt, LtEq, Neq};
    match &here.token {
        Token::Word(_) if is(here, "OR") => row.add(0),
        Token::Word(_) if is(here, "AND") && row.between => row.between = false,
        Token::Word(_) if is(here, "AND") => row.add(1),
        Token::Word(_) if COMPARISONS.iter().any(|c| is(here, c)) => {
            row.between |= is(here, "BETWEEN");
            row.add(2);
        }
        Eq | DoubleEq | Neq | Gt | GtEq | Lt | LtEq => row.add(2),
        Token::Word(_) if OTHERS.iter().any(|o| is(here, o)) => row.add(3),
        Token::Word(_) | Token::Number(..) | Token::Char(_) | Token::Period | Token::Placeholder(_) => {}
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::NationalStringLiteral(_) => {}
        Token::EscapedStringLiteral(_) | Token::UnicodeStringLiteral(_) | Token::HexStringLiteral(_) => {}
        _ => row.add(3),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn is_taken(text: &str) -> bool {
        let tokens = Tokenizer::new(&crate::sql::dialect::Sql, text).tokenize_with_location().unwrap_or_default();
        let words: Vec<_> = tokens.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
        !words.is_empty() && check(&words).is_ok()
    }

    #[test]
    fn operators_count_where_they_stand_above_each_other() {
        let row =
            |operand: &str, operator: &str, n: usize| format!("SELECT {operand}{} FROM t", format!(" {operator} {operand}").repeat(n));
        for operator in ["+", "||", "OR", "AND", "->>", "IS"] {
            assert!(is_taken(&row("a", operator, OPERATORS_MAX)), "{operator}");
            assert!(!is_taken(&row("a", operator, OPERATORS_MAX + 1)), "{operator}");
        }
        // What compares stands beside what compares; so does what a comma or a bracket ends.
        assert!(is_taken(&row("a + 1 BETWEEN -b AND f(c * 2, d + 1) + 3", "OR", 1_100)));
        assert!(is_taken(&row("a + b * c", ",", 100_000)));
        assert!(is_taken(&row("(a + b)", ",", 100_000)));
        assert!(!is_taken(&format!("SELECT a{} + (b{}) FROM t", " + a".repeat(800), " + b".repeat(800))));
        assert!(!is_taken(&row("1", "UNION SELECT", PARTS_MAX + 1)));
        assert!(!is_taken(&row("t", "JOIN t ON true JOIN", PARTS_MAX / 2 + 1)));
    }
}
