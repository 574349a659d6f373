//! DataFusion's logical rules, with what four of them do wrong in version 55 kept from them, and from two what they do not know of.
//! For streams and for the batch alike.
//!
//! Filters are pushed below a grouping when all their columns are keys of it. A condition on no column, as one on the clock or on a
//! subquery alone, passes that for want of columns, and below a grouping of all rows it has a count of nothing where there must be no
//! row. Nothing goes below such a grouping here.
//!
//! Two conditions of one column with a number are made one, where `1 = x` and `x = 1` count as two numbers, which nothing is, and of
//! `5 < x` and `5 <= x` the looser is kept. Numbers stand on the right here, in joins too, before filters are pushed; and minus zero
//! is zero there, as `x = 0` and `x = -0.0` count as two numbers as well.
//!
//! Inner joins are put in another order, by which a key that is made of several of the joined inputs may stand nowhere any more: it
//! was lost, and rows came that it excludes. Joins with such a key stay as they are.
//!
//! A join holds all its keys equal in one way, with nulls or without. The rule that makes keys of conditions, and the one that orders
//! joins, gave a condition `a = b` to a join that holds nulls equal, as those that correlated subqueries become do: null was null. Such
//! joins get no further keys, and are not put together with others.
//!
//! `5 NOT IN (SELECT b.v …)` compares the list with no column: the comparison was pushed below the join, and what correlates the two
//! was taken for it.
//!
//! A left join by time whose partners must not be null is no inner join: what is asked of the partner that was found is not asked of
//! those among which it is found.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

use super::nearest::Nearest;
use super::zeros::{ComparedZeros, positive};

/// What has numbers on the right.
pub const NUMBERS_RIGHT: &str = "numbers_right";

const PUSHES: &str = "push_down_filter";
const ORDERS_JOINS: &str = "eliminate_cross_join";
const MAKES_KEYS: &str = "extract_equijoin_predicate";
const MAKES_INNER: &str = "eliminate_outer_join";
const LEAVES_SIDES_OUT: &str = "eliminate_join";

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// All rules in their order.
pub fn rules() -> Vec<Rule> {
    let mended = |rule: Rule| -> Vec<Rule> {
        match rule.name() {
            ORDERS_JOINS => vec![Arc::new(KeptFrom(rule, |plan| Ok(has_wide_key(plan)? || mixes_nulls(plan)?)))],
            MAKES_KEYS => vec![Arc::new(KeptFrom(rule, |plan| Ok(matches!(plan, LogicalPlan::Join(join) if holds_nulls(join)))))],
            MAKES_INNER | LEAVES_SIDES_OUT => vec![Arc::new(KeptFrom(rule, has_join_by_time))],
            PUSHES => vec![Arc::new(NumbersRight), Arc::new(KeptFrom(rule, |plan| Ok(is_above_total(plan)? || asks_of_list(plan))))],
            _ => vec![rule],
        }
    };
    std::iter::once::<Rule>(Arc::new(ComparedZeros)).chain(Optimizer::new().rules.into_iter().flat_map(mended)).collect()
}

/// A rule that is not shown some plans.
#[derive(Debug)]
struct KeptFrom(Rule, fn(&LogicalPlan) -> Result<bool>);

impl OptimizerRule for KeptFrom {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if self.1(&plan)? { Ok(Transformed::no(plan)) } else { self.0.rewrite(plan, config) }
    }
}

/// Whether a plan is filters above a grouping of all rows.
fn is_above_total(plan: &LogicalPlan) -> Result<bool> {
    let mut below = plan;
    // The rule makes one filter of those that follow each other, and goes on with that at once.
    while let LogicalPlan::Filter(filter) = below {
        below = &filter.input;
    }
    Ok(matches!(plan, LogicalPlan::Filter(_)) && matches!(below, LogicalPlan::Aggregate(of) if has_total(&of.group_expr)))
}

