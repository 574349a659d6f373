//! What a `CREATE TABLE` says: columns, primary key, watermark, and the file it reads or writes.

use std::path::PathBuf;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::sql::sqlparser::ast::{ColumnOption, CreateTable, CreateTableOptions, SqlOption, TableConstraint};

use super::batch::micros;
use super::tables::EventTime;
use crate::sql::catalog::Catalog;
use crate::sql::problem::said;
use crate::sql::program::normal;
use crate::sql::window::micros_of;

/// A table's definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its columns.
    pub schema: SchemaRef,
    /// Columns of the primary key.
    pub key: Vec<usize>,
    /// Its event time, when it has a watermark.
    pub event_time: Option<EventTime>,
    /// The file.
    pub file: Option<FileOptions>,
}

/// A file that a table reads or writes.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Where it is.
    pub path: PathBuf,
    /// How rows are written in it.
    pub format: Format,
    /// Whether rows that are put into the table go to the file.
    pub sink: bool,
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header line.
    Csv,
    /// A JSON object a line.
    Json,
    /// Parquet.
    Parquet,
    /// A change a line, as Debezium writes them.
    Debezium,
}

impl Definition {
    /// Columns alone.
    pub fn plain(schema: SchemaRef) -> Self {
        Definition { schema, key: Vec::new(), event_time: None, file: None }
    }
}

/// Reads a `CREATE TABLE`.
///
/// # Errors
/// With what is wrong or not known in it.
pub fn of(catalog: &Catalog, create: &CreateTable, watermark: Option<&(String, String)>) -> Result<Definition, String> {
    let schema = micros(&catalog.table_schema(create.columns.clone()).map_err(|e| said(&e))?);
    let mut key = Vec::new();
    for column in &create.columns {
        let primary = |o: &datafusion::sql::sqlparser::ast::ColumnOptionDef| matches!(o.option, ColumnOption::PrimaryKey(_));
        if column.options.iter().any(primary) {
            key.push(normal(&column.name));
        }
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::PrimaryKey(primary) => {
                key.extend(primary.columns.iter().map(|c| c.column.expr.to_string().trim_matches('"').to_string()))
            }
            other => return Err(format!("constraint {other} is not supported yet")),
        }
    }
    let index = |k: &String| schema.index_of(k).map_err(|_| format!("there is no column \"{k}\" for the primary key"));
    let key = key.iter().map(index).collect::<Result<_, _>>()?;
    let (file, jump) = options(create)?;
    let mut event_time = watermark.map(|w| event_time(catalog, &schema, w)).transpose()?;
    match (&mut event_time, jump) {
        (Some(event_time), jump) => event_time.jump = jump,
        (None, Some(_)) => return Err("option watermark.max_jump needs WATERMARK FOR".into()),
        _ => {}
    }
    Ok(Definition { schema, key, event_time, file })
}

/// Whether a `CREATE TABLE` makes a sink.
pub fn is_sink(create: &CreateTable) -> bool {
    options(create).is_ok_and(|(file, _)| file.is_some_and(|f| f.sink))
}

/// Reads what a `CREATE SINK` says of its file.
///
/// # Errors
/// With what is wrong or not known in it.
pub fn sink(create: &CreateTable) -> Result<FileOptions, String> {
    let (file, jump) = options(create)?;
    match (file, jump) {
        (Some(file), None) => Ok(FileOptions { sink: true, ..file }),
        (None, None) => Err("CREATE SINK needs WITH (connector = 'file', path = '…')".into()),
        (_, Some(_)) => Err("a sink has no watermark".into()),
    }
}

/// `WATERMARK FOR column AS column - INTERVAL …`.
fn event_time(catalog: &Catalog, schema: &SchemaRef, (name, text): &(String, String)) -> Result<EventTime, String> {
    let column = schema.index_of(name).map_err(|_| format!("there is no column \"{name}\" for the watermark"))?;
    if !matches!(schema.field(column).data_type(), DataType::Timestamp(..)) {
        return Err(format!("the watermark's column \"{name}\" is no TIMESTAMP"));
    }
    let frame = DFSchema::try_from(schema.as_ref().clone()).map_err(|e| said(&e))?;
    let expr = catalog.expression(text, &frame).map_err(|e| said(&e))?;
    let is_column = |e: &Expr| matches!(e, Expr::Column(c) if &c.name == name);
    let wrong = || format!("a watermark is its column, or its column less an interval, but here it is {text}");
    let lateness = match &expr {
        e if is_column(e) => 0,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) if is_column(left) => match right.as_ref() {
            Expr::Literal(value, _) => micros_of(value).filter(|m| *m >= 0).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Ok(EventTime { column, lateness, jump: None })
}

/// What `WITH (…)` says: the file, and how far a row may jump ahead.
fn options(create: &CreateTable) -> Result<(Option<FileOptions>, Option<i64>), String> {
    let options: &[SqlOption] = match &create.table_options {
        CreateTableOptions::None => return Ok((None, None)),
        CreateTableOptions::With(options) | CreateTableOptions::Options(options) => options,
        _ => return Err("these options of CREATE TABLE are not supported yet".into()),
    };
    let (mut path, mut format, mut sink, mut jump) = (None, None, false, None);
    for option in options {
        let SqlOption::KeyValue { key, value } = option else { return Err(format!("option {option} is not supported yet")) };
        let value = value.to_string().trim_matches('\'').to_string();
        match (key.value.to_lowercase().as_str(), value.as_str()) {
            ("connector", "file" | "filesystem" | "single_file") | ("type", "source") => {}
            ("type", "sink") => sink = true,
            ("format", "csv") => format = Some(Format::Csv),
            ("format", "json") => format = Some(Format::Json),
            ("format", "parquet") => format = Some(Format::Parquet),
            ("format", "debezium_json" | "debezium-json") => format = Some(Format::Debezium),
            ("path", _) => path = Some(PathBuf::from(value)),
            ("watermark.max_jump", text) => jump = Some(duration(text)?),
            (key @ ("connector" | "type" | "format"), value) => {
                return Err(format!("{key} = '{value}' is not supported yet in CREATE TABLE"));
            }
            (key, _) => {
                const KNOWN: [&str; 5] = ["connector", "path", "format", "type", "watermark.max_jump"];
                let near = KNOWN.iter().max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
                return Err(format!("unknown option \"{key}\" of CREATE TABLE; did you mean \"{}\"?", near.unwrap_or(&"path")));
            }
        }
    }
    let Some(path) = path else {
        return match (sink, format) {
            (false, None) => Ok((None, jump)),
            _ => Err("CREATE TABLE with a connector needs path = '…'".into()),
        };
    };
    let by_ending = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(Format::Json),
        Some("parquet") => Some(Format::Parquet),
        _ => None,
    };
    let format = format.or(by_ending).ok_or_else(|| format!("the format of \"{}\" is not known; give format = '…'", path.display()))?;
    Ok((Some(FileOptions { path, format, sink }), jump))
}

/// A length of time such as `10 seconds`, in microseconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("\"{text}\" is not a length of time; write one such as '10 minutes'");
    let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds * 1_000_000).filter(|m| *m > 0).ok_or_else(wrong)
}
