//! The tables of a script: what each holds now, and what each epoch changed.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::sql::sqlparser::ast::{AssignmentTarget, FromTable, Insert, ObjectName, Statement, TableFactor, TableObject};

use littoral_connectors::files::table::TableFile;

use super::batch::{answer_with, conform};
use super::event_time::{EventClock, EventTime};
use super::stream::{FileRows, count_rows};
use super::table_name;
use crate::clock::now_micros;
use crate::flow::gather::merge;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::Functions;
use crate::sql::program::normal;

/// A table.
#[derive(Clone)]
struct Table {
    schema: SchemaRef,
    /// Columns of the primary key; none when there is none.
    key: Vec<usize>,
    /// Rows that it holds now; none of those that stay in its file.
    rows: RecordBatch,
    clock: EventClock,
    file: Option<OwnFile>,
}

/// The file of a table whose rows have no key.
#[derive(Clone)]
struct OwnFile {
    rows: FileRows,
    /// Whether its rows are held, as changes of the history.
    held: bool,
    /// How many changes of the history they are.
    changes: usize,
    /// How many rows there are, once they were counted.
    count: Option<u64>,
}

/// The file of a table, for a run.
pub struct FileTable<'a> {
    /// The table.
    pub table: &'a String,
    /// Its rows.
    pub rows: &'a FileRows,
    /// Its event time before the first of them.
    pub clock: &'a EventClock,
    /// The column of that.
    pub event_time: Option<usize>,
    /// Whether the rows are held, as changes of the history.
    pub held: bool,
}

/// Tables with their history.
#[derive(Clone, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    /// Changes of closed epochs: (epoch, table, rows).
    pub history: Vec<(u64, String, Updates)>,
    open: Vec<(String, Updates)>,
    /// The epoch that was closed last, but for those of files that stay where they are and were not counted.
    pub epoch: u64,
    /// Watermarks: table, epoch, microseconds.
    pub watermarks: Vec<(String, u64, i64)>,
    /// Whether nothing more comes after what there is.
    pub ended: bool,
    /// Rows of an epoch of a file; none makes the whole file one epoch.
    epoch_rows: Option<usize>,
    /// The epoch at which files loaded now begin.
    base: u64,
    /// What the clock read in each epoch, in microseconds.
    pub clock: Vec<(u64, i64)>,
    /// What `SET now` says that the clock reads; without it the machine's clock counts.
    set: Option<i64>,
    functions: Functions,
}

impl Tables {
    /// No tables yet; files will be cut into epochs of some rows, and changes may call some functions.
    pub fn new(epoch_rows: Option<usize>, functions: Functions) -> Self {
        Tables { epoch_rows, functions, ..Tables::default() }
    }

    /// What the clock reads.
    pub fn now(&self) -> i64 {
        self.set.unwrap_or_else(now_micros)
    }

    /// Sets the clock; the tables do not change, but what hangs on the clock does, so it is an epoch.
    pub fn set_now(&mut self, micros: i64) -> Result<(), String> {
        if self.set.is_some_and(|before| micros < before) {
            return Err("the clock does not go back".into());
        }
        self.set = Some(micros);
        self.seal()
    }

    /// Adds an empty table.
    pub fn add(&mut self, name: &str, schema: SchemaRef, key: Vec<usize>, event_time: Option<EventTime>) {
        let rows = RecordBatch::new_empty(schema.clone());
        self.tables.insert(name.to_string(), Table { schema, key, rows, clock: EventClock::new(event_time), file: None });
    }

    /// Takes a table away.
    pub fn remove(&mut self, name: &str) {
        self.tables.remove(name);
        self.history.retain(|(_, table, _)| table != name);
        self.watermarks.retain(|(table, ..)| table != name);
    }

    /// Whether there is a table of a name.
    pub fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// Moves a table's watermark for rows that come in at an epoch. Where its file stays where it is, the run does this.
    fn advance(&mut self, name: &str, rows: &RecordBatch, epoch: u64) -> Result<(), String> {
        let Some(table) = self.tables.get_mut(name).filter(|t| t.file.as_ref().is_none_or(|f| f.held)) else { return Ok(()) };
        table.clock.take(rows)?;
        if let Some(watermark) = table.clock.close() {
            self.watermarks.push((name.to_string(), epoch, watermark));
        }
        Ok(())
    }

