//! From the columns of a file to those of its table: those that somebody reads, and nulls in the place of the others.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use littoral_connectors::files::table::TableFile;

/// How rows of a file become rows of its table.
#[derive(Clone, Debug)]
pub struct Columns {
    file: TableFile,
    /// For each column of the table its place among those that are read.
    places: Vec<Option<usize>>,
    /// Nulls of columns that nobody reads; as many as the longest block had rows.
    nulls: Vec<Option<ArrayRef>>,
    schema: SchemaRef,
}

impl Columns {
    /// Of a table whose columns have places in the file, those that are wanted.
    pub fn new(file: &TableFile, places: &[usize], schema: &SchemaRef, wanted: impl Fn(usize) -> bool) -> Self {
        let kept: Vec<Option<usize>> = places.iter().enumerate().map(|(i, place)| wanted(i).then_some(*place)).collect();
        let mut read: Vec<usize> = kept.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let field = |(f, place): (&Arc<Field>, &Option<usize>)| match place {
            Some(_) => f.as_ref().clone(),
            None => f.as_ref().clone().with_nullable(true),
        };
        let fields: Vec<Field> = schema.fields().iter().zip(&kept).map(field).collect();
        Columns {
            file: file.reading(&read),
            places: kept.iter().map(|place| place.and_then(|p| read.binary_search(&p).ok())).collect(),
            nulls: vec![None; kept.len()],
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The file, of which what is wanted is read.
    pub fn file(&self) -> &TableFile {
        &self.file
    }

    /// Rows of the file as rows of the table.
    ///
    /// # Errors
    /// When a value does not fit the table's type.
    pub fn rows(&mut self, given: &RecordBatch) -> Result<RecordBatch, String> {
        let rows = given.num_rows();
        let options = CastOptions { safe: false, ..Default::default() };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.places.len());
        for ((field, place), nulls) in self.schema.fields().iter().zip(&self.places).zip(&mut self.nulls) {
            let Some(place) = place else {
                let nulls = match nulls.take().filter(|n| n.len() >= rows) {
                    Some(enough) => nulls.insert(enough),
                    None => nulls.insert(new_null_array(field.data_type(), rows)),
                };
                columns.push(nulls.slice(0, rows));
                continue;
            };
            let column = given.columns().get(*place).ok_or("the file has fewer columns than were read")?;
            columns.push(match column.data_type() == field.data_type() {
                true => column.clone(),
                false => cast_with_options(column, field.data_type(), &options).map_err(|e| format!("column \"{}\": {e}", field.name()))?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(|e| e.to_string())
    }
}
