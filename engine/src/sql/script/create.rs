//! `CREATE TABLE`, `SOURCE`, `SINK` and `VIEW`, and `DROP`.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{CreateTable, CreateView, ObjectName, Statement};

use super::definition::{self, Definition};
use super::options::Format;
use super::tables::columns::Columns;
use super::{Script, table_name};
use crate::sql::program::InputTable;
use crate::sql::statement::Parsed;

impl Script {
    /// Adds a table of a name.
    pub(super) fn add_table(&mut self, name: &str, definition: Definition) {
        let Definition { schema, columns, key, event_time, idle, append_only, .. } = definition;
        self.catalog.add_table(name, schema.clone());
        if !key.is_empty() {
            self.catalog.set_key(name, &key);
        }
        // Rows without a key are only taken away by statements that the script shows.
        let grows = key.is_empty() && !self.changed.contains(name);
        let column = event_time.as_ref().map(|e| e.column);
        if let Some(field) = column.and_then(|i| schema.fields().get(i)) {
            let keeps_versions = key.is_empty() || column.is_some_and(|i| key.contains(&i));
            self.catalog.set_event_time(name, field.name(), keeps_versions);
        }
        self.program.add_input(InputTable { name: name.to_string(), schema: schema.clone(), append_only: grows, event_time: column });
        self.tables.add(name, schema, key, event_time, self.held.contains(name));
        self.tables.set_columns(name, columns);
        self.tables.set_idle(name, idle);
        if append_only {
            self.append_only.insert(name.to_string());
        }
    }

    /// Carries out a `CREATE TABLE`, which may also make a sink.
    pub(super) fn create_table(&mut self, create: &CreateTable, parsed: &Parsed) -> Result<(), String> {
        let name = table_name(&create.name)?;
        let there = self.catalog.table_names().contains(&name.as_str()) || self.sinks.contains_key(&name);
        match (there, create.if_not_exists, create.or_replace) {
            (true, true, _) => return Ok(()),
            (true, false, true) => self.drop("TABLE", std::slice::from_ref(&create.name), false)?,
            (true, false, false) => return Err(format!("there is a table or view \"{name}\" already")),
            _ => {}
        }
        if let Some(query) = parsed.sink.clone() {
            return self.create_sink(&name, create, &parsed.taken, query, parsed.emit_final);
        }
        match &create.query {
            Some(query) if definition::is_sink(create, &parsed.taken) && create.columns.is_empty() => {
                return self.create_sink(&name, create, &parsed.taken, query.clone(), parsed.emit_final);
            }
            Some(query) => return self.create_from(&name, create, Statement::Query(query.clone()), parsed),
            None => {}
        }
        let definition = definition::of(&self.catalog, create, &parsed.taken, self.tables.around())?;
        if definition.schema.fields().is_empty() && definition.sink.is_none() {
            return Err(format!("table \"{name}\" has no columns"));
        }
        if let Some(to) = definition.sink.clone() {
            return self.add_sink(&name, definition, to);
        }
        let file = definition.file.as_ref();
        file.map_or(Ok(()), |file| self.reads_file(&name, &file.path))?;
        self.add_table(&name, definition.clone());
        // Changes that a file tells of have no time of their own.
        if file.is_none_or(|file| file.format != Format::Debezium) {
            self.add_versions(&name, &definition)?;
        }
        file.map_or(Ok(()), |file| self.load_file(&name, file, &definition.columns, &definition.schema))
    }

    /// `CREATE TABLE name AS query`: a table of what the query gives now.
    fn create_from(&mut self, name: &str, create: &CreateTable, query: Statement, parsed: &Parsed) -> Result<(), String> {
        let definition = definition::of(&self.catalog, create, &parsed.taken, self.tables.around())?;
        if !definition.key.is_empty() || definition.columns != Columns::default() {
            return Err(
                "CREATE TABLE … AS with a key, defaults or computed columns is not supported yet: make the table, then INSERT".into()
            );
        }
        if definition.file.is_some() {
            return Err("CREATE TABLE … AS with a file is only possible for a sink".into());
        }
        let answer = self.query(query, parsed.emit_final)?;
        let definition = match create.columns.is_empty() {
            true => Definition::plain(super::batch::micros(&answer.schema)),
            false => definition,
        };
        let schema = definition.schema.clone();
        self.add_table(name, definition);
        let rows = super::batch::conform(&answer.rows, &schema)?;
        self.tables.apply(name, arrow::array::RecordBatch::new_empty(schema), rows)?;
        self.changed_epoch(true)
    }

    /// Carries out a `CREATE VIEW`.
    pub(super) fn create_view(&mut self, view: &CreateView, emit_final: bool) -> Result<(), String> {
        let name = table_name(&view.name)?;
        if view.if_not_exists && self.views.contains(&name) {
            return Ok(());
        }
        if view.or_replace && self.views.contains(&name) {
            if self.companion_of(&name).is_some_and(|of| self.program.schema(&of).is_some()) {
                return Err(format!("view \"{name}\" cannot be replaced: the script reads its versions, as of a time"));
            }
            return self.program.replace_view(&mut self.catalog, view, emit_final);
        }
        let name = self.program.add_view(&mut self.catalog, view, emit_final)?;
        self.add_versions_of_view(&name, view)?;
        self.views.push(name);
        Ok(())
    }

    /// Takes tables, views or sinks away that nothing reads.
    pub(super) fn drop(&mut self, kind: &str, names: &[ObjectName], if_exists: bool) -> Result<(), String> {
        let names = names.iter().map(table_name).collect::<Result<Vec<_>, _>>()?;
        for name in names.iter().collect::<BTreeSet<_>>() {
            let there = match kind {
                "VIEW" | "MATERIALIZED VIEW" => self.views.contains(name),
                "TABLE" => self.tables.has(name) || self.sinks.contains_key(name),
                _ => return Err(format!("DROP {kind} is not supported yet")),
            };
            let kind = kind.to_lowercase();
            if !there && if_exists {
                continue;
            }
            if !there {
                return Err(format!("there is no {kind} \"{name}\""));
            }
            let companion = self.companion_of(name);
            let reads = |v: &String| self.program.reads(v).iter().any(|read| read == name || Some(read) == companion.as_ref());
            let reader = self.views.iter().find(|v| *v != name && reads(v));
            if let Some(reader) = reader {
                return Err(format!("{kind} \"{name}\" cannot be dropped: view \"{reader}\" reads it"));
            }
            self.views.retain(|v| v != name);
            for name in companion.iter().chain([name]) {
                self.program.remove(name);
                self.tables.remove(name);
                self.catalog.remove(name);
            }
            self.append_only.remove(name);
            self.sinks.remove(name);
            self.read_files.remove(name);
            self.fed.retain(|(sink, ..)| sink != name);
        }
        Ok(())
    }
}
