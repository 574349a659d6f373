//! What other engines write in `CREATE TABLE` and `CREATE VIEW`, taken off or said in words that DataFusion's parser knows.
//!
//! Of columns: `WATERMARK FOR`, Feldera's `LATENESS`, Flink's computed columns (`name AS expression`), `NOT ENFORCED`, types.
//! Of the whole: comments, `LIKE`, `APPEND ONLY`, `FORMAT … ENCODE …`, `IN CLUSTER …`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::like::{self, Like};
use super::maps;
use super::tokens::{are, at, closing, is, name, parts, place, text, token, word, words};
use super::{Place, Watermark};

/// The type of a computed column that does not say it.
pub const COMPUTED: &str = "computed_type";
/// What a column is that holds when a row came, by the clock.
pub const ARRIVAL: &str = "CAST(now() AS TIMESTAMP)";

/// What was taken off a `CREATE TABLE`.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Its watermark.
    pub watermark: Option<Watermark>,
    /// Whether rows only come.
    pub append_only: bool,
    /// How its file is written, by `FORMAT … ENCODE …`.
    pub format: Option<String>,
    /// Another table that it is like, until the two are put together.
    pub like: Option<Like>,
}

/// Where a statement's name stands, when it makes a table, source or sink.
pub fn named_at(tokens: &[TokenWithSpan], kinds: &[&str]) -> Option<usize> {
    if !are(tokens, 0, &["CREATE"]) {
        return None;
    }
    let skipped = ["OR", "REPLACE", "TEMPORARY", "TEMP", "EXTERNAL", "LOCAL", "GLOBAL", "MATERIALIZED"];
    let kind = (1..tokens.len()).find(|i| tokens.get(*i).is_some_and(|t| !skipped.iter().any(|s| is(t, s))))?;
    if !kinds.iter().any(|k| tokens.get(kind).is_some_and(|t| is(t, k))) {
        return None;
    }
    let mut name = if are(tokens, kind + 1, &["IF", "NOT", "EXISTS"]) { kind + 4 } else { kind + 1 };
    while at(tokens, name + 1, &Token::Period) {
        name += 2;
    }
    Some(name)
}

/// Takes off what is not known of a `CREATE TABLE`.
pub fn table(tokens: &mut Vec<TokenWithSpan>) -> Result<Taken, (String, Place)> {
    let mut taken = Taken::default();
    let Some(named) = named_at(tokens, &["TABLE", "SOURCE", "SINK"]) else { return Ok(taken) };
    let open = named + 1;
    let mut tail = open;
    if at(tokens, open, &Token::LParen)
        && let Some(close) = closing(tokens, open)
    {
        let inside: Vec<TokenWithSpan> = tokens.get(open + 1..close).unwrap_or_default().to_vec();
        let mut kept: Vec<TokenWithSpan> = Vec::new();
        let mut columns = 0;
        for part in parts(&inside) {
            let is_like = are(&part, 0, &["LIKE"]);
            let Some(part) = column(part, &mut taken)? else {
                taken.like.iter_mut().filter(|_| is_like).for_each(|like| like.behind = columns);
                continue;
            };
            columns += usize::from(!is_constraint(part.first()));
            if let (false, Some(first)) = (kept.is_empty(), part.first()) {
                kept.push(token(Token::Comma, first.span));
            }
            kept.extend(part);
        }
        let length = kept.len();
        tokens.splice(open + 1..close, kept);
        // A table of a watermark alone has no columns of its own.
        tail = open + 1 + length + 1;
        if length == 0 {
            tokens.drain(open..tail);
            tail = open;
        }
    }
    tail_of_table(tokens, tail, &mut taken)?;
    Ok(taken)
}

/// What stands between a table's columns and its options.
fn tail_of_table(tokens: &mut Vec<TokenWithSpan>, mut i: usize, taken: &mut Taken) -> Result<(), (String, Place)> {
    while let Some(here) = tokens.get(i) {
        let from = place(here);
        if at(tokens, i, &Token::LParen) {
            dotted(tokens, i + 1);
            i = closing(tokens, i).map_or(tokens.len(), |close| close + 1);
        } else if is(here, "COMMENT") && matches!(tokens.get(i + 1).map(|t| &t.token), Some(Token::SingleQuotedString(_))) {
            tokens.drain(i..i + 2);
        } else if are(tokens, i, &["APPEND", "ONLY"]) {
            tokens.drain(i..i + 2);
            taken.append_only = true;
        } else if is(here, "LIKE") {
            let (other, length) = like::read(tokens, i, false)?;
            like_once(taken, other, from)?;
            tokens.drain(i..(i + length).min(tokens.len()));
        } else if are(tokens, i, &["PARTITIONED", "BY"]) {
            return Err(("PARTITIONED BY is not supported yet: a table is one file".into(), from));
        } else if is(here, "FORMAT") && tokens.get(i + 2).is_some_and(|t| is(t, "ENCODE")) {
            let said = [i + 1, i + 3].map(|at| tokens.get(at).and_then(name).unwrap_or_default());
            taken.format = Some(match [said[0].as_str(), said[1].as_str()] {
                ["plain", format @ ("json" | "csv" | "parquet")] => format.to_string(),
                ["debezium", "json"] => "debezium_json".into(),
                [format, encode] => {
                    let said = format!("FORMAT {} ENCODE {} is not supported yet", format.to_uppercase(), encode.to_uppercase());
                    return Err((said, from));
                }
            });
            tokens.drain(i..i + 4);
        } else if is(here, "AS") || is(here, "SELECT") {
            return Ok(());
        } else {
            i += 1;
        }
    }
    Ok(())
}

