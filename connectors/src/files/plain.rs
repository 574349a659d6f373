//! Reads a table file whole, as it is: Parquet, CSV with a header, NDJSON. For SQL over files, not for streams.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Lines from which types are inferred.
const INFER_LINES: usize = 10_000;
/// Rows of a batch: as many as a batch of state has.
const BATCH_ROWS: usize = 1 << 14;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The rows of a file; its ending tells the format. An empty table is one batch without rows.
///
/// # Errors
/// When the file cannot be read, is broken, or has an ending other than parquet, csv, json, ndjson or jsonl.
pub fn read(path: &Path) -> Result<Vec<RecordBatch>, ArrowError> {
    let (schema, mut batches): (_, Vec<RecordBatch>) = match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(open(path)?)?;
            let schema = builder.schema().clone();
            (schema, builder.build()?.collect::<Result<_, _>>()?)
        }
        Some("csv") => {
            let (schema, _) = Format::default().with_header(true).infer_schema(open(path)?, Some(INFER_LINES))?;
            let schema = Arc::new(schema);
            (schema.clone(), arrow::csv::ReaderBuilder::new(schema).with_header(true).build(open(path)?)?.collect::<Result<_, _>>()?)
        }
        Some("json" | "ndjson" | "jsonl") => {
            let (schema, _) = arrow::json::reader::infer_json_schema(BufReader::new(open(path)?), Some(INFER_LINES))?;
            let schema = Arc::new(schema);
            (schema.clone(), arrow::json::ReaderBuilder::new(schema).build(BufReader::new(open(path)?))?.collect::<Result<_, _>>()?)
        }
        _ => return Err(ArrowError::InvalidArgumentError("a table file ends in parquet, csv, json, ndjson or jsonl".into())),
    };
    // The metadata of a file is not part of a table's columns.
    let schema = Arc::new(schema.as_ref().clone().with_metadata(Default::default()));
    batches = batches.into_iter().map(|b| RecordBatch::try_new(schema.clone(), b.columns().to_vec())).collect::<Result<_, _>>()?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}

/// The rows of a CSV or NDJSON file whose columns are known: found by name; types are the given ones, not inferred ones.
///
/// # Errors
/// When the file cannot be read, or a value does not fit its type; with the line.
pub fn read_as(path: &Path, format: &str, schema: SchemaRef) -> Result<Vec<RecordBatch>, ArrowError> {
    if format == "json" {
        return arrow::json::ReaderBuilder::new(schema)
            .with_batch_size(BATCH_ROWS)
            .build(BufReader::with_capacity(BUFFER_BYTES, open(path)?))?
            .collect();
    }
    let (header, _) = Format::default().with_header(true).infer_schema(open(path)?, Some(1))?;
    let field = |f: &Arc<Field>| match schema.field_with_name(f.name()) {
        Ok(known) => known.clone().with_nullable(true),
        Err(_) => Field::new(f.name(), DataType::Utf8, true),
    };
    let columns = Arc::new(Schema::new(header.fields().iter().map(field).collect::<Vec<_>>()));
    arrow::csv::ReaderBuilder::new(columns)
        .with_header(true)
        .with_batch_size(BATCH_ROWS)
        .build(BufReader::with_capacity(BUFFER_BYTES, open(path)?))?
        .collect()
}

fn open(path: &Path) -> Result<File, ArrowError> {
    File::open(path).map_err(|e| ArrowError::IoError(format!("could not open \"{}\": {e}", path.display()), e))
}
