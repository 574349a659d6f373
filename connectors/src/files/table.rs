//! A file of rows as a table: its columns, which of them are read, and its rows block by block.
//!
//! Blocks are read in order and decoded in any: by one thread after the other or by many at once. For SQL over files;
//! pipelines replay theirs by event time (`replay.rs`).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::csv::ReaderBuilder as CsvReader;
use arrow::csv::reader::Format as CsvFormat;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use memchr::memchr_iter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::blocks::{BLOCK_BYTES, BYTE_ORDER_MARK, BlockReader, Cut};
use super::exact::{narrow, wide};
use super::fault::first_fault;
use super::ndjson::{Decoder, TooDeep, deep_line, end_of_rows};
use super::{keys, shortened};

/// Lines from which types are inferred.
const INFER_LINES: usize = 10_000;
/// Rows of a block of Parquet.
const PARQUET_ROWS: usize = 1 << 14;

/// A text without what some programs write before it.
fn unmarked(path: &Path) -> Result<BufReader<File>, ArrowError> {
    let mut input = BufReader::new(File::open(path)?);
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    Ok(input)
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header line.
    Csv,
    /// JSON objects.
    Json,
    /// Parquet.
    Parquet,
}

/// A file of rows.
#[derive(Clone, Debug)]
pub struct TableFile {
    path: PathBuf,
    format: TableFormat,
    columns: SchemaRef,
    /// The columns that are read.
    read: Vec<usize>,
    block_bytes: usize,
}

/// A place between two rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Rows before it.
    pub rows: u64,
    /// Bytes before it, in a text.
    pub bytes: u64,
}

/// Some rows of a file as they were read.
pub enum Block {
    /// Text, which is still to be decoded.
    Text(Vec<u8>),
    /// Rows.
    Rows(RecordBatch),
}

/// Reads the blocks of a file in order.
pub enum Blocks {
    /// Of a text.
    Text(BlockReader),
    /// Of Parquet.
    Parquet(ParquetRecordBatchReader),
}

/// Decodes blocks of a file.
pub enum BlockDecoder {
    /// Of CSV, and the columns that are read.
    Csv(TableFile, SchemaRef),
    /// Of NDJSON.
    Json(Box<Decoder>),
    /// Of Parquet, whose blocks are rows.
    Parquet,
}

impl TableFile {
    /// A file whose columns are as they are found in it; its ending tells the format.
    ///
    /// # Errors
    /// When it cannot be read, is broken, or has an ending other than parquet, csv, json, ndjson or jsonl.
    pub fn found(path: &Path) -> Result<Self, ArrowError> {
        let (format, columns) = match path.extension().and_then(|e| e.to_str()) {
            Some("parquet") => (TableFormat::Parquet, parquet_columns(path)?),
            Some("csv") => {
                let (schema, _) = CsvFormat::default().with_header(true).infer_schema(File::open(path)?, Some(INFER_LINES))?;
                (TableFormat::Csv, Arc::new(schema))
            }
            Some("json" | "ndjson" | "jsonl") => {
                let (schema, _) = arrow::json::reader::infer_json_schema(unmarked(path)?, Some(INFER_LINES))?;
                (TableFormat::Json, Arc::new(schema))
            }
            _ => return Err(ArrowError::InvalidArgumentError("expected a .parquet, .csv, .json, .ndjson or .jsonl file".into())),
        };
        Ok(TableFile::of(path, format, columns))
    }

