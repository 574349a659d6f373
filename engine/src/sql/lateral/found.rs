//! `IN` as a value, of a subquery that reads nothing around it: a mark says whether a row has a partner, and two counts over all rows
//! whether it is unknown where it has none. So it costs what a join costs, and not the rows of one times those of the other.

use datafusion::common::{Column, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::base::Numbered;
use crate::sql::subqueries::listed;

/// Joins what `IN` asks to an input; an expression for its answer.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn in_rows(input: &mut LogicalPlan, within: InSubquery, numbered: &mut Numbered) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = within;
    let rows = listed(subquery)?.data.subquery.as_ref().clone();
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let [table, other, mark, known, all] = ["rows of in", "other", "mark", "known", "all"].map(|what| numbered.name(what));
    let named = super::columns(&rows).next().map(|c| c.alias(&other));
    let rows = LogicalPlanBuilder::from(rows).project(named)?.build()?;
    let partners = LogicalPlanBuilder::from(rows.clone()).alias(&table)?.build()?;
    // The mark has a name that a column may have, so the value and the columns have others until it is renamed.
    let names: Vec<String> = input.schema().fields().iter().map(|_| numbered.name("of row")).collect();
    let value = numbered.name("value");
    let renamed = super::columns(input).zip(&names).map(|(column, name)| column.alias(name)).chain([expr.as_ref().clone().alias(&value)]);
    let is_equal = column(&value).eq(Expr::Column(Column::new(Some(table.as_str()), &other)));
    let marked = LogicalPlanBuilder::from(input.clone()).project(renamed.collect::<Vec<_>>())?;
    let marked = marked.join_on(partners, JoinType::LeftMark, [is_equal])?;
    let own =
        names.iter().zip(input.schema().iter()).map(|(name, (table, field))| column(name).alias_qualified(table.cloned(), field.name()));
    let own: Vec<Expr> = own.chain([Expr::Column(Column::new(Some(table.as_str()), "mark")).alias(&mark), column(&value)]).collect();
    let marked = marked.project(own)?;
    let counts = vec![count(column(&other)).alias(&known), count(lit(1i64)).alias(&all)];
    let counts = LogicalPlanBuilder::from(rows).aggregate(Vec::<Expr>::new(), counts)?;
    // Once, so that a row that comes changes nothing as long as the answers stay.
    let [any, null] = ["any", "null"].map(|what| numbered.name(what));
    let asked = [column(&all).gt(lit(0i64)).alias(&any), column(&known).lt(column(&all)).alias(&null)];
    *input = marked.cross_join(counts.project(asked)?.distinct()?.build()?)?.build()?;
    let unknown = Expr::Literal(ScalarValue::Boolean(None), None);
    let is_unknown = column(&any).and(column(&value).is_null().or(column(&null)));
    let found = when(column(&mark), lit(true)).when(is_unknown, unknown).otherwise(lit(false))?;
    Ok(if negated { Expr::Not(Box::new(found)) } else { found })
}
