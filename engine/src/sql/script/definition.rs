//! What a `CREATE TABLE` says: columns, those that are computed, primary key, event time, and the file it reads or writes.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::sql::sqlparser::ast::{ColumnDef, ColumnOption, CreateTable, Expr as Written, TableConstraint};

use super::batch::micros;
use super::event_time::EventTime;
use super::options::{self, FileOptions, Idle, To};
use super::tables::columns::{Around, Columns, computed};
use crate::sql::catalog::Catalog;
use crate::sql::problem::said;
use crate::sql::program::normal;
use crate::sql::statement::{ARRIVAL, COMPUTED, Taken, Watermark};
use crate::sql::window::micros_of;

/// A table's definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its columns.
    pub schema: SchemaRef,
    /// Those that it makes itself.
    pub columns: Columns,
    /// Columns of the primary key.
    pub key: Vec<usize>,
    /// Its event time, when it has a watermark.
    pub event_time: Option<EventTime>,
    /// For how long it counts for watermarks when no rows come.
    pub idle: Option<Idle>,
    /// Whether rows only come.
    pub append_only: bool,
    /// The file that is read.
    pub file: Option<FileOptions>,
    /// Where rows go, if it is a sink.
    pub sink: Option<To>,
}

impl Definition {
    /// Columns alone.
    pub fn plain(schema: SchemaRef) -> Self {
        let columns = Columns::default();
        Definition { schema, columns, key: Vec::new(), event_time: None, idle: None, append_only: false, file: None, sink: None }
    }
}

/// Reads a `CREATE TABLE`.
///
/// # Errors
/// With what is wrong or not known in it.
pub fn of(catalog: &Catalog, create: &CreateTable, taken: &Taken, around: Around<'_>) -> Result<Definition, String> {
    let columns = columns_of(create)?;
    if let Some(twice) = twice(create.columns.iter().map(|c| normal(&c.name))) {
        return Err(format!("the table has two columns \"{twice}\""));
    }
    let schema = schema(catalog, create, &columns, around)?;
    let key = key(create, &schema)?;
    let options = options::of(create, taken.format.as_deref(), "CREATE TABLE")?;
    let watermark = watermark(taken, &options, &columns)?;
    let mut event_time = watermark.map(|w| event_time(catalog, &schema, &w)).transpose()?;
    match &mut event_time {
        Some(event_time) => event_time.jump = options.jump,
        None if options.jump.is_some() => return Err("option watermark.max_jump needs WATERMARK FOR".into()),
        None if options.idle.is_some() => return Err("option watermark.idle needs WATERMARK FOR".into()),
        None => {}
    }
    let append_only = taken.append_only || options.append_only;
    Ok(Definition { schema, columns, key, event_time, idle: options.idle, append_only, file: options.file, sink: options.sink })
}

/// The first name that is there twice.
pub fn twice(names: impl Iterator<Item = String>) -> Option<String> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(name.clone()))
}

/// The columns of the primary key.
fn key(create: &CreateTable, schema: &SchemaRef) -> Result<Vec<usize>, String> {
    let of_column = |c: &&ColumnDef| c.options.iter().any(|o| matches!(o.option, ColumnOption::PrimaryKey(_)));
    let mut keys: Vec<Vec<String>> = create.columns.iter().filter(of_column).map(|c| vec![normal(&c.name)]).collect();
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::PrimaryKey(primary) => {
                let columns = primary.columns.iter().map(|c| match &c.column.expr {
                    Written::Identifier(name) => normal(name),
                    other => other.to_string(),
                });
                keys.push(columns.collect());
            }
            // It says what a reader may rely on, and is not checked.
            TableConstraint::ForeignKey(_) => {}
            other => return Err(format!("constraint {other} is not supported yet")),
        }
    }
    if keys.len() > 1 {
        return Err("a table has one PRIMARY KEY; write PRIMARY KEY (a, b) for one of several columns".into());
    }
    let names: Vec<String> = keys.into_iter().flatten().collect();
    if let Some(twice) = twice(names.iter().cloned()) {
        return Err(format!("column \"{twice}\" is in the PRIMARY KEY twice"));
    }
    let index = |k: &String| schema.index_of(k).map_err(|_| format!("there is no column \"{k}\" for the primary key"));
    names.iter().map(index).collect()
}

/// Whether a `CREATE TABLE` makes a sink.
pub fn is_sink(create: &CreateTable, taken: &Taken) -> bool {
    options::of(create, taken.format.as_deref(), "CREATE TABLE").is_ok_and(|o| o.sink.is_some())
}

/// Reads what a `CREATE SINK` says of where rows go.
///
/// # Errors
/// With what is wrong or not known in it.
pub fn sink(create: &CreateTable, taken: &Taken) -> Result<To, String> {
    let options = options::of(create, taken.format.as_deref(), "CREATE SINK")?;
    if options.jump.is_some() || options.idle.is_some() || options.event_time.is_some() || taken.watermark.is_some() {
        return Err("a sink has no watermark".into());
    }
    let to = options.sink.or(options.file.map(To::File));
    to.ok_or_else(|| "CREATE SINK needs WITH (connector = 'file', path = '…')".into())
}

