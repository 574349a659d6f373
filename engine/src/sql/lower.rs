//! From DataFusion's logical plan to the own plan. What has no node is refused by the name it has in SQL.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, NullEquality};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, TableScan};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::PhysicalExpr;

use super::plan::{Aggregate, Function, Node, Plan};

/// Why a query has no plan: the name of what is missing.
pub type Refused = String;

/// Whether a table or view can only grow.
pub type AppendOnly<'a> = &'a dyn Fn(&str) -> bool;

/// Lowers a query.
pub fn lower(plan: &LogicalPlan, append_only: AppendOnly<'_>) -> Result<Plan, Refused> {
    let schema = schema_of(plan);
    match plan {
        LogicalPlan::TableScan(scan) => table_scan(scan, schema, append_only),
        LogicalPlan::SubqueryAlias(alias) => lower(&alias.input, append_only),
        LogicalPlan::Filter(filter) => {
            let input = lower(&filter.input, append_only)?;
            Ok(self::filter(input, physical(&filter.predicate, filter.input.schema())?))
        }
        LogicalPlan::Projection(projection) => {
            let input = Box::new(lower(&projection.input, append_only)?);
            let columns = all(&projection.expr, projection.input.schema())?;
            Ok(Plan { append_only: input.append_only, node: Node::Project { input, columns }, schema })
        }
        LogicalPlan::Join(join) => self::join(join, schema, append_only),
        LogicalPlan::Aggregate(aggregate) => self::aggregate(aggregate, schema, append_only),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => {
            let keys = input.schema().columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
            let keys = all(&keys, input.schema())?;
            let input = Box::new(lower(input, append_only)?);
            // Distinct over rows that only grow can itself only grow.
            Ok(Plan { append_only: input.append_only, node: Node::Aggregate { input, keys, aggregates: Vec::new() }, schema })
        }
        LogicalPlan::Union(union) => {
            let inputs: Vec<Plan> = union.inputs.iter().map(|i| lower(i, append_only)).collect::<Result<_, _>>()?;
            Ok(Plan { append_only: inputs.iter().all(|i| i.append_only), node: Node::Union { inputs }, schema })
        }
        other => Err(construct(other)),
    }
}

/// Columns of a logical plan; every column may be null, as a plan's own promise is not always kept by its parts.
fn schema_of(plan: &LogicalPlan) -> SchemaRef {
    let fields: Vec<Field> = plan.schema().fields().iter().map(|f| Field::new(f.name(), f.data_type().clone(), true)).collect();
    Arc::new(Schema::new(fields))
}

fn construct(plan: &LogicalPlan) -> Refused {
    match plan {
        LogicalPlan::Sort(_) => "ORDER BY in a view".into(),
        LogicalPlan::Limit(_) => "LIMIT in a view".into(),
        LogicalPlan::Window(_) => "a window function (OVER)".into(),
        LogicalPlan::Distinct(_) => "DISTINCT ON".into(),
        LogicalPlan::Values(_) => "VALUES in a view".into(),
        LogicalPlan::EmptyRelation(_) => "a query without FROM".into(),
        LogicalPlan::Unnest(_) => "UNNEST".into(),
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".into(),
        LogicalPlan::Subquery(_) => "this subquery".into(),
        other => other.display().to_string(),
    }
}

/// The columns that the scan gives and its filters read; the filters; then only what the scan gives.
fn table_scan(scan: &TableScan, schema: SchemaRef, append_only: AppendOnly<'_>) -> Result<Plan, Refused> {
    if scan.fetch.is_some() {
        return Err("LIMIT in a view".into());
    }
    let name = scan.table_name.table().to_string();
    let table = scan.source.schema();
    let given = scan.projection.clone().unwrap_or_else(|| (0..table.fields().len()).collect());
    let mut read = given.clone();
    for column in scan.filters.iter().flat_map(Expr::column_refs) {
        let index = table.index_of(&column.name).map_err(|e| e.to_string())?;
        if !read.contains(&index) {
            read.push(index);
        }
    }
    let fields: Vec<Field> = read.iter().map(|&i| table.field(i).clone().with_nullable(true)).collect();
    let wide = Arc::new(Schema::new(fields));
    let frame = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &wide).map_err(|e| e.strip_backtrace())?;
    let mut plan = Plan { append_only: append_only(&name), node: Node::Input { name, columns: read.clone() }, schema: wide.clone() };
    for predicate in &scan.filters {
        plan = filter(plan, physical(predicate, &frame)?);
    }
    if read.len() == given.len() {
        return Ok(Plan { schema, ..plan });
    }
    let column =
        |(i, f): (usize, &Arc<Field>)| Arc::new(datafusion::physical_expr::expressions::Column::new(f.name(), i)) as Arc<dyn PhysicalExpr>;
    let columns = wide.fields().iter().take(given.len()).enumerate().map(column).collect();
    Ok(Plan { append_only: plan.append_only, node: Node::Project { input: Box::new(plan), columns }, schema })
}

