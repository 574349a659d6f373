//! Sinks: what `INSERT INTO sink SELECT …` writes, one after another, and `CREATE SINK` at the end of a script: files, answers of
//! the script, or nothing.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Query, Statement, TableObject};

use super::definition::{Definition, twice};
use super::options::To;
use super::outlet::{OutFile, Outlet, Target};
use super::{Answer, QUERY, Script, batch, table_name};
use crate::flow::updates::Updates;
use crate::sql::program::normal;
use crate::sql::statement::Taken;

/// Where queries send rows.
pub struct Sink {
    /// Its columns; a sink without columns of its own has those of the first query.
    schema: Option<SchemaRef>,
    /// Columns of its primary key.
    key: Vec<usize>,
    pub to: To,
    /// Whether it was written to.
    pub begun: bool,
}

impl Script {
    /// Adds a sink that `INSERT` writes.
    ///
    /// # Errors
    /// When its file has another use.
    pub(super) fn add_sink(&mut self, name: &str, definition: Definition, to: To) -> Result<(), String> {
        self.writes_file(name, &to)?;
        let schema = (!definition.schema.fields().is_empty()).then_some(definition.schema);
        self.sinks.insert(name.to_string(), Sink { schema, key: definition.key, to, begun: false });
        Ok(())
    }

    /// The sink that a statement writes to.
    pub(super) fn sink_of(&self, insert: &Insert) -> Option<String> {
        let TableObject::TableName(name) = &insert.table else { return None };
        table_name(name).ok().filter(|name| self.sinks.contains_key(name))
    }

    /// Writes a query's rows, or its changes, to a sink; what is shown instead.
    pub(super) fn write(&mut self, insert: &Insert, emit_final: bool) -> Result<Option<Answer>, String> {
        let name = self.sink_of(insert).ok_or("there is no such sink")?;
        let source = insert.source.clone().ok_or("INSERT needs VALUES or a query")?;
        if insert.on.is_some() || insert.or.is_some() || insert.ignore || insert.replace_into {
            return Err(format!("ON CONFLICT is only for tables, and \"{name}\" is a sink"));
        }
        let columns: Vec<String> =
            insert.columns.iter().map(|c| c.0.last().and_then(|p| p.as_ident()).map(normal).unwrap_or_default()).collect();
        self.write_query(&name, source, &columns, emit_final)
    }

    /// Makes a sink that is given a query's rows, or its changes, once all epochs are over.
    pub(super) fn create_sink(
        &mut self,
        name: &str,
        create: &CreateTable,
        taken: &Taken,
        query: Box<Query>,
        emit_final: bool,
    ) -> Result<(), String> {
        let to = super::definition::sink(create, taken)?;
        self.writes_file(name, &to)?;
        // What is wrong with the query is told where it stands, not at the end.
        self.catalog.plan(Statement::Query(query.clone())).map_err(|e| crate::sql::problem::said(&e))?;
        self.sinks.insert(name.to_string(), Sink { schema: None, key: Vec::new(), to, begun: false });
        self.fed.push((name.to_string(), query, emit_final));
        Ok(())
    }

    /// Writes the sinks that queries feed; what is shown instead.
    pub(super) fn write_fed(&mut self) -> Result<Vec<Answer>, String> {
        let mut shown = Vec::new();
        for (name, query, emit_final) in std::mem::take(&mut self.fed) {
            shown.extend(self.write_query(&name, query, &[], emit_final).map_err(|e| format!("sink \"{name}\": {e}"))?);
        }
        Ok(shown)
    }

