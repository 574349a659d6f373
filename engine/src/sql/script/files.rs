//! Files of tables: what a source loads when it is made, and which sink is given which query. Not here: the writing (`outlet.rs`).

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{CreateTable, Insert, Query, Statement, TableObject};
use littoral_connectors::files::table::{TableFile, TableFormat};

use super::definition::{FileOptions, Format};
use super::outlet::Outlet;
use super::{QUERY, Script, debezium, table_name};

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
        let format = match file.format {
            Format::Csv => TableFormat::Csv,
            Format::Json => TableFormat::Json,
            _ => TableFormat::Parquet,
        };
        let found = TableFile::known(&file.path, format, schema).map_err(|e| e.to_string())?;
        self.attach_file(name, found, true)
    }

    /// Gives a table the rows of a file.
    pub(super) fn attach_file(&mut self, name: &str, file: TableFile, found_by_name: bool) -> Result<(), String> {
        let file = match self.options.block_bytes {
            Some(bytes) => file.in_blocks_of(bytes),
            None => file,
        };
        self.tables.attach(name, file, found_by_name, self.held.contains(name))
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
        let plan = self.catalog.plan(Statement::Query(query.clone())).map_err(|e| e.strip_backtrace())?;
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

    /// Writes a query to a sink as its epochs close. One that has an order is there as a whole first.
    fn write_query(&mut self, name: &str, query: Box<Query>, emit_final: bool) -> Result<(), String> {
        let (schema, file) = self.sinks.get(name).cloned().ok_or("there is no such sink")?;
        let outlet = Outlet::new(name, schema, file);
        let plan = self.planned(Statement::Query(query), emit_final)?;
        let written = match plan.order.is_empty() {
            true => self.answer(QUERY, &[], 0, Some(outlet)).map(|_| ()),
            false => self.answer(QUERY, &plan.order, plan.hidden, None).and_then(|answer| outlet.whole(&answer)),
        };
        self.forget_query();
        written
    }
}
