//! Joins by time: what the marked condition of a join says (`rewrite/by_time.rs`), and how watermarks close what it gives.
//!
//! For each row of the left it is the newest row of the right that is not after the left's time, or the oldest that is not before
//! it. Once a joint watermark has passed a time of the left, rows of the right that come in time are after it: the newest before it
//! is found for good. The oldest after it may still be to come.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator};

use super::closing::{Closing, both};
use super::rewrite::NEAREST;
use super::within::time;

/// What is said of a condition that is none of a join by time.
const NO_TIMES: &str = "a join by time whose condition does not compare a time of each side";

/// Sees to it that what marks a join by time stands in a join: a condition that reads one side alone is put elsewhere by the rules.
///
/// # Errors
/// When it does not.
pub fn check(plan: &LogicalPlan) -> Result<(), String> {
    let is_astray = |node: &LogicalPlan| match node {
        LogicalPlan::Join(_) => false,
        other => other.expressions().iter().any(|e| e.exists(|e| Ok(Nearest::is_mark(e))).unwrap_or(false)),
    };
    match plan.exists(|node| Ok(is_astray(node))) {
        Ok(true) => Err(NO_TIMES.into()),
        _ => Ok(()),
    }
}

/// What a join by time says.
pub struct Nearest {
    /// The comparison of both times.
    pub condition: Expr,
    /// The time of the left.
    pub left: Expr,
    /// The time of the right.
    pub right: Expr,
    /// Whether the newest of those before is meant, and not the oldest of those after.
    pub newest: bool,
    /// Whether a row of the same time is none.
    pub strict: bool,
    /// Whether rows of the left without such a row are left out.
    pub inner: bool,
    /// What else must hold of a pair.
    pub others: Vec<Expr>,
}

impl Nearest {
    /// Whether a condition is what marks a join by time.
    pub fn is_mark(expr: &Expr) -> bool {
        matches!(expr, Expr::ScalarFunction(f) if f.name() == NEAREST)
    }

    /// The marked condition of a join; none when it is no join by time.
    ///
    /// # Errors
    /// When the condition does not compare a time of each side.
    pub fn of(join: &Join) -> Result<Option<Self>, String> {
        let mut parts: Vec<Expr> = join.filter.iter().flat_map(split_conjunction).cloned().collect();
        let marked = parts.iter().position(Self::is_mark);
        let Some(Expr::ScalarFunction(mark)) = marked.map(|at| parts.remove(at)) else { return Ok(None) };
        let (inner, condition) = (mark.args.len() > 1, mark.args.into_iter().next());
        let Some(Expr::BinaryExpr(BinaryExpr { left, op, right })) = &condition else {
            return Err(NO_TIMES.into());
        };
        let of_right = |e: &Expr| !e.column_refs().is_empty() && is_over(e, join.right.schema());
        let (left, op, right) = match (of_right(left), of_right(right), op.swap()) {
            (false, true, _) => (left, *op, right),
            (true, false, Some(op)) => (right, op, left),
            _ => return Err(NO_TIMES.into()),
        };
        let (newest, strict) = match op {
            Operator::GtEq => (true, false),
            Operator::Gt => (true, true),
            Operator::LtEq => (false, false),
            Operator::Lt => (false, true),
            _ => return Err(NO_TIMES.into()),
        };
        let (left, right) = (left.as_ref().clone(), right.as_ref().clone());
        Ok(condition.map(|condition| Nearest { condition, left, right, newest, strict, inner, others: parts }))
    }

    /// Whether rows can be kept in the order of their times: whole numbers, each of one side alone, and all that a pair must fit by.
    pub fn is_by_order(&self, join: &Join) -> bool {
        let kind = |e: &Expr, frame: &DFSchema| e.get_type(frame).ok().filter(is_whole);
        let (left, right) = (kind(&self.left, join.left.schema()), kind(&self.right, join.right.schema()));
        self.others.is_empty() && is_over(&self.left, join.left.schema()) && left.is_some() && left == right
    }

    /// How watermarks close both times, when they do; and the column of the left's.
    pub fn closing(&self, join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> Option<(Closing, usize)> {
        let column = |e: &Expr, frame: &DFSchema| match e {
            Expr::Column(column) => frame.maybe_index_of_column(column),
            _ => None,
        };
        let (l, r) = (column(&self.left, join.left.schema())?, column(&self.right, join.right.schema())?);
        let micros = |at: usize| matches!(join.left.schema().field(at).data_type(), DataType::Timestamp(TimeUnit::Microsecond, _));
        let closing = both(&time(left, l)?, &time(right, r)?);
        (self.is_by_order(join) && micros(l)).then_some((closing, l))
    }
}

fn is_over(e: &Expr, schema: &DFSchema) -> bool {
    e.column_refs().iter().all(|c| schema.has_column(c))
}

/// Whether values of a type are in the order of the numbers that they are.
fn is_whole(kind: &DataType) -> bool {
    use DataType::{Date32, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32};
    matches!(kind, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Timestamp(..))
}