fn like_once(taken: &mut Taken, other: Like, from: Place) -> Result<(), (String, Place)> {
    match taken.like.replace(other) {
        Some(_) => Err(("a table is LIKE one other".into(), from)),
        None => Ok(()),
    }
}

/// Makes the dotted names of options one name each.
fn dotted(tokens: &mut Vec<TokenWithSpan>, mut i: usize) {
    let part = |tokens: &[TokenWithSpan], i: usize| tokens.get(i).filter(|t| matches!(t.token, Token::Word(_))).and_then(name);
    while !matches!(tokens.get(i).map(|t| &t.token), None | Some(Token::RParen)) {
        if let (Some(first), true, Some(second)) = (part(tokens, i), at(tokens, i + 1, &Token::Period), part(tokens, i + 2)) {
            let all = Token::make_word(&format!("{first}.{second}"), Some('"'));
            tokens.drain(i + 1..i + 3);
            if let Some(here) = tokens.get_mut(i) {
                here.token = all;
            }
        } else {
            i += 1;
        }
    }
}

/// A column or constraint in known words; none when it was taken off.
fn column(mut part: Vec<TokenWithSpan>, taken: &mut Taken) -> Result<Option<Vec<TokenWithSpan>>, (String, Place)> {
    let Some(from) = part.first().map(place) else { return Ok(None) };
    if are(&part, 0, &["WATERMARK", "FOR"]) {
        watermark(&part, taken)?;
        return Ok(None);
    }
    if are(&part, 0, &["LIKE"]) {
        let (other, _) = like::read(&part, 0, true)?;
        like_once(taken, other, from)?;
        return Ok(None);
    }
    while let Some(i) = (0..part.len()).find(|i| are(&part, *i, &["NOT", "ENFORCED"])) {
        part.drain(i..i + 2);
    }
    while let Some(i) = (1..part.len()).find(|i| are(&part, *i, &["FOREIGN", "KEY", "REFERENCES"])) {
        part.drain(i..i + 2);
    }
    quoted(&mut part);
    types(&mut part)?;
    if let Some(i) = part.iter().position(|t| is(t, "METADATA")).filter(|i| *i > 1) {
        return Err(("a METADATA column is not supported yet".into(), part.get(i).map_or(from, place)));
    }
    if let Some(i) = part.iter().position(|t| is(t, "LATENESS")).filter(|i| *i > 1) {
        let Some(column) = part.first().and_then(name) else { return Err(("LATENESS needs a column".into(), from)) };
        // The interval is the word, a text and a unit.
        let end = (i + 4).min(part.len());
        let interval = text(part.get(i + 1..end).unwrap_or_default());
        set(taken, Watermark { expression: Some(format!("\"{column}\" - {interval}")), column }, from)?;
        part.drain(i..end);
    }
    computed(&mut part);
    Ok(Some(part))
}

