//! Subqueries in places where DataFusion does not take them apart: in the condition of a join, and in ORDER BY.
//!
//! What ON asks of an inner join may as well be asked of what it gives, and there a subquery is taken apart. Of other joins it
//! decides which rows have a partner, and stays where it is. And `NOT IN` where DataFusion loses which comparison is meant: of a
//! value without columns, which it pushes into the subquery, and of a column that the subquery is correlated by with `=`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, plan_err};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, lit,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

const IN_ON: &str = "a subquery in the ON of a join other than an inner one";

/// The name of a computed list of a subquery.
const LISTED: &str = "the list of a subquery";

/// Whether there is a subquery in an expression.
fn asks(expr: &Expr) -> bool {
    asks_whether(expr) || expr.exists(|e| Ok(matches!(e, Expr::ScalarSubquery(_)))).unwrap_or(false)
}

/// Whether there is one that is asked what it holds, and not for its value.
fn asks_whether(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)))).unwrap_or(false)
}

/// Says where a subquery stands that is never taken apart there.
///
/// # Errors
/// When there is one.
pub fn refuse(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(asks_whether) => plan_err!("{IN_ON} is not supported yet"),
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    refuse_outside(plan)
}

/// Says which column a subquery reads of a query that is not the next around it, and which aggregate is one of the query around.
fn refuse_outside(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
        if let LogicalPlan::Subquery(lateral) = node {
            refuse_outside(&lateral.subquery)?;
            return Ok(TreeNodeRecursion::Jump);
        }
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                let Some(subquery) = subquery_of(e) else { return Ok(TreeNodeRecursion::Continue) };
                refuse_aggregate_outside(&subquery.subquery)?;
                let there = |c: &Column| node.exists(|n| Ok(n.schema().has_column(c))).unwrap_or(true);
                match outer_columns(&subquery.subquery)?.into_iter().find(|c| !there(c)) {
                    Some(column) => plan_err!(
                        "a subquery that reads a column of a query two levels out is not supported yet (it reads \"{column}\": join the table \
                         of that column in the query between)"
                    ),
                    None => refuse_outside(&subquery.subquery).map(|()| TreeNodeRecursion::Continue),
                }
            })
        })
    })?;
    Ok(())
}

/// Says which aggregate in a subquery is one of the query around it, by the standard, as it reads nothing but columns of that.
fn refuse_aggregate_outside(subquery: &LogicalPlan) -> Result<()> {
    subquery.apply(|node| {
        let LogicalPlan::Aggregate(aggregate) = node else { return Ok(TreeNodeRecursion::Continue) };
        for call in &aggregate.aggr_expr {
            let Expr::AggregateFunction(f) = call.clone().unalias_nested().data else { continue };
            let (mut own, mut outer) = (false, false);
            for argument in f.params.args.iter().chain(f.params.filter.as_deref()).chain(f.params.order_by.iter().map(|o| &o.expr)) {
                own |= argument.any_column_refs();
                outer |= argument.contains_outer();
            }
            if outer && !own {
                return plan_err!("{call} in a subquery, of columns of the query around it alone, is not supported yet");
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// The subquery that an expression is of.
pub fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) => Some(subquery),
        Expr::InSubquery(of) => Some(&of.subquery),
        Expr::Exists(of) => Some(&of.subquery),
        Expr::SetComparison(of) => Some(&of.subquery),
        _ => None,
    }
}

/// The columns outside that a query itself reads, not what stands within it.
fn outer_columns(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    plan.apply(|node| {
        if matches!(node, LogicalPlan::Subquery(_)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::OuterReferenceColumn(_, column) = e {
                    columns.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(columns)
}

/// The plan with `x IN (SELECT max(…) …)` as `x = (SELECT max(…) …)`: a subquery that has one row whatever there is, of which
/// DataFusion makes one that has none where nothing correlates.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn of_one_row(plan: LogicalPlan) -> Result<LogicalPlan> {
    let one = |expr: Expr| match expr {
        Expr::InSubquery(of) if is_one_row(&of.subquery.subquery) => {
            let value = Box::new(Expr::ScalarSubquery(of.subquery));
            let operator = if of.negated { Operator::NotEq } else { Operator::Eq };
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(of.expr, operator, value))))
        }
        Expr::SetComparison(of) if is_one_row(&of.subquery.subquery) => {
            let value = Box::new(Expr::ScalarSubquery(of.subquery));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(of.expr, of.op, value))))
        }
        Expr::Exists(of) if is_one_row(&of.subquery.subquery) => Ok(Transformed::yes(lit(!of.negated))),
        other => Ok(Transformed::no(other)),
    };
    let named = |node: LogicalPlan| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|e| {
            let name = names.save(&e);
            Ok(e.transform_up(one)?.update_data(|e| name.restore(e)))
        })
    };
    plan.transform_up_with_subqueries(named).map(|done| done.data)
}

