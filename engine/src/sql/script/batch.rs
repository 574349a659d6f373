//! DataFusion's own batch execution over tables as they stand: for the rows that `INSERT`, `UPDATE` and `DELETE` name, for
//! files, and as the oracle of the tests. Never for the answer of a query.

use std::collections::HashMap;
use std::iter;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DataFusionError, ScalarValue, TableReference};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::aggregate_statistics::AggregateStatistics;
use datafusion::physical_optimizer::filter_pushdown::FilterPushdown;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::{Statement, Visit, visit_relations};

use super::apart::OuterJoinsApart;
use super::table_name;
use crate::sql::Functions;
use crate::sql::functions::functions as own_functions;
use crate::sql::lateral::independent;
use crate::sql::merged::MergedColumns;
use crate::sql::minutes;
use crate::sql::overflow::Overflow;
use crate::sql::problem::said;
use crate::sql::pushing::rules;
use crate::sql::rewrite::{has_join_by_time, rewrite};
use crate::sql::statement::parse;
use crate::sql::subqueries::{by_absence, of_one_row};
use crate::sql::subscripts::planners;
use crate::sql::types::Types;
use crate::sql::window::calendar::DAY;
use crate::sql::window::window_functions;
use crate::sql::windowing::expand;

/// Rows of the last query of a text over tables, run as a batch; views that stand before it may be read.
///
/// # Errors
/// With what DataFusion says.
pub fn answer(sql: &str, tables: &[(String, RecordBatch)]) -> Result<RecordBatch, String> {
    answer_with(sql, tables, None, &Functions::default())
}

/// The same with the clock at a moment, and further functions.
///
/// # Errors
/// With what DataFusion says.
pub fn answer_with(sql: &str, tables: &[(String, RecordBatch)], now: Option<i64>, functions: &Functions) -> Result<RecordBatch, String> {
    answer_over(sql, &|name| of_name(tables, name), now, functions)
}

/// The same with DataFusion's own sums, which wrap: for benches, which name it as their peer.
///
/// # Errors
/// With what DataFusion says.
pub fn answer_that_wraps(sql: &str, tables: &[(String, RecordBatch)]) -> Result<RecordBatch, String> {
    answered(sql, &|name| of_name(tables, name), None, (&Functions::default(), false))
}

fn of_name(tables: &[(String, RecordBatch)], name: &str) -> Option<Result<RecordBatch, String>> {
    tables.iter().find(|(own, _)| own == name).map(|(_, rows)| Ok(rows.clone()))
}

/// The rows of a table of a name, if there is one.
pub type Named<'a> = &'a dyn Fn(&str) -> Option<Result<RecordBatch, String>>;

/// The same over tables that are asked for when the text names them.
///
/// # Errors
/// With what DataFusion says, or a table does.
pub fn answer_over(sql: &str, tables: Named<'_>, now: Option<i64>, functions: &Functions) -> Result<RecordBatch, String> {
    answered(sql, tables, now, (functions, true))
}

/// What a batch does not do.
const NO_JOIN_BY_TIME: &str = "a join by time in a statement that changes a table is not supported yet: make a view of it, and read that";

fn answered(sql: &str, tables: Named<'_>, now: Option<i64>, (functions, strict): (&Functions, bool)) -> Result<RecordBatch, String> {
    let context = session(now, functions, strict);
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| e.to_string())?;
    let mut last = None;
    for parsed in parse("batch", sql).map_err(|p| p.message)? {
        let mut statement = parsed.statement;
        if has_join_by_time(&statement) {
            return Err(NO_JOIN_BY_TIME.into());
        }
        rewrite(&mut statement, &HashMap::new())?;
        for name in relations(&statement) {
            let table = TableReference::bare(name.as_str());
            if let (false, Some(rows)) = (context.table_exist(table.clone()).map_err(|e| said(&e))?, tables(&name)) {
                let rows = rows?;
                let rows = MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(|e| said(&e))?;
                context.register_table(table, Arc::new(rows)).map_err(|e| said(&e))?;
            }
        }
        let (name, query) = match statement {
            Statement::CreateView(view) => (Some(table_name(&view.name)?), Statement::Query(view.query)),
            other => (None, other),
        };
        let frame = runtime.block_on(async {
            let state = context.state();
            let plan = state.statement_to_plan(datafusion::sql::parser::Statement::Statement(Box::new(query))).await?;
            Ok::<_, DataFusionError>(DataFrame::new(state, independent(by_absence(of_one_row(expand(plan, &|_| Vec::new())?)?)?)?))
        });
        let frame = frame.map_err(|e| said(&e))?;
        match name {
            Some(name) => {
                context.register_table(TableReference::bare(name), frame.clone().into_view()).map_err(|e| said(&e))?;
                last = Some(frame);
            }
            None => last = Some(frame),
        }
    }
    let frame = last.ok_or("there is no query")?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = runtime.block_on(frame.collect()).map_err(|e| said(&e))?;
    let schema = batches.first().map_or(schema, |b| b.schema());
    concat_batches(&schema, &batches).map_err(|e| e.to_string())
}

