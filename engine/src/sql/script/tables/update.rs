//! `UPDATE`, also with `FROM`; `DELETE`, also with `USING`; `TRUNCATE`.
//!
//! Rows are chosen and made by queries over the tables as they stand. Where other tables are read, the table's rows are numbered,
//! so that it shows when one would be changed twice.

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, TableFactor, TableWithJoins, Truncate, Update, UpdateTableFromKind,
};

use super::insert::exact;
use super::{Change, Table, Tables, plain_table};
use crate::sql::program::normal;
use crate::sql::rewrite::plain;
use crate::sql::script::batch::conform;
use crate::sql::script::table_name;

/// The column that numbers rows.
pub const NUMBER: &str = "row number";

impl Tables {
    /// What an `UPDATE` takes away and puts in.
    pub(super) fn update(&self, update: &Update, more: &[(String, RecordBatch)]) -> Result<Change, String> {
        let name = plain_table(Some(&update.table.relation))?;
        let table = self.table(&name)?;
        let (own, known_as) = target(&update.table.relation, &name);
        let set = assigned(&update.assignments, &name, table, (&known_as, &|e| e.to_string()))?;
        let from = match &update.from {
            None => String::new(),
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => beside(from),
        };
        let filter = update.selection.as_ref().map(|c| format!(" WHERE {c}")).unwrap_or_default();
        let from = format!("FROM {own}{from}{filter}");
        let held = table.rows.whole()?;
        let numbered = [vec![(name.clone(), numbered(&held)?)], more.to_vec()].concat();
        let (rows, numbers) = self.numbered_rows(table, &set, &known_as, &from, &numbered)?;
        let chosen = once(&numbers, held.num_rows(), "UPDATE … FROM")?;
        let gone = filter_record_batch(&held, &chosen).map_err(|e| e.to_string())?;
        table.keys_stay(&gone, &rows, "UPDATE")?;
        Ok(Change { name, gone, come: rows })
    }

    /// What a `DELETE` takes away.
    pub(super) fn delete(&self, delete: &Delete, more: &[(String, RecordBatch)]) -> Result<Change, String> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let relation = from.first().map(|f| &f.relation).ok_or("DELETE needs a table")?;
        let name = plain_table(Some(relation))?;
        let table = self.table(&name)?;
        let (own, known_as) = target(relation, &name);
        let using = delete.using.as_deref().map(beside).unwrap_or_default();
        let filter = delete.selection.as_ref().map(|c| format!(" WHERE {c}")).unwrap_or_default();
        let held = table.rows.whole()?;
        let numbered = [vec![(name.clone(), numbered(&held)?)], more.to_vec()].concat();
        let found = self.read(&format!("SELECT {known_as}.\"{NUMBER}\" FROM {own}{using}{filter}"), &numbered)?;
        let chosen = chosen(&numbers_of(&found)?, held.num_rows());
        let gone = filter_record_batch(&held, &chosen).map_err(|e| e.to_string())?;
        Ok(Change { name, gone, come: RecordBatch::new_empty(table.schema.clone()) })
    }

    /// What a `TRUNCATE` takes away: everything.
    pub(super) fn truncate(&self, truncate: &Truncate) -> Result<Vec<Change>, String> {
        if truncate.partitions.is_some() || truncate.identity.is_some() || truncate.cascade.is_some() || truncate.on_cluster.is_some() {
            return Err("TRUNCATE with more than tables is not supported yet".into());
        }
        let mut all = Vec::new();
        for target in &truncate.table_names {
            let name = table_name(&target.name)?;
            if truncate.if_exists && !self.has(&name) {
                continue;
            }
            let table = self.table(&name)?;
            all.push(Change { gone: table.rows.whole()?, come: RecordBatch::new_empty(table.schema.clone()), name });
        }
        Ok(all)
    }

    /// Rows as assignments make them of the table's own, with all columns.
    pub(super) fn made(
        &self,
        table: &Table,
        set: &[(String, String)],
        known_as: &str,
        from: &str,
        more: &[(String, RecordBatch)],
    ) -> Result<RecordBatch, String> {
        let rows = self.read(&format!("SELECT {} {from}", table.columns_set(set, known_as).join(", ")), more)?;
        let given = conform(&rows, &table.columns.given(&table.schema))?;
        table.columns.filled(given, &table.schema, self.around())
    }

    /// The same with the numbers of the rows that they were.
    pub(super) fn numbered_rows(
        &self,
        table: &Table,
        set: &[(String, String)],
        known_as: &str,
        from: &str,
        more: &[(String, RecordBatch)],
    ) -> Result<(RecordBatch, Int64Array), String> {
        let mut columns = table.columns_set(set, known_as);
        columns.push(format!("{known_as}.\"{NUMBER}\""));
        let rows = self.read(&format!("SELECT {} {from}", columns.join(", ")), more)?;
        let numbers = numbers_of(&rows)?;
        let own: Vec<usize> = (0..rows.num_columns().saturating_sub(1)).collect();
        let given = conform(&rows.project(&own).map_err(|e| e.to_string())?, &table.columns.given(&table.schema))?;
        Ok((table.columns.filled(given, &table.schema, self.around())?, numbers))
    }
}

