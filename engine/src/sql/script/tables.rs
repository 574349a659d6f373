//! The tables of a script: what each holds now, and what each epoch changed. How statements change them stands in files of
//! their own: `insert`, `update` (and delete), `merge`; the rows that are held in `rows`; columns that a table makes itself in `columns`; rows of files in `from_file`.

pub mod columns;
mod from_file;
mod insert;
mod merge;
mod rows;
mod update;

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, is_not_null};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::sql::sqlparser::ast::{Expr, FromTable, ObjectName, Statement, TableFactor, TableObject};
use datafusion::sql::sqlparser::parser::Parser;

use super::batch::answer_over;
use super::event_time::{EventClock, EventTime};
use super::idle::{Clock, Seen, marks};
use super::options::Idle;
use super::table_name;
use crate::clock::now_micros;
use crate::flow::gather::merge;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::Functions;
use crate::sql::dialect::Sql;
use crate::sql::watermark::IDLE;
use columns::{Around, Columns};
use from_file::OwnFile;
pub use from_file::{FileTable, passes};
use rows::Rows;

/// A table.
struct Table {
    schema: SchemaRef,
    columns: Columns,
    /// Columns of the primary key; none when there is none.
    key: Vec<usize>,
    rows: Rows,
    clock: EventClock,
    file: Option<OwnFile>,
    idle: Option<Idle>,
    /// The table that keeps the versions of its rows (`versions.rs`).
    versions: Option<String>,
    /// The epoch that it is there from.
    since: u64,
}

/// What a statement does to a table: rows that go, and rows that come.
struct Change {
    name: String,
    gone: RecordBatch,
    come: RecordBatch,
}

