//! Runs a SQL file statement by statement: tables and views, changes of tables as epochs, queries answered by the
//! incremental engine.
//!
//! Files given as tables come in at epoch 0, and stay where they are if nothing needs their rows as a whole. Each `INSERT`,
//! `UPDATE` or `DELETE` after that is one epoch, numbered from 1; `BEGIN; … COMMIT;` makes several one. A query sees all epochs
//! before it. Not here: printing (the CLI's).

mod apart;
mod batch;
mod create;
mod debezium;
mod definition;
mod digests;
mod drive;
mod durable;
mod event_time;
mod failure;
mod files;
mod held;
mod idle;
mod job;
mod options;
mod ordered;
mod outcome;
mod outlet;
mod own_files;
mod prepare;
mod recorder;
mod refuse;
mod settings;
mod shown;
mod sinks;
mod stream;
mod tables;
mod versions;
mod workers;
mod writing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::SortExpr;
use datafusion::sql::sqlparser::ast::{DescribeAlias, ObjectName, Query, Statement};

use super::SqlProblem;
use super::catalog::{Catalog, Functions};
use super::problem::said;
use super::program::{LATE_ROWS, Program, ROW_ERRORS, normal};
use super::render::{error_schema, late_schema};
use super::rewrite::{apart, numbered};
use super::stack::deep;
use super::statement::{Parsed, parse};
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
pub use batch::{answer as batch_answer, answer_that_wraps};
use definition::Definition;
use durable::Durable;
pub use durable::{Every, RestoreOptions, SnapshotOptions};
use failure::Failure;
use littoral_connectors::files::table::TableFile;
use ordered::Ordered;
use outlet::Outlet;
use sinks::Sink;
use tables::Tables;

/// The name under which a query stands among the views.
const QUERY: &str = "query result";

/// How a script is run.
#[derive(Clone, Debug, Default)]
pub struct ScriptOptions {
    /// Tables from files: name and path.
    pub tables: Vec<(String, PathBuf)>,
    /// Tables from memory: name, columns, and what each epoch from 0 changes.
    pub feeds: Vec<(String, SchemaRef, Vec<Updates>)>,
    /// Timely workers.
    pub workers: usize,
    /// Rows of an epoch of a table that is loaded from a file; none makes the whole file one epoch.
    pub epoch_rows: Option<usize>,
    /// Bytes of a block in which a file of text is read; none means 256 KiB.
    pub block_bytes: Option<usize>,
    /// Snapshots to be written.
    pub snapshots: Option<SnapshotOptions>,
    /// Snapshots to go on from.
    pub restore: Option<RestoreOptions>,
    /// Functions that the script may call.
    pub functions: Functions,
}

/// What a query gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows at the end, in order.
    pub rows: RecordBatch,
    /// What each epoch changed.
    pub changes: Vec<(u64, Updates)>,
    /// Rows that have no answer, with why: columns `view` and `error`.
    pub errors: RecordBatch,
}

/// Why a script stopped.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// What was given is wrong.
    #[error("{0}")]
    Given(Box<SqlProblem>),
    /// A table's file cannot be read.
    #[error("could not read table \"{table}\" from \"{path}\": {cause}")]
    File {
        /// The table.
        table: String,
        /// The file.
        path: String,
        /// What went wrong.
        cause: String,
    },
    /// Running failed.
    #[error("could not run the query: {0}")]
    Running(String),
}

/// A script under way.
struct Script {
    catalog: Catalog,
    program: Program,
    tables: Tables,
    views: Vec<String>,
    options: ScriptOptions,
    /// Answers given so far, which number the runs that snapshots are of.
    answered: usize,
    /// Tables from which the script takes rows away.
    changed: HashSet<String>,
    /// What is asked for as of a time.
    versioned: HashSet<String>,
    /// Tables whose rows statements look at: they do not stay in their file.
    held: HashSet<String>,
    /// The file that could not be read, when that is why a statement failed.
    unread: Option<ScriptError>,
    /// Tables of which rows only come, as they say themselves.
    append_only: HashSet<String>,
    /// Files that are written.
    sinks: HashMap<String, Sink>,
    /// Files that tables read.
    read_files: BTreeMap<String, PathBuf>,
    /// Sinks that queries feed until the end: name, query, whether only of final rows.
    fed: Vec<(String, Box<Query>, bool)>,
    /// The place of the last statement that changes a table: after it the input has ended.
    last_change: usize,
    /// The open `BEGIN`, with whether anything has changed in it.
    open: Option<bool>,
}

/// Runs a script; gives the answer of each `SELECT`, or of the last view when there is none and no sink was written.
///
/// # Errors
/// With the first statement that cannot be run.
pub fn run(file: &str, text: &str, options: &ScriptOptions) -> Result<Vec<Answer>, ScriptError> {
    deep(|| run_all(file, text, options))
}

