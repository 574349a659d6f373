//! DataFusion's logical rules, with what two of them do wrong in version 55 kept from them. For streams and for the batch alike.
//!
//! Filters are pushed below a grouping when all their columns are keys of it. A condition on no column, as one on the clock or on a
//! subquery alone, passes that for want of columns, and below a grouping of all rows it has a count of nothing where there must be no
//! row. It stays where it is here, and what stands beside it goes on alone.
//!
//! Two conditions of one column with a number are made one, where `1 = x` and `x = 1` count as two numbers, which nothing is, and of
//! `5 < x` and `5 <= x` the looser is kept. Numbers stand on the right here, in joins too, before filters are pushed.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, LogicalPlan};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

/// What has numbers on the right.
pub const NUMBERS_RIGHT: &str = "numbers_right";

const PUSHES: &str = "push_down_filter";

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// All rules in their order.
pub fn rules() -> Vec<Rule> {
    let mended = |rule: Rule| -> Vec<Rule> {
        match rule.name() {
            PUSHES => vec![Arc::new(NumbersRight), Arc::new(OfColumns(rule))],
            _ => vec![rule],
        }
    };
    Optimizer::new().rules.into_iter().flat_map(mended).collect()
}

/// A rule that is not shown conditions on no column.
#[derive(Debug)]
struct OfColumns(Rule);

impl OptimizerRule for OfColumns {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return self.0.rewrite(plan, config) };
        let parts = split_conjunction_owned(filter.predicate.clone());
        let (of_columns, of_none): (Vec<_>, Vec<_>) = parts.into_iter().partition(Expr::any_column_refs);
        match (conjunction(of_columns), conjunction(of_none)) {
            (_, None) => self.0.rewrite(LogicalPlan::Filter(filter), config),
            (None, _) => Ok(Transformed::no(LogicalPlan::Filter(filter))),
            (Some(of_columns), Some(of_none)) => {
                let below = LogicalPlan::Filter(Filter::try_new(of_columns, filter.input)?);
                Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(of_none, Arc::new(below))?)))
            }
        }
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
    Ok(match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if left.as_literal().is_some() && right.as_literal().is_none() => {
            match op.swap() {
                Some(op) => Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: right, op, right: left })),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            }
        }
        other => Transformed::no(other),
    })
}
