//! `littoral sql`: runs a SQL file over files to their end, and prints what its queries answer.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::writer::LineDelimited;
use arrow::util::pretty::pretty_format_batches;
use clap::{Args, ValueEnum};
use littoral_connectors::map_keys::text_keys;
use littoral_connectors::written::to_lines;
use littoral_engine::flow::updates::Updates;
use littoral_engine::sql::Functions;
use littoral_engine::sql::arrange::set_memory_limit;
use littoral_engine::sql::script::{Answer, Every, RestoreOptions, ScriptError, ScriptOptions, SnapshotOptions, run as run_script};

use crate::failure::Failure;
use crate::output::tell;

/// Arguments of `littoral sql`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  littoral sql report.sql --table orders=orders.parquet --format csv\n  littoral sql changes.sql --changes --format json\n  littoral sql report.sql --snapshot-dir state --snapshot-every 1s\n  littoral sql report.sql --snapshot-dir state --restore state --workers 4"
)]
pub struct SqlArgs {
    /// The SQL file.
    file: PathBuf,
    /// A table from a file (parquet, csv, json). May be repeated.
    #[arg(long = "table", value_name = "NAME=PATH", value_parser = table)]
    tables: Vec<(String, PathBuf)>,
    /// Print what each epoch changed, with the columns epoch and diff, instead of the rows at the end.
    #[arg(long)]
    changes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Timely workers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Memory that joins and groups may hold rows in, in MiB; what is beyond goes to disk.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    memory_limit: Option<u64>,
    /// Cut the files of tables into epochs of so many rows, instead of one epoch a file.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    epoch_rows: Option<u64>,
    /// Write snapshots of what queries keep into this folder, and keep the newest three.
    #[arg(long, value_name = "FOLDER")]
    snapshot_dir: Option<PathBuf>,
    /// From one snapshot to the next: a number of epochs, or a time such as 1s; there is always one at the end of the input.
    #[arg(long, value_name = "EPOCHS|TIME", default_value = "1", requires = "snapshot_dir")]
    snapshot_every: Every,
    /// Go on from the newest snapshots in this folder, with any number of workers.
    #[arg(long, value_name = "FOLDER")]
    restore: Option<PathBuf>,
    /// Go on although a view has changed: state that is equal is kept, the rest is filled anew, and the view begins with all its rows.
    #[arg(long, requires = "restore")]
    changed_plan: bool,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A drawn table.
    Table,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a row, a line each.
    Json,
}

fn table(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("write NAME=PATH")?;
    if name.is_empty() || path.is_empty() {
        return Err("write NAME=PATH".into());
    }
    Ok((name.to_string(), PathBuf::from(path)))
}

/// Runs the command.
pub fn run(args: &SqlArgs) -> Result<(), Failure> {
    let name = args.file.display().to_string();
    let text =
        std::fs::read_to_string(&args.file).map_err(|e| Failure::Given(format!("error: could not read \"{name}\"\n  caused by: {e}")))?;
    if let Some(mib) = args.memory_limit {
        set_memory_limit(mib << 20);
    }
    let options = ScriptOptions {
        tables: args.tables.clone(),
        feeds: Vec::new(),
        workers: usize::from(args.workers),
        epoch_rows: args.epoch_rows.and_then(|n| usize::try_from(n).ok()),
        block_bytes: None,
        snapshots: args.snapshot_dir.clone().map(|folder| SnapshotOptions { folder, every: args.snapshot_every }),
        functions: Functions::default(),
        restore: args.restore.clone().map(|folder| RestoreOptions { folder, changed_plan: args.changed_plan }),
    };
    let answers = run_script(&name, &text, &options).map_err(|error| match error {
        ScriptError::Given(problem) => Failure::Given(problem.to_string()),
        ScriptError::File { .. } => Failure::Given(format!("error: {error}")),
        ScriptError::Running(_) => Failure::Running(Box::new(error)),
    })?;
    for answer in &answers {
        let rows = if args.changes { changes(answer) } else { shown(&answer.rows) };
        tell(&rows.and_then(|rows| written(&rows, args.format)).map_err(|e| Failure::Running(Box::new(e)))?)?;
        tell_errors(&answer.errors).map_err(|e| Failure::Running(Box::new(e)))?;
    }
    Ok(())
}

/// Rows that have no answer are told on standard error, a few of them with the reason.
fn tell_errors(errors: &RecordBatch) -> Result<(), ArrowError> {
    const SHOWN: usize = 5;
    if errors.num_rows() > 0 {
        eprintln!("warning: {} rows have no answer because of an error", errors.num_rows());
        eprintln!("{}", pretty_format_batches(&[errors.slice(0, errors.num_rows().min(SHOWN))])?);
    }
    Ok(())
}

/// All changes with their epochs and diffs in front.
fn changes(answer: &Answer) -> Result<RecordBatch, ArrowError> {
    let mut fields = vec![Arc::new(Field::new("epoch", DataType::UInt64, false)), Arc::new(Field::new("diff", DataType::Int64, false))];
    fields.extend(answer.schema.fields().iter().cloned());
    let schema = Arc::new(Schema::new(fields));
    let one = |(epoch, updates): &(u64, Updates)| {
        let rows = updates.rows.num_rows();
        let diffs: Int64Array = (0..rows).map(|r| updates.diff(r)).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(vec![*epoch; rows])), Arc::new(diffs)];
        columns.extend(updates.rows.columns().iter().cloned());
        RecordBatch::try_new(schema.clone(), columns)
    };
    let batches: Vec<RecordBatch> = answer.changes.iter().map(one).collect::<Result<_, _>>()?;
    shown(&arrow::compute::concat_batches(&schema, &batches)?)
}

/// Times without a zone as UTC, so that they print as RFC 3339 with a zone; those that have one in theirs.
fn shown(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let time = match field.data_type() {
            DataType::Timestamp(_, Some(zone)) => matches!(zone.as_ref(), "UTC" | "+00:00"),
            DataType::Timestamp(_, None) => true,
            _ => false,
        };
        let column = if time { cast(column, &utc)? } else { column.clone() };
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Lists, structs and maps as JSON, for a format that has no such values.
fn nested_as_json(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let column = if column.data_type().is_nested() { json(column)? } else { column.clone() };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn json(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let mut writer = arrow::json::WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&text_keys(&RecordBatch::try_from_iter_with_nullable([("v", column.clone(), true)])?)?)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|l| l.strip_suffix('}')).unwrap_or(line).to_string();
    Ok(Arc::new(text.lines().map(|line| Some(value(line)).filter(|v| v != "null")).collect::<StringArray>()))
}

fn written(rows: &RecordBatch, format: Format) -> Result<String, ArrowError> {
    Ok(match format {
        Format::Table => format!("{}\n", pretty_format_batches(std::slice::from_ref(rows))?),
        Format::Csv => {
            let mut writer = WriterBuilder::new().with_header(true).build(Vec::new());
            writer.write(&nested_as_json(rows)?)?;
            String::from_utf8_lossy(&writer.into_inner()).into_owned()
        }
        Format::Json => String::from_utf8_lossy(&to_lines(rows)?).into_owned(),
    })
}