/// Computed columns and defaults.
fn columns_of(create: &CreateTable) -> Result<Columns, String> {
    let mut columns = Columns::default();
    for column in &create.columns {
        for option in &column.options {
            let name = normal(&column.name);
            match &option.option {
                ColumnOption::Generated { generation_expr: Some(expr), .. } => columns.computed.push((name, expr.to_string())),
                ColumnOption::Generated { .. } => {
                    return Err(format!("\"{option}\" of column \"{}\" is not supported yet", normal(&column.name)));
                }
                ColumnOption::Default(expr) => columns.defaults.push((name, expr.to_string())),
                _ => {}
            }
        }
    }
    Ok(columns)
}

/// The columns of a table with their types; a computed column that does not say its type has that of its expression.
fn schema(catalog: &Catalog, create: &CreateTable, columns: &Columns, around: Around<'_>) -> Result<SchemaRef, String> {
    let known = |c: &ColumnDef| ColumnDef {
        options: c.options.iter().filter(|o| matches!(o.option, ColumnOption::NotNull | ColumnOption::Null)).cloned().collect(),
        ..c.clone()
    };
    let typed: Vec<ColumnDef> = create.columns.iter().filter(|c| c.data_type.to_string() != COMPUTED).map(known).collect();
    let typed = micros(&catalog.table_schema(typed).map_err(|e| said(&e))?);
    if columns.computed.is_empty() && columns.defaults.is_empty() {
        return Ok(typed);
    }
    let given = columns.given(&typed);
    checked(catalog, &given, columns)?;
    let made = computed(&RecordBatch::new_empty(given), &columns.computed, around).map_err(|e| format!("a computed column: {e}"))?;
    let made = micros(&made.schema());
    let one = |c: &ColumnDef| {
        let name = normal(&c.name);
        let field = typed.field_with_name(&name).or_else(|_| made.field_with_name(&name)).map_err(|e| e.to_string())?;
        Ok(match columns.is_computed(&name) {
            true => field.clone().with_nullable(true),
            false => field.clone(),
        })
    };
    let fields: Vec<Field> = create.columns.iter().map(one).collect::<Result<_, String>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// Refuses expressions that do not fit, or that would not give the same again.
fn checked(catalog: &Catalog, given: &SchemaRef, columns: &Columns) -> Result<(), String> {
    let mut scratch = catalog.clone();
    scratch.add_table("rows given", given.clone());
    let mut text = "SELECT * FROM \"rows given\"".to_string();
    for (name, expression) in &columns.computed {
        // A row keeps the time at which it came.
        let expression = if expression == ARRIVAL { "CAST(NULL AS TIMESTAMP)" } else { expression };
        text = format!("SELECT *, ({expression}) AS \"{name}\" FROM ({text}) AS \"rows given\"");
        let plan = scratch.plan_query(&text).map_err(|e| format!("column \"{name}\": {}", said(&e)))?;
        if crate::sql::catalog::asks_now(&plan).map_err(|e| said(&e))? {
            return Err(format!(
                "column \"{name}\": now() within a computed column is not supported yet: let one column be now(), or PROCTIME(), and compute others from it"
            ));
        }
    }
    for (name, expression) in &columns.defaults {
        scratch.plan_query(&format!("SELECT {expression}")).map_err(|e| format!("default of column \"{name}\": {}", said(&e)))?;
    }
    Ok(())
}

/// The watermark that a table's definition or its options give.
fn watermark(taken: &Taken, options: &options::Options, columns: &Columns) -> Result<Option<Watermark>, String> {
    let by_options = match (&options.event_time, &options.watermark) {
        (None, None) => None,
        (None, Some(_)) => return Err("option watermark_field needs event_time_field".into()),
        (Some(time), None) => Some(Watermark { column: time.clone(), expression: None }),
        (Some(time), Some(mark)) if mark == time => Some(Watermark { column: time.clone(), expression: None }),
        (Some(time), Some(mark)) => {
            let expression = columns.computed.iter().find(|(name, _)| name == mark).map(|(_, text)| text.clone());
            let expression = expression.ok_or_else(|| format!("watermark_field \"{mark}\" is no computed column"))?;
            Some(Watermark { column: time.clone(), expression: Some(expression) })
        }
    };
    match (&taken.watermark, by_options) {
        (Some(_), Some(_)) => Err("WATERMARK FOR and event_time_field both give the event time".into()),
        (None, Some(by_options)) => Ok(Some(by_options)),
        // Rows come in the order in which they came.
        (None, None) => {
            let arrival = columns.computed.iter().find(|(_, expression)| expression == ARRIVAL);
            Ok(arrival.map(|(column, _)| Watermark { column: column.clone(), expression: None }))
        }
        (Some(written), None) => Ok(Some(written.clone())),
    }
}

/// `WATERMARK FOR column AS column - INTERVAL …`.
fn event_time(catalog: &Catalog, schema: &SchemaRef, Watermark { column: name, expression }: &Watermark) -> Result<EventTime, String> {
    let column = schema.index_of(name).map_err(|_| format!("there is no column \"{name}\" for the watermark"))?;
    if !matches!(schema.field(column).data_type(), DataType::Timestamp(..)) {
        return Err(format!("the watermark's column \"{name}\" is no TIMESTAMP"));
    }
    let Some(text) = expression else { return Ok(EventTime { column, lateness: 0, jump: None }) };
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