/// Whether a query is an aggregate without groups.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(p) => is_one_row(&p.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// The plan with conditions of inner joins that have subqueries above those.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn above_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Join(mut join) if join.join_type == JoinType::Inner && join.filter.as_ref().is_some_and(asks) => {
            let parts = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
            let (above, within): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(asks);
            join.filter = conjunction(within);
            let input = Arc::new(LogicalPlan::Join(join));
            match conjunction(above) {
                Some(condition) => Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(condition, input)?))),
                None => Ok(Transformed::no(Arc::unwrap_or_clone(input))),
            }
        }
        LogicalPlan::Filter(filter) => without(filter, lost_not_in),
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(one).map(|done| done.data)
}

/// What a condition asks one beside the other, also where it is `NOT (a OR b)`: the optimiser makes parts of that too.
fn conjuncts(condition: Expr) -> Vec<Expr> {
    let (mut left, mut parts) = (split_conjunction_owned(condition), Vec::new());
    left.reverse();
    while let Some(part) = left.pop() {
        match part {
            Expr::Not(inner) => match *inner {
                Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Or, right: b }) => left.extend([Expr::Not(b), Expr::Not(a)]),
                Expr::Not(same) => left.extend(split_conjunction_owned(*same).into_iter().rev()),
                other => parts.push(Expr::Not(Box::new(other))),
            },
            other => parts.push(other),
        }
    }
    parts
}

/// Whether an `IN` stands within another expression, of which the optimiser may leave it alone: `x NOT IN (…) OR false`.
fn within(part: &Expr) -> bool {
    let is_in = |e: &Expr| matches!(e, Expr::InSubquery(_));
    let inner = match part {
        Expr::Not(inner) => inner,
        other => other,
    };
    !is_in(inner) && part.exists(|e| Ok(is_in(e))).unwrap_or(false)
}

/// A condition as the optimiser will have it, whatever its subqueries give; as it is where that does not work out.
fn simplified(part: Expr, frame: &DFSchema) -> Expr {
    let (mut asked, mut fields) = (Vec::new(), Vec::new());
    let hidden = part.clone().transform_down(|e| {
        let kind = match &e {
            Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => DataType::Boolean,
            Expr::ScalarSubquery(_) => e.get_type(frame)?,
            _ => return Ok(Transformed::no(e)),
        };
        let name = Column::new_unqualified(format!("subquery {}", asked.len()));
        fields.push((None, Arc::new(Field::new(&name.name, kind, true))));
        let (e, negated) = match e {
            Expr::InSubquery(of) => (Expr::InSubquery(InSubquery { negated: false, ..of.clone() }), of.negated),
            other => (other, false),
        };
        asked.push((name.clone(), e));
        let stands = Expr::Column(name);
        Ok(Transformed::new(if negated { !stands } else { stands }, true, TreeNodeRecursion::Jump))
    });
    let shown = |simple: Expr| {
        let one = |e: Expr| match &e {
            Expr::Column(c) => match asked.iter().find(|(name, _)| name == c) {
                Some((_, subquery)) => Ok(Transformed::new(subquery.clone(), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(e)),
            },
            _ => Ok(Transformed::no(e)),
        };
        simple.transform_down(one).map(|done| done.data)
    };
    let whole = frame.iter().map(|(table, field)| (table.cloned(), field.clone())).chain(fields).collect();
    let simple = DFSchema::new_with_metadata(whole, frame.metadata().clone()).and_then(|whole| {
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(whole.clone())).build());
        simplifier.coerce(hidden?.data, &whole).and_then(|e| simplifier.simplify(e)).and_then(shown)
    });
    simple.unwrap_or(part)
}

