//! `INSERT`: rows by position or by name, with defaults and computed columns; and what happens to rows whose key is there.
//!
//! A row with a key that is there takes the other's place, unless `ON CONFLICT` says otherwise.

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::OwnedRow;
use datafusion::sql::sqlparser::ast::{
    Assignment, ConflictTarget, Expr, Ident, Insert, ObjectName, OnConflictAction, OnInsert, Query, SetExpr, SqliteOnConflict, TableObject,
    UnaryOperator, Value, ValueWithSpan,
};

use super::update::assigned;
use super::{Change, Table, Tables};
use crate::sql::program::normal;
use crate::sql::rewrite::apart;
use crate::sql::script::batch::conform;
use crate::sql::script::definition::twice;
use crate::sql::script::table_name;

/// Digits of which a number of 64 bits surely is made.
const WORD_DIGITS: usize = 18;

/// The name under which rows that are put in stand in `DO UPDATE`.
const EXCLUDED: &str = "excluded";

/// What happens to rows whose key is there.
enum Conflict<'a> {
    Replace,
    Keep,
    Update(&'a [Assignment], Option<&'a Expr>),
}

impl Tables {
    /// What an `INSERT` takes away and puts in, and what it does to the table that keeps the versions of the rows.
    pub(super) fn insert(&self, insert: &Insert, more: &[(String, RecordBatch)]) -> Result<Vec<Change>, String> {
        let TableObject::TableName(name) = &insert.table else { return Err("INSERT needs a table".into()) };
        let name = table_name(name)?;
        let table = self.table(&name)?;
        let conflict = conflict(insert, table, &name)?;
        let given = self.given(insert, table, more)?;
        let rows = table.columns.filled(conform(&given, &table.columns.given(&table.schema))?, &table.schema, self.around())?;
        if table.key.is_empty() {
            return Ok(vec![Change { gone: RecordBatch::new_empty(table.schema.clone()), come: rows, name }]);
        }
        match conflict {
            Conflict::Replace => {
                let mut changes = vec![self.replaced(&name, &rows)?];
                if let Some(versions) = &table.versions {
                    changes.push(self.replaced(versions, &self.timed(versions, &rows)?)?);
                }
                Ok(changes)
            }
            Conflict::Keep => {
                let come = table.first_of_new_keys(&rows)?;
                Ok(vec![Change { gone: RecordBatch::new_empty(table.schema.clone()), come, name }])
            }
            Conflict::Update(assignments, condition) => Ok(vec![self.upsert(&name, table, rows, assignments, condition)?]),
        }
    }

    /// Rows that take the place of those with their keys; of several with one key the last.
    fn replaced(&self, name: &str, rows: &RecordBatch) -> Result<Change, String> {
        let table = self.table(name)?;
        Ok(Change { gone: table.rows.with_keys_of(rows)?, come: table.newest_by_key(rows)?, name: name.to_string() })
    }

    /// Rows with all columns but the computed ones.
    fn given(&self, insert: &Insert, table: &Table, more: &[(String, RecordBatch)]) -> Result<RecordBatch, String> {
        let schema = table.columns.given(&table.schema);
        let all = || schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
        let named = insert.columns.iter().map(last_part).collect::<Result<Vec<_>, _>>()?;
        let mut names = if named.is_empty() { all() } else { named };
        let mut source = insert.source.clone();
        let defaulted = source.as_mut().map_or(Ok(false), |query| defaults(query, &mut names, table))?;
        let rows = match &source {
            None => {
                names.clear();
                self.read("SELECT 1 AS \"no column\"", &[])?
            }
            Some(query) => {
                let mut query = query.clone();
                typed(&mut query, &names, &schema);
                apart(&mut query);
                self.read(&query.to_string(), more)?
            }
        };
        if let Some(twice) = twice(names.iter().cloned()) {
            return Err(format!("column \"{twice}\" is given twice"));
        }
        if let Some(unknown) = names.iter().find(|n| schema.column_with_name(n).is_none()) {
            return match table.columns.is_computed(unknown) {
                true => Err(format!("column \"{unknown}\" is computed, and cannot be given")),
                false => Err(format!("the table has no column \"{unknown}\"")),
            };
        }
        if source.is_some() && rows.num_columns() != names.len() {
            return match insert.columns.is_empty() && !defaulted {
                true => Err(format!("{} columns are given, but the table has {}", rows.num_columns(), names.len())),
                false => Err(format!("{} columns are named, but {} are given", names.len(), rows.num_columns())),
            };
        }
        if names == all() {
            return Ok(rows);
        }
        self.with_defaults(rows, &names, table, &schema)
    }