    /// Writes a query to a sink as its epochs close. One that has an order is there as a whole first. A file that can only grow is given
    /// rows of windows once they are closed, which is what other engines compute anyway.
    fn write_query(&mut self, name: &str, query: Box<Query>, columns: &[String], emit_final: bool) -> Result<Option<Answer>, String> {
        let to = self.sinks.get(name).map(|sink| sink.to.clone()).ok_or("there is no such sink")?;
        self.writes_file(name, &to)?;
        let mut plan = self.planned(Statement::Query(query.clone()), emit_final)?;
        if !emit_final && to.only_grows() && plan.order.is_empty() && self.program.closes_for_good(QUERY) {
            self.forget_query();
            plan = self.planned(Statement::Query(query), true)?;
        }
        let written = self.outlet(name, columns, plan.hidden).and_then(|outlet| match (outlet, plan.order.is_empty()) {
            (Some(outlet), true) => self.answer(QUERY, &[], 0, Some(outlet)).map(|_| None),
            (Some(outlet), false) => {
                self.answer(QUERY, &plan.order, plan.hidden, None).and_then(|answer| outlet.whole(&answer)).map(|()| None)
            }
            (None, _) => self.answer(QUERY, &plan.order, plan.hidden, None).and_then(|answer| self.shown(name, columns, answer)).map(Some),
        });
        self.forget_query();
        self.sinks.get_mut(name).into_iter().for_each(|sink| sink.begun = true);
        written
    }

    /// An answer with the columns of a sink.
    fn shown(&self, name: &str, columns: &[String], answer: Answer) -> Result<Answer, String> {
        let schema = self.sinks.get(name).and_then(|sink| sink.schema.clone()).ok_or("there is no such sink")?;
        let rows = placed(&answer.rows, columns, &schema)?;
        let change =
            |(epoch, u): &(u64, Updates)| Ok((*epoch, Updates { rows: placed(&u.rows, columns, &schema)?, diffs: u.diffs.clone() }));
        let changes = answer.changes.iter().map(change).collect::<Result<_, String>>()?;
        Ok(Answer { schema, rows, changes, errors: answer.errors })
    }

    /// What writes a sink, unless it is shown, for the query that was planned, whose last `hidden` columns only order its rows.
    fn outlet(&mut self, name: &str, columns: &[String], hidden: usize) -> Result<Option<Outlet>, String> {
        let given = self.program.schema(QUERY).ok_or("the query is not there")?;
        let shown: Vec<usize> = (0..given.fields().len() - hidden).collect();
        let given = Arc::new(given.project(&shown).map_err(|e| e.to_string())?);
        let sink = self.sinks.get_mut(name).ok_or("there is no such sink")?;
        let schema = sink.schema.get_or_insert_with(|| batch::micros(&given)).clone();
        // What cannot be put into its columns is told before anything is computed.
        placed(&RecordBatch::new_empty(given), columns, &schema)?;
        Ok(match &sink.to {
            To::File(file) => {
                let target = Target { name, schema, key: &sink.key, columns, file, begun: sink.begun };
                Some(Outlet::File(Box::new(OutFile::new(target))))
            }
            To::Nowhere => Some(Outlet::Nowhere),
            To::Shown => None,
        })
    }
}

/// Rows with a sink's columns: by position, or by the names that are given; columns that are not named are null.
pub fn placed(rows: &RecordBatch, names: &[String], schema: &SchemaRef) -> Result<RecordBatch, String> {
    if names.is_empty() {
        return batch::conform(rows, schema);
    }
    if names.len() != rows.num_columns() {
        return Err(format!("{} columns are named, but {} are given", names.len(), rows.num_columns()));
    }
    if let Some(twice) = twice(names.iter().cloned()) {
        return Err(format!("column \"{twice}\" is given twice"));
    }
    if let Some(unknown) = names.iter().find(|n| schema.column_with_name(n).is_none()) {
        return Err(format!("the sink has no column \"{unknown}\""));
    }
    let column = |f: &std::sync::Arc<arrow::datatypes::Field>| match names.iter().position(|n| n == f.name()) {
        Some(at) => rows.column(at).clone(),
        None => new_null_array(f.data_type(), rows.num_rows()),
    };
    let columns: Vec<_> = schema.fields().iter().map(column).collect();
    let kinds = columns.iter().zip(schema.fields()).map(|(c, f)| arrow::datatypes::Field::new(f.name(), c.data_type().clone(), true));
    let given = arrow::datatypes::Schema::new(kinds.collect::<Vec<_>>());
    batch::conform(&RecordBatch::try_new(given.into(), columns).map_err(|e| e.to_string())?, schema)
}