/// Tables with their history.
#[derive(Default)]
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

    /// Sets the clock; the tables do not change, but what hangs on the clock does, so it is an epoch. The clock of a script does not
    /// go back, so before it is first set it had read no later than that.
    pub fn set_now(&mut self, micros: i64) -> Result<(), String> {
        if self.set.is_some_and(|before| micros < before) {
            return Err("the clock does not go back".into());
        }
        if self.set.is_none() {
            self.clock.iter_mut().for_each(|(_, read)| *read = micros.min(*read));
        }
        self.set = Some(micros);
        self.seal()
    }

    /// Adds an empty table; `looked_at` says whether statements look at its rows. Where there is a key they all do.
    pub fn add(&mut self, name: &str, schema: SchemaRef, key: Vec<usize>, event_time: Option<EventTime>, looked_at: bool) {
        let rows = Rows::new(schema.clone(), &key, looked_at || !key.is_empty());
        let columns = Columns::default();
        self.tables.insert(
            name.to_string(),
            Table {
                schema,
                columns,
                key,
                rows,
                clock: EventClock::new(event_time),
                file: None,
                idle: None,
                versions: None,
                since: self.base,
            },
        );
    }

    /// Says for how long a table still counts for watermarks when no rows come.
    pub fn set_idle(&mut self, name: &str, idle: Option<Idle>) {
        if let Some(table) = self.tables.get_mut(name) {
            table.idle = idle;
        }
    }

    /// Says which table keeps the versions of a table's rows: it has the same columns, and a key that ends with their time.
    pub fn set_versions(&mut self, name: &str, of: &str) {
        if let Some(table) = self.tables.get_mut(name) {
            table.versions = Some(of.to_string());
        }
    }

    /// Says which columns a table makes itself.
    pub fn set_columns(&mut self, name: &str, columns: Columns) {
        if let Some(table) = self.tables.get_mut(name) {
            table.columns = columns;
        }
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

    /// Finds when tables are idle; watermarks are then in the order of epochs, those of tables with rows first.
    pub fn find_idle(&mut self) -> Result<(), String> {
        self.watermarks.retain(|(.., micros)| *micros != IDLE);
        if self.tables.values().all(|t| t.idle.is_none()) {
            return Ok(());
        }
        // How long a table had no rows shows in how many epochs there are.
        self.count_files(|_| false)?;
        let clock = Clock::new(&self.clock);
        for (name, table) in &self.tables {
            if let (Some(idle), Some(time)) = (table.idle, table.clock.column()) {
                let seen = Seen { name, idle, time, since: table.since };
                let said: Vec<u64> = self.watermarks.iter().filter(|(table, ..)| table == name).map(|(_, epoch, _)| *epoch).collect();
                self.watermarks.extend(marks(&seen, &self.history, &clock, self.epoch, &said)?);
            }
        }
        self.watermarks.sort_by_key(|(_, epoch, micros)| (*epoch, *micros == IDLE));
        Ok(())
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

    /// Columns of a table's primary key.
    pub fn key(&self, name: &str) -> Vec<String> {
        self.tables.get(name).map(|t| t.key_names().collect()).unwrap_or_default()
    }

    /// Gives a table its changes of the epochs from 0 on.
    pub fn feed(&mut self, name: &str, epochs: &[Updates]) -> Result<(), String> {
        self.feed_from(name, 0, epochs)?;
        self.base = self.epoch;
        Ok(())
    }

    /// Gives an empty table the changes of a file, epoch by epoch.
    pub fn load_changes(&mut self, name: &str, epochs: &[Updates]) -> Result<(), String> {
        self.feed_from(name, self.base, epochs)
    }

    fn feed_from(&mut self, name: &str, first: u64, epochs: &[Updates]) -> Result<(), String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        if table.rows.are_held() {
            let all = merge(epochs, &table.schema).map_err(|e| e.to_string())?;
            let times =
                (0..all.rows.num_rows()).flat_map(|row| std::iter::repeat_n(row as u32, usize::try_from(all.diff(row)).unwrap_or(0)));
            table.rows.add(&take_rows(&all.rows, &UInt32Array::from_iter_values(times)).map_err(|e| e.to_string())?)?;
        }
        for (epoch, updates) in (first..).zip(epochs) {
            self.advance(name, &come_of(updates)?, epoch)?;
            self.history.push((epoch, name.to_string(), updates.clone()));
            self.clock.push((epoch, self.now()));
            self.epoch = self.epoch.max(epoch);
        }
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
            self.advance(&name, &come_of(&updates)?, self.epoch)?;
            self.history.push((self.epoch, name, updates));
        }
        Ok(())
    }

    /// Carries out a change, which may read some rows beside the tables; whether it changed anything.
    pub fn change(&mut self, statement: &Statement, more: &[(String, RecordBatch)]) -> Result<bool, String> {
        // All rows are looked at, perhaps more than once.
        for name in takes_away(statement) {
            self.tables.get_mut(&name).map_or(Ok(()), |table| table.rows.join())?;
        }
        let changes = match statement {
            Statement::Insert(insert) => self.insert(insert, more)?,
            Statement::Update(update) => vec![self.update(update, more)?],
            Statement::Delete(delete) => vec![self.delete(delete, more)?],
            Statement::Merge(merge) => vec![self.merge(merge, more)?],
            Statement::Truncate(truncate) => self.truncate(truncate)?,
            other => return Err(format!("{other} is not supported yet")),
        };
        for Change { name, come, .. } in &changes {
            self.table(name)?
                .keys_are_given(come)
                .map_err(|column| format!("column \"{column}\" of the PRIMARY KEY of table \"{name}\" cannot be NULL: give it a value"))?;
        }
        let mut any = false;
        for Change { name, gone, come } in changes {
            any |= self.replace(&name, gone, Some(come))?;
        }
        Ok(any)
    }

    /// Rows that are versions: those with a time.
    fn timed(&self, versions: &str, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let Some(time) = self.table(versions)?.key.last().and_then(|time| rows.columns().get(*time)) else { return Ok(rows.clone()) };
        is_not_null(time).and_then(|timed| filter_record_batch(rows, &timed)).map_err(|e| e.to_string())
    }

    fn table(&self, name: &str) -> Result<&Table, String> {
        self.tables.get(name).ok_or_else(|| format!("there is no table \"{name}\""))
    }

    /// What a query gives over the tables as they stand, and over some rows that may stand for one of them.
    fn read(&self, text: &str, more: &[(String, RecordBatch)]) -> Result<RecordBatch, String> {
        let named = |name: &str| match more.iter().find(|(m, _)| m == name) {
            Some((_, rows)) => Some(Ok(rows.clone())),
            None => self.tables.get(name).map(|table| table.rows.whole()),
        };
        answer_over(text, &named, Some(self.now()), &self.functions)
    }

    /// What expressions of columns may ask for.
    pub fn around(&self) -> Around<'_> {
        Around { now: self.now(), functions: &self.functions }
    }

    fn replace(&mut self, name: &str, gone: RecordBatch, come: Option<RecordBatch>) -> Result<bool, String> {
        let table = self.tables.get_mut(name).ok_or_else(|| format!("there is no table \"{name}\""))?;
        let come = come.unwrap_or_else(|| RecordBatch::new_empty(table.schema.clone()));
        table.rows.take_away(&gone)?;
        table.rows.add(&come)?;
        let updates = replacement(&gone, &come)?;
        let changed = updates.rows.num_rows() > 0;
        self.open.push((name.to_string(), updates));
        Ok(changed)
    }
}

