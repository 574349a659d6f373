//! Rows as text that can be compared, and the states that changes come to. Floats are compared to nine digits, for sums may be
//! taken in another order. Nothing here runs a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use littoral_engine::flow::updates::Updates;

/// Rows with the times that each is there; never with 0.
pub type Lines = BTreeMap<String, i64>;

/// What each epoch changed.
pub type Changes = [(u64, Updates)];

fn float(value: f64) -> String {
    match value {
        v if v.is_nan() => "NaN".to_string(),
        v if v.abs() < 1e-9 => "0".to_string(),
        // Numbers of few bits are halfway between two of nine digits more often than not: what one system has an ulp below.
        v => format!("{:.9e}", v * (1.0 + 1e-12)),
    }
}

fn cell(column: &ArrayRef, formatter: &ArrayFormatter<'_>, row: usize) -> String {
    match column.data_type() {
        _ if column.is_null(row) => "NULL".to_string(),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => float(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Timestamp(..) => formatter.value(row).to_string().trim_end_matches('Z').to_string(),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => format!("{:?}", formatter.value(row).to_string()),
        _ => formatter.value(row).to_string(),
    }
}

/// A line of text a row.
pub fn lines_of(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatters: Vec<ArrayFormatter<'_>> =
        rows.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let line = |row: usize| rows.columns().iter().zip(&formatters).map(|(c, f)| cell(c, f, row)).collect::<Vec<_>>().join(" | ");
    (0..rows.num_rows()).map(line).collect()
}

/// Rows counted.
pub fn counted(rows: &RecordBatch) -> Lines {
    let mut out = Lines::new();
    lines_of(rows).into_iter().for_each(|line| *out.entry(line).or_default() += 1);
    out
}

/// Adds what an epoch changed.
pub fn add(lines: &mut Lines, updates: &Updates) {
    for (row, line) in lines_of(&updates.rows).into_iter().enumerate() {
        let count = lines.entry(line).or_default();
        *count += updates.diff(row);
    }
    lines.retain(|_, count| *count != 0);
}

/// What is in one and not in the other, a few lines of each.
pub fn difference(view: &Lines, batch: &Lines) -> String {
    let mut out = String::new();
    let lines: std::collections::BTreeSet<&String> = view.keys().chain(batch.keys()).collect();
    for line in lines {
        let (a, b) = (view.get(line).copied().unwrap_or(0), batch.get(line).copied().unwrap_or(0));
        if a != b && out.len() < 1500 {
            out += &format!("    view {a}, batch {b}: {line}\n");
        }
    }
    out
}

/// The rows that changes up to an epoch come to.
pub fn state(changes: &Changes, epoch: u64, schema: &SchemaRef) -> RecordBatch {
    let all: Vec<&Updates> = changes.iter().filter(|(e, _)| *e <= epoch).map(|(_, u)| u).collect();
    let rows = concat_batches(schema, all.iter().map(|u| &u.rows)).unwrap();
    let diffs: Vec<i64> = all.iter().flat_map(|u| (0..u.rows.num_rows()).map(|r| u.diff(r))).collect();
    let fields = rows.columns().iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let keys = RowConverter::new(fields).unwrap().convert_columns(rows.columns()).unwrap();
    let mut counts: BTreeMap<Vec<u8>, (u32, i64)> = BTreeMap::new();
    for (row, diff) in diffs.iter().enumerate() {
        let entry = counts.entry(keys.row(row).as_ref().to_vec()).or_insert((row as u32, 0));
        entry.1 += diff;
    }
    let kept = counts.into_values().flat_map(|(row, count)| {
        assert!(count >= 0, "a table has fewer than no rows");
        std::iter::repeat_n(row, count as usize)
    });
    take_record_batch(&rows, &UInt32Array::from_iter_values(kept)).unwrap()
}

/// Whether rows hold floats, whose text does not tell all.
pub fn has_floats(schema: &SchemaRef) -> bool {
    fn within(kind: &DataType) -> bool {
        match kind {
            DataType::Float64 | DataType::Float32 => true,
            DataType::List(field) => within(field.data_type()),
            DataType::Struct(fields) => fields.iter().any(|f| within(f.data_type())),
            _ => false,
        }
    }
    schema.fields().iter().any(|f| within(f.data_type()))
}

/// A state as a table for the batch.
pub fn named(name: &str, rows: RecordBatch) -> (String, RecordBatch) {
    (name.to_string(), RecordBatch::try_new(Arc::new(rows.schema().as_ref().clone()), rows.columns().to_vec()).unwrap())
}