fn run_all(file: &str, text: &str, options: &ScriptOptions) -> Result<Vec<Answer>, ScriptError> {
    let statements = parse(file, text).map_err(|p| ScriptError::Given(Box::new(p)))?;
    let sink = |s: &Parsed| match &s.statement {
        Statement::CreateTable(create) if s.sink.is_some() || definition::is_sink(create, &s.taken) => table_name(&create.name).ok(),
        _ => None,
    };
    let sinks: HashSet<String> = statements.iter().filter_map(sink).collect();
    let mut catalog = Catalog::new();
    catalog.add_functions(&options.functions).map_err(ScriptError::Running)?;
    catalog.add_table(ROW_ERRORS, error_schema());
    catalog.add_table(LATE_ROWS, late_schema());
    let changed = statements.iter().flat_map(|s| tables::takes_away(&s.statement)).collect();
    let mut script = Script {
        catalog,
        program: Program::new(Vec::new()),
        tables: Tables::new(options.epoch_rows, options.functions.clone()),
        views: Vec::new(),
        options: ScriptOptions { tables: Vec::new(), feeds: Vec::new(), ..options.clone() },
        answered: 0,
        versioned: versions::asked(statements.iter().map(|s| &s.statement), &changed),
        changed,
        held: held::tables(statements.iter().map(|s| &s.statement), &sinks),
        unread: None,
        append_only: HashSet::new(),
        sinks: HashMap::new(),
        read_files: BTreeMap::new(),
        fed: Vec::new(),
        last_change: statements.iter().rposition(|s| tables::changes(&s.statement, &sinks)).map_or(0, |i| i + 1),
        open: None,
    };
    for (name, path) in &options.tables {
        let fail = |cause: String| ScriptError::File { table: name.clone(), path: path.display().to_string(), cause };
        let file = TableFile::found(path).map_err(|e| fail(e.to_string()))?;
        script.add_table(name, Definition::plain(batch::micros(file.columns())));
        script.reads_file(name, path).and_then(|()| script.attach_file(name, file, false)).map_err(fail)?;
    }
    for (name, schema, epochs) in &options.feeds {
        script.add_table(name, Definition::plain(schema.clone()));
        script.tables.feed(name, epochs).map_err(ScriptError::Running)?;
        let grows = epochs.iter().all(|u| u.diffs.is_none()) && !script.changed.contains(name);
        script.program.set_append_only(name, grows);
    }
    let mut answers = Vec::new();
    for (index, parsed) in statements.iter().enumerate() {
        script.tables.ended = index >= script.last_change;
        let at = |message: String| ScriptError::Given(Box::new(SqlProblem::at(message, file, text, parsed.line, parsed.column)));
        answers.extend(script.statement(parsed).map_err(|why| script.unread.take().unwrap_or_else(|| at(why)))?);
    }
    let last = script.end(answers.is_empty());
    answers.extend(last.map_err(|why| script.unread.take().unwrap_or(ScriptError::Running(why)))?);
    Ok(answers)
}

impl Script {
    /// Ends the script: sinks are written. Where there was no query, not for a sink either, the last view is answered.
    fn end(&mut self, without_query: bool) -> Result<Vec<Answer>, String> {
        if self.open.is_some() {
            self.commit()?;
        }
        self.tables.ended = true;
        let mut answers = self.write_fed()?;
        let wrote = self.sinks.values().any(|sink| sink.begun);
        if let Some(last) = self.views.last().cloned().filter(|_| without_query && !wrote) {
            answers.push(self.answer(&last, &[], 0, None)?);
        }
        Ok(answers)
    }

    /// Runs a view.
    fn execute(&mut self, view: &str, durable: Durable, outlet: Option<Outlet>) -> Result<job::Outcome, String> {
        let workers = self.options.workers.max(1);
        let ran = job::execute(&self.program, &self.tables, view, workers, (durable, outlet)).map_err(|failure| {
            let why = failure.to_string();
            if let Failure::File { table, path, cause } = failure {
                self.unread = Some(ScriptError::File { table, path, cause });
            }
            why
        })?;
        ran.counts.iter().for_each(|(table, rows)| self.tables.counted(table, *rows));
        Ok(ran)
    }

