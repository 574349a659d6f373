//! Joins by time: an operator that keeps both sides in the order of their times, where it can; else all pairs that fit, and of
//! those of each row of the left the first.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, JoinType, Operator, binary_expr, when};
use datafusion::physical_expr::expressions::Column;

use super::join::{Sides, both, unbounded};
use super::{Lowering, Refused, all, column, distinct, laid_out, physical, project, temporal};
use crate::sql::closing;
use crate::sql::nearest::{Key, Nearest};
use crate::sql::plan::{AsOf, Join, JoinKind, Node, Plan, Top};

impl Lowering<'_> {
    /// A join by time.
    pub(super) fn by_time(
        &mut self,
        join: &datafusion::logical_expr::Join,
        sides: Sides,
        nearest: Nearest,
        schema: SchemaRef,
    ) -> Result<Plan, Refused> {
        if join.join_type != JoinType::Left {
            return Err(format!("a join by time as {} JOIN", join.join_type));
        }
        let outer = !nearest.inner;
        let Sides { left, mut right, frame, .. } = sides;
        for condition in &nearest.of_right {
            right = temporal::filtered(right, condition, join.right.schema())?;
        }
        if !nearest.is_by_order(join) {
            return of_pairs(join, (left, right), &frame, nearest, schema);
        }
        let (by_left, by_right) = (closing::of(&join.left, self.closings), closing::of(&join.right, self.closings));
        let closing = nearest.closing(join, &by_left, &by_right);
        let Nearest { newest, strict, keys, of_left, left: left_time, right: right_time, .. } = nearest;
        // A row of the left that has no other has no time to find it by.
        let left_time = match of_left.into_iter().reduce(Expr::and) {
            Some(condition) => when(condition, left_time).end().map_err(|e| e.strip_backtrace())?,
            None => left_time,
        };
        let widths = [left.schema.fields().len(), right.schema.fields().len()];
        let null_equal = keys.iter().map(|key| key.null_equal).collect();
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = keys.into_iter().map(|key| (key.left, key.right)).unzip();
        let (left, of_left) = with_time(left, &left_keys, &left_time, join.left.schema())?;
        let (right, of_right) = with_time(right, &right_keys, &right_time, join.right.schema())?;
        let as_of = AsOf { left, right, keys: null_equal, times: [of_left, of_right], widths, newest, strict, outer, closing };
        Ok(Plan { node: Node::AsOf(Box::new(as_of)), schema, append_only: false })
    }
}

/// A side with its keys first and its time among its own columns; and where that is.
fn with_time(plan: Plan, keys: &[Expr], time: &Expr, frame: &DFSchema) -> Result<(Plan, usize), Refused> {
    let (width, keys, time) = (plan.schema.fields().len(), all(keys, frame)?, physical(time, frame)?);
    if let Some(known) = time.downcast_ref::<Column>().map(Column::index) {
        return Ok((laid_out(plan, &keys, &(0..width).collect::<Vec<_>>())?, known));
    }
    let kind = time.data_type(&plan.schema).map_err(|e| e.strip_backtrace())?;
    let own = plan.schema.fields().iter().cloned().chain([Arc::new(Field::new("time", kind, true))]).collect::<Vec<_>>();
    let columns = (0..width).map(|at| column(&plan.schema, at)).chain([time]).collect();
    let timed = project(plan, columns, Arc::new(Schema::new(own)));
    Ok((laid_out(timed, &keys, &(0..=width).collect::<Vec<_>>())?, width))
}

/// The same made of pairs: of each distinct row of the left the first pair is taken, and rows of the left join what is theirs.
fn of_pairs(
    join: &datafusion::logical_expr::Join,
    (left, right): (Plan, Plan),
    frame: &DFSchema,
    nearest: Nearest,
    schema: SchemaRef,
) -> Result<Plan, Refused> {
    let (width, outer) = (left.schema.fields().len(), !nearest.inner);
    let (mut keys, mut residual) = (Vec::new(), nearest.condition);
    for Key { left, right, null_equal } in nearest.keys {
        match null_equal {
            true => residual = residual.and(binary_expr(left, Operator::IsNotDistinctFrom, right)),
            false => keys.push((physical(&left, join.left.schema())?, physical(&right, join.right.schema())?)),
        }
    }
    let all = nearest.of_left.into_iter().chain(nearest.others).fold(residual, Expr::and);
    let residual = Some(physical(&all, frame)?);
    let wide = both(&left, &right);
    let pairs = unbounded(distinct(left.clone()), right, keys, residual, JoinKind::Inner);
    let pairs = Plan { node: Node::Join(Box::new(pairs)), schema: wide.clone(), append_only: false };
    let options = SortOptions { descending: nearest.newest, nulls_first: false };
    let order = vec![(physical(&nearest.right, frame)?, options)];
    let own = (0..width).map(|i| column(&wide, i)).collect();
    let top = Top { input: pairs, keys: own, order, skip: 0, fetch: Some(1), number: false };
    let best = Plan { node: Node::Top(Box::new(top)), schema: wide.clone(), append_only: false };
    let keys = (0..width).map(|i| (column(&left.schema, i), column(&wide, i))).collect();
    let joined_schema = both(&left, &best);
    let kind = if outer { JoinKind::Left } else { JoinKind::Inner };
    let joined = Join { null_equal: true, ..unbounded(left, best, keys, None, kind) };
    let joined = Plan { node: Node::Join(Box::new(joined)), schema: joined_schema.clone(), append_only: false };
    let columns = (0..width).chain(2 * width..joined_schema.fields().len()).map(|i| column(&joined_schema, i)).collect();
    Ok(project(joined, columns, schema))
}
