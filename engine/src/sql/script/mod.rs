//! Runs a SQL file statement by statement: tables and views, changes of tables as epochs, queries answered by the
//! incremental engine.
//!
//! Files given as tables are loaded at epoch 0. Each `INSERT`, `UPDATE` or `DELETE` after that is one epoch, numbered from 1;
//! `BEGIN; … COMMIT;` makes several one. A query sees all epochs before it. Not here: printing (the CLI's).

mod batch;
mod execute;
mod tables;

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::{LogicalPlan, SortExpr};
use datafusion::sql::sqlparser::ast::Statement;

use super::SqlProblem;
use super::catalog::Catalog;
use super::program::{InputTable, Program, normal};
use super::statement::{Parsed, parse};
use crate::flow::updates::Updates;
pub use batch::answer as batch_answer;
use tables::Tables;

/// The name under which a query stands among the views.
const QUERY: &str = "query result";

/// How a script is run.
#[derive(Clone, Debug, Default)]
pub struct ScriptOptions {
    /// Tables from files: name and path.
    pub tables: Vec<(String, PathBuf)>,
    /// Timely workers.
    pub workers: usize,
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
    workers: usize,
    /// The open `BEGIN`, with whether anything has changed in it.
    open: Option<bool>,
}

/// Runs a script; gives the answer of each `SELECT`, or of the last view when there is none.
///
/// # Errors
/// With the first statement that cannot be run.
pub fn run(file: &str, text: &str, options: &ScriptOptions) -> Result<Vec<Answer>, ScriptError> {
    let statements = parse(file, text).map_err(|p| ScriptError::Given(Box::new(p)))?;
    let mut script = Script {
        catalog: Catalog::new(),
        program: Program::new(Vec::new()),
        tables: Tables::default(),
        views: Vec::new(),
        workers: options.workers.max(1),
        open: None,
    };
    for (name, path) in &options.tables {
        let fail = |cause: String| ScriptError::File { table: name.clone(), path: path.display().to_string(), cause };
        let rows = batch::read_file(path).map_err(fail)?;
        script.add_table(name, rows.schema(), Vec::new());
        script.tables.load(name, rows).map_err(fail)?;
    }
    let mut answers = Vec::new();
    for parsed in &statements {
        let at = |message: String| ScriptError::Given(Box::new(SqlProblem::at(message, file, text, parsed.line, parsed.column)));
        answers.extend(script.statement(parsed).map_err(at)?);
    }
    if script.open.is_some() {
        script.commit();
    }
    if answers.is_empty()
        && let Some(last) = script.views.last().cloned()
    {
        answers.push(script.answer(&last, Tail::default()).map_err(ScriptError::Running)?);
    }
    Ok(answers)
}

/// What the end of a query says of its rows: their order and how many of them.
#[derive(Clone, Debug, Default)]
struct Tail {
    sort: Vec<SortExpr>,
    skip: usize,
    fetch: Option<usize>,
}

impl Script {
    fn add_table(&mut self, name: &str, schema: SchemaRef, key: Vec<usize>) {
        self.catalog.add_table(name, schema.clone());
        self.program.add_input(InputTable { name: name.to_string(), schema: schema.clone(), append_only: false });
        self.tables.add(name, schema, key);
    }

