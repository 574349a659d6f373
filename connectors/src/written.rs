//! Sinks that write rows: NDJSON to a file or standard output, CSV, Parquet. A file is made anew at each run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::{Writer as CsvWriter, WriterBuilder};
use arrow::datatypes::Schema;
use arrow::json::LineDelimitedWriter;
use parquet::arrow::ArrowWriter;

use crate::map_keys::text_keys;
use crate::sink::{Sink, SinkError};

/// NDJSON lines; times as RFC 3339 in UTC.
pub struct Lines {
    path: String,
    out: Out,
}

enum Out {
    File(BufWriter<File>),
    Stdout,
}

fn failed(path: &str) -> impl Fn(std::io::Error) -> SinkError {
    move |e| SinkError::File { path: path.to_string(), cause: Box::new(e) }
}

fn create(path: &Path) -> Result<File, SinkError> {
    let name = path.display().to_string();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed(&name))?;
    }
    File::create(path).map_err(failed(&name))
}

/// Rows as NDJSON bytes.
pub fn to_lines(rows: &RecordBatch) -> Result<Vec<u8>, arrow::error::ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&text_keys(rows)?)?;
    writer.finish()?;
    Ok(writer.into_inner())
}

impl Lines {
    /// Lines on standard output.
    pub fn stdout() -> Self {
        Lines { path: "standard output".into(), out: Out::Stdout }
    }

    /// Lines in a file.
    ///
    /// # Errors
    /// When the file or its folder cannot be made.
    pub fn file(path: &Path) -> Result<Self, SinkError> {
        Ok(Lines { path: path.display().to_string(), out: Out::File(BufWriter::new(create(path)?)) })
    }
}

impl Sink for Lines {
    fn write(&mut self, _epoch: u64, rows: &RecordBatch) -> Result<(), SinkError> {
        let bytes = to_lines(rows)?;
        let done = match &mut self.out {
            Out::File(file) => file.write_all(&bytes),
            Out::Stdout => std::io::stdout().lock().write_all(&bytes),
        };
        done.map_err(failed(&self.path))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        let done = match &mut self.out {
            Out::File(file) => file.flush().and_then(|()| file.get_ref().sync_data()),
            Out::Stdout => std::io::stdout().lock().flush(),
        };
        done.map_err(failed(&self.path))
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()
    }
}

/// CSV with a header line.
pub struct Csv {
    path: String,
    writer: CsvWriter<BufWriter<File>>,
    handle: File,
}

impl Csv {
    /// A CSV file.
    ///
    /// # Errors
    /// When the file or its folder cannot be made, or a column has no form in CSV.
    pub fn new(path: &Path, schema: &Schema) -> Result<Self, SinkError> {
        let file = create(path)?;
        let name = path.display().to_string();
        let handle = file.try_clone().map_err(failed(&name))?;
        let mut writer = WriterBuilder::new().with_header(true).build(BufWriter::new(file));
        writer.write(&RecordBatch::new_empty(Arc::new(schema.clone())))?;
        Ok(Csv { path: name, writer, handle })
    }
}

impl Sink for Csv {
    fn write(&mut self, _epoch: u64, rows: &RecordBatch) -> Result<(), SinkError> {
        Ok(self.writer.write(rows)?)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        // The writer has passed on every row by the end of `write`.
        self.handle.sync_data().map_err(failed(&self.path))
    }

    fn close(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()
    }
}

/// One Parquet file. Rows are durable when a row group is written, and readable when the file is closed.
pub struct Parquet {
    path: String,
    writer: ArrowWriter<File>,
    handle: File,
}

impl Parquet {
    /// A Parquet file.
    ///
    /// # Errors
    /// When the file or its folder cannot be made, or a column has no form in Parquet.
    pub fn new(path: &Path, schema: &Schema) -> Result<Self, SinkError> {
        let file = create(path)?;
        let name = path.display().to_string();
        let handle = file.try_clone().map_err(failed(&name))?;
        let writer = ArrowWriter::try_new(file, Arc::new(schema.clone()), None)
            .map_err(|e| SinkError::File { path: name.clone(), cause: Box::new(e) })?;
        Ok(Parquet { path: name, writer, handle })
    }

    fn failed(&self, e: parquet::errors::ParquetError) -> SinkError {
        SinkError::File { path: self.path.clone(), cause: Box::new(e) }
    }
}

impl Sink for Parquet {
    fn write(&mut self, _epoch: u64, rows: &RecordBatch) -> Result<(), SinkError> {
        self.writer.write(rows).map_err(|e| self.failed(e))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.writer.flush().map_err(|e| SinkError::File { path: self.path.clone(), cause: Box::new(e) })?;
        self.handle.sync_data().map_err(failed(&self.path))
    }

    fn close(self: Box<Self>) -> Result<(), SinkError> {
        let path = self.path.clone();
        self.writer.close().map_err(|e| SinkError::File { path: path.clone(), cause: Box::new(e) })?;
        self.handle.sync_data().map_err(failed(&path))
    }
}
