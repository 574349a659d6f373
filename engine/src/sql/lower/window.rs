//! OVER, ORDER BY … LIMIT, and the pattern `ROW_NUMBER() … <= n`, which is a top-n and rendered as one.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{
    BinaryExpr, DistinctOn, Expr, Filter, Limit, LogicalPlan, Operator, SortExpr, Window, WindowFunctionDefinition,
};
use datafusion::scalar::ScalarValue;

use super::{Lowering, Refused, all, checked, column, laid_out, physical, project, schema_of};
use crate::sql::arrange;
use crate::sql::evaluate::{Compute, columns_by_number};
use crate::sql::frames::Frames;
use crate::sql::plan::{Expression, Node, Plan, Top};

/// Rows of a top-n: all of them are looked at when one changes.
const TOP_ROWS_MAX: usize = 1 << 20;

impl Lowering<'_> {
    /// Window functions: of slices of partitions where that can be, else each partition computed anew when it changes.
    pub(super) fn window(&mut self, window: &Window, schema: SchemaRef) -> Result<Plan, Refused> {
        if let Some(plan) = self.sessions(window, &schema)? {
            return Ok(plan);
        }
        if let Some(frames) = Frames::of(window) {
            return self.framed(window, frames, schema);
        }
        let frame = window.input.schema();
        let input = self.plan(&window.input)?;
        let input = Plan { schema: schema_of(&window.input), ..input };
        let keys = all(&common_partition(&window.window_expr), frame)?;
        let width = input.schema.fields().len();
        let layout = laid_out(input, &keys, &(0..width).collect::<Vec<_>>())?;
        // In the layout the input's columns come after the keys.
        let shifted = shifted(frame, keys.len()).map_err(|e| e.strip_backtrace())?;
        let calls = window.window_expr.iter().map(|e| columns_by_number(&e.clone().unalias(), &shifted));
        let calls: Vec<Expr> = calls.collect::<Result<_, _>>().map_err(|e| e.strip_backtrace())?;
        let compute = Compute::Window { input: layout.schema.clone(), calls, order: None };
        checked(&compute)?;
        let given = schema.fields().iter().skip(width).cloned();
        let wide: SchemaRef = Arc::new(Schema::new(layout.schema.fields().iter().cloned().chain(given).collect::<Vec<_>>()));
        let node = Node::Group { input: Box::new(layout), keys: keys.len(), compute, closing: None };
        let group = Plan { append_only: false, node, schema: wide.clone() };
        let columns = (keys.len()..wide.fields().len()).map(|i| column(&wide, i)).collect();
        Ok(project(group, columns, schema))
    }

    /// A query of which only rows with a number up to the bound are wanted.
    pub(super) fn bounded(&mut self, plan: &LogicalPlan, bound: usize) -> Result<Plan, Refused> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => Ok(Plan { schema: schema_of(plan), ..self.bounded(&alias.input, bound)? }),
            LogicalPlan::Projection(projection) => {
                let input = self.bounded(&projection.input, bound)?;
                self.projection(projection, input)
            }
            LogicalPlan::Window(window) => {
                let Some(Expr::WindowFunction(call)) = window.window_expr.first().map(|e| e.clone().unalias()) else {
                    return self.plan(plan);
                };
                let frame = window.input.schema();
                let input = self.plan(&window.input)?;
                let input = Plan { schema: schema_of(&window.input), ..input };
                arrange::check(&input.schema)?;
                let keys = all(&call.params.partition_by, frame)?;
                let order = order_of(&call.params.order_by, frame)?;
                let top = Top { input, keys, order, skip: 0, fetch: Some(bound), number: true };
                Ok(Plan { node: Node::Top(Box::new(top)), schema: schema_of(plan), append_only: false })
            }
            other => self.plan(other),
        }
    }

    /// The first row of each group in the query's order.
    pub(super) fn distinct_on(&mut self, on: &DistinctOn, schema: SchemaRef) -> Result<Plan, Refused> {
        let frame = on.input.schema();
        let input = self.plan(&on.input)?;
        let input = Plan { schema: schema_of(&on.input), ..input };
        arrange::check(&input.schema)?;
        let keys = all(&on.on_expr, frame)?;
        let order = order_of(on.sort_expr.as_deref().unwrap_or_default(), frame)?;
        let columns = all(&on.select_expr, frame)?;
        let inner = input.schema.clone();
        let top = Top { input, keys, order, skip: 0, fetch: Some(1), number: false };
        Ok(project(Plan { node: Node::Top(Box::new(top)), schema: inner, append_only: false }, columns, schema))
    }

    pub(super) fn limit(&mut self, limit: &Limit, schema: SchemaRef) -> Result<Plan, Refused> {
        let number = |e: &Option<Box<Expr>>, otherwise: Option<usize>| match e.as_deref() {
            None => Ok(otherwise),
            Some(Expr::Literal(value, _)) => {
                value.to_string().parse::<usize>().map(Some).map_err(|_| "LIMIT or OFFSET without a constant number".to_string())
            }
            Some(_) => Err("LIMIT or OFFSET without a constant number".to_string()),
        };
        let (skip, fetch) = (number(&limit.skip, Some(0))?.unwrap_or(0), number(&limit.fetch, None)?);
        if skip == 0 && fetch.is_none() {
            return self.plan(&limit.input);
        }
        self.limited(&limit.input, skip, fetch, schema)
    }

    /// The first rows of a query in its own order, which may stand below projections.
    fn limited(&mut self, plan: &LogicalPlan, skip: usize, fetch: Option<usize>, schema: SchemaRef) -> Result<Plan, Refused> {
        match plan {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.top(&sort.input, &sort.expr, skip, fetch, schema),
            LogicalPlan::Projection(projection) if is_ordered(&projection.input) => {
                let input = self.limited(&projection.input, skip, fetch, schema_of(&projection.input))?;
                self.projection(projection, input)
            }
            LogicalPlan::SubqueryAlias(alias) if is_ordered(&alias.input) => {
                Ok(Plan { schema, ..self.limited(&alias.input, skip, fetch, schema_of(&alias.input))? })
            }
            other => self.top(other, &[], skip, fetch, schema),
        }
    }

    pub(super) fn top(
        &mut self,
        input: &LogicalPlan,
        order: &[SortExpr],
        skip: usize,
        fetch: Option<usize>,
        schema: SchemaRef,
    ) -> Result<Plan, Refused> {
        if skip.saturating_add(fetch.unwrap_or(0)) > TOP_ROWS_MAX {
            return Err(format!("LIMIT and OFFSET of more than {TOP_ROWS_MAX} rows together"));
        }
        let order = order_of(order, input.schema())?;
        let plan = self.plan(input)?;
        let plan = Plan { schema: schema_of(input), ..plan };
        arrange::check(&plan.schema)?;
        let top = Top { input: plan, keys: Vec::new(), order, skip, fetch, number: false };
        Ok(Plan { node: Node::Top(Box::new(top)), schema, append_only: false })
    }
}

fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(sort) => sort.fetch.is_none(),
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        _ => false,
    }
}

fn order_of(order: &[SortExpr], frame: &DFSchema) -> Result<Vec<(Expression, SortOptions)>, Refused> {
    let one = |s: &SortExpr| Ok((physical(&s.expr, frame)?, SortOptions { descending: !s.asc, nulls_first: s.nulls_first }));
    order.iter().map(one).collect()
}

/// What all calls partition by; nothing when they differ, which is always right, only slower.
fn common_partition(calls: &[Expr]) -> Vec<Expr> {
    let mut partitions = calls.iter().map(|e| match e.clone().unalias() {
        Expr::WindowFunction(call) => call.params.partition_by.clone(),
        _ => Vec::new(),
    });
    let first = partitions.next().unwrap_or_default();
    if partitions.all(|p| p == first) { first } else { Vec::new() }
}

/// The schema with some columns before it, so that its columns are numbered as in a layout.
fn shifted(frame: &DFSchema, by: usize) -> datafusion::common::Result<DFSchema> {
    let before = (0..by).map(|i| (None, Arc::new(Field::new(format!("layout key {i}"), arrow::datatypes::DataType::Null, true))));
    let fields = frame.iter().map(|(q, f)| (q.cloned(), f.clone()));
    DFSchema::new_with_metadata(before.chain(fields).collect(), std::collections::HashMap::new())
}

/// The greatest `ROW_NUMBER()` that a filter lets through, when its input numbers rows so and does nothing else.
pub fn number_bound(filter: &Filter) -> Option<usize> {
    let mut bounds = Vec::new();
    conjuncts(&filter.predicate, &mut bounds);
    bounds.into_iter().filter(|(name, _)| is_row_number(&filter.input, name)).map(|(_, n)| n).min()
}

fn conjuncts(expr: &Expr, out: &mut Vec<(Expr, usize)>) {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return };
    let number = |e: &Expr| match e {
        Expr::Literal(ScalarValue::UInt64(Some(n)), _) => usize::try_from(*n).ok(),
        Expr::Literal(ScalarValue::Int64(Some(n)), _) => usize::try_from(*n).ok(),
        _ => None,
    };
    match (op, number(left), number(right)) {
        (Operator::And, ..) => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        (Operator::LtEq | Operator::Eq, _, Some(n)) => out.push((left.as_ref().clone(), n)),
        (Operator::Lt, _, Some(n)) => out.push((left.as_ref().clone(), n.saturating_sub(1))),
        (Operator::GtEq | Operator::Eq, Some(n), _) => out.push((right.as_ref().clone(), n)),
        (Operator::Gt, Some(n), _) => out.push((right.as_ref().clone(), n.saturating_sub(1))),
        _ => {}
    }
}

/// Whether an expression over a plan is the number of `ROW_NUMBER()`, the plan's only window function.
fn is_row_number(plan: &LogicalPlan, expr: &Expr) -> bool {
    let Expr::Column(column) = expr.clone().unalias() else { return false };
    let Ok(at) = plan.schema().index_of_column(&column) else { return false };
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let (qualifier, field) = alias.input.schema().qualified_field(at);
            is_row_number(&alias.input, &Expr::Column((qualifier, field).into()))
        }
        LogicalPlan::Projection(projection) => projection.expr.get(at).is_some_and(|e| is_row_number(&projection.input, e)),
        LogicalPlan::Window(window) => {
            let last = at + 1 == window.schema.fields().len() && window.window_expr.len() == 1;
            let call = window.window_expr.first().map(|e| e.clone().unalias());
            last && matches!(call, Some(Expr::WindowFunction(f)) if matches!(&f.fun, WindowFunctionDefinition::WindowUDF(u) if u.name() == "row_number") && f.params.filter.is_none() && !f.params.distinct)
        }
        _ => false,
    }
}