/// The parts of a `NOT IN` whose comparison would be lost.
fn lost_not_in<'a>(expr: &'a Expr, frame: &DFSchema) -> Option<&'a InSubquery> {
    let of = not_in(expr, frame)?;
    let is_column = matches!(of.expr.as_ref(), Expr::Column(_));
    let computed = !is_column && (!of.subquery.outer_ref_columns.is_empty() || is_constant(&of.expr, frame));
    let lost = computed || of.expr.column_refs().into_iter().any(|c| compared(&of.subquery.subquery, c));
    lost.then_some(of)
}

/// Whether a value is one for all rows, once it is simplified: `CASE WHEN false THEN x END` is.
fn is_constant(value: &Expr, frame: &DFSchema) -> bool {
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::new(frame.clone())).build());
    let simple = simplifier.coerce(value.clone(), frame).and_then(|value| simplifier.simplify(value));
    simple.map_or(true, |value| value.column_refs().is_empty())
}

/// The parts of a `NOT IN`.
fn not_in<'a>(expr: &'a Expr, _: &DFSchema) -> Option<&'a InSubquery> {
    match expr {
        Expr::InSubquery(of) => Some(of).filter(|of| of.negated),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(of) => Some(of).filter(|of| !of.negated),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a subquery asks somewhere for what equals a column outside of it.
fn compared(subquery: &LogicalPlan, column: &Column) -> bool {
    let outer = |e: &Expr| e.exists(|e| Ok(matches!(e, Expr::OuterReferenceColumn(_, c) if c == column))).unwrap_or(true);
    let equal = |e: &Expr| Ok(matches!(e, Expr::BinaryExpr(b) if b.op == Operator::Eq && (outer(&b.left) || outer(&b.right))));
    subquery.exists(|node| Ok(node.expressions().iter().any(|e| e.exists(equal).unwrap_or(true)))).unwrap_or(true)
}

/// A subquery with a computed list under a name of its own: a cast, which coercion adds too, has the name of its column, and that may
/// be handed up beside it.
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn listed(subquery: Subquery) -> Result<Transformed<Subquery>> {
    match listed_plan(&subquery.subquery)? {
        Some(plan) => Ok(Transformed::yes(Subquery { subquery: Arc::new(plan), ..subquery })),
        None => Ok(Transformed::no(subquery)),
    }
}

fn listed_plan(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(list) => match list.expr.as_slice() {
            [Expr::Column(_)] => Ok(None),
            [one] => {
                let exprs = vec![one.clone().unalias().alias(LISTED)];
                Ok(Some(LogicalPlan::Projection(Projection::try_new(exprs, list.input.clone())?)))
            }
            _ => Ok(None),
        },
        LogicalPlan::Distinct(Distinct::All(input)) => {
            Ok(listed_plan(input)?.map(|plan| LogicalPlan::Distinct(Distinct::All(Arc::new(plan)))))
        }
        _ => Ok(None),
    }
}

