//! Runs a SQL file statement by statement: tables and views, changes of tables as epochs, queries answered by the
//! incremental engine.
//!
//! Files given as tables are loaded at epoch 0. Each `INSERT`, `UPDATE` or `DELETE` after that is one epoch, numbered from 1;
//! `BEGIN; … COMMIT;` makes several one. A query sees all epochs before it. Not here: printing (the CLI's).

mod batch;
mod debezium;
mod definition;
mod durable;
mod files;
mod job;
mod ordered;
mod outcome;
mod refuse;
mod tables;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::logical_expr::SortExpr;
use datafusion::sql::sqlparser::ast::{Query, Set, Statement};

use super::SqlProblem;
use super::catalog::{Catalog, Functions};
use super::problem::said;
use super::program::{InputTable, LATE_ROWS, Program, ROW_ERRORS, normal};
use super::render::{error_schema, late_schema};
use super::statement::{Parsed, parse};
use crate::clock::mark;
use crate::flow::gather::merge;
use crate::flow::updates::Updates;
pub use batch::answer as batch_answer;
use definition::{Definition, FileOptions};
use durable::Durable;
pub use durable::{RestoreOptions, SnapshotOptions};
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
    /// Files that tables write.
    sinks: HashMap<String, (SchemaRef, FileOptions)>,
    /// Sinks that queries feed until the end: name, query, whether only of final rows.
    fed: Vec<(String, Box<Query>, bool)>,
    /// The place of the last statement that changes a table: after it the input has ended.
    last_change: usize,
    /// The open `BEGIN`, with whether anything has changed in it.
    open: Option<bool>,
}

/// Runs a script; gives the answer of each `SELECT`, or of the last view when there is none.
///
/// # Errors
/// With the first statement that cannot be run.
pub fn run(file: &str, text: &str, options: &ScriptOptions) -> Result<Vec<Answer>, ScriptError> {
    let statements = parse(file, text).map_err(|p| ScriptError::Given(Box::new(p)))?;
    let sink = |s: &Parsed| match &s.statement {
        Statement::CreateTable(create) if definition::is_sink(create) => table_name(&create.name).ok(),
        _ => None,
    };
    let sinks: HashSet<String> = statements.iter().filter_map(sink).collect();
    let mut catalog = Catalog::new();
    catalog.add_functions(&options.functions).map_err(ScriptError::Running)?;
    catalog.add_table(ROW_ERRORS, error_schema());
    catalog.add_table(LATE_ROWS, late_schema());
    let mut script = Script {
        catalog,
        program: Program::new(Vec::new()),
        tables: Tables::new(options.epoch_rows, options.functions.clone()),
        views: Vec::new(),
        options: ScriptOptions { tables: Vec::new(), feeds: Vec::new(), ..options.clone() },
        answered: 0,
        changed: statements.iter().filter_map(|s| tables::takes_away(&s.statement)).collect(),
        sinks: HashMap::new(),
        fed: Vec::new(),
        last_change: statements.iter().rposition(|s| tables::changes(&s.statement, &sinks)).map_or(0, |i| i + 1),
        open: None,
    };
    for (name, path) in &options.tables {
        let fail = |cause: String| ScriptError::File { table: name.clone(), path: path.display().to_string(), cause };
        let rows = batch::read_file(path).map_err(fail)?;
        script.add_table(name, Definition::plain(rows.schema()));
        script.tables.load(name, rows).map_err(fail)?;
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
        answers.extend(script.statement(parsed).map_err(at)?);
    }
    if script.open.is_some() {
        script.commit().map_err(ScriptError::Running)?;
    }
    script.tables.ended = true;
    let wrote = !script.fed.is_empty();
    script.write_fed().map_err(ScriptError::Running)?;
    if answers.is_empty()
        && !wrote
        && let Some(last) = script.views.last().cloned()
    {
        answers.push(script.answer(&last, &[], 0).map_err(ScriptError::Running)?);
    }
    Ok(answers)
}

impl Script {
    fn add_table(&mut self, name: &str, definition: Definition) {
        let Definition { schema, key, event_time, .. } = definition;
        self.catalog.add_table(name, schema.clone());
        // Rows without a key are only taken away by statements that the script shows.
        let append_only = key.is_empty() && !self.changed.contains(name);
        let column = event_time.as_ref().map(|e| e.column);
        if let Some(field) = column.and_then(|i| schema.fields().get(i)) {
            self.catalog.set_event_time(name, field.name());
        }
        self.program.add_input(InputTable { name: name.to_string(), schema: schema.clone(), append_only, event_time: column });
        self.tables.add(name, schema, key, event_time);
    }

