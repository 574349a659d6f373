//! Sinks: files that `INSERT INTO sink SELECT …` writes, one after another, and that `CREATE SINK` writes at the end of a script.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};

use arrow::array::{RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Query, Statement, TableObject};
use littoral_connectors::sink::Sink as _;
use littoral_connectors::written::Parquet;

use super::definition::Definition;
use super::options::{FileOptions, Format};
use super::{Answer, Script, batch, debezium, table_name};
use crate::sql::program::normal;
use crate::sql::statement::Taken;

/// A file that is written.
pub struct Sink {
    /// Its columns; a sink without columns of its own has those of the first query.
    schema: Option<SchemaRef>,
    /// Columns of its primary key.
    key: Vec<usize>,
    file: FileOptions,
    /// Whether it was written to.
    begun: bool,
    /// What a file that is written whole holds so far.
    whole: Vec<RecordBatch>,
}

impl Script {
    /// Adds a sink that `INSERT` writes.
    pub(super) fn add_sink(&mut self, name: &str, definition: Definition, file: FileOptions) {
        let schema = (!definition.schema.fields().is_empty()).then_some(definition.schema);
        self.sinks.insert(name.to_string(), Sink { schema, key: definition.key, file, begun: false, whole: Vec::new() });
    }

    /// The sink that a statement writes to.
    pub(super) fn sink_of(&self, insert: &Insert) -> Option<String> {
        let TableObject::TableName(name) = &insert.table else { return None };
        table_name(name).ok().filter(|name| self.sinks.contains_key(name))
    }

    /// Writes a query's rows, or its changes, to a sink.
    pub(super) fn write(&mut self, insert: &Insert, emit_final: bool) -> Result<(), String> {
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
        let file = super::definition::sink(create, taken)?;
        // What is wrong with the query is told where it stands, not at the end.
        self.catalog.plan(Statement::Query(query.clone())).map_err(|e| crate::sql::problem::said(&e))?;
        self.sinks.insert(name.to_string(), Sink { schema: None, key: Vec::new(), file, begun: false, whole: Vec::new() });
        self.fed.push((name.to_string(), query, emit_final));
        Ok(())
    }

    /// Writes the sinks that queries feed.
    pub(super) fn write_fed(&mut self) -> Result<(), String> {
        for (name, query, emit_final) in std::mem::take(&mut self.fed) {
            self.write_query(&name, query, &[], emit_final).map_err(|e| format!("sink \"{name}\": {e}"))?;
        }
        Ok(())
    }

    fn write_query(&mut self, name: &str, query: Box<Query>, columns: &[String], emit_final: bool) -> Result<(), String> {
        let answer = self.query(Statement::Query(query), emit_final)?;
        let sink = self.sinks.get_mut(name).ok_or("there is no such sink")?;
        let taken_back = answer.changes.iter().any(|(_, u)| (0..u.rows.num_rows()).any(|row| u.diff(row) < 0));
        if taken_back && sink.file.format != Format::Debezium {
            return Err(format!(
                "the query takes rows back that it has given, which \"{name}\" cannot say: use format = 'debezium_json', or EMIT FINAL"
            ));
        }
        sink.write(&answer, columns)
    }
}

impl Sink {
    fn write(&mut self, answer: &Answer, columns: &[String]) -> Result<(), String> {
        let schema = self.schema.get_or_insert_with(|| batch::micros(&answer.schema)).clone();
        let placed = |rows: &RecordBatch| placed(rows, columns, &schema);
        let path = self.file.path.display().to_string();
        let failed = |e: String| format!("could not write \"{path}\": {e}");
        if self.file.format == Format::Parquet {
            self.whole.push(placed(&answer.rows)?);
            let mut sink = Parquet::new(&self.file.path, &schema).map_err(|e| e.to_string())?;
            let rows = concat_batches(&schema, &self.whole).map_err(|e| e.to_string())?;
            return sink.write(0, &rows).and_then(|()| Box::new(sink).close()).map_err(|e| e.to_string());
        }
        let file = match self.begun {
            true => OpenOptions::new().append(true).open(&self.file.path),
            false => File::create(&self.file.path),
        };
        let mut out = BufWriter::new(file.map_err(|e| failed(e.to_string()))?);
        match self.file.format {
            Format::Debezium => {
                for (_, updates) in &answer.changes {
                    let rows = placed(&updates.rows)?;
                    debezium::write(&mut out, &rows, |row| updates.diff(row), &self.key).map_err(failed)?;
                }
            }
            Format::Csv => {
                let mut writer = WriterBuilder::new().with_header(!self.begun).build(&mut out);
                writer.write(&placed(&answer.rows)?).map_err(|e| failed(e.to_string()))?;
            }
            Format::Json => {
                let mut writer = LineDelimitedWriter::new(&mut out);
                writer.write(&placed(&answer.rows)?).and_then(|()| writer.finish()).map_err(|e| failed(e.to_string()))?;
            }
            Format::Parquet | Format::Lines => return Err("format = 'raw_string' is not supported yet for a sink".into()),
        }
        self.begun = true;
        out.flush().map_err(|e| failed(e.to_string()))
    }
}

/// Rows with a sink's columns: by position, or by the names that are given; columns that are not named are null.
fn placed(rows: &RecordBatch, names: &[String], schema: &SchemaRef) -> Result<RecordBatch, String> {
    if names.is_empty() {
        return batch::conform(rows, schema);
    }
    if names.len() != rows.num_columns() {
        return Err(format!("{} columns are named, but {} are given", names.len(), rows.num_columns()));
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
