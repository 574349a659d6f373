//! Compiles the SQL of a step: `SELECT … FROM step [WHERE …]`, typed and coerced by DataFusion, anything else refused.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result as DfResult, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::logical::from_logical;
use super::program::{QueryError, param_type};
use super::{RowQuery, Scalar};
use crate::pipeline::Param;
use crate::sql::catalog::Catalog;

/// Compiles a step's query over rows of `input`.
///
/// # Errors
/// When it does not parse, does not fit the input, or says more than a device can run.
pub fn compile(sql: &str, from: &str, input: &Schema, params: &[Param]) -> Result<RowQuery, QueryError> {
    let mut catalog = Catalog::new();
    catalog.add_table(from, Arc::new(input.clone()));
    let types = params.iter().map(|p| (p.name.clone(), param_type(&p.kind))).collect();
    catalog.add_function(ScalarUDF::from(ParamFunction { types, signature: Signature::any(1, Volatility::Volatile) }));
    let plan = catalog.plan_query(sql).and_then(|plan| catalog.simplify(plan)).map_err(|e| QueryError::Sql(e.strip_backtrace()))?;
    row_query(&plan)
}

fn row_query(plan: &LogicalPlan) -> Result<RowQuery, QueryError> {
    let refuse = |what: &str| Err(QueryError::Unsupported(what.to_string()));
    let LogicalPlan::Projection(projection) = plan else {
        return refuse(construct(plan));
    };
    let fields = projection.schema.fields();
    let mut project = Vec::with_capacity(fields.len());
    for (expr, field) in projection.expr.iter().zip(fields) {
        project.push((field.name().clone(), from_logical(expr).map_err(QueryError::Unsupported)?));
    }
    let mut filter: Option<Scalar> = None;
    let mut below = projection.input.as_ref();
    loop {
        match below {
            LogicalPlan::Filter(f) => {
                let own = from_logical(&f.predicate).map_err(QueryError::Unsupported)?;
                filter = Some(match filter {
                    None => own,
                    Some(outer) => Scalar::Binary("AND".into(), Box::new(own), Box::new(outer)),
                });
                below = f.input.as_ref();
            }
            LogicalPlan::SubqueryAlias(alias) => below = alias.input.as_ref(),
            LogicalPlan::TableScan(_) => return Ok(RowQuery { filter, project }),
            other => return refuse(construct(other)),
        }
    }
}

/// What a plan node is called in SQL.
fn construct(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::Aggregate(_) => "GROUP BY or an aggregate",
        LogicalPlan::Join(_) => "a join",
        LogicalPlan::Sort(_) => "ORDER BY",
        LogicalPlan::Limit(_) => "LIMIT",
        LogicalPlan::Union(_) => "UNION",
        LogicalPlan::Distinct(_) => "DISTINCT",
        LogicalPlan::Window(_) => "a window function",
        LogicalPlan::Projection(_) | LogicalPlan::Subquery(_) => "a query within the query",
        _ => "this statement",
    }
}

/// `param('name')`: typed by the parameter; a device puts in its own value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ParamFunction {
    types: std::collections::BTreeMap<String, DataType>,
    signature: Signature,
}

impl ScalarUDFImpl for ParamFunction {
    fn name(&self) -> &str {
        "param"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        plan_err!("param needs a quoted name, such as param('threshold')")
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<arrow::datatypes::FieldRef> {
        let name = args.scalar_arguments.first().copied().flatten().map(ToString::to_string);
        match name.as_ref().and_then(|n| self.types.get(n)) {
            Some(t) => Ok(Arc::new(arrow::datatypes::Field::new("param", t.clone(), false))),
            None => {
                let name = name.unwrap_or_default();
                let near = self.types.keys().max_by(|a, b| strsim::jaro(a, &name).total_cmp(&strsim::jaro(b, &name)));
                let hint = near.map(|n| format!("; the nearest is \"{n}\"")).unwrap_or_default();
                plan_err!("there is no parameter \"{name}\"{hint}")
            }
        }
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        plan_err!("param has a value only on a device")
    }
}