    fn statement(&mut self, parsed: &Parsed) -> Result<Option<Answer>, String> {
        if let Some(part) = refuse::unsupported(&parsed.statement) {
            return Err(format!("{part} is not supported yet"));
        }
        match &parsed.statement {
            Statement::CreateTable(create) => {
                let name = table_name(&create.name)?;
                if self.catalog.table_names().contains(&name.as_str()) {
                    if create.if_not_exists {
                        return Ok(None);
                    }
                    return Err(format!("there is a table or view \"{name}\" already"));
                }
                if let Some(query) = parsed.sink.clone() {
                    return self.create_sink(&name, create, query, parsed.emit_final).map(|()| None);
                }
                let definition = definition::of(&self.catalog, create, parsed.watermark.as_ref())?;
                let (schema, file) = (definition.schema.clone(), definition.file.clone());
                self.add_table(&name, definition);
                if let Some(file) = file {
                    self.attach(&name, file, &schema)?;
                }
                Ok(None)
            }
            Statement::CreateView(view) if view.if_not_exists && self.views.contains(&table_name(&view.name)?) => Ok(None),
            Statement::CreateView(view) => {
                let name = self.program.add_view(&mut self.catalog, view, parsed.emit_final)?;
                self.views.push(name);
                Ok(None)
            }
            Statement::Query(_) => self.query(parsed.statement.clone(), parsed.emit_final).map(Some),
            Statement::Insert(insert) if self.sink_of(insert).is_some() => self.write(insert, parsed.emit_final).map(|()| None),
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                let changed = self.tables.change(&parsed.statement)?;
                match &mut self.open {
                    Some(any) => *any |= changed,
                    None => self.tables.seal()?,
                }
                Ok(None)
            }
            Statement::Explain { statement, analyze, .. } => {
                self.explain(statement.as_ref().clone(), parsed.emit_final, *analyze).map(Some)
            }
            Statement::ExplainTable { table_name: name, .. } => self.explain_view(&table_name(name)?).map(Some),
            Statement::Set(set) => self.set(set).map(|()| None),
            Statement::StartTransaction { .. } => match self.open.replace(false) {
                Some(_) => Err("BEGIN within BEGIN".into()),
                None => Ok(None),
            },
            Statement::Commit { .. } => match self.open {
                Some(_) => self.commit().map(|()| None),
                None => Err("COMMIT without BEGIN".into()),
            },
            Statement::Drop { object_type, names, if_exists, .. } => self.drop(&object_type.to_string(), names, *if_exists).map(|()| None),
            other => {
                let text = other.to_string();
                let verb: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(format!("{} is not supported yet", verb.join(" ")))
            }
        }
    }

    /// `SET now = TIMESTAMP '…'`: the clock from here on.
    fn set(&mut self, set: &Set) -> Result<(), String> {
        let Set::SingleAssignment { scope: None, hivevar: false, variable, values } = set else {
            return Err("SET is only supported as SET now = TIMESTAMP '…'".into());
        };
        let (true, [value]) = (table_name(variable)? == "now", values.as_slice()) else {
            return Err(format!("SET {variable} is not supported yet; SET now = TIMESTAMP '…' is"));
        };
        let text = format!("SELECT arrow_cast(CAST({value} AS TIMESTAMP), 'Timestamp(Microsecond, None)')");
        let rows = batch::answer_with(&text, &[], Some(self.tables.now()), &Functions::default())?;
        let times = rows.columns().first().and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let moment = times.filter(|t| t.len() == 1 && t.is_valid(0)).map(|t| t.value(0)).ok_or("SET now needs one time")?;
        self.tables.set_now(moment)
    }

    fn commit(&mut self) -> Result<(), String> {
        self.open = None;
        self.tables.seal()
    }

    fn drop(&mut self, kind: &str, names: &[datafusion::sql::sqlparser::ast::ObjectName], if_exists: bool) -> Result<(), String> {
        for name in names {
            let name = table_name(name)?;
            let there = match kind {
                "VIEW" | "MATERIALIZED VIEW" => self.views.contains(&name),
                "TABLE" => self.tables.has(&name) || self.sinks.contains_key(&name),
                _ => return Err(format!("DROP {kind} is not supported yet")),
            };
            let kind = kind.to_lowercase();
            if !there && if_exists {
                continue;
            }
            if !there {
                return Err(format!("there is no {kind} \"{name}\""));
            }
            let reader = self.views.iter().find(|v| **v != name && self.program.reads(v).contains(&name));
            if let Some(reader) = reader {
                return Err(format!("{kind} \"{name}\" cannot be dropped: view \"{reader}\" reads it"));
            }
            self.views.retain(|v| *v != name);
            self.program.remove(&name);
            self.tables.remove(&name);
            self.sinks.remove(&name);
            self.fed.retain(|(sink, ..)| *sink != name);
            self.catalog.remove(&name);
        }
        Ok(())
    }

    fn query(&mut self, statement: Statement, emit_final: bool) -> Result<Answer, String> {
        let plan = self.catalog.plan(statement).and_then(|p| self.catalog.optimise(p)).map_err(|e| said(&e))?;
        let plan = ordered::of(plan).map_err(|e| said(&e))?;
        self.program.add_plan(&mut self.catalog, QUERY, &plan.plan, emit_final)?;
        let answer = self.answer(QUERY, &plan.order, plan.hidden);
        self.program.remove(QUERY);
        self.catalog.remove(QUERY);
        answer
    }

    /// How a query or a view's query is computed, a line a row.
    fn explain(&mut self, statement: Statement, emit_final: bool, analyze: bool) -> Result<Answer, String> {
        let query = match statement {
            Statement::CreateView(view) => Statement::Query(view.query),
            other => other,
        };
        let plan = self.catalog.plan(query).and_then(|p| self.catalog.optimise(p)).map_err(|e| said(&e))?;
        self.program.add_plan(&mut self.catalog, QUERY, &plan, emit_final)?;
        let text = if analyze { self.analyse(QUERY) } else { self.program.explain(QUERY).ok_or_else(|| "the query is not there".into()) };
        self.program.remove(QUERY);
        self.catalog.remove(QUERY);
        self.lines(&text?)
    }

    fn explain_view(&self, view: &str) -> Result<Answer, String> {
        let text = self.program.explain(view).ok_or_else(|| format!("there is no view \"{view}\""))?;
        self.lines(&text)
    }

    /// Runs a query; how it was computed, with what each node held at the end.
    fn analyse(&self, view: &str) -> Result<String, String> {
        let measured = Durable::measured();
        let workers = self.options.workers.max(1);
        let started = mark();
        let ran = job::execute(&self.program, &self.tables, view, workers, measured)?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        let rows: usize = ran.changes.iter().map(|(_, u)| u.rows.num_rows()).sum();
        let plan = self.program.explain_analysed(view, &ran.sizes);
        Ok(format!("epochs: {}; workers: {workers}; time: {took:.1} ms; changes given: {rows}\n{plan}", self.tables.epoch + 1))
    }

    /// Text as an answer, a line a row.
    fn lines(&self, text: &str) -> Result<Answer, String> {
        let lines = StringArray::from(text.lines().collect::<Vec<_>>());
        let rows = RecordBatch::try_from_iter([("plan", Arc::new(lines) as ArrayRef)]).map_err(|e| e.to_string())?;
        let changes = vec![(self.tables.epoch, Updates::insertions(rows.clone()))];
        Ok(Answer { schema: rows.schema(), rows, changes, errors: RecordBatch::new_empty(error_schema()) })
    }

    /// Runs a view; its last `hidden` columns only order its rows.
    fn answer(&mut self, view: &str, order: &[SortExpr], hidden: usize) -> Result<Answer, String> {
        let schema = self.program.schema(view).ok_or("the query is not there")?;
        self.answered += 1;
        let lasting = (self.options.snapshots.as_ref(), self.options.restore.as_ref());
        let durable = Durable::of(self.answered, lasting, &self.program, &self.tables, view).map_err(|e| e.to_string())?;
        let job::Outcome { mut changes, errors, .. } =
            job::execute(&self.program, &self.tables, view, self.options.workers.max(1), durable)?;
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

/// A plain name of a table or view.
fn table_name(name: &datafusion::sql::sqlparser::ast::ObjectName) -> Result<String, String> {
    match name.0.as_slice() {
        [one] => one.as_ident().map(normal).ok_or_else(|| format!("\"{name}\" is not a plain name")),
        _ => Err(format!("\"{name}\" is not a plain name")),
    }
}
