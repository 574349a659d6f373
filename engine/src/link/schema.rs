//! The columns of a stream as the two ends agree on them: names, types of a small set, nullability.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::LinkError;
use crate::expression::Kind;

/// Columns of a stream.
const COLUMNS_MAX: usize = 1024;
/// Samples of a frame in a column of frames.
const LIST_MAX: i32 = 65_536;

/// A stream as it is announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// Its name.
    pub stream: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A column as it is announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    name: String,
    kind: Kind,
    /// Values in a fixed-size list; a plain column when none.
    list: Option<i32>,
    nullable: bool,
}

impl Announced {
    /// Announces a stream.
    ///
    /// # Errors
    /// When a column has a type that the link does not carry.
    pub fn new(stream: &str, schema: &Schema) -> Result<Self, LinkError> {
        let columns = schema.fields().iter().map(|f| column(f)).collect::<Result<_, _>>()?;
        Ok(Announced { stream: stream.to_string(), columns })
    }

    /// The schema that was announced.
    ///
    /// # Errors
    /// When it is larger than a schema may be.
    pub fn schema(&self) -> Result<SchemaRef, LinkError> {
        if self.columns.len() > COLUMNS_MAX {
            return Err(LinkError::Limit { what: "columns", size: self.columns.len() as u64, limit: COLUMNS_MAX as u64 });
        }
        let field = |c: &Column| match c.list {
            None => Ok(Field::new(&c.name, c.kind.arrow(), c.nullable)),
            Some(n) if (1..=LIST_MAX).contains(&n) && c.kind == Kind::F32 => {
                Ok(Field::new(&c.name, DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), n), c.nullable))
            }
            Some(_) => Err(LinkError::Malformed("a list column of a kind that is not carried")),
        };
        Ok(Arc::new(Schema::new(self.columns.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
    }
}

fn column(field: &Field) -> Result<Column, LinkError> {
    let refuse = || LinkError::Type { column: field.name().clone(), data_type: field.data_type().to_string() };
    let (kind, list) = match field.data_type() {
        DataType::FixedSizeList(item, n) if *item.data_type() == DataType::Float32 => (Kind::F32, Some(*n)),
        other => (Kind::of(other).filter(|k| !matches!(k, Kind::Interval | Kind::Utf8View)).ok_or_else(refuse)?, None),
    };
    Ok(Column { name: field.name().clone(), kind, list, nullable: field.is_nullable() })
}