    /// A file of which some columns are known, and found by name (`keys.rs`); other columns of CSV are text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn known(path: &Path, format: TableFormat, known: &SchemaRef) -> Result<Self, ArrowError> {
        let columns = match format {
            TableFormat::Json => keys::as_written(known, unmarked(path)?),
            TableFormat::Parquet => parquet_columns(path)?,
            TableFormat::Csv => {
                let (header, _) = CsvFormat::default().with_header(true).infer_schema(File::open(path)?, Some(1))?;
                let names = header.fields().iter().map(|f| f.name().as_str());
                let places: Vec<Option<usize>> = known.fields().iter().map(|f| keys::place(f.name(), names.clone())).collect();
                let field = |(at, f): (usize, &Arc<Field>)| match places.iter().position(|place| *place == Some(at)) {
                    Some(of) => known.field(of).clone().with_name(f.name()).with_nullable(true),
                    None => Field::new(f.name(), DataType::Utf8, true),
                };
                Arc::new(Schema::new(header.fields().iter().enumerate().map(field).collect::<Vec<_>>()))
            }
        };
        Ok(TableFile::of(path, format, columns))
    }

    fn of(path: &Path, format: TableFormat, columns: SchemaRef) -> Self {
        // The metadata of a file is not part of a table's columns.
        let columns = Arc::new(columns.as_ref().clone().with_metadata(Default::default()));
        TableFile { path: path.to_path_buf(), format, read: (0..columns.fields().len()).collect(), columns, block_bytes: BLOCK_BYTES }
    }

    /// The same file in blocks of some bytes, where rows are shorter.
    pub fn in_blocks_of(self, bytes: usize) -> Self {
        TableFile { block_bytes: bytes, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its rows are text.
    pub fn is_text(&self) -> bool {
        self.format != TableFormat::Parquet
    }

    /// All its columns.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// The same file, of which only some columns are read, in their order in the file.
    pub fn reading(&self, columns: &[usize]) -> Self {
        let read = (0..self.columns.fields().len()).filter(|i| columns.contains(i)).collect();
        TableFile { read, ..self.clone() }
    }

    /// The columns that are read.
    pub fn read_columns(&self) -> SchemaRef {
        Arc::new(Schema::new(self.read.iter().filter_map(|i| self.columns.fields().get(*i).cloned()).collect::<Vec<_>>()))
    }

    /// Its blocks from a place on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn blocks(&self, from: Position) -> Result<Blocks, ArrowError> {
        Ok(match self.format {
            TableFormat::Csv => self.text(Cut::Records, from)?,
            TableFormat::Json => self.text(Cut::Objects, from)?,
            TableFormat::Parquet => {
                let builder = parquet(&self.path)?;
                let mask = ProjectionMask::roots(builder.parquet_schema(), self.read.iter().copied());
                let skipped = usize::try_from(from.rows).unwrap_or(usize::MAX);
                Blocks::Parquet(builder.with_projection(mask).with_batch_size(PARQUET_ROWS).with_offset(skipped).build()?)
            }
        })
    }

    fn text(&self, cut: Cut, from: Position) -> Result<Blocks, ArrowError> {
        Ok(Blocks::Text(BlockReader::open(&self.path, cut, from.bytes)?.in_blocks_of(self.block_bytes)))
    }

    /// What decodes its blocks.
    pub fn decoder(&self) -> BlockDecoder {
        match self.format {
            TableFormat::Csv => BlockDecoder::Csv(self.clone(), self.read_columns()),
            TableFormat::Json => BlockDecoder::Json(Box::new(Decoder::new(self.read_columns()))),
            TableFormat::Parquet => BlockDecoder::Parquet,
        }
    }

    /// All its rows.
    ///
    /// # Errors
    /// When it cannot be read, or is broken.
    pub fn whole(&self) -> Result<Vec<RecordBatch>, ArrowError> {
        let (mut blocks, mut decoder, mut out) = (self.blocks(Position::default())?, self.decoder(), Vec::new());
        let mut open: Vec<u8> = Vec::new();
        while let Some(block) = blocks.next(Vec::new())? {
            let block = joined(&mut open, block);
            match decoder.decode(&block).map_err(|e| self.told(e))? {
                Some(rows) => out.push(rows),
                None => open = block.into_text(),
            }
        }
        if !open.is_empty() {
            return Err(unended());
        }
        Ok(out)
    }

    /// An error of a block as it is told of the whole file: with the number of its line.
    pub fn told(&self, error: ArrowError) -> ArrowError {
        let Ok(file) = File::open(&self.path) else { return error };
        if let ArrowError::ExternalError(cause) = &error
            && cause.is::<TooDeep>()
            && let Some(line) = deep_line(BufReader::new(file))
        {
            return ArrowError::JsonError(format!("line {line}: {TooDeep}"));
        }
        let fault = if self.is_text() { first_fault(self) } else { None };
        fault.map_or_else(|| shortened(error), |(line, cause)| at_line(line, shortened(cause)))
    }

    /// Whether a row ends at a place of a block of text that has more behind it.
    pub fn has_end_at(&self, text: &[u8], at: usize) -> bool {
        let cut = if self.format == TableFormat::Csv { Cut::Records } else { Cut::Objects };
        cut.ends_at(text, at)
    }

    /// Where so many rows of a block of text end.
    ///
    /// # Errors
    /// When it does not hold so many.
    pub fn end_of_rows(&self, text: &[u8], rows: usize) -> Result<usize, ArrowError> {
        if rows == 0 {
            return Ok(0);
        }
        if self.format == TableFormat::Json {
            return end_of_rows(text, rows);
        }
        self.csv_reader().with_batch_size(rows).build_decoder().decode(text)
    }

    /// What reads the CSV, decimals wider than they are.
    fn csv_reader(&self) -> CsvReader {
        CsvReader::new(wide(&self.columns).unwrap_or_else(|| self.columns.clone())).with_projection(self.read.clone())
    }
}

