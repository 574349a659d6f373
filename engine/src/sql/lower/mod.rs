//! From DataFusion's logical plan to the own plan. What has no node is refused by the name it has in SQL.
//!
//! One walk; joins, aggregates and windows have files of their own.

mod aggregate;
mod by_time;
mod frames;
mod hop;
mod join;
mod last;
mod over;
mod recursive;
mod scan;
mod session;
mod temporal;
mod window;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Unnest};
use datafusion::physical_expr::expressions::Column;

use super::arrange;
use super::closing::Known;
use super::evaluate::Compute;
use super::nearest;
use super::plan::{Expression, Node, Plan};
use super::problem::said;
use crate::expression::physical as compiled;

pub use last::{closed, keep_loose};
pub use recursive::OwnResult;
pub use temporal::asks_now;
pub use window::number_bound;

/// Why a query has no plan: the name of what is missing.
pub type Refused = String;

/// Whether a table or view can only grow.
pub type AppendOnly<'a> = &'a dyn Fn(&str) -> bool;

/// Lowers a query.
pub fn lower(plan: &LogicalPlan, append_only: AppendOnly<'_>, closings: Known<'_>) -> Result<Plan, Refused> {
    nearest::check(plan)?;
    Lowering { append_only, closings, working: Vec::new() }.plan(plan)
}

/// A query on its way down.
struct Lowering<'a> {
    append_only: AppendOnly<'a>,
    closings: Known<'a>,
    /// Names of the recursive queries that the walk is within.
    working: Vec<String>,
}

impl Lowering<'_> {
    fn plan(&mut self, plan: &LogicalPlan) -> Result<Plan, Refused> {
        let schema = schema_of(plan);
        match plan {
            LogicalPlan::TableScan(scan) => self.table_scan(scan, schema),
            LogicalPlan::SubqueryAlias(alias) => Ok(Plan { schema, ..self.plan(&alias.input)? }),
            LogicalPlan::Subquery(subquery) => self.plan(&subquery.subquery),
            LogicalPlan::Filter(filter) => {
                let input = match window::number_bound(filter) {
                    Some(bound) => self.bounded(&filter.input, bound)?,
                    None => self.plan(&filter.input)?,
                };
                temporal::filtered(input, &filter.predicate, filter.input.schema())
            }
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                self.projection(projection, input)
            }
            LogicalPlan::Join(join) => self.join(join, schema),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, schema),
            LogicalPlan::Distinct(Distinct::All(input)) => Ok(distinct(self.plan(input)?)),
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on, schema),
            LogicalPlan::Union(union) => {
                let inputs: Vec<Plan> = union.inputs.iter().map(|i| self.plan(i)).collect::<Result<_, _>>()?;
                Ok(Plan { append_only: inputs.iter().all(|i| i.append_only), node: Node::Union { inputs }, schema })
            }
            LogicalPlan::Window(window) => self.window(window, schema),
            // The order of a view's rows means nothing: it is what reads them that orders them.
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => self.plan(&sort.input),
            LogicalPlan::Sort(sort) => self.top(sort.input.as_ref(), &sort.expr, 0, sort.fetch, schema),
            LogicalPlan::Limit(limit) => self.limit(limit, schema),
            LogicalPlan::Values(values) => scan::values(values, schema),
            LogicalPlan::EmptyRelation(empty) => scan::empty(empty.produce_one_row, schema),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest, schema),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query, schema),
            other => Err(other.display().to_string()),
        }
    }

    fn projection(&mut self, projection: &datafusion::logical_expr::Projection, input: Plan) -> Result<Plan, Refused> {
        let columns = all(&projection.expr, projection.input.schema())?;
        let schema = fields_of(&projection.schema);
        Ok(Plan { append_only: input.append_only, node: Node::Project { input: Box::new(input), columns }, schema })
    }

    fn unnest(&mut self, unnest: &Unnest, schema: SchemaRef) -> Result<Plan, Refused> {
        let input = self.plan(&unnest.input)?;
        let mut columns: Vec<usize> = unnest.list_type_columns.iter().map(|(i, _)| *i).collect();
        columns.extend(&unnest.struct_type_columns);
        columns.sort_unstable();
        columns.dedup();
        let compute = Compute::Unnest { input: input.schema.clone(), columns, options: unnest.options.clone() };
        checked(&compute)?;
        Ok(Plan { append_only: input.append_only, node: Node::Flat { input: Box::new(input), compute }, schema })
    }
}

/// Columns of a logical plan; every column may be null, as a plan's own promise is not always kept by its parts.
fn schema_of(plan: &LogicalPlan) -> SchemaRef {
    fields_of(plan.schema())
}

fn fields_of(schema: &DFSchema) -> SchemaRef {
    let fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    Arc::new(Schema::new(fields))
}

fn filter(input: Plan, predicate: Expression) -> Plan {
    Plan { append_only: input.append_only, schema: input.schema.clone(), node: Node::Filter { input: Box::new(input), predicate } }
}

/// Each row once.
fn distinct(input: Plan) -> Plan {
    let schema = input.schema.clone();
    let keys = (0..schema.fields().len()).map(|i| column(&schema, i)).collect();
    // Distinct over rows that only grow can itself only grow.
    Plan {
        append_only: input.append_only,
        node: Node::Aggregate { input: Box::new(input), keys, aggregates: Vec::new(), closing: None, hop: None, once: false },
        schema,
    }
}

/// A column by its place.
pub(super) fn column(schema: &SchemaRef, index: usize) -> Expression {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// The plan with some expressions as its columns.
fn project(input: Plan, columns: Vec<Expression>, schema: SchemaRef) -> Plan {
    Plan { append_only: input.append_only, node: Node::Project { input: Box::new(input), columns }, schema }
}

/// The plan with keys in front of some of its columns, as arrangements are laid out.
fn laid_out(input: Plan, keys: &[Expression], columns: &[usize]) -> Result<Plan, Refused> {
    let mut fields = Vec::new();
    for (i, key) in keys.iter().enumerate() {
        fields.push(Field::new(format!("key {i}"), key.data_type(&input.schema).map_err(|e| said(&e))?, true));
    }
    fields.extend(columns.iter().map(|i| input.schema.field(*i).clone().with_nullable(true)));
    let expressions = keys.iter().cloned().chain(columns.iter().map(|i| column(&input.schema, *i))).collect();
    let schema = Arc::new(Schema::new(fields));
    arrange::check(&schema)?;
    Ok(project(input, expressions, schema))
}

/// A computation that DataFusion can plan; planned once here so that what it refuses is told at once.
fn checked(compute: &Compute) -> Result<SchemaRef, Refused> {
    super::evaluate::Runner::new(compute).map(|r| r.schema()).map_err(|e| said(&e))
}

fn all(exprs: &[Expr], frame: &DFSchema) -> Result<Vec<Expression>, Refused> {
    exprs.iter().map(|e| physical(e, frame)).collect()
}

fn physical(expr: &Expr, frame: &DFSchema) -> Result<Expression, Refused> {
    if temporal::asks_now(expr) {
        return Err("now() elsewhere than on one side of a comparison with a time in WHERE".into());
    }
    compiled(expr, frame).map_err(|e| said(&e))
}