    /// Name and columns of every table.
    pub fn schemas(&self) -> impl Iterator<Item = (&String, &SchemaRef)> {
        self.tables.iter().map(|(name, table)| (name, &table.schema))
    }

    /// Files of tables whose rows have no key.
    pub fn files(&self) -> impl Iterator<Item = FileTable<'_>> {
        self.tables.iter().filter_map(|(table, t)| {
            let file = t.file.as_ref()?;
            Some(FileTable { table, rows: &file.rows, clock: &t.clock, event_time: t.clock.column(), held: file.held })
        })
    }

    /// Changes that statements made: those of the history but for rows of files without a key.
    pub fn statements(&self) -> impl Iterator<Item = &(u64, String, Updates)> {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        self.history.iter().filter(move |(_, table, _)| {
            let of_file = self.tables.get(table).and_then(|t| t.file.as_ref()).map_or(0, |f| f.changes);
            let number = seen.entry(table).or_default();
            *number += 1;
            *number > of_file
        })
    }

    /// Gives a table the rows of a file; they stay there when nothing needs them as a whole.
    pub fn attach(&mut self, name: &str, file: TableFile, found_by_name: bool, held: bool) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let (schema, size) = (table.schema.clone(), self.epoch_rows.map(|rows| rows as u64));
        let rows = match found_by_name {
            true => FileRows::by_name(file, schema, self.base, size)?,
            false => FileRows::by_position(file, schema, self.base, size),
        };
        let (keyed, before) = (!table.key.is_empty(), self.history.len());
        if held || keyed {
            let mut columns = rows.reading(|_| true);
            let whole = rows.file.whole().map_err(|e| e.to_string())?;
            let whole: Vec<RecordBatch> = whole.iter().map(|batch| columns.rows(batch)).collect::<Result<_, _>>()?;
            self.load(name, &whole)?;
        } else {
            self.clock.push((self.base, self.now()));
            self.epoch = self.epoch.max(self.base);
        }
        let changes = self.history.len() - before;
        if let Some(table) = self.tables.get_mut(name).filter(|_| !keyed) {
            table.file = Some(OwnFile { rows, held, changes, count: None });
        }
        Ok(())
    }

    /// Makes sure that it is known in which epoch each file ends that stays where it is, but for those of some tables.
    pub fn count_files(&mut self, but: impl Fn(&str) -> bool) -> Result<(), String> {
        for (name, table) in &mut self.tables {
            let Some(file) = table.file.as_mut().filter(|f| !f.held && f.rows.epoch_rows.is_some() && !but(name)) else { continue };
            if file.count.is_none() {
                let fail = |e: arrow::error::ArrowError| format!("could not read table \"{name}\": {e}");
                file.count = Some(count_rows(&file.rows.file).map_err(fail)?);
            }
            self.epoch = self.epoch.max(file.rows.last_epoch(file.count.unwrap_or(0)));
        }
        Ok(())
    }

    /// Notes how many rows a file has.
    pub fn counted(&mut self, name: &str, rows: u64) {
        if let Some(file) = self.tables.get_mut(name).and_then(|t| t.file.as_mut()) {
            file.count = Some(rows);
            self.epoch = self.epoch.max(file.rows.last_epoch(rows));
        }
    }

    /// Puts rows into a table: at one epoch, or at as many as there are of `epoch_rows` rows.
    fn load(&mut self, name: &str, batches: &[RecordBatch]) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let rows = concat_batches(&table.schema, batches).map_err(|e| e.to_string())?;
        let keyed = !table.key.is_empty();
        if !keyed {
            table.rows = concat_batches(&table.schema, [&table.rows, &rows]).map_err(|e| e.to_string())?;
        }
        let size = self.epoch_rows.unwrap_or(usize::MAX).clamp(1, rows.num_rows().max(1));
        for (number, from) in (0..rows.num_rows().max(1)).step_by(size).enumerate() {
            let part = rows.slice(from, size.min(rows.num_rows() - from));
            let updates = if keyed { self.put(name, &part)? } else { Updates::insertions(part.clone()) };
            let epoch = self.base + number as u64;
            let new = if keyed { come(&updates)? } else { part };
            self.advance(name, &new, epoch)?;
            self.history.push((epoch, name.to_string(), updates));
            self.clock.push((epoch, self.now()));
            self.epoch = self.epoch.max(epoch);
        }
        Ok(())
    }

    /// Puts rows into a table with a key: of several rows with one key the last one counts.
    fn put(&mut self, name: &str, rows: &RecordBatch) -> Result<Updates, String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let come = table.newest_by_key(rows)?;
        let gone = table.with_keys_of(&come)?;
        let kept = if gone.num_rows() > 0 { without(&table.rows, &gone)? } else { table.rows.clone() };
        table.rows = concat_batches(&table.schema, [&kept, &come]).map_err(|e| e.to_string())?;
        replacement(&gone, &come)
    }

    /// Gives a table its changes of the epochs from 0 on.
    pub fn feed(&mut self, name: &str, epochs: &[Updates]) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let all = merge(epochs, &table.schema).map_err(|e| e.to_string())?;
        let times = (0..all.rows.num_rows()).flat_map(|row| std::iter::repeat_n(row as u32, usize::try_from(all.diff(row)).unwrap_or(0)));
        table.rows = take_rows(&all.rows, &UInt32Array::from_iter_values(times)).map_err(|e| e.to_string())?;
        for (epoch, updates) in epochs.iter().enumerate() {
            self.advance(name, &updates.rows, epoch as u64)?;
            self.history.push((epoch as u64, name.to_string(), updates.clone()));
            self.clock.push((epoch as u64, self.now()));
            self.epoch = self.epoch.max(epoch as u64);
        }
        self.base = self.epoch;
        Ok(())
    }

    /// Changes a table at the open epoch.
    pub fn apply(&mut self, name: &str, gone: RecordBatch, come: RecordBatch) -> Result<bool, String> {
        self.replace(name, gone, Some(come))
    }

    /// Closes the open epoch.
    pub fn seal(&mut self) -> Result<(), String> {
        self.count_files(|_| false)?;
        self.epoch += 1;
        self.base = self.epoch;
        self.clock.push((self.epoch, self.now()));
        for (name, updates) in std::mem::take(&mut self.open) {
            self.advance(&name, &come(&updates)?, self.epoch)?;
            self.history.push((self.epoch, name, updates));
        }
        Ok(())
    }

    /// Rows of every table as they stand.
    fn current(&self) -> Vec<(String, RecordBatch)> {
        self.tables.iter().map(|(name, table)| (name.clone(), table.rows.clone())).collect()
    }

    /// Carries out a change; whether it changed anything.
    pub fn change(&mut self, statement: &Statement) -> Result<bool, String> {
        let (name, gone, come) = match statement {
            Statement::Insert(insert) => self.insert(insert)?,
            Statement::Update(update) => self.update(update)?,
            Statement::Delete(delete) => {
                let from = match &delete.from {
                    FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from) => from,
                };
                let name = plain_table(from.first().map(|f| &f.relation))?;
                let gone = self.selected(&name, "*", delete.selection.as_ref().map(ToString::to_string))?;
                (name, gone, None)
            }
            other => return Err(format!("{other} is not supported yet")),
        };
        self.replace(&name, gone, come)
    }

    fn table(&self, name: &str) -> Result<&Table, String> {
        self.tables.get(name).ok_or_else(|| format!("there is no table \"{name}\""))
    }

    fn insert(&self, insert: &Insert) -> Result<(String, RecordBatch, Option<RecordBatch>), String> {
        let TableObject::TableName(name) = &insert.table else { return Err("INSERT needs a table".into()) };
        let name = table_name(name)?;
        let table = self.table(&name)?;
        let source = insert.source.as_ref().ok_or("INSERT needs VALUES or a query")?;
        let rows = answer_with(&source.to_string(), &self.current(), Some(self.now()), &self.functions)?;
        let rows = match insert.columns.is_empty() {
            true => conform(&rows, &table.schema)?,
            false => by_name(
                &rows,
                &insert.columns.iter().map(|c| c.0.last().and_then(|p| p.as_ident()).map(normal).unwrap_or_default()).collect::<Vec<_>>(),
                &table.schema,
            )?,
        };
        let gone = match table.key.is_empty() {
            true => RecordBatch::new_empty(table.schema.clone()),
            false => table.with_keys_of(&rows)?,
        };
        let rows = if table.key.is_empty() { rows } else { table.newest_by_key(&rows)? };
        Ok((name, gone, Some(rows)))
    }

    fn update(&self, update: &datafusion::sql::sqlparser::ast::Update) -> Result<(String, RecordBatch, Option<RecordBatch>), String> {
        let name = plain_table(Some(&update.table.relation))?;
        let table = self.table(&name)?;
        let mut assigned: HashMap<String, String> = HashMap::new();
        for assignment in &update.assignments {
            let AssignmentTarget::ColumnName(column) = &assignment.target else {
                return Err("UPDATE of several columns at once is not supported yet".into());
            };
            let column = table_name(column)?;
            if table.schema.column_with_name(&column).is_none() {
                return Err(format!("table \"{name}\" has no column \"{column}\""));
            }
            assigned.insert(column, assignment.value.to_string());
        }
        let column = |f: &std::sync::Arc<arrow::datatypes::Field>| match assigned.get(f.name()) {
            Some(value) => format!("{value} AS \"{}\"", f.name()),
            None => format!("\"{}\"", f.name()),
        };
        let columns: Vec<String> = table.schema.fields().iter().map(column).collect();
        let condition = update.selection.as_ref().map(ToString::to_string);
        let gone = self.selected(&name, "*", condition.clone())?;
        let come = self.selected(&name, &columns.join(", "), condition)?;
        Ok((name, gone, Some(come)))
    }

    fn selected(&self, name: &str, columns: &str, condition: Option<String>) -> Result<RecordBatch, String> {
        let table = self.table(name)?;
        let filter = condition.map(|c| format!(" WHERE {c}")).unwrap_or_default();
        let rows = answer_with(&format!("SELECT {columns} FROM \"{name}\"{filter}"), &self.current(), Some(self.now()), &self.functions)?;
        conform(&rows, &table.schema)
    }

    fn replace(&mut self, name: &str, gone: RecordBatch, come: Option<RecordBatch>) -> Result<bool, String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let come = come.unwrap_or_else(|| RecordBatch::new_empty(table.schema.clone()));
        // Where rows stay in a file nothing asks for what the table holds.
        if table.file.as_ref().is_none_or(|f| f.held) {
            let kept = if gone.num_rows() > 0 { without(&table.rows, &gone)? } else { table.rows.clone() };
            table.rows = concat_batches(&table.schema, [&kept, &come]).map_err(|e| e.to_string())?;
        }
        let updates = replacement(&gone, &come)?;
        let changed = updates.rows.num_rows() > 0;
        self.open.push((name.to_string(), updates));
        Ok(changed)
    }
}

