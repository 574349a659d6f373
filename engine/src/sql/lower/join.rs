//! Joins: every kind of DataFusion's comes down to six that render, with the sides swapped where the right one leads.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, NullEquality, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, JoinType, LogicalPlan, Operator, TryCast};

use super::{Lowering, Refused, column, fields_of, filter, physical, project, schema_of};
use crate::sql::arrange;
use crate::sql::closing::{self, LetGo};
use crate::sql::nearest::Nearest;
use crate::sql::plan::{Expression, Join, JoinKind, Node, Plan};

/// The sides of a join, with what they have in common.
pub(super) struct Sides {
    pub left: Plan,
    pub right: Plan,
    /// Columns of the left, then of the right, for the residual.
    pub frame: DFSchema,
    pub keys: Vec<(Expression, Expression)>,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &datafusion::logical_expr::Join, schema: SchemaRef) -> Result<Plan, Refused> {
        use JoinType::{Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let (kind, swapped) = match join.join_type {
            Inner => (JoinKind::Inner, false),
            Left => (JoinKind::Left, false),
            Right => (JoinKind::Left, true),
            Full => (JoinKind::Full, false),
            LeftSemi => (JoinKind::Semi, false),
            RightSemi => (JoinKind::Semi, true),
            LeftAnti => (JoinKind::Anti, false),
            RightAnti => (JoinKind::Anti, true),
            LeftMark => (JoinKind::Mark, false),
            RightMark => (JoinKind::Mark, true),
        };
        let sides = self.sides(join, swapped)?;
        if let Some(nearest) = Nearest::of(join)? {
            return self.by_time(join, sides, nearest, schema);
        }
        arrange::check(&sides.left.schema)?;
        arrange::check(&sides.right.schema)?;
        let (by_left, by_right) = (closing::of(&join.left, self.closings), closing::of(&join.right, self.closings));
        let (closing, within, condition) = match closing::of_join(join, &by_left, &by_right) {
            LetGo::ByKey(at, closing, _) => (Some((at, closing)), None, join.filter.clone()),
            LetGo::Within(within, condition) => (None, Some(if swapped { within.swapped() } else { within }), Some(condition)),
            LetGo::Never => (None, None, join.filter.clone()),
        };
        let residual = condition.map(|f| physical(&f, &sides.frame)).transpose()?;
        let null_equal = join.null_equality == NullEquality::NullEqualsNull;
        if join.null_aware && kind == JoinKind::Anti {
            return not_in(join, sides);
        }
        let wide = if swapped && matches!(kind, JoinKind::Left) { both(&sides.left, &sides.right) } else { schema.clone() };
        let append_only = kind == JoinKind::Inner && sides.left.append_only && sides.right.append_only;
        let (left_width, right_width) = (sides.left.schema.fields().len(), sides.right.schema.fields().len());
        let Sides { left, right, keys, .. } = sides;
        let node = Node::Join(Box::new(Join { left, right, keys, null_equal, residual, kind, closing, within }));
        let plan = Plan { node, schema: wide.clone(), append_only };
        if !(swapped && kind == JoinKind::Left) {
            return Ok(plan);
        }
        let columns = (left_width..left_width + right_width).chain(0..left_width).map(|i| column(&wide, i)).collect();
        Ok(project(plan, columns, schema))
    }

    fn sides(&mut self, join: &datafusion::logical_expr::Join, swapped: bool) -> Result<Sides, Refused> {
        let (one, other): (&LogicalPlan, &LogicalPlan) = if swapped { (&join.right, &join.left) } else { (&join.left, &join.right) };
        let (left, right) = (self.plan(one)?, self.plan(other)?);
        // Subqueries may name the two sides alike; the residual then has no name that says which is meant.
        let frame = one.schema().join(other.schema()).map_err(|e| e.strip_backtrace())?;
        let key = |(l, r): &(Expr, Expr)| {
            let (l, r) = if swapped { (r, l) } else { (l, r) };
            Ok((physical(l, one.schema())?, physical(r, other.schema())?))
        };
        let keys = join.on.iter().map(key).collect::<Result<_, Refused>>()?;
        Ok(Sides { left: with_schema(left, one), right: with_schema(right, other), frame, keys })
    }
}

