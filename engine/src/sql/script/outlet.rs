//! Where what a query of a sink gives goes as its epochs close: into a file, or nowhere; nothing of them is held. A file is made when
//! the first rows are there, so a query that cannot be run leaves what was there before.

use std::fs::File;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use littoral_connectors::files::table::{TableFile, TableFormat};
use littoral_connectors::sink::Sink as _;
use littoral_connectors::written::{Parquet, to_lines};

use super::options::{FileOptions, Format};
use super::sinks::placed;
use super::{Answer, debezium};
use crate::flow::updates::Updates;

/// Where rows of a sink go.
pub enum Outlet {
    /// Into a file.
    File(Box<OutFile>),
    /// Nowhere.
    Nowhere,
}

impl Outlet {
    /// Writes what an epoch changed.
    ///
    /// # Errors
    /// When the file cannot be written, or cannot say what the epoch changed.
    pub fn write(&mut self, epoch: u64, updates: &Updates) -> Result<(), String> {
        match self {
            Outlet::File(file) => file.write(epoch, updates),
            Outlet::Nowhere => Ok(()),
        }
    }

    /// Writes an answer whose rows have an order: as they stand at the end, or its changes where the file can say them.
    ///
    /// # Errors
    /// When the file cannot be written, or cannot say what the epochs changed.
    pub fn whole(self, answer: &Answer) -> Result<(), String> {
        match self {
            Outlet::File(file) => file.whole(answer),
            Outlet::Nowhere => Ok(()),
        }
    }

    /// Ends the file; one that was given no rows has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(self) -> Result<(), String> {
        match self {
            Outlet::File(file) => file.end(),
            Outlet::Nowhere => Ok(()),
        }
    }
}

/// The file of a sink.
pub struct OutFile {
    name: String,
    schema: SchemaRef,
    key: Vec<usize>,
    /// Columns that the query's rows are of; none when they are all of them in order.
    columns: Vec<String>,
    file: FileOptions,
    /// Whether an earlier query has written to it, which stays.
    begun: bool,
    out: Option<Out>,
}

/// What an outlet is of.
pub struct Target<'a> {
    /// The sink.
    pub name: &'a str,
    /// Its columns.
    pub schema: SchemaRef,
    /// Columns of its primary key.
    pub key: &'a [usize],
    /// Columns that the query's rows are of; none when they are all of them in order.
    pub columns: &'a [String],
    /// The file.
    pub file: &'a FileOptions,
    /// Whether an earlier query has written to it.
    pub begun: bool,
}

enum Out {
    /// Lines, those of an epoch in one piece.
    Lines(File),
    Parquet(Box<Parquet>),
}

impl OutFile {
    /// Of a sink that the query has not written yet.
    pub fn new(of: Target<'_>) -> Self {
        let Target { name, schema, key, columns, file, begun } = of;
        OutFile { name: name.to_string(), schema, key: key.to_vec(), columns: columns.to_vec(), file: file.clone(), begun, out: None }
    }

    fn write(&mut self, epoch: u64, updates: &Updates) -> Result<(), String> {
        self.refuse_what_goes(updates)?;
        let rows = placed(&updates.rows, &self.columns, &self.schema)?;
        let failed = |e: &dyn std::fmt::Display| format!("could not write \"{}\": {e}", self.file.path.display());
        let first = self.out.is_none() && !self.begun;
        let lines = match self.file.format {
            Format::Csv => csv(&rows, first),
            Format::Json => to_lines(&rows).map_err(|e| e.to_string()),
            Format::Debezium => {
                let mut lines = Vec::new();
                debezium::write(&mut lines, &rows, |row| updates.diff(row), &self.key).map(|()| lines)
            }
            Format::Parquet => Ok(Vec::new()),
            Format::Lines => return Err("format = 'raw_string' is not supported yet for a sink".into()),
        };
        let lines = lines.map_err(|e| failed(&e))?;
        let out = match self.out.take() {
            Some(out) => out,
            None if self.file.format == Format::Parquet => Out::Parquet(Box::new(self.parquet(epoch).map_err(|e| failed(&e))?)),
            None if self.begun => Out::Lines(File::options().append(true).open(&self.file.path).map_err(|e| failed(&e))?),
            None => Out::Lines(File::create(&self.file.path).map_err(|e| failed(&e))?),
        };
        match self.out.insert(out) {
            Out::Lines(file) => file.write_all(&lines).map_err(|e| failed(&e)),
            Out::Parquet(file) => file.write(epoch, &rows).map_err(|e| failed(&e)),
        }
    }

    fn whole(mut self, answer: &Answer) -> Result<(), String> {
        answer.changes.iter().try_for_each(|(_, updates)| self.refuse_what_goes(updates))?;
        match self.file.format {
            Format::Debezium => answer.changes.iter().try_for_each(|(epoch, updates)| self.write(*epoch, updates))?,
            _ => self.write(0, &Updates::insertions(answer.rows.clone()))?,
        }
        self.end()
    }

    /// A file of Parquet is written anew as a whole, with what stood in it before.
    fn parquet(&self, epoch: u64) -> Result<Parquet, String> {
        let before = match self.begun {
            true => TableFile::known(&self.file.path, TableFormat::Parquet, &self.schema).and_then(|file| file.whole()),
            false => Ok(Vec::new()),
        };
        let before = before.map_err(|e| e.to_string())?;
        let mut out = Parquet::new(&self.file.path, &self.schema).map_err(|e| e.to_string())?;
        before.iter().try_for_each(|rows| out.write(epoch, &placed(rows, &[], &self.schema)?).map_err(|e| e.to_string()))?;
        Ok(out)
    }

    fn refuse_what_goes(&self, updates: &Updates) -> Result<(), String> {
        let goes = (0..updates.rows.num_rows()).any(|row| updates.diff(row) < 0);
        if goes && self.file.format != Format::Debezium {
            let name = &self.name;
            return Err(format!(
                "the query takes rows back that it has given, which \"{name}\" cannot say: use format = 'debezium_json', or EMIT FINAL"
            ));
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), String> {
        if self.out.is_none() {
            self.columns.clear();
            self.write(0, &Updates::insertions(RecordBatch::new_empty(self.schema.clone())))?;
        }
        match self.out {
            Some(Out::Parquet(file)) => file.close().map_err(|e| format!("could not write \"{}\": {e}", self.file.path.display())),
            _ => Ok(()),
        }
    }
}

fn csv(rows: &RecordBatch, header: bool) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    WriterBuilder::new().with_header(header).build(&mut lines).write(rows).map_err(|e| e.to_string())?;
    Ok(lines)
}
