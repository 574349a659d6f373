//! `CREATE TABLE … LIKE other`: a table with the columns of one that an earlier statement makes.
//!
//! Behind the columns it is Flink's, and takes keys, computed columns, the watermark and options along, unless it says otherwise; among the
//! columns it is Postgres's, and takes names, types and `NOT NULL`. It is made a plain `CREATE TABLE` here: nothing else knows of it.

use datafusion::sql::sqlparser::ast::{ColumnDef, ColumnOption, CreateTable, CreateTableOptions, ObjectName, SqlOption, Statement};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::table::COMPUTED;
use super::tokens::{at, closing, name, place, text};
use super::{Parsed, Place, Taken};
use crate::sql::program::normal;

/// Another table, and what is taken of it beside its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Like {
    table: String,
    place: Place,
    /// How many columns of its own stand before.
    pub behind: usize,
    /// Key, computed columns and watermark.
    rules: bool,
    /// Options.
    options: bool,
}

/// Reads `LIKE other …` from a place on; gives how many tokens it has.
pub fn read(tokens: &[TokenWithSpan], from: usize, among_columns: bool) -> Result<(Like, usize), (String, Place)> {
    let here = tokens.get(from).map_or((1, 1), place);
    let Some(table) = tokens.get(from + 1).and_then(name) else { return Err(("LIKE needs a table".into(), here)) };
    let (words, length) = match (among_columns, at(tokens, from + 2, &Token::LParen)) {
        (true, _) => (tokens.get(from + 2..).unwrap_or_default(), tokens.len() - from),
        (false, true) => {
            let close = closing(tokens, from + 2).unwrap_or(tokens.len());
            (tokens.get(from + 3..close).unwrap_or_default(), close + 1 - from)
        }
        (false, false) => (Default::default(), 2),
    };
    let (rules, options) = match (text(words).to_uppercase().as_str(), among_columns) {
        ("", true) | ("EXCLUDING ALL", _) => (false, false),
        ("INCLUDING ALL", true) | ("EXCLUDING OPTIONS", false) => (true, false),
        ("" | "INCLUDING ALL", false) => (true, true),
        (other, _) => return Err((format!("LIKE … {other} is not supported yet"), here)),
    };
    Ok((Like { table, place: here, behind: 0, rules, options }, length))
}

/// The statement with what it takes from the table that it is like.
pub fn merged(mut parsed: Parsed, earlier: &[Parsed]) -> Result<Parsed, (String, Place)> {
    let Some(like) = parsed.taken.like.take() else { return Ok(parsed) };
    let base = earlier.iter().rev().find_map(|p| made(p, &like.table)).flatten();
    let (Some((base, of_base)), Statement::CreateTable(own)) = (base, &mut parsed.statement) else {
        let message = format!("LIKE \"{}\": the script makes no table of this name with columns before", like.table);
        return Err((message, like.place));
    };
    if let Some(untyped) = base.columns.iter().find(|c| !like.rules && c.data_type.to_string() == COMPUTED) {
        let message = format!("LIKE \"{}\" without its rules: its computed column \"{}\" says no type", like.table, normal(&untyped.name));
        return Err((message, like.place));
    }
    let behind = like.behind.min(own.columns.len());
    own.columns.splice(behind..behind, base.columns.iter().map(|c| column(c, like.rules)));
    if like.rules {
        own.constraints.splice(0..0, base.constraints.iter().cloned());
        let Taken { watermark, append_only, .. } = &mut parsed.taken;
        *watermark = watermark.take().or_else(|| of_base.watermark.clone());
        *append_only |= of_base.append_only;
    }
    if like.options {
        own.table_options = both(&base.table_options, &own.table_options);
        parsed.taken.format = parsed.taken.format.take().or_else(|| of_base.format.clone());
    }
    Ok(parsed)
}

/// What a statement makes of a name: a table that says its columns, or none such.
fn made<'a>(parsed: &'a Parsed, table: &str) -> Option<Option<(&'a CreateTable, &'a Taken)>> {
    let is = |name: &ObjectName| name.0.last().and_then(|part| part.as_ident()).is_some_and(|n| normal(n) == table);
    match &parsed.statement {
        Statement::CreateTable(create) if is(&create.name) => Some(create.query.is_none().then_some((create, &parsed.taken))),
        Statement::CreateView(view) if is(&view.name) => Some(None),
        Statement::Drop { names, .. } if names.iter().any(is) => Some(None),
        _ => None,
    }
}

fn column(column: &ColumnDef, with_rules: bool) -> ColumnDef {
    let stays = |o: &ColumnOption| with_rules || matches!(o, ColumnOption::NotNull | ColumnOption::Null);
    ColumnDef { options: column.options.iter().filter(|o| stays(&o.option)).cloned().collect(), ..column.clone() }
}

/// Options of a table and of one that it is like; what it says itself counts.
fn both(base: &CreateTableOptions, own: &CreateTableOptions) -> CreateTableOptions {
    let (CreateTableOptions::With(base), CreateTableOptions::With(given) | CreateTableOptions::Options(given)) = (base, own) else {
        return if matches!(own, CreateTableOptions::None) { base.clone() } else { own.clone() };
    };
    let key = |option: &SqlOption| match option {
        SqlOption::KeyValue { key, .. } => Some(normal(key)),
        _ => None,
    };
    let inherited = base.iter().filter(|o| !given.iter().any(|g| key(g) == key(o)));
    CreateTableOptions::With(inherited.chain(given).cloned().collect())
}