/// What a `NOT IN` compares: the column of its subquery, and the value as the subquery sees it.
fn sides(of: &InSubquery, outside: &DFSchema) -> Result<(Expr, Expr)> {
    let Some(column) = of.subquery.subquery.schema().columns().first().cloned().map(Expr::Column) else {
        return plan_err!("a subquery of NOT IN has one column");
    };
    let outer = |e: Expr| match e {
        Expr::Column(c) => Ok(Transformed::yes(Expr::OuterReferenceColumn(outside.field_from_column(&c)?.clone(), c))),
        e => Ok(Transformed::no(e)),
    };
    Ok((column, of.expr.as_ref().clone().transform(outer)?.data))
}

/// That a subquery has no rows.
fn absence(subquery: Subquery, rows: LogicalPlanBuilder) -> Result<Expr> {
    let rows = rows.build()?;
    let outer_ref_columns = rows.all_out_ref_exprs();
    Ok(Expr::Exists(Exists { subquery: Subquery { subquery: Arc::new(rows), outer_ref_columns, ..subquery }, negated: true }))
}

/// The plan with every `NOT IN` of a filter as the absence of rows, which DataFusion's batch answers as SQL means it: none is equal,
/// none is null, and there is none at all for a null. For streams a join of its own does that (`lower/join.rs`).
///
/// # Errors
/// When the plan is not what it says, which is a defect.
pub fn by_absence(plan: LogicalPlan) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Filter(filter) => without(filter, not_in),
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(one).map(|done| done.data)
}

/// A filter with those of its `NOT IN`s that are chosen as the absence of rows.
fn without(filter: Filter, chosen: for<'a> fn(&'a Expr, &DFSchema) -> Option<&'a InSubquery>) -> Result<Transformed<LogicalPlan>> {
    let frame = filter.input.schema();
    let simple = |part: Expr| if within(&part) { conjuncts(simplified(part, frame)) } else { vec![part] };
    let parts: Vec<Expr> = conjuncts(filter.predicate.clone()).into_iter().flat_map(simple).collect();
    if !parts.iter().any(|part| chosen(part, frame).is_some()) {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let mended = |part: Expr| match chosen(&part, frame).cloned() {
        Some(of) => without_equal_null_or_any(of, frame),
        None => Ok(part),
    };
    let predicate = conjunction(parts.into_iter().map(mended).collect::<Result<Vec<_>>>()?).unwrap_or_else(|| lit(true));
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
}

/// That there is no equal value, no null, and nothing at all for a null. The list has a name of its own: its table may be the one that
/// is asked outside.
fn without_equal_null_or_any(of: InSubquery, outside: &DFSchema) -> Result<Expr> {
    let subquery = listed(of.subquery)?.data;
    let Some(own) = subquery.subquery.schema().columns().into_iter().next() else {
        return plan_err!("a subquery of NOT IN has one column");
    };
    let own = Expr::Column(own).alias("value of not in");
    let rows = LogicalPlanBuilder::from(subquery.subquery.clone()).project([own])?.build()?;
    let of = InSubquery { subquery: Subquery { subquery: Arc::new(rows), ..subquery }, ..of };
    let (column, value) = sides(&of, outside)?;
    let absent = |condition: Option<Expr>| {
        let rows = LogicalPlanBuilder::from(of.subquery.subquery.clone());
        absence(of.subquery.clone(), condition.into_iter().try_fold(rows, LogicalPlanBuilder::filter)?)
    };
    let known = of.expr.as_ref().clone().is_not_null();
    Ok(absent(Some(column.clone().eq(value)))?.and(absent(Some(column.is_null()))?).and(known.or(absent(None)?)))
}

/// Where a subquery stands that is not taken apart.
pub fn place(plan: &LogicalPlan) -> Result<Option<&'static str>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Sort(sort) if sort.expr.iter().any(|s| asks(&s.expr)) => {
                found = found.or(Some("a subquery in ORDER BY (give it a name in SELECT, and order by that)"));
            }
            LogicalPlan::Join(join) if join.filter.iter().chain(join.on.iter().flat_map(|(l, r)| [l, r])).any(asks) => {
                found = found.or(Some(IN_ON));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