    fn statement(&mut self, parsed: &Parsed) -> Result<Option<Answer>, String> {
        match &parsed.statement {
            Statement::CreateTable(create) => {
                let name = table_name(&create.name)?;
                let (schema, key, file) = tables::definition(&self.catalog, create)?;
                self.add_table(&name, schema.clone(), key);
                if let Some(path) = file {
                    let rows = batch::read_file(&path)?;
                    self.tables.load(&name, batch::conform(&rows, &schema)?)?;
                }
                Ok(None)
            }
            Statement::CreateView(view) => {
                let name = self.program.add_view(&mut self.catalog, view)?;
                self.views.push(name);
                Ok(None)
            }
            Statement::Query(_) => self.query(parsed.statement.clone()).map(Some),
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                let changed = self.tables.change(&parsed.statement)?;
                match &mut self.open {
                    Some(any) => *any |= changed,
                    None => self.tables.seal(),
                }
                Ok(None)
            }
            Statement::StartTransaction { .. } => match self.open.replace(false) {
                Some(_) => Err("BEGIN within BEGIN".into()),
                None => Ok(None),
            },
            Statement::Commit { .. } => match self.open {
                Some(_) => {
                    self.commit();
                    Ok(None)
                }
                None => Err("COMMIT without BEGIN".into()),
            },
            Statement::Drop { object_type, names, .. } => self.drop(&object_type.to_string(), names).map(|()| None),
            other => {
                let text = other.to_string();
                let verb: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(format!("{} is not supported yet", verb.join(" ")))
            }
        }
    }

    fn commit(&mut self) {
        self.open = None;
        self.tables.seal();
    }

    fn drop(&mut self, kind: &str, names: &[datafusion::sql::sqlparser::ast::ObjectName]) -> Result<(), String> {
        for name in names {
            let name = table_name(name)?;
            if kind != "VIEW" {
                return Err(format!("DROP {kind} is not supported yet"));
            }
            let reader = self.views.iter().find(|v| **v != name && self.program.reads(v).contains(&name));
            if let Some(reader) = reader {
                return Err(format!("view \"{name}\" cannot be dropped: view \"{reader}\" reads it"));
            }
            if !self.views.contains(&name) {
                return Err(format!("there is no view \"{name}\""));
            }
            self.views.retain(|v| *v != name);
            self.program.remove(&name);
            self.catalog.remove(&name);
        }
        Ok(())
    }

    fn query(&mut self, statement: Statement) -> Result<Answer, String> {
        let plan = self.catalog.plan(statement).and_then(|p| self.catalog.optimise(p)).map_err(|e| e.strip_backtrace())?;
        let (plan, tail) = peel(plan, Tail::default())?;
        self.program.add_plan(&mut self.catalog, QUERY, &plan)?;
        let answer = self.answer(QUERY, tail);
        self.program.remove(QUERY);
        self.catalog.remove(QUERY);
        answer
    }

    fn answer(&self, view: &str, tail: Tail) -> Result<Answer, String> {
        let schema = self.program.schema(view).ok_or("the query is not there")?;
        let execute::Outcome { changes, errors } = execute::execute(&self.program, &self.tables, view, self.workers)?;
        let rows = execute::sum(&changes, &schema).map_err(|e| e.to_string())?;
        let rows = execute::order(rows, &tail.sort, tail.skip, tail.fetch).map_err(|e| e.strip_backtrace())?;
        Ok(Answer { schema, rows, changes, errors })
    }
}

/// A plain name of a table or view.
fn table_name(name: &datafusion::sql::sqlparser::ast::ObjectName) -> Result<String, String> {
    match name.0.as_slice() {
        [one] => one.as_ident().map(normal).ok_or_else(|| format!("\"{name}\" is not a plain name")),
        _ => Err(format!("\"{name}\" is not a plain name")),
    }
}

/// Takes `ORDER BY` and `LIMIT` off the end of a query; the rest is a view.
fn peel(plan: LogicalPlan, mut tail: Tail) -> Result<(LogicalPlan, Tail), String> {
    match plan {
        LogicalPlan::Limit(limit) if tail.sort.is_empty() && tail.fetch.is_none() && tail.skip == 0 => {
            let number = |e: &Option<Box<datafusion::logical_expr::Expr>>| match e.as_deref() {
                None => Ok(None),
                Some(datafusion::logical_expr::Expr::Literal(value, _)) => {
                    value.to_string().parse::<usize>().map(Some).map_err(|_| "LIMIT needs a number".to_string())
                }
                Some(_) => Err("LIMIT needs a number".to_string()),
            };
            tail.fetch = number(&limit.fetch)?;
            tail.skip = number(&limit.skip)?.unwrap_or(0);
            peel(limit.input.as_ref().clone(), tail)
        }
        LogicalPlan::Sort(sort) if tail.sort.is_empty() => {
            tail.sort = sort.expr.clone();
            tail.fetch = sort.fetch.or(tail.fetch);
            peel(sort.input.as_ref().clone(), tail)
        }
        other => Ok((other, tail)),
    }
}