    fn statement(&mut self, parsed: &Parsed) -> Result<Option<Answer>, String> {
        if let Some(part) = refuse::unsupported(&parsed.statement) {
            return Err(format!("{part} is not supported yet"));
        }
        let nothing = |()| None;
        match &parsed.statement {
            Statement::CreateTable(create) => self.create_table(create, parsed).map(nothing),
            Statement::CreateView(view) => self.create_view(view, parsed.emit_final).map(nothing),
            Statement::Query(_) => self.query(parsed.statement.clone(), parsed.emit_final).map(Some),
            Statement::Insert(insert) if self.sink_of(insert).is_some() => self.write(insert, parsed.emit_final),
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) => {
                self.change(&parsed.statement).map(nothing)
            }
            Statement::Explain { statement, analyze, .. } => {
                self.explain(statement.as_ref().clone(), parsed.emit_final, *analyze).map(Some)
            }
            Statement::ExplainTable { describe_alias: DescribeAlias::Explain, table_name: name, .. } => {
                self.explain_view(&table_name(name)?).map(Some)
            }
            Statement::ExplainTable { table_name: name, hive_format: None, .. } => self.describe(&table_name(name)?).map(Some),
            Statement::ShowTables { show_options, .. } => self.show(false, show_options).map(Some),
            Statement::ShowViews { show_options, .. } => self.show(true, show_options).map(Some),
            Statement::Set(set) => self.set(set).map(nothing),
            Statement::StartTransaction { .. } => match self.open.replace(false) {
                Some(_) => Err("BEGIN within BEGIN".into()),
                None => Ok(None),
            },
            Statement::Commit { .. } => match self.open {
                Some(_) => self.commit().map(nothing),
                None => Err("COMMIT without BEGIN".into()),
            },
            Statement::Drop { object_type, names, if_exists, .. } => self.drop(&object_type.to_string(), names, *if_exists).map(nothing),
            other => {
                let text = other.to_string();
                let verb: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(format!("{} is not supported yet", verb.join(" ")))
            }
        }
    }

    /// Carries out a change of tables, which may read views as they stand.
    fn change(&mut self, statement: &Statement) -> Result<(), String> {
        if let Some(table) = tables::takes_away(statement).into_iter().find(|t| self.append_only.contains(t)) {
            return Err(format!("rows of table \"{table}\" only come: it is APPEND ONLY"));
        }
        let read = batch::relations(&batch::written_out(statement));
        let mut rows = Vec::new();
        for view in self.views.clone().into_iter().filter(|v| read.contains(v)) {
            rows.push((view.clone(), self.answer(&view, &[], 0, None)?.rows));
        }
        let changed = self.tables.change(statement, &rows)?;
        self.changed_epoch(changed)
    }

    /// What was changed is an epoch, or a part of the open one.
    fn changed_epoch(&mut self, changed: bool) -> Result<(), String> {
        match &mut self.open {
            Some(any) => {
                *any |= changed;
                Ok(())
            }
            None => self.tables.seal(),
        }
    }

    fn commit(&mut self) -> Result<(), String> {
        self.open = None;
        self.tables.seal()
    }

    fn query(&mut self, statement: Statement, emit_final: bool) -> Result<Answer, String> {
        let plan = self.planned(statement, emit_final)?;
        let answer = self.answer(QUERY, &plan.order, plan.hidden, None);
        self.forget_query();
        answer
    }

    /// Puts a query among the views; what was planned.
    fn planned(&mut self, mut statement: Statement, emit_final: bool) -> Result<Ordered, String> {
        if let Statement::Query(query) = &mut statement {
            apart(query);
        }
        let plan = self.catalog.plan(statement).and_then(numbered).and_then(|p| self.catalog.optimise(p)).map_err(|e| said(&e))?;
        let plan = ordered::of(plan).map_err(|e| said(&e))?;
        self.program.add_plan(&mut self.catalog, QUERY, &plan.plan, emit_final)?;
        Ok(plan)
    }

    fn forget_query(&mut self) {
        self.program.remove(QUERY);
        self.catalog.remove(QUERY);
    }

    /// Runs a view; its last `hidden` columns only order its rows. What goes to an outlet is not in the answer.
    fn answer(&mut self, view: &str, order: &[SortExpr], hidden: usize, outlet: Option<Outlet>) -> Result<Answer, String> {
        let schema = self.program.schema(view).ok_or("the query is not there")?;
        self.answered += 1;
        self.tables.find_idle()?;
        self.tables.count_files(|table| self.program.columns_read(view, table).is_some())?;
        let lasting = (self.options.snapshots.as_ref(), self.options.restore.as_ref());
        let durable = Durable::of(self.answered, lasting, &self.program, &self.tables, view).map_err(|e| e.to_string())?;
        let job::Outcome { mut changes, errors, .. } = self.execute(view, durable, outlet)?;
        let rows = outcome::sum(&changes, &schema).map_err(|e| e.to_string())?;
        let rows = outcome::order(rows, order).map_err(|e| said(&e))?;
        if hidden == 0 {
            return Ok(Answer { schema, rows, changes, errors });
        }
        let shown: Vec<usize> = (0..schema.fields().len() - hidden).collect();
        for (_, updates) in &mut changes {
            let rows = updates.rows.project(&shown).map_err(|e| e.to_string())?;
            let whole = Updates { rows, diffs: updates.diffs.clone() };
            *updates = merge(&[whole], &Arc::new(schema.project(&shown).map_err(|e| e.to_string())?)).map_err(|e| e.to_string())?;
        }
        changes.retain(|(_, updates)| updates.rows.num_rows() > 0);
        let rows = rows.project(&shown).map_err(|e| e.to_string())?;
        Ok(Answer { schema: rows.schema(), rows, changes, errors })
    }
}

/// A plain name of a table or view; there is one schema, `public`.
fn table_name(name: &ObjectName) -> Result<String, String> {
    match name.0.as_slice() {
        [one] => one.as_ident().map(normal).ok_or_else(|| format!("\"{name}\" is not a plain name")),
        [schema, one] if schema.as_ident().is_some_and(|s| normal(s) == "public") => {
            one.as_ident().map(normal).ok_or_else(|| format!("\"{name}\" is not a plain name"))
        }
        _ => Err(format!("\"{name}\" is not a plain name")),
    }
}
