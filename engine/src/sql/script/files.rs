//! Files of tables: what a source loads when it is made, and what a sink is given by `INSERT INTO sink SELECT …`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Query, Statement, TableObject};
use littoral_connectors::files::plain;
use littoral_connectors::sink::Sink;
use littoral_connectors::written::Parquet;

use super::definition::{FileOptions, Format};
use super::{Script, batch, debezium, table_name};
use crate::sql::problem::said;

impl Script {
    /// Loads a source's file, or keeps a sink's for later.
    pub(super) fn attach(&mut self, name: &str, file: FileOptions, schema: &SchemaRef) -> Result<(), String> {
        if file.sink {
            self.sinks.insert(name.to_string(), (schema.clone(), file));
            return Ok(());
        }
        if file.format == Format::Debezium {
            let (gone, come) = debezium::read(&file.path, schema)?;
            self.tables.apply(name, gone, come)?;
            return match &mut self.open {
                Some(any) => {
                    *any = true;
                    Ok(())
                }
                None => self.tables.seal(),
            };
        }
        let rows = match file.format {
            Format::Csv => plain::read_as(&file.path, "csv", schema.clone()),
            Format::Json => plain::read_as(&file.path, "json", schema.clone()),
            _ => plain::read(&file.path),
        };
        let rows = rows.map_err(|e| e.to_string())?;
        let rows: Vec<RecordBatch> = rows.iter().map(|r| batch::by_names(r, schema)).collect::<Result<_, _>>()?;
        self.tables.load(name, concat_batches(schema, &rows).map_err(|e| e.to_string())?)
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
        self.write_query(&name, source, emit_final)
    }

    /// Makes a sink that is given a query's rows, or its changes, once all epochs are over.
    pub(super) fn create_sink(&mut self, name: &str, create: &CreateTable, query: Box<Query>, emit_final: bool) -> Result<(), String> {
        let file = super::definition::sink(create)?;
        let plan = self.catalog.plan(Statement::Query(query.clone())).map_err(|e| said(&e))?;
        self.sinks.insert(name.to_string(), (Arc::new(plan.schema().as_arrow().clone()), file));
        self.fed.push((name.to_string(), query, emit_final));
        Ok(())
    }

    /// Writes the sinks that queries feed.
    pub(super) fn write_fed(&mut self) -> Result<(), String> {
        for (name, query, emit_final) in std::mem::take(&mut self.fed) {
            self.write_query(&name, query, emit_final).map_err(|e| format!("sink \"{name}\": {e}"))?;
        }
        Ok(())
    }

    fn write_query(&mut self, name: &str, query: Box<Query>, emit_final: bool) -> Result<(), String> {
        let (schema, file) = self.sinks.get(name).cloned().ok_or("there is no such sink")?;
        let answer = self.query(Statement::Query(query), emit_final)?;
        let taken_back = answer.changes.iter().any(|(_, u)| (0..u.rows.num_rows()).any(|row| u.diff(row) < 0));
        if taken_back && file.format != Format::Debezium {
            return Err(format!(
                "the query takes rows back that it has given, which \"{name}\" cannot say: use format = 'debezium_json', or EMIT FINAL"
            ));
        }
        let rows = || batch::conform(&answer.rows, &schema);
        if file.format == Format::Parquet {
            let mut sink = Parquet::new(&file.path, &schema).map_err(|e| e.to_string())?;
            let written = sink.write(0, &rows()?).and_then(|()| Box::new(sink).close());
            return written.map_err(|e| e.to_string());
        }
        let failed = |e: String| format!("could not write \"{}\": {e}", file.path.display());
        let mut out = BufWriter::new(File::create(&file.path).map_err(|e| failed(e.to_string()))?);
        if file.format == Format::Debezium {
            for (_, updates) in &answer.changes {
                let rows = batch::conform(&updates.rows, &schema)?;
                debezium::write(&mut out, &rows, |row| updates.diff(row)).map_err(failed)?;
            }
        } else {
            write_rows(&mut out, &rows()?, file.format).map_err(failed)?;
        }
        out.flush().map_err(|e| failed(e.to_string()))
    }
}

fn write_rows(out: &mut impl Write, rows: &RecordBatch, format: Format) -> Result<(), String> {
    match format {
        Format::Csv => WriterBuilder::new().with_header(true).build(out).write(rows).map_err(|e| e.to_string()),
        Format::Json => {
            let mut writer = LineDelimitedWriter::new(out);
            writer.write(rows).and_then(|()| writer.finish()).map_err(|e| e.to_string())
        }
        Format::Parquet | Format::Debezium => Err("this format is written elsewhere".into()),
    }
}
