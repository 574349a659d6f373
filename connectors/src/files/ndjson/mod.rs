//! NDJSON to Arrow, straight into the columns of a schema: no tree of values, no tape, nothing kept for a row.
//!
//! It gives what arrow-json gives, to the bit, but for one defect there (`pairs.rs`), and for fractions that a column has no room
//! for: decimals are rounded, and a number with a fraction is no whole number (`exact.rs`), where arrow-json cuts off. Plain JSON is read here; a block with anything else in it (a key twice, commas
//! that are missing, types that are rare, values that do not fit) goes to arrow-json whole, which also says what is wrong. So
//! this is faster and never different. Rows are objects; they may stand on one line or on several, as in arrow-json.
//! Not here: how a file is cut into blocks (`blocks.rs`).

mod column;
mod cursor;
mod depth;
mod digits;
mod list;
mod nulls;
mod number;
mod object;
mod pairs;
mod text;
mod time;

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;

use super::exact::{narrow, whole, wide, written};
use super::shortened;

use self::cursor::Cursor;
pub use self::depth::{TooDeep, deep_line};
pub use self::number::whole_number;
use self::object::Object;

/// Rows that arrow-json decodes at once.
const PLAIN_ROWS: usize = 4096;

/// Decodes blocks of rows.
pub struct Decoder {
    schema: SchemaRef,
    /// None when a column has a type that is left to arrow-json.
    object: Option<Object>,
    slow: u64,
}

impl Decoder {
    /// For rows of a schema; keys that it does not have are passed by.
    pub fn new(schema: SchemaRef) -> Self {
        Decoder { object: Object::new(schema.fields()), schema, slow: 0 }
    }

    /// The rows of a block; none when it ends within a row.
    ///
    /// # Errors
    /// What arrow-json says; also when values lie within each other deeper than they may.
    pub fn decode(&mut self, block: &[u8]) -> Result<Option<RecordBatch>, ArrowError> {
        if let Some(rows) = self.fast(block) {
            return Ok(Some(rows));
        }
        self.slow += 1;
        if depth::is_too_deep(block) {
            return Err(ArrowError::ExternalError(Box::new(TooDeep)));
        }
        // With debug assertions its parser of decimal numbers stops at exponents of five digits.
        let read = std::panic::catch_unwind(|| plain(&self.schema, &pairs::written_out(block)));
        read.unwrap_or_else(|_| Err(ArrowError::JsonError("arrow-json does not read this block to its end".into()))).map_err(shortened)
    }

    /// How many blocks went to arrow-json.
    pub fn slow_blocks(&self) -> u64 {
        self.slow
    }

    fn fast(&mut self, block: &[u8]) -> Option<RecordBatch> {
        let read = self.object.as_mut().and_then(|object| read(object, &self.schema, block));
        if read.is_none() && self.object.is_some() {
            // What was begun is thrown away.
            self.object = Object::new(self.schema.fields());
        }
        read
    }
}

/// The rows of a block.
fn read(object: &mut Object, schema: &SchemaRef, block: &[u8]) -> Option<RecordBatch> {
    rows(object, block)?;
    let count = object.rows();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(schema.clone(), object.finish(count)?, &options).ok()
}

/// Adds the rows of a block.
fn rows(object: &mut Object, block: &[u8]) -> Option<()> {
    std::str::from_utf8(block).ok()?;
    let mut cursor = Cursor::new(block);
    loop {
        cursor.space();
        match cursor.take() {
            None => return Some(()),
            Some(b'{') => object.row(&mut cursor)?,
            Some(_) => return None,
        }
    }
}

fn plain(schema: &SchemaRef, block: &[u8]) -> Result<Option<RecordBatch>, ArrowError> {
    // What is wrong is told of the types that were asked for.
    let mut rows = by_arrow(schema, block, false)?;
    if let (Some(_), Some(wide)) = (&rows, wide(schema)) {
        rows = by_arrow(&wide, block, false)?.map(|rows| narrow(&rows, schema)).transpose()?;
    }
    if let (Some(given), Some(written)) = (&rows, written(schema).filter(|_| depth::has_long_number(block))) {
        rows = by_arrow(&written, block, true)?.map(|written| whole(given, &written)).transpose()?;
    }
    Ok(rows)
}

/// Reads a block; `as_written` takes numbers for a column of texts, as they are written.
fn by_arrow(schema: &SchemaRef, block: &[u8], as_written: bool) -> Result<Option<RecordBatch>, ArrowError> {
    let reader = ReaderBuilder::new(schema.clone()).with_batch_size(PLAIN_ROWS).with_coerce_primitive(as_written);
    let mut decoder = reader.build_decoder()?;
    let (mut rest, mut batches) = (block, Vec::new());
    while !rest.is_empty() {
        let read = decoder.decode(rest)?;
        rest = rest.get(read..).unwrap_or_default();
        if decoder.has_partial_record() {
            return Ok(None);
        }
        batches.extend(decoder.flush()?);
    }
    concat_batches(schema, &batches).map(Some)
}

/// Where so many rows of a block end.
///
/// # Errors
/// When it does not hold so many.
pub fn end_of_rows(block: &[u8], rows: usize) -> Result<usize, ArrowError> {
    if let Some(end) = passed(block, rows) {
        return Ok(end);
    }
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::empty())).with_batch_size(rows).build_decoder()?;
    let end = decoder.decode(block)?;
    match decoder.len() == rows && !decoder.has_partial_record() {
        true => Ok(end),
        false => Err(ArrowError::JsonError(format!("there are no {rows} rows"))),
    }
}

fn passed(block: &[u8], rows: usize) -> Option<usize> {
    let (mut cursor, mut scratch) = (Cursor::new(block), Vec::new());
    for _ in 0..rows {
        cursor.space();
        cursor.value(&mut scratch)?;
    }
    Some(block.len() - cursor.rest().len())
}