/// Whether a plan is `NOT IN` with a value that is no column's, below filters or none: its comparison is of the list alone, and would go
/// below the join, where a null in the list is no more seen.
fn asks_of_list(plan: &LogicalPlan) -> bool {
    let mut below = plan;
    while let LogicalPlan::Filter(filter) = below {
        below = &filter.input;
    }
    let LogicalPlan::Join(join) = below else { return false };
    let of_list = |e: &&Expr| !e.column_refs().iter().any(|c| join.left.schema().has_column(c));
    join.null_aware && join.filter.iter().flat_map(split_conjunction).any(|e| of_list(&e))
}

/// Whether one group is of all rows, and so has a row when there are none.
fn has_total(keys: &[Expr]) -> bool {
    keys.is_empty() || keys.iter().any(|key| matches!(key, Expr::GroupingSet(_)))
}

/// Whether some inner join has a key of several inputs.
fn has_wide_key(plan: &LogicalPlan) -> Result<bool> {
    let found = plan.apply_with_subqueries(|node| {
        let wide =
            inner(node).is_some_and(|join| join.on.iter().any(|(l, r)| is_of_several(l, &join.left) || is_of_several(r, &join.right)));
        Ok(if wide { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found == TreeNodeRecursion::Stop)
}

/// Whether a join holds nulls equal.
fn holds_nulls(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull
}

/// Whether some inner join that holds nulls equal is below a condition, or beside an inner join that does not.
fn mixes_nulls(plan: &LogicalPlan) -> Result<bool> {
    let mixes = |node: &LogicalPlan| match node {
        LogicalPlan::Filter(filter) => inner(&filter.input).is_some_and(holds_nulls),
        LogicalPlan::Join(join) => {
            let other = |side: &LogicalPlan| inner(side).is_some_and(|below| holds_nulls(below) != holds_nulls(join));
            inner(node).is_some() && (other(&join.left) || other(&join.right))
        }
        _ => false,
    };
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= mixes(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether some join is by time.
fn has_join_by_time(plan: &LogicalPlan) -> Result<bool> {
    let is = |node: &LogicalPlan| match node {
        LogicalPlan::Join(join) => join.filter.as_ref().is_some_and(Nearest::is_mark),
        _ => false,
    };
    plan.exists(|node| Ok(is(node)))
}

fn inner(plan: &LogicalPlan) -> Option<&Join> {
    match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => Some(join),
        _ => None,
    }
}

/// Whether an expression has columns of several inputs of inner joins.
fn is_of_several(expr: &Expr, of: &LogicalPlan) -> bool {
    let Some(join) = inner(of) else { return false };
    let columns = expr.column_refs();
    let within = |side: &LogicalPlan| columns.iter().all(|c| side.schema().has_column(c));
    match (within(&join.left), within(&join.right)) {
        (true, _) => is_of_several(expr, &join.left),
        (_, true) => is_of_several(expr, &join.right),
        _ => true,
    }
}

/// Comparisons of conditions with the literal on the right.
#[derive(Debug)]
struct NumbersRight;

impl OptimizerRule for NumbersRight {
    fn name(&self) -> &str {
        NUMBERS_RIGHT
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Filter(_) | LogicalPlan::Join(_) => plan.map_expressions(|expr| expr.transform_up(turned)),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn turned(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Ok(Transformed::no(expr)) };
    let of = |left, op, right| Expr::BinaryExpr(BinaryExpr { left, op, right });
    let swapped = op.swap().filter(|_| left.as_literal().is_some() && right.as_literal().is_none());
    let (left, op, mut right, was_swapped) = match swapped {
        Some(op) => (right, op, left, true),
        None => (left, op, right, false),
    };
    // What the rules before this made of a literal may be minus zero again.
    let zero = op.supports_propagation() && positive(&mut right);
    Ok(Transformed::new_transformed(of(left, op, right), was_swapped || zero))
}