/// The rows that come, of some changes.
fn come(updates: &Updates) -> Result<RecordBatch, String> {
    let Some(diffs) = &updates.diffs else { return Ok(updates.rows.clone()) };
    let new: BooleanArray = diffs.iter().map(|d| Some(d > Some(0))).collect();
    filter_record_batch(&updates.rows, &new).map_err(|e| e.to_string())
}

/// Rows that go and rows that come, as changes.
fn replacement(gone: &RecordBatch, come: &RecordBatch) -> Result<Updates, String> {
    let diffs: Int64Array = std::iter::repeat_n(-1, gone.num_rows()).chain(std::iter::repeat_n(1, come.num_rows())).collect();
    let rows = concat_batches(&come.schema(), [gone, come]).map_err(|e| e.to_string())?;
    Ok(if gone.num_rows() == 0 { Updates::insertions(rows) } else { Updates::changes(rows, diffs) })
}

impl Table {
    fn key_rows(&self, rows: &RecordBatch) -> Result<Vec<OwnedRow>, String> {
        encoded(&rows.project(&self.key).map_err(|e| e.to_string())?)
    }

    /// Rows that have a key of `new`.
    fn with_keys_of(&self, new: &RecordBatch) -> Result<RecordBatch, String> {
        let keys: std::collections::HashSet<OwnedRow> = self.key_rows(new)?.into_iter().collect();
        let mask: BooleanArray = self.key_rows(&self.rows)?.iter().map(|k| Some(keys.contains(k))).collect();
        filter_record_batch(&self.rows, &mask).map_err(|e| e.to_string())
    }

