//! What there is: `DESCRIBE`, `SHOW TABLES`, `SHOW VIEWS`, and `EXPLAIN`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::sql::sqlparser::ast::{ShowStatementOptions, Statement};

use super::{Answer, QUERY, Script};
use crate::clock::mark;
use crate::flow::updates::Updates;
use crate::sql::problem::said;
use crate::sql::program::{LATE_ROWS, ROW_ERRORS};
use crate::sql::render::error_schema;
use crate::sql::rewrite::{apart, numbered};
use crate::sql::script::durable::Durable;

impl Script {
    /// The columns of a table or view.
    pub(super) fn describe(&self, name: &str) -> Result<Answer, String> {
        let schema = self.tables.schemas().find(|(n, _)| *n == name).map(|(_, s)| s.clone()).or_else(|| self.program.schema(name));
        let schema = schema.ok_or_else(|| format!("there is no table or view \"{name}\""))?;
        let names: StringArray = schema.fields().iter().map(|f| Some(f.name().clone())).collect();
        let kinds: StringArray = schema.fields().iter().map(|f| Some(f.data_type().to_string())).collect();
        let nullable: BooleanArray = schema.fields().iter().map(|f| Some(f.is_nullable())).collect();
        let columns: [(&str, ArrayRef); 3] = [("column", Arc::new(names)), ("type", Arc::new(kinds)), ("nullable", Arc::new(nullable))];
        self.constant(RecordBatch::try_from_iter(columns).map_err(|e| e.to_string())?)
    }

    /// Names of tables, or of views.
    pub(super) fn show(&self, views: bool, options: &ShowStatementOptions) -> Result<Answer, String> {
        let plain = options.show_in.is_none() && options.starts_with.is_none() && options.limit.is_none() && options.limit_from.is_none();
        if !plain || options.filter_position.is_some() {
            return Err("SHOW with conditions is not supported yet".into());
        }
        let own = |n: &&String| ![ROW_ERRORS, LATE_ROWS].contains(&n.as_str()) && !self.is_companion(n);
        let mut names: Vec<&String> = match views {
            true => self.views.iter().collect(),
            false => self.tables.schemas().map(|(n, _)| n).filter(own).chain(self.sinks.keys()).collect(),
        };
        names.sort();
        let names = Arc::new(StringArray::from_iter_values(names)) as ArrayRef;
        self.constant(RecordBatch::try_from_iter([("name", names)]).map_err(|e| e.to_string())?)
    }

    /// How a query or a view's query is computed, a line a row.
    pub(super) fn explain(&mut self, statement: Statement, emit_final: bool, analyze: bool) -> Result<Answer, String> {
        let mut query = match statement {
            Statement::CreateView(view) => Statement::Query(view.query),
            Statement::Insert(insert) if self.sink_of(&insert).is_some() => {
                Statement::Query(insert.source.ok_or("INSERT needs VALUES or a query")?)
            }
            query @ Statement::Query(_) => query,
            other => {
                let text = other.to_string();
                let verb: Vec<&str> = text.split_whitespace().take(2).collect();
                return Err(format!("EXPLAIN {} is not supported yet", verb.join(" ")));
            }
        };
        if let Statement::Query(query) = &mut query {
            apart(query);
        }
        let plan = self.catalog.plan(query).and_then(numbered).and_then(|p| self.catalog.optimise(p)).map_err(|e| said(&e))?;
        self.program.add_plan(&mut self.catalog, QUERY, &plan, emit_final)?;
        let text = if analyze { self.analyse(QUERY) } else { Ok(self.program.explain(QUERY).unwrap_or_default()) };
        self.forget_query();
        self.lines(&text?)
    }

    /// How a view is computed.
    pub(super) fn explain_view(&mut self, name: &str) -> Result<Answer, String> {
        let text = self.program.explain(name).ok_or_else(|| format!("there is no view \"{name}\""))?;
        self.lines(&text)
    }

    /// Runs a query; how it was computed, with what each node held at the end.
    fn analyse(&mut self, view: &str) -> Result<String, String> {
        self.tables.find_idle()?;
        self.tables.count_files(|table| self.program.columns_read(view, table).is_some())?;
        let workers = self.options.workers.max(1);
        let started = mark();
        let ran = self.execute(view, Durable::measured(), None)?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        let rows: usize = ran.changes.iter().map(|(_, u)| u.rows.num_rows()).sum();
        let plan = self.program.explain_analysed(view, &ran.sizes);
        Ok(format!("epochs: {}; workers: {workers}; time: {took:.1} ms; changes given: {rows}\n{plan}", ran.last + 1))
    }

    /// Text as an answer, a line a row.
    fn lines(&self, text: &str) -> Result<Answer, String> {
        let lines = Arc::new(StringArray::from(text.lines().collect::<Vec<_>>())) as ArrayRef;
        self.constant(RecordBatch::try_from_iter([("plan", lines)]).map_err(|e| e.to_string())?)
    }

    fn constant(&self, rows: RecordBatch) -> Result<Answer, String> {
        let changes = vec![(self.tables.epoch, Updates::insertions(rows.clone()))];
        Ok(Answer { schema: rows.schema(), rows, changes, errors: RecordBatch::new_empty(error_schema()) })
    }
}