    /// Rows with the columns of a table in their order: given ones by name, else their default.
    fn with_defaults(
        &self,
        rows: RecordBatch,
        names: &[String],
        table: &Table,
        schema: &arrow::datatypes::SchemaRef,
    ) -> Result<RecordBatch, String> {
        let columns = schema.fields().iter().map(|f| match names.iter().position(|n| n == f.name()) {
            Some(at) => format!("\"given {at}\" AS \"{}\"", f.name()),
            None => format!("({}) AS \"{}\"", table.columns.default_of(f.name()), f.name()),
        });
        let columns: Vec<String> = columns.collect();
        let own = rows.schema();
        let fields: Vec<_> = own.fields().iter().enumerate().map(|(i, f)| f.as_ref().clone().with_name(format!("given {i}"))).collect();
        let rows = RecordBatch::try_new(arrow::datatypes::Schema::new(fields).into(), rows.columns().to_vec());
        let rows = rows.map_err(|e| e.to_string())?;
        self.read(&format!("SELECT {} FROM \"rows given\"", columns.join(", ")), &[("rows given".to_string(), rows)])
    }

    /// New rows, and rows with keys that are there as `DO UPDATE` makes them.
    fn upsert(
        &self,
        name: &str,
        table: &Table,
        rows: RecordBatch,
        assignments: &[Assignment],
        condition: Option<&Expr>,
    ) -> Result<Change, String> {
        let keys = table.rows.keys_of(&rows)?;
        if keys.iter().collect::<HashSet<_>>().len() < keys.len() {
            return Err("ON CONFLICT DO UPDATE would change a row twice: two of the given rows have one key".into());
        }
        let new = table.first_of_new_keys(&rows)?;
        let on: Vec<String> = table.key_names().map(|k| format!("\"{name}\".\"{k}\" = {EXCLUDED}.\"{}\"", of_excluded(&k))).collect();
        let filter = condition.map(|c| format!(" WHERE {}", with_excluded(c, table))).unwrap_or_default();
        let from = format!("FROM \"{name}\" JOIN {EXCLUDED} ON {}{filter}", on.join(" AND "));
        let more = [(EXCLUDED.to_string(), excluded(&rows)?)];
        let columns: Vec<String> = table.schema.fields().iter().map(|f| format!("\"{name}\".\"{}\"", f.name())).collect();
        let gone = conform(&self.read(&format!("SELECT {} {from}", columns.join(", ")), &more)?, &table.schema)?;
        let known_as = format!("\"{name}\"");
        let set = assigned(assignments, name, table, (&known_as, &|e| with_excluded(e, table)))?;
        let come = self.made(table, &set, &format!("\"{name}\""), &from, &more)?;
        let come = concat_batches(&table.schema, [&come, &new]).map_err(|e| e.to_string())?;
        Ok(Change { name: name.to_string(), gone, come })
    }
}

impl Table {
    /// Of rows whose key is not there, the first of each key.
    fn first_of_new_keys(&self, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let mut seen: HashSet<OwnedRow> = HashSet::new();
        let mask: BooleanArray = self.rows.keys_of(rows)?.into_iter().map(|key| Some(!self.rows.has(&key) && seen.insert(key))).collect();
        filter_record_batch(rows, &mask).map_err(|e| e.to_string())
    }
}

fn last_part(name: &ObjectName) -> Result<String, String> {
    name.0.last().and_then(|p| p.as_ident()).map(normal).ok_or_else(|| format!("\"{name}\" is no column"))
}

fn conflict<'a>(insert: &'a Insert, table: &Table, name: &str) -> Result<Conflict<'a>, String> {
    let keyed = |what: &str| match table.key.is_empty() {
        true => Err(format!("{what} needs a PRIMARY KEY of table \"{name}\"")),
        false => Ok(()),
    };
    match (&insert.on, &insert.or) {
        (None, None) if insert.ignore => keyed("INSERT IGNORE").map(|()| Conflict::Keep),
        (None, None) if insert.replace_into => keyed("REPLACE INTO").map(|()| Conflict::Replace),
        (None, None) => Ok(Conflict::Replace),
        (None, Some(SqliteOnConflict::Replace)) => keyed("INSERT OR REPLACE").map(|()| Conflict::Replace),
        (None, Some(SqliteOnConflict::Ignore)) => keyed("INSERT OR IGNORE").map(|()| Conflict::Keep),
        (None, Some(other)) => Err(format!("INSERT {other} is not supported yet")),
        (Some(OnInsert::OnConflict(on)), _) => {
            keyed("ON CONFLICT")?;
            match &on.conflict_target {
                None => {}
                Some(ConflictTarget::OnConstraint(constraint)) => return Err(format!("ON CONSTRAINT {constraint} is not supported yet")),
                Some(ConflictTarget::Columns(columns)) => {
                    let named: HashSet<String> = columns.iter().map(normal).collect();
                    if named != table.key_names().collect() {
                        return Err(format!("ON CONFLICT ({}) is not the PRIMARY KEY of table \"{name}\"", listed(columns)));
                    }
                }
            }
            match &on.action {
                OnConflictAction::DoNothing => Ok(Conflict::Keep),
                OnConflictAction::DoUpdate(update) => Ok(Conflict::Update(&update.assignments, update.selection.as_ref())),
            }
        }
        (Some(_), _) => Err("ON DUPLICATE KEY UPDATE is not supported yet (write ON CONFLICT)".into()),
    }
}