/// A join that keeps all rows.
pub(super) fn unbounded(
    left: Plan,
    right: Plan,
    keys: Vec<(Expression, Expression)>,
    residual: Option<Expression>,
    kind: JoinKind,
) -> Join {
    Join { left, right, keys, null_equal: false, residual, kind, closing: None, within: None }
}

fn with_schema(plan: Plan, logical: &LogicalPlan) -> Plan {
    debug_assert_eq!(plan.schema.fields().len(), fields_of(logical.schema()).fields().len());
    Plan { schema: schema_of(logical), ..plan }
}

/// The columns of two plans side by side.
pub(super) fn both(left: &Plan, right: &Plan) -> SchemaRef {
    Arc::new(Schema::new(left.schema.fields().iter().chain(right.schema.fields()).cloned().collect::<Vec<_>>()))
}

/// `NOT IN` as SQL means it: of the rows of the right that all else holds for, none is equal, none is null, and there is none at all
/// for a null of the left.
fn not_in(join: &datafusion::logical_expr::Join, sides: Sides) -> Result<Plan, Refused> {
    use datafusion::physical_expr::expressions::{case, is_null, lit};
    let Sides { left, right, frame, mut keys } = sides;
    // The list of a subquery is its first column, and the comparison with it is put before what correlates the two.
    let listed = join.right.schema().columns().first().cloned();
    let is_listed = |e: &Expr| {
        let mut e = e;
        while let Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) = e {
            e = expr;
        }
        matches!(e, Expr::Column(c) if listed.as_ref() == Some(c))
    };
    let mut rest: Vec<Expr> = join.filter.iter().flat_map(split_conjunction).cloned().collect();
    let may_be_null = |e: &Expr| e.nullable(join.left.schema().as_ref()).unwrap_or(true);
    let ((l, r), may_be_null) = match join.on.iter().position(|(_, r)| is_listed(r)) {
        Some(at) => (keys.remove(at), join.on.get(at).is_none_or(|(l, _)| may_be_null(l))),
        // A value that is no column's is not made a key.
        None => {
            let compared = |e: &Expr| match e {
                Expr::BinaryExpr(b) if b.op == Operator::Eq && is_listed(&b.right) => Some((b.left.clone(), b.right.clone())),
                Expr::BinaryExpr(b) if b.op == Operator::Eq && is_listed(&b.left) => Some((b.right.clone(), b.left.clone())),
                _ => None,
            };
            let found = rest.iter().enumerate().find_map(|(at, e)| Some((at, compared(e)?)));
            let (at, (l, r)) = found.ok_or("NOT IN of this form")?;
            rest.remove(at);
            ((physical(&l, join.left.schema())?, physical(&r, join.right.schema())?), may_be_null(&l))
        }
    };
    let residual = conjunction(rest).map(|e| physical(&e, &frame)).transpose()?;
    let schema = left.schema.clone();
    let anti = |left: Plan, right: Plan, keys: Vec<(Expression, Expression)>| Plan {
        schema: schema.clone(),
        append_only: false,
        node: Node::Join(Box::new(unbounded(left, right, keys, residual.clone(), JoinKind::Anti))),
    };
    let said = |e: datafusion::common::DataFusionError| e.strip_backtrace();
    let null_in_list = filter(right.clone(), is_null(r.clone()).map_err(said)?);
    let all = std::iter::once((l.clone(), r)).chain(keys.iter().cloned()).collect();
    let unequal = anti(anti(left, right.clone(), all), null_in_list, keys.clone());
    if !may_be_null {
        return Ok(unequal);
    }
    // Nulls of the left have 0 for a key and meet all rows; what is known has none, and meets no row.
    let zero = ScalarValue::Int64(Some(0));
    let null = case(None, vec![(is_null(l).map_err(said)?, lit(zero.clone()))], None).map_err(said)?;
    let keys = std::iter::once((null, lit(zero))).chain(keys).collect();
    Ok(anti(unequal, right, keys))
}