impl Table {
    /// The columns that rows are given with: as they are set, or as they are.
    fn columns_set(&self, set: &[(String, String)], known_as: &str) -> Vec<String> {
        let given = self.columns.given(&self.schema);
        let one = |name: &String| match set.iter().find(|(column, _)| column == name) {
            Some((_, value)) => format!("({value}) AS \"{name}\""),
            None => format!("{known_as}.\"{name}\" AS \"{name}\""),
        };
        given.fields().iter().map(|f| one(f.name())).collect()
    }
}

/// What assignments give columns; `DEFAULT` is the column's default.
pub fn assigned(
    assignments: &[Assignment],
    name: &str,
    table: &Table,
    (known_as, text): (&str, &dyn Fn(&Expr) -> String),
) -> Result<Vec<(String, String)>, String> {
    let mut set: Vec<(String, String)> = Vec::new();
    for assignment in assignments {
        let columns = match &assignment.target {
            AssignmentTarget::ColumnName(column) => std::slice::from_ref(column),
            AssignmentTarget::Tuple(columns) => columns.as_slice(),
        };
        let values: Vec<&Expr> = match (columns, &assignment.value) {
            ([_], value) => vec![value],
            (_, Expr::Tuple(values)) => values.iter().collect(),
            _ => return Err("an assignment to several columns other than from a list is not supported yet".into()),
        };
        if columns.len() != values.len() {
            return Err(format!("{} columns are set to {} values", columns.len(), values.len()));
        }
        for (column, value) in columns.iter().zip(values) {
            if let Some(of) = column.0.iter().rev().nth(1).and_then(|p| p.as_ident()).map(normal)
                && plain(known_as).is_none_or(|known| normal(&known) != of)
            {
                return Err(format!("\"{column}\" is set, which is no column of table \"{name}\""));
            }
            let column = column.0.last().and_then(|p| p.as_ident()).map(normal).unwrap_or_default();
            if table.columns.is_computed(&column) {
                return Err(format!("column \"{column}\" is computed, and cannot be given"));
            }
            let Some((_, field)) = table.schema.column_with_name(&column) else {
                return Err(format!("table \"{name}\" has no column \"{column}\""));
            };
            if set.iter().any(|(c, _)| *c == column) {
                return Err(format!("column \"{column}\" is set twice"));
            }
            let default = matches!(value, Expr::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"));
            set.push(match exact(value, field.data_type()) {
                _ if default => (column.clone(), table.columns.default_of(&column).to_string()),
                Some(exact) => (column, exact.to_string()),
                None => (column, text(value)),
            });
        }
    }
    Ok(set)
}

/// The table of a change in a FROM, and the name that it is known as there.
pub fn target(relation: &TableFactor, name: &str) -> (String, String) {
    match relation {
        TableFactor::Table { alias: Some(alias), .. } => (format!("\"{name}\" AS {}", alias.name), alias.name.to_string()),
        _ => (format!("\"{name}\""), format!("\"{name}\"")),
    }
}

fn beside(tables: &[TableWithJoins]) -> String {
    tables.iter().map(|t| format!(", {t}")).collect()
}

/// Rows with a column that numbers them.
pub fn numbered(rows: &RecordBatch) -> Result<RecordBatch, String> {
    let fields = rows.schema().fields().iter().cloned().chain([Field::new(NUMBER, DataType::Int64, false).into()]).collect::<Vec<_>>();
    let numbers: Int64Array = (0..rows.num_rows() as i64).collect();
    let columns = rows.columns().iter().cloned().chain([std::sync::Arc::new(numbers) as _]).collect();
    RecordBatch::try_new(Schema::new(fields).into(), columns).map_err(|e| e.to_string())
}

/// The numbers in the last column.
pub fn numbers_of(rows: &RecordBatch) -> Result<Int64Array, String> {
    let numbers = rows.columns().last().map(|c| cast(c, &DataType::Int64)).transpose().map_err(|e| e.to_string())?;
    Ok(numbers.ok_or("rows without numbers")?.as_primitive::<Int64Type>().clone())
}

/// Which rows have a number among some.
pub fn chosen(numbers: &Int64Array, rows: usize) -> BooleanArray {
    let mut chosen = vec![false; rows];
    for at in numbers.iter().flatten().filter_map(|n| usize::try_from(n).ok()) {
        if let Some(one) = chosen.get_mut(at) {
            *one = true;
        }
    }
    BooleanArray::from(chosen)
}

/// The same; an error when a number comes twice.
pub fn once(numbers: &Int64Array, rows: usize, what: &str) -> Result<BooleanArray, String> {
    let chosen = chosen(numbers, rows);
    match chosen.true_count() < numbers.len() - numbers.null_count() {
        true => Err(format!("{what} would change a row twice: more than one row of the other table fits it")),
        false => Ok(chosen),
    }
}
