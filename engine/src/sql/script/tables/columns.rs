//! Columns whose values a table makes itself: computed from others, or put in where a row does not give them.

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::sql::Functions;
use crate::sql::script::batch::{answer_with, conform};

/// The name under which rows stand while their columns are made.
const ROWS: &str = "rows given";

/// What a table makes of the rows that it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Computed columns with their expressions, in the order of the table.
    pub computed: Vec<(String, String)>,
    /// What a column is where a row does not give it.
    pub defaults: Vec<(String, String)>,
}

/// What expressions of columns may ask for beside the row.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// What the clock reads.
    pub now: i64,
    /// Functions of the program.
    pub functions: &'a Functions,
}

impl Columns {
    /// Whether a column is computed.
    pub fn is_computed(&self, name: &str) -> bool {
        self.computed.iter().any(|(n, _)| n == name)
    }

    /// The columns that rows are given with.
    pub fn given(&self, schema: &SchemaRef) -> SchemaRef {
        let own: Vec<_> = schema.fields().iter().filter(|f| !self.is_computed(f.name())).cloned().collect();
        std::sync::Arc::new(Schema::new(own))
    }

    /// The default of a column, as an expression.
    pub fn default_of(&self, name: &str) -> &str {
        self.defaults.iter().find(|(n, _)| n == name).map_or("NULL", |(_, text)| text)
    }

    /// Rows that are given with all but the computed columns, with these as well.
    pub fn filled(&self, rows: RecordBatch, schema: &SchemaRef, around: Around<'_>) -> Result<RecordBatch, String> {
        if self.computed.is_empty() {
            return Ok(rows);
        }
        let rows = computed(&rows, &self.computed, around)?;
        let columns = schema.fields().iter().map(|f| rows.column_by_name(f.name()).cloned());
        let columns: Option<Vec<_>> = columns.collect();
        let columns = columns.ok_or("a computed column is not there")?;
        let fields: Vec<Field> =
            schema.fields().iter().zip(&columns).map(|(f, c)| Field::new(f.name(), c.data_type().clone(), true)).collect();
        conform(&RecordBatch::try_new(Schema::new(fields).into(), columns).map_err(|e| e.to_string())?, schema)
    }
}

/// Rows with computed columns behind their own; one may ask for those before it.
pub fn computed(rows: &RecordBatch, columns: &[(String, String)], around: Around<'_>) -> Result<RecordBatch, String> {
    let mut text = format!("SELECT * FROM \"{ROWS}\"");
    for (name, expression) in columns {
        text = format!("SELECT *, ({expression}) AS \"{name}\" FROM ({text}) AS \"{ROWS}\"");
    }
    answer_with(&text, &[(ROWS.to_string(), rows.clone())], Some(around.now), around.functions)
}