    /// Of rows with one key the last.
    fn newest_by_key(&self, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let keys = self.key_rows(rows)?;
        let last: HashMap<&OwnedRow, usize> = keys.iter().enumerate().map(|(i, k)| (k, i)).collect();
        let mask: BooleanArray = keys.iter().enumerate().map(|(i, k)| Some(last.get(k) == Some(&i))).collect();
        filter_record_batch(rows, &mask).map_err(|e| e.to_string())
    }
}

fn encoded(rows: &RecordBatch) -> Result<Vec<OwnedRow>, String> {
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let converted = RowConverter::new(fields).and_then(|c| c.convert_columns(rows.columns())).map_err(|e| e.to_string())?;
    Ok(converted.iter().map(|r| r.owned()).collect())
}

/// Rows less others, each as often as it stands there.
fn without(rows: &RecordBatch, gone: &RecordBatch) -> Result<RecordBatch, String> {
    let mut counts: HashMap<OwnedRow, usize> = HashMap::new();
    for row in encoded(gone)? {
        *counts.entry(row).or_default() += 1;
    }
    let keep = |row: OwnedRow| match counts.get_mut(&row) {
        Some(count) if *count > 0 => {
            *count -= 1;
            Some(false)
        }
        _ => Some(true),
    };
    let mask: BooleanArray = encoded(rows)?.into_iter().map(keep).collect();
    debug_assert_eq!(mask.len(), rows.num_rows());
    filter_record_batch(rows, &mask).map_err(|e| e.to_string())
}

