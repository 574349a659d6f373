//! Joins by time: what the condition of such a join says (`rewrite/by_time.rs`), and how watermarks close what it gives.
//!
//! For each row of the left it is the newest row of the right that is not after the left's time, or the oldest that is not before
//! it. Once a joint watermark has passed a time of the left, rows of the right that come in time are after it: the newest before it
//! is found for good. The oldest after it may still be to come.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as Done};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;

use super::arrange::is_kept;
use super::closing::{Closing, both};
use super::rewrite::NEAREST;
use super::within::time;

/// What is said of a condition that is none of a join by time.
const NO_TIMES: &str = "a join by time whose condition does not compare a time of each side";

/// Digits of decimals that all have room in 64 bits.
const DIGITS_MAX: u8 = 18;

/// Arguments before the columns that are kept.
const ARGUMENTS: usize = 3;

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

/// Keeps all columns of the right of joins by time: which of several rows of a time is found must not hang on what is read of it.
#[derive(Debug)]
pub struct WholeRows;

impl AnalyzerRule for WholeRows {
    fn name(&self) -> &'static str {
        "whole_rows"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Done<LogicalPlan> {
        let one = |node: LogicalPlan| match node {
            LogicalPlan::Join(mut join) => match &mut join.filter {
                Some(Expr::ScalarFunction(mark)) if mark.name() == NEAREST => {
                    mark.args.truncate(ARGUMENTS);
                    let right = join.right.schema();
                    let columns = right.columns().into_iter().zip(right.fields()).filter(|(_, field)| is_kept(field.data_type()));
                    mark.args.extend(columns.map(|(column, _)| Expr::Column(column)));
                    Transformed::yes(LogicalPlan::Join(join))
                }
                _ => Transformed::no(LogicalPlan::Join(join)),
            },
            other => Transformed::no(other),
        };
        plan.transform_up_with_subqueries(|node| Ok(one(node))).map(|done| done.data)
    }
}

/// What must be equal on both sides.
pub struct Key {
    /// Over the left.
    pub left: Expr,
    /// Over the right.
    pub right: Expr,
    /// Whether null equals null.
    pub null_equal: bool,
}

/// What a join by time says.
pub struct Nearest {
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
    /// What is equal.
    pub keys: Vec<Key>,
    /// What must hold of a row of the left for it to have another.
    pub of_left: Vec<Expr>,
    /// What must hold of rows of the right.
    pub of_right: Vec<Expr>,
    /// What else must hold of a pair.
    pub others: Vec<Expr>,
    /// The comparison of both times.
    pub condition: Expr,
}

impl Nearest {
    /// Whether a condition is what marks a join by time.
    pub fn is_mark(expr: &Expr) -> bool {
        matches!(expr, Expr::ScalarFunction(f) if f.name() == NEAREST)
    }

    /// What a join says; none when it is no join by time.
    ///
    /// # Errors
    /// When the condition does not compare a time of each side.
    pub fn of(join: &Join) -> Result<Option<Self>, String> {
        let Some(Expr::ScalarFunction(mark)) = join.filter.as_ref().filter(|e| Self::is_mark(e)) else { return Ok(None) };
        let [condition @ Expr::BinaryExpr(BinaryExpr { left, op, right }), on, inner, ..] = mark.args.as_slice() else {
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
        let mut out = Nearest {
            left: left.as_ref().clone(),
            right: right.as_ref().clone(),
            newest,
            strict,
            inner: *inner == lit(true),
            keys: Vec::new(),
            of_left: Vec::new(),
            of_right: Vec::new(),
            others: Vec::new(),
            condition: condition.clone(),
        };
        split_conjunction(on).into_iter().for_each(|part| out.add(part, join));
        Ok(Some(out))
    }

    /// Adds a condition.
    fn add(&mut self, part: &Expr, join: &Join) {
        let (of_left, of_right) = (join.left.schema(), join.right.schema());
        match part {
            Expr::Alias(alias) => self.add(&alias.expr, join),
            e if is_over(e, of_right) => self.of_right.push(e.clone()),
            e if is_over(e, of_left) => self.of_left.push(e.clone()),
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::IsNotDistinctFrom), right }) => {
                let (left, right) = if is_over(left, of_right) { (right, left) } else { (left, right) };
                let kinds = (left.get_type(of_left.as_ref()), right.get_type(of_right.as_ref()));
                let is_key = is_over(left, of_left) && is_over(right, of_right) && matches!(&kinds, (Ok(l), Ok(r)) if l == r);
                match is_key {
                    true => {
                        let (left, right) = (left.as_ref().clone(), right.as_ref().clone());
                        self.keys.push(Key { left, right, null_equal: *op == Operator::IsNotDistinctFrom });
                    }
                    false => self.others.push(part.clone()),
                }
            }
            other => self.others.push(other.clone()),
        }
    }

    /// Whether rows can be kept in the order of their times: numbers, each of one side alone, and all that a pair must fit by.
    pub fn is_by_order(&self, join: &Join) -> bool {
        let kind = |e: &Expr, frame: &DFSchema| e.get_type(frame).ok().filter(is_number);
        let (left, right) = (kind(&self.left, join.left.schema()), kind(&self.right, join.right.schema()));
        self.others.is_empty() && is_over(&self.left, join.left.schema()) && left.is_some() && left == right
    }

    /// How watermarks close both times, when they do; and the column of each.
    pub fn closing(&self, join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> Option<(Closing, [usize; 2])> {
        let column = |e: &Expr, frame: &DFSchema| match e {
            Expr::Column(column) => frame.maybe_index_of_column(column),
            _ => None,
        };
        let (l, r) = (column(&self.left, join.left.schema())?, column(&self.right, join.right.schema())?);
        let micros = |at: usize| matches!(join.left.schema().field(at).data_type(), DataType::Timestamp(TimeUnit::Microsecond, _));
        let closing = both(&time(left, l)?, &time(right, r)?);
        (self.is_by_order(join) && micros(l)).then_some((closing, [l, r]))
    }
}

fn is_over(e: &Expr, schema: &Arc<DFSchema>) -> bool {
    e.column_refs().iter().all(|c| schema.has_column(c))
}

/// Whether values of a type are numbers of 64 bits, or in the order of such.
fn is_number(kind: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float16, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32};
    match kind {
        Decimal128(digits, _) => *digits <= DIGITS_MAX,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Timestamp(..) => true,
        other => matches!(other, Float16 | Float32 | Float64),
    }
}
