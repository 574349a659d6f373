//! Joins by time: an operator that keeps both sides in the order of their times, where it can; else all pairs that fit, and of
//! those of each row of the left the first.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, JoinType};
use datafusion::physical_expr::expressions::Column;

use super::join::{Sides, both, unbounded};
use super::{Lowering, Refused, column, distinct, physical, project};
use crate::sql::arrange;
use crate::sql::closing;
use crate::sql::nearest::Nearest;
use crate::sql::plan::{AsOf, Expression, Join, JoinKind, Node, Plan, Top};

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
        if !nearest.is_by_order(join) {
            return of_pairs(sides, nearest, outer, schema);
        }
        let (left, right) = (closing::of(&join.left, self.closings), closing::of(&join.right, self.closings));
        let closing = nearest.closing(join, &left, &right).map(|(closing, _)| closing);
        let Nearest { newest, strict, .. } = nearest;
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = sides.keys.into_iter().unzip();
        let keys = left_keys.len();
        let widths = [sides.left.schema.fields().len(), sides.right.schema.fields().len()];
        let (left, of_left) = laid_out(sides.left, left_keys, &nearest.left, join.left.schema())?;
        let (right, of_right) = laid_out(sides.right, right_keys, &nearest.right, join.right.schema())?;
        let as_of = AsOf { left, right, keys, times: [of_left, of_right], widths, newest, strict, outer, closing };
        Ok(Plan { node: Node::AsOf(Box::new(as_of)), schema, append_only: false })
    }
}

/// A side with its keys first and its time among its own columns; and where that is.
fn laid_out(plan: Plan, keys: Vec<Expression>, time: &Expr, frame: &DFSchema) -> Result<(Plan, usize), Refused> {
    let width = plan.schema.fields().len();
    let time = physical(time, frame)?;
    let known = time.downcast_ref::<Column>().map(Column::index);
    let key = |(i, e): (usize, &Expression)| e.data_type(&plan.schema).map(|kind| Arc::new(Field::new(format!("key {i}"), kind, true)));
    let mut fields = keys.iter().enumerate().map(key).collect::<Result<Vec<_>, _>>().map_err(|e| e.strip_backtrace())?;
    fields.extend(plan.schema.fields().iter().cloned());
    let mut columns: Vec<Expression> = keys.into_iter().chain((0..width).map(|at| column(&plan.schema, at))).collect();
    if known.is_none() {
        let kind = time.data_type(&plan.schema).map_err(|e| e.strip_backtrace())?;
        fields.push(Arc::new(Field::new("time", kind, true)));
        columns.push(time);
    }
    let schema = Arc::new(Schema::new(fields));
    arrange::check(&schema)?;
    Ok((project(plan, columns, schema), known.unwrap_or(width)))
}

/// The same made of pairs: of each distinct row of the left the first pair is taken, and rows of the left join what is theirs.
fn of_pairs(sides: Sides, nearest: Nearest, outer: bool, schema: SchemaRef) -> Result<Plan, Refused> {
    let Sides { left, right, frame, keys } = sides;
    let width = left.schema.fields().len();
    let all = nearest.others.into_iter().fold(nearest.condition, Expr::and);
    let residual = Some(physical(&all, &frame)?);
    let wide = both(&left, &right);
    let pairs = unbounded(distinct(left.clone()), right, keys, residual, JoinKind::Inner);
    let pairs = Plan { node: Node::Join(Box::new(pairs)), schema: wide.clone(), append_only: false };
    let options = SortOptions { descending: nearest.newest, nulls_first: false };
    let order = vec![(physical(&nearest.right, &frame)?, options)];
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