/// Rows that come, without those that go.
fn come_of(updates: &Updates) -> Result<RecordBatch, String> {
    let Some(diffs) = &updates.diffs else { return Ok(updates.rows.clone()) };
    let come: BooleanArray = diffs.iter().map(|d| Some(d > Some(0))).collect();
    filter_record_batch(&updates.rows, &come).map_err(|e| e.to_string())
}

/// Rows that go and rows that come, as changes.
fn replacement(gone: &RecordBatch, come: &RecordBatch) -> Result<Updates, String> {
    let diffs: Int64Array = std::iter::repeat_n(-1, gone.num_rows()).chain(std::iter::repeat_n(1, come.num_rows())).collect();
    let rows = concat_batches(&come.schema(), [gone, come]).map_err(|e| e.to_string())?;
    Ok(if gone.num_rows() == 0 { Updates::insertions(rows) } else { Updates::changes(rows, diffs) })
}

impl Table {
    /// Names of the columns of the primary key.
    fn key_names(&self) -> impl Iterator<Item = String> + '_ {
        self.key.iter().filter_map(|i| self.schema.fields().get(*i)).map(|f| f.name().clone())
    }

    /// Whether no column of the key is NULL in some rows, or which one is.
    fn keys_are_given(&self, rows: &RecordBatch) -> Result<(), String> {
        let null = self.key.iter().find(|i| rows.columns().get(**i).is_some_and(|c| c.logical_null_count() > 0));
        match null.and_then(|i| self.schema.fields().get(*i)) {
            Some(field) => Err(field.name().clone()),
            None => Ok(()),
        }
    }

    /// Whether each key is there once when some rows have gone and others have come.
    fn keys_stay(&self, gone: &RecordBatch, come: &RecordBatch, what: &str) -> Result<(), String> {
        match self.rows.keys_stay(gone, come)? {
            true => Ok(()),
            false => Err(format!("{what} would give the table two rows with one key")),
        }
    }

    /// Of rows with one key the last.
    fn newest_by_key(&self, rows: &RecordBatch) -> Result<RecordBatch, String> {
        let keys = self.rows.keys_of(rows)?;
        let last: HashMap<&OwnedRow, usize> = keys.iter().enumerate().map(|(i, k)| (k, i)).collect();
        let mask: BooleanArray = keys.iter().enumerate().map(|(i, k)| Some(last.get(k) == Some(&i))).collect();
        filter_record_batch(rows, &mask).map_err(|e| e.to_string())
    }
}

/// Rows as bytes that are equal when the rows are.
pub fn encoded(rows: &RecordBatch) -> Result<Vec<OwnedRow>, String> {
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let converted = RowConverter::new(fields).and_then(|c| c.convert_columns(rows.columns())).map_err(|e| e.to_string())?;
    Ok(converted.iter().map(|r| r.owned()).collect())
}

/// An expression from its text.
fn expression(text: &str) -> Result<Expr, String> {
    Parser::new(&Sql).try_with_sql(text).and_then(|mut p| p.parse_expr()).map_err(|e| e.to_string())
}

fn plain_table(factor: Option<&TableFactor>) -> Result<String, String> {
    match factor {
        Some(TableFactor::Table { name, .. }) => table_name(name),
        _ => Err("a change needs one plain table".into()),
    }
}

/// The tables that a statement may take rows from.
pub fn takes_away(statement: &Statement) -> Vec<String> {
    match statement {
        Statement::Update(update) => plain_table(Some(&update.table.relation)).into_iter().collect(),
        Statement::Merge(merge) => plain_table(Some(&merge.table)).into_iter().collect(),
        Statement::Truncate(truncate) => truncate.table_names.iter().filter_map(|t| table_name(&t.name).ok()).collect(),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            plain_table(from.first().map(|f| &f.relation)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a statement changes tables. A sink is none: what is put into it goes to its file.
pub fn changes(statement: &Statement, sinks: &HashSet<String>) -> bool {
    let sink = |name: &ObjectName| table_name(name).is_ok_and(|name| sinks.contains(&name));
    match statement {
        Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) | Statement::Set(_) => true,
        Statement::CreateTable(create) => !sink(&create.name),
        Statement::Insert(insert) => !matches!(&insert.table, TableObject::TableName(name) if sink(name)),
        _ => false,
    }
}