fn listed(columns: &[Ident]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Puts defaults where VALUES say `DEFAULT`; a computed column that has nothing else loses its place. Whether there was any.
fn defaults(query: &mut Query, names: &mut Vec<String>, table: &Table) -> Result<bool, String> {
    let SetExpr::Values(values) = query.body.as_mut() else { return Ok(false) };
    let is_default = |e: &Expr| matches!(e, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"));
    if !values.rows.iter().flat_map(|r| &r.content).any(is_default) {
        return Ok(false);
    }
    // Computed columns may be named as long as they are left to the table.
    let width = values.rows.iter().map(|r| r.content.len()).max().unwrap_or(0);
    if names.len() != width && width == table.schema.fields().len() {
        *names = table.schema.fields().iter().map(|f| f.name().clone()).collect();
    }
    let computed: Vec<usize> = (0..names.len()).filter(|i| names.get(*i).is_some_and(|n| table.columns.is_computed(n))).collect();
    for row in &mut values.rows {
        for (i, expr) in row.content.iter_mut().enumerate() {
            match names.get(i) {
                Some(name) if computed.contains(&i) && !is_default(expr) => {
                    return Err(format!("column \"{name}\" is computed, and cannot be given"));
                }
                Some(name) if is_default(expr) => *expr = super::expression(table.columns.default_of(name))?,
                _ => {}
            }
        }
        let mut i = 0;
        row.content.retain(|_| {
            i += 1;
            !computed.contains(&(i - 1))
        });
    }
    names.retain(|n| !table.columns.is_computed(n));
    Ok(true)
}

/// Casts values to the types of their columns where rows write them differently: a list of `1` and `'NaN'` has no type of its own
/// in which both are what they are in the column. What is written alike in all rows is left as it is.
fn typed(query: &mut Query, names: &[String], schema: &SchemaRef) {
    let SetExpr::Values(values) = query.body.as_mut() else { return };
    let kinds = |i: usize| values.rows.iter().filter_map(move |row| row.content.get(i).and_then(kind)).collect::<HashSet<_>>();
    let mixed: Vec<bool> = (0..names.len()).map(|i| kinds(i).len() > 1).collect();
    for row in &mut values.rows {
        for ((expr, name), mixed) in row.content.iter_mut().zip(names).zip(&mixed) {
            let Some((_, field)) = schema.column_with_name(name) else { continue };
            let cast = || super::expression(&format!("arrow_cast({expr}, '{}')", field.data_type())).ok();
            if let Some(cast) = exact(expr, field.data_type()).or_else(|| if *mixed { cast() } else { None }) {
                *expr = cast;
            }
        }
    }
}

/// A number with a point, or of more digits than 64 bits surely hold, as the text that it is, for a column of decimals: DataFusion
/// would read it as a float.
pub(super) fn exact(expr: &Expr, kind: &DataType) -> Option<Expr> {
    let (sign, number) = match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => ("-", expr.as_ref()),
        other => ("", other),
    };
    match number {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
            if kind.is_decimal()
                && (digits.contains('.') && !digits.contains(['e', 'E'])
                    || digits.len() > WORD_DIGITS && digits.bytes().all(|b| b.is_ascii_digit())) =>
        {
            super::expression(&format!("arrow_cast('{sign}{digits}', '{kind}')")).ok()
        }
        _ => None,
    }
}

/// How a value is written; none for NULL, which fits everywhere.
fn kind(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => kind(inner),
        Expr::Value(value) => match &value.value {
            Value::Null => None,
            Value::Number(digits, _) if digits.chars().all(|c| c.is_ascii_digit()) => Some("whole number"),
            Value::Number(..) => Some("number"),
            Value::Boolean(_) => Some("truth"),
            _ => Some("text"),
        },
        _ => Some("expression"),
    }
}

/// The name of a column of the rows that are put in: another than the table's, so that plain columns are the table's also within
/// subqueries, as long as nothing nearer has their name.
fn of_excluded(column: &str) -> String {
    format!("{column} of {EXCLUDED}")
}

/// Rows that are put in, with such names.
fn excluded(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let own = rows.schema();
    let fields: Vec<_> = own.fields().iter().map(|f| f.as_ref().clone().with_name(of_excluded(f.name()))).collect();
    RecordBatch::try_new(arrow::datatypes::Schema::new(fields).into(), rows.columns().to_vec()).map_err(|e| e.to_string())
}

/// The text of an expression in which columns of the rows that are put in have such names.
fn with_excluded(expr: &Expr, table: &Table) -> String {
    use datafusion::sql::sqlparser::ast::visit_expressions_mut;
    use std::ops::ControlFlow;
    let mut expr = expr.clone();
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |e| {
        if let Expr::CompoundIdentifier(parts) = e
            && let [rows, column] = parts.as_mut_slice()
            && normal(rows) == EXCLUDED
            && table.schema.column_with_name(&normal(column)).is_some()
        {
            *column = Ident::with_quote('"', of_excluded(&normal(column)));
        }
        ControlFlow::Continue(())
    });
    expr.to_string()
}