/// Rows of named columns as rows of the table; columns not named are null.
fn by_name(rows: &RecordBatch, names: &[String], schema: &SchemaRef) -> Result<RecordBatch, String> {
    if rows.num_columns() != names.len() {
        return Err(format!("{} columns are named, but {} are given", names.len(), rows.num_columns()));
    }
    if let Some(unknown) = names.iter().find(|n| schema.column_with_name(n).is_none()) {
        return Err(format!("the table has no column \"{unknown}\""));
    }
    let column = |f: &std::sync::Arc<arrow::datatypes::Field>| match names.iter().position(|n| n == f.name()) {
        Some(i) => arrow::compute::cast(rows.column(i), f.data_type()).map_err(|e| e.to_string()),
        None => Ok(arrow::array::new_null_array(f.data_type(), rows.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| e.to_string())
}

fn plain_table(factor: Option<&TableFactor>) -> Result<String, String> {
    match factor {
        Some(TableFactor::Table { name, .. }) => table_name(name),
        _ => Err("a change needs one plain table".into()),
    }
}

/// The table that a statement takes rows from.
pub fn takes_away(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Update(update) => plain_table(Some(&update.table.relation)).ok(),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            plain_table(from.first().map(|f| &f.relation)).ok()
        }
        _ => None,
    }
}

/// Whether a statement changes tables. A sink is none: what is put into it goes to its file.
pub fn changes(statement: &Statement, sinks: &HashSet<String>) -> bool {
    let sink = |name: &ObjectName| table_name(name).is_ok_and(|name| sinks.contains(&name));
    match statement {
        Statement::Update(_) | Statement::Delete(_) | Statement::Set(_) => true,
        Statement::CreateTable(create) => !sink(&create.name),
        Statement::Insert(insert) => !matches!(&insert.table, TableObject::TableName(name) if sink(name)),
        _ => false,
    }
}