/// Whether a part of a table begins as a constraint does.
fn is_constraint(first: Option<&TokenWithSpan>) -> bool {
    const WORDS: [&str; 7] = ["CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "EXCLUDE", "LIKE"];
    first.is_some_and(|first| WORDS.iter().any(|word| is(first, word)))
}

/// A column's name is no keyword, whatever it is: `key TEXT` is no index.
fn quoted(part: &mut [TokenWithSpan]) {
    let typed = part.get(1).is_some_and(|t| matches!(t.token, Token::Word(_)));
    if let (Some(first), true) = (part.first_mut(), typed)
        && !is_constraint(Some(first))
        && let Some(name) = name(first)
    {
        first.token = Token::make_word(&name, Some('"'));
    }
}

/// Makes `name [type] AS expression` a generated column.
fn computed(part: &mut Vec<TokenWithSpan>) {
    let mut depth = 0i64;
    let found = part.iter().enumerate().skip(1).find_map(|(i, t)| {
        match t.token {
            Token::LParen | Token::Lt => depth += 1,
            Token::RParen | Token::Gt => depth -= 1,
            _ => {}
        }
        let generated = i > 0 && part.get(i - 1).is_some_and(|t| is(t, "ALWAYS"));
        (depth == 0 && is(t, "AS") && !generated).then_some(i)
    });
    let (Some(i), Some(span)) = (found, part.first().map(|t| t.span)) else { return };
    let end = part.iter().rposition(|t| is(t, "COMMENT")).filter(|end| *end > i).unwrap_or(part.len());
    let mut expression: Vec<TokenWithSpan> = part.drain(i..end).skip(1).collect();
    let stored = expression.iter().rposition(|t| is(t, "STORED") || is(t, "VIRTUAL"));
    if stored.is_some_and(|s| s + 1 == expression.len()) {
        expression.pop();
    }
    if is_clock(&expression) {
        expression = words("CAST ( now ( ) AS TIMESTAMP )", span).collect();
    }
    let mut new: Vec<TokenWithSpan> = Vec::new();
    if i == 1 {
        new.push(word(COMPUTED, span));
    }
    new.extend(words("GENERATED ALWAYS AS (", span).chain(expression).chain(words(") STORED", span)));
    part.splice(i..i, new);
}

/// Whether an expression is the clock and no more.
fn is_clock(expression: &[TokenWithSpan]) -> bool {
    const CLOCKS: [&str; 4] = ["PROCTIME", "NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP"];
    let Some(first) = expression.first().filter(|first| CLOCKS.iter().any(|clock| is(first, clock))) else { return false };
    let is_call = at(expression, 1, &Token::LParen) && at(expression, 2, &Token::RParen);
    match expression.len() {
        3 => is_call,
        1 => !is(first, "PROCTIME"),
        _ => false,
    }
}

/// Types in known words: `ROW<…>` is a struct, `t ARRAY` a list, and a local time zone is a time zone.
fn types(part: &mut Vec<TokenWithSpan>) -> Result<(), (String, Place)> {
    let mut i = 1;
    while let Some(here) = part.get(i).cloned() {
        let (span, from) = (here.span, place(&here));
        if is(&here, "MULTISET") && at(part, i + 1, &Token::Lt) {
            return Err(("type MULTISET is not supported yet".into(), from));
        }
        if is(&here, "MAP") && at(part, i + 1, &Token::Lt) && !maps::of_type(part, i) {
            return Err(("write MAP<key, value>".into(), from));
        }
        if are(part, i, &["WITH", "LOCAL", "TIME", "ZONE"]) {
            part.remove(i + 1);
        } else if are(part, i, &["ROW"]) && at(part, i + 1, &Token::Lt) {
            part.splice(i..=i, [token(Token::make_keyword("STRUCT"), span)]);
        } else if i > 1 && are(part, i, &["ARRAY"]) && !at(part, i + 1, &Token::Lt) && !at(part, i + 1, &Token::LBracket) {
            part.splice(i..=i, [token(Token::LBracket, span), token(Token::RBracket, span)]);
        }
        i += 1;
    }
    Ok(())
}

/// `WATERMARK FOR column [AS expression]`.
fn watermark(part: &[TokenWithSpan], taken: &mut Taken) -> Result<(), (String, Place)> {
    let from = part.first().map_or((1, 1), place);
    let wrong = || ("write WATERMARK FOR column AS column - INTERVAL '…' SECOND".to_string(), from);
    let column = part.get(2).and_then(name).ok_or_else(wrong)?;
    let expression = match part.get(3) {
        None => None,
        Some(as_word) if is(as_word, "AS") && part.len() > 4 => Some(text(part.get(4..).unwrap_or_default())),
        Some(_) => return Err(wrong()),
    };
    set(taken, Watermark { column, expression }, from)
}

fn set(taken: &mut Taken, watermark: Watermark, from: Place) -> Result<(), (String, Place)> {
    match taken.watermark.replace(watermark) {
        Some(_) => Err(("a table has one WATERMARK".into(), from)),
        None => Ok(()),
    }
}

/// Takes off what says nothing here of a `CREATE VIEW`: a comment, and the cluster that it would run in.
pub fn view(tokens: &mut Vec<TokenWithSpan>) {
    let Some(named) = named_at(tokens, &["VIEW"]) else { return };
    let mut i = named + 1;
    while let Some(here) = tokens.get(i) {
        if is(here, "AS") {
            return;
        }
        if at(tokens, i, &Token::LParen) {
            i = closing(tokens, i).map_or(tokens.len(), |close| close + 1);
        } else if is(here, "COMMENT") && matches!(tokens.get(i + 1).map(|t| &t.token), Some(Token::SingleQuotedString(_))) {
            tokens.drain(i..i + 2);
        } else if are(tokens, i, &["IN", "CLUSTER"]) {
            tokens.drain(i..(i + 3).min(tokens.len()));
        } else {
            i += 1;
        }
    }
}