/// An error of one row with the number of its line in the file.
fn at_line(line: u64, error: ArrowError) -> ArrowError {
    // Of the one row that it was given the reader of CSV says that it is line 0.
    match error {
        ArrowError::JsonError(text) => ArrowError::JsonError(format!("line {line}: {text}")),
        ArrowError::ParseError(text) => ArrowError::ParseError(format!("line {line}: {}", text.replacen(" at line 0", "", 1))),
        ArrowError::CsvError(text) => ArrowError::CsvError(format!("line {line}: {}", text.replacen(" at line 0", "", 1))),
        other => ArrowError::ParseError(format!("line {line}: {other}")),
    }
}

/// What is told of a file that ends within a row.
pub fn unended() -> ArrowError {
    ArrowError::JsonError("the file ends within a row".into())
}

/// A block behind one that ended within a row.
pub fn joined(open: &mut Vec<u8>, block: Block) -> Block {
    match block {
        Block::Text(text) if !open.is_empty() => {
            let mut both = std::mem::take(open);
            both.extend_from_slice(&text);
            Block::Text(both)
        }
        other => other,
    }
}

fn parquet_columns(path: &Path) -> Result<SchemaRef, ArrowError> {
    Ok(parquet(path)?.schema().clone())
}

/// A reader of a Parquet file. How its writer held a column is nobody's concern here: dictionaries are read as their values.
fn parquet(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ArrowError> {
    let file = File::open(path)?;
    let written = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let fields: Fields = written.schema().fields().iter().map(plain).collect();
    let metadata = match &fields == written.schema().fields() {
        true => written,
        false => {
            let schema = Schema::new_with_metadata(fields, written.schema().metadata().clone());
            ArrowReaderMetadata::try_new(written.metadata().clone(), ArrowReaderOptions::new().with_schema(Arc::new(schema)))?
        }
    };
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata))
}

/// A column with values in the place of dictionaries.
fn plain(field: &Arc<Field>) -> Arc<Field> {
    fn kind(of: &DataType) -> DataType {
        match of {
            DataType::Dictionary(_, values) => kind(values),
            DataType::List(item) => DataType::List(plain(item)),
            DataType::LargeList(item) => DataType::LargeList(plain(item)),
            DataType::FixedSizeList(item, size) => DataType::FixedSizeList(plain(item), *size),
            DataType::Map(entries, sorted) => DataType::Map(plain(entries), *sorted),
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
            other => other.clone(),
        }
    }
    let plain = Field::new(field.name(), kind(field.data_type()), field.is_nullable());
    Arc::new(plain.with_metadata(field.metadata().clone()))
}

impl Block {
    fn into_text(self) -> Vec<u8> {
        match self {
            Block::Text(text) => text,
            Block::Rows(_) => Vec::new(),
        }
    }
}

impl Blocks {
    /// The next block, in a buffer whose content does not count where it is text; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read or is broken.
    pub fn next(&mut self, buffer: Vec<u8>) -> Result<Option<Block>, ArrowError> {
        match self {
            Blocks::Text(reader) => Ok(reader.next(buffer)?.map(Block::Text)),
            Blocks::Parquet(reader) => Ok(reader.next().transpose()?.map(Block::Rows)),
        }
    }

    /// The byte at which the next block begins, in a text.
    pub fn at(&self) -> u64 {
        match self {
            Blocks::Text(reader) => reader.at(),
            Blocks::Parquet(_) => 0,
        }
    }
}

impl BlockDecoder {
    /// The rows of a block; none when it ends within a row, which begins what the next block goes on with.
    ///
    /// # Errors
    /// When a value does not fit its column's type, or the text is broken.
    pub fn decode(&mut self, block: &Block) -> Result<Option<RecordBatch>, ArrowError> {
        match (self, block) {
            (BlockDecoder::Json(decoder), Block::Text(text)) => decoder.decode(text),
            (BlockDecoder::Csv(file, columns), Block::Text(text)) => csv(file, columns, text).map(Some),
            (_, Block::Rows(rows)) => Ok(Some(rows.clone())),
            (BlockDecoder::Parquet, Block::Text(_)) => Err(ArrowError::InvalidArgumentError("Parquet is not text".into())),
        }
    }
}

fn csv(file: &TableFile, columns: &SchemaRef, text: &[u8]) -> Result<RecordBatch, ArrowError> {
    // A batch that surely holds the block, so that nothing is put together afterwards.
    let lines = memchr_iter(b'\n', text).count().max(memchr_iter(b'\r', text).count()) + 2;
    let reader = file.csv_reader().with_batch_size(lines).build_buffered(text)?;
    let wide = wide(columns).unwrap_or_else(|| columns.clone());
    narrow(&concat_batches(&wide, &reader.collect::<Result<Vec<RecordBatch>, ArrowError>>()?)?, columns)
}