fn filter(input: Plan, predicate: Arc<dyn PhysicalExpr>) -> Plan {
    Plan { append_only: input.append_only, schema: input.schema.clone(), node: Node::Filter { input: Box::new(input), predicate } }
}

fn join(join: &Join, schema: SchemaRef, append_only: AppendOnly<'_>) -> Result<Plan, Refused> {
    if join.join_type != JoinType::Inner {
        return Err(format!("{} JOIN", join.join_type.to_string().to_uppercase()));
    }
    if join.null_equality == NullEquality::NullEqualsNull {
        return Err("a join in which null equals null (INTERSECT)".into());
    }
    let (left, right) = (lower(&join.left, append_only)?, lower(&join.right, append_only)?);
    let key = |(l, r): &(Expr, Expr)| Ok((physical(l, join.left.schema())?, physical(r, join.right.schema())?));
    let keys: Vec<_> = join.on.iter().map(key).collect::<Result<_, Refused>>()?;
    if keys.is_empty() {
        return Err("a join without an equality between the two sides".into());
    }
    let append = left.append_only && right.append_only;
    let node = Node::Join { left: Box::new(left), right: Box::new(right), keys };
    let plan = Plan { append_only: append, node, schema };
    match &join.filter {
        None => Ok(plan),
        Some(residual) => Ok(filter(plan, physical(residual, &join.schema)?)),
    }
}

fn aggregate(aggregate: &datafusion::logical_expr::Aggregate, schema: SchemaRef, append_only: AppendOnly<'_>) -> Result<Plan, Refused> {
    if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
        return Err("GROUPING SETS, CUBE or ROLLUP".into());
    }
    let frame = aggregate.input.schema();
    let keys = all(&aggregate.group_expr, frame)?;
    let aggregates: Vec<Aggregate> = aggregate.aggr_expr.iter().map(|e| call(e, frame)).collect::<Result<_, _>>()?;
    let input = Box::new(lower(&aggregate.input, append_only)?);
    let append = input.append_only && aggregates.is_empty();
    Ok(Plan { append_only: append, node: Node::Aggregate { input, keys, aggregates }, schema })
}

fn call(expr: &Expr, frame: &DFSchema) -> Result<Aggregate, Refused> {
    let Expr::AggregateFunction(f) = expr.clone().unalias() else {
        return Err(format!("{expr} as an aggregate"));
    };
    let name = f.func.name().to_lowercase();
    let function = match name.as_str() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        _ => return Err(format!("aggregate function {name}")),
    };
    if !f.params.order_by.is_empty() {
        return Err(format!("ORDER BY in aggregate function {name}"));
    }
    let argument = match f.params.args.as_slice() {
        [] => None,
        [Expr::Literal(value, _)] if function == Function::Count && !value.is_null() => None,
        [one] => Some(physical(one, frame)?),
        _ => return Err(format!("aggregate function {name} with several arguments")),
    };
    let filter = f.params.filter.as_deref().map(|e| physical(e, frame)).transpose()?;
    // Least and greatest do not change when values are taken once.
    let distinct = f.params.distinct && !matches!(function, Function::Min | Function::Max);
    Ok(Aggregate { function, argument, filter, distinct })
}

fn all(exprs: &[Expr], frame: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>, Refused> {
    exprs.iter().map(|e| physical(e, frame)).collect()
}

fn physical(expr: &Expr, frame: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, Refused> {
    create_physical_expr(expr, frame, &ExecutionProps::new(), &PhysicalPlanningContext::default()).map_err(|e| e.strip_backtrace())
}