/// A session with all functions; `strict` has integers that leave their type fail.
fn session(now: Option<i64>, functions: &Functions, strict: bool) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    // The heap that stands for a grouping with LIMIT takes NaN for the least.
    config.options_mut().optimizer.enable_topk_aggregation = false;
    // Where the parts of a union have constants that differ, their sorts apart leave those out, and so does the order of all.
    config.options_mut().optimizer.repartition_sorts = false;
    // Fields of structs that are read early take columns of one name for each other.
    config.options_mut().optimizer.enable_leaf_expression_pushdown = false;
    let builder = SessionStateBuilder::new().with_config(config).with_default_features().with_type_planner(Arc::new(Types));
    let builder = builder.with_relation_planners(vec![Arc::new(MergedColumns)]).with_expr_planners(planners());
    let builder = builder.with_optimizer_rules(rules()).with_physical_optimizer_rules(physical());
    let builder = if strict { builder.with_analyzer_rule(Arc::new(Overflow)) } else { builder };
    let context = SessionContext::new_with_state(builder.build());
    for function in window_functions()
        .into_iter()
        .chain(own_functions())
        .chain(now.into_iter().flat_map(clock))
        .chain(functions.scalars.iter().cloned())
    {
        context.register_udf(function);
    }
    for function in &functions.aggregates {
        context.register_udaf(function.clone());
    }
    context
}

/// DataFusion's physical rules, but for two, and with outer joins apart. In version 55 the one that pushes filters down once more takes a
/// condition on the side of an outer join that is filled with nulls for one on the rows of that side, so that rows which it excludes
/// come out; and the one that reads aggregates off statistics takes the sum of a constant over no rows for nought.
fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let (before, after) = (FilterPushdown::new(), FilterPushdown::new_post_optimization());
    let all = PhysicalOptimizer::new().rules.into_iter();
    let statistics = AggregateStatistics::new();
    let kept = all.filter(|rule| ![before.name(), after.name(), statistics.name()].contains(&rule.name()));
    iter::once(Arc::new(OuterJoinsApart) as _).chain(kept).collect()
}

/// The tables, views and parts of itself that a statement names.
pub fn relations(part: &impl Visit) -> Vec<String> {
    let mut names = Vec::new();
    let seen: ControlFlow<()> = visit_relations(part, |name| {
        names.extend(table_name(name));
        ControlFlow::Continue(())
    });
    debug_assert!(seen.is_continue());
    names
}

/// A statement with its calls that stand for tables written out: what a window function is over is an argument of it before.
pub fn written_out(statement: &Statement) -> Statement {
    let mut out = statement.clone();
    match rewrite(&mut out, &HashMap::new()) {
        Ok(()) => out,
        // It is refused where it stands.
        Err(_) => statement.clone(),
    }
}

/// Rows with the columns of a schema, by position; types are cast.
///
/// # Errors
/// When the number of columns differs, or a value does not fit.
pub fn conform(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    if rows.num_columns() != schema.fields().len() {
        return Err(format!("{} columns are given, but the table has {}", rows.num_columns(), schema.fields().len()));
    }
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    let one = |(c, f): (&ArrayRef, &Arc<Field>)| match c.data_type() == f.data_type() {
        true => Ok(c.clone()),
        false => {
            let with_seconds = minutes::column(c, f.data_type());
            let cast = arrow::compute::cast_with_options(with_seconds.as_ref().unwrap_or(c), f.data_type(), &options);
            cast.map_err(|e| format!("column \"{}\": {e}", f.name()))
        }
    };
    let columns: Vec<ArrayRef> = rows.columns().iter().zip(schema.fields()).map(one).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| e.to_string())
}

/// A schema whose times are microseconds and whose text is plain.
pub fn micros(schema: &Schema) -> SchemaRef {
    let field = |f: &Arc<Field>| match f.data_type() {
        DataType::Timestamp(_, zone) => Field::new(f.name(), DataType::Timestamp(TimeUnit::Microsecond, zone.clone()), f.is_nullable()),
        DataType::Utf8View | DataType::LargeUtf8 => Field::new(f.name(), DataType::Utf8, f.is_nullable()),
        _ => f.as_ref().clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// `now()` and `current_date` at a moment.
fn clock(micros: i64) -> [ScalarUDF; 2] {
    let moment = ScalarValue::TimestampMicrosecond(Some(micros), None);
    let day = i32::try_from(micros.div_euclid(DAY)).ok();
    let read = |name: &str, alias: &'static str, value: ScalarValue| {
        let (kind, value) = (value.data_type(), ColumnarValue::Scalar(value));
        let read = move |_: &[ColumnarValue]| Ok(value.clone());
        create_udf(name, Vec::new(), kind, Volatility::Stable, Arc::new(read)).with_aliases([alias])
    };
    [read("now", "current_timestamp", moment), read("current_date", "today", ScalarValue::Date32(day))]
}
