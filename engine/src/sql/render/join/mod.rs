//! Joins of every kind, from two arrangements: pairs by one join; partners by a second one against the keys or rows that
//! have any; the rest by taking those away. So each kind is exact under retractions without state of its own.
//!
//! A row with a null key equals nothing and is left out before it is arranged, unless the join says that null equals null.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;

use super::{Changes, Renderer, rows};
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::arrange::{self, Arrangement, ArrowJoin};
use crate::sql::plan::{Expression, Join, JoinKind, Plan};

/// One side of a join: its rows with the keys in front.
struct Side<'s> {
    /// All rows.
    all: Changes<'s>,
    /// Rows that may have a partner, arranged by key.
    arranged: Arrangement<'s, u64>,
    /// Columns of the layout.
    schema: SchemaRef,
    keys: usize,
}

impl Side<'_> {
    /// Where the side's own columns are in the layout.
    fn own(&self) -> Vec<usize> {
        (self.keys..self.schema.fields().len()).collect()
    }
}

/// Columns of the layout: keys, then every column of the side.
pub fn layout(keys: &[Expression], plan: &Plan) -> (Vec<Expression>, SchemaRef) {
    let own = plan.schema.fields().iter().enumerate().map(|(i, f)| Arc::new(Column::new(f.name(), i)) as Arc<dyn PhysicalExpr>);
    let types = keys.iter().enumerate().map(|(i, k)| {
        let kind = k.data_type(&plan.schema).unwrap_or(arrow::datatypes::DataType::Null);
        Arc::new(Field::new(format!("key {i}"), kind, true))
    });
    let schema = Arc::new(Schema::new(types.chain(plan.schema.fields().iter().cloned()).collect::<Vec<_>>()));
    (keys.iter().cloned().chain(own).collect(), schema)
}

impl<'s> Renderer<'s> {
    /// Renders a join.
    pub(super) fn join(&mut self, view: &str, join: &Join, schema: &SchemaRef) -> Option<Changes<'s>> {
        let (l, r) = (self.plan(view, &join.left)?, self.plan(view, &join.right)?);
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = join.keys.iter().cloned().unzip();
        let left = self.side(l, view, &left_keys, &join.left, join.null_equal);
        let right = self.side(r, view, &right_keys, &join.right, join.null_equal);
        let pairs_schema = match join.kind {
            JoinKind::Inner | JoinKind::Left | JoinKind::Full => schema.clone(),
            _ => joined(&join.left.schema, &join.right.schema),
        };
        if join.kind == JoinKind::Inner {
            return Some(self.pairs(view, join, &left, &right, pairs_schema, true));
        }
        let semi = join.kind == JoinKind::Semi;
        let with_partner = self.with_partner(view, join, &left, &right, false, semi);
        let without = |side: &Side<'s>, with: Changes<'s>| {
            use timely::dataflow::operators::Concat;
            rows::select(side.all.clone(), side.own(), side_schema(side)).concat(rows::negate(with))
        };
        Some(match join.kind {
            JoinKind::Semi => rows::rename(with_partner, schema.clone()),
            JoinKind::Anti => rows::rename(without(&left, with_partner), schema.clone()),
            JoinKind::Mark => {
                let rest = without(&left, with_partner.clone());
                self.union(vec![marked(with_partner, true, schema), marked(rest, false, schema)])
            }
            _ => {
                let pairs = self.pairs(view, join, &left, &right, pairs_schema, false);
                let width = join.right.schema.fields().len();
                let mut parts = vec![pairs, padded(without(&left, with_partner), 0, width, schema)];
                if join.kind == JoinKind::Full {
                    let with_partner = self.with_partner(view, join, &left, &right, true, false);
                    parts.push(padded(without(&right, with_partner), join.left.schema.fields().len(), 0, schema));
                }
                self.union(parts)
            }
        })
    }

    fn side(&mut self, input: Changes<'s>, view: &str, keys: &[Expression], plan: &Plan, null_equal: bool) -> Side<'s> {
        let (columns, schema) = layout(keys, plan);
        let projected = rows::project(input, view, columns, schema.clone());
        let all = rows::normal_keys(self.keep_errors(projected), &schema, keys.len());
        let known = if null_equal || keys.is_empty() { all.clone() } else { rows::by_null_keys(all.clone(), keys.len(), false) };
        let arranged = self.arranged(known, keys.len(), view);
        Side { all, arranged, schema, keys: keys.len() }
    }

    /// Rows of equal keys on one worker, arranged.
    pub(super) fn arranged(&self, input: Changes<'s>, keys: usize, view: &str) -> Arrangement<'s, u64> {
        let at = self.place();
        let input = arrange::with_saved(input, &at);
        let input = if self.scope.worker().peers() > 1 { exchange_by(input, (0..keys).collect()) } else { input };
        let arranged = arrange::arrange(input, keys, &format!("arrange {view}"));
        if at.is_tracked() {
            at.announce(arrange::Saved(arranged.trace.clone()));
        }
        arranged
    }

    /// Pairs of rows that fit, with the columns of the left and then of the right; `last` says that the join gives them.
    fn pairs(&mut self, view: &str, join: &Join, left: &Side<'s>, right: &Side<'s>, schema: SchemaRef, last: bool) -> Changes<'s> {
        let gathered = ArrowJoin::new(left.keys, left.own(), right.own(), schema);
        let pairs = arrange::join(left.arranged.clone(), right.arranged.clone(), &format!("join {view}"), gathered);
        let pairs = if last { self.outer(pairs) } else { self.inner(pairs) };
        match &join.residual {
            None => pairs,
            Some(residual) => {
                let split = rows::filter(pairs, view, residual.clone());
                self.keep_errors(split)
            }
        }
    }

    /// Rows of one side that have a partner, as often as they are there; `last` says that the join gives them.
    fn with_partner(&mut self, view: &str, join: &Join, left: &Side<'s>, right: &Side<'s>, of_right: bool, last: bool) -> Changes<'s> {
        let partners = self.partners(view, join, left, right, of_right);
        if last { self.outer(partners) } else { self.inner(partners) }
    }

    fn partners(&mut self, view: &str, join: &Join, left: &Side<'s>, right: &Side<'s>, of_right: bool) -> Changes<'s> {
        let (side, other) = if of_right { (right, left) } else { (left, right) };
        if join.residual.is_none() {
            // A key is enough: which keys does the other side have?
            let known = if join.null_equal || other.keys == 0 {
                other.all.clone()
            } else {
                rows::by_null_keys(other.all.clone(), other.keys, false)
            };
            let key_schema: SchemaRef = Arc::new(Schema::new(other.schema.fields().iter().take(other.keys).cloned().collect::<Vec<_>>()));
            let keys = rows::select(known, (0..other.keys).collect(), key_schema.clone());
            let present = self.present(keys, view, key_schema);
            let present = self.arranged(present, side.keys, view);
            let gathered = ArrowJoin::new(side.keys, side.own(), Vec::new(), side_schema(side));
            return arrange::join(side.arranged.clone(), present, &format!("partners {view}"), gathered);
        }
        // Whether a pair fits hangs on whole rows: which rows are in any pair that fits?
        let both = joined(&join.left.schema, &join.right.schema);
        let pairs = self.pairs(view, join, left, right, both, false);
        let width = join.left.schema.fields().len();
        let columns = if of_right { (width..width + join.right.schema.fields().len()).collect() } else { (0..width).collect::<Vec<_>>() };
        let own = side_schema(side);
        let matched = self.present(rows::select(pairs, columns, own.clone()), view, own.clone());
        let matched = self.arranged(matched, own.fields().len(), view);
        let all = self.arranged(rows::select(side.all.clone(), side.own(), own.clone()), own.fields().len(), view);
        let columns = (0..own.fields().len()).collect();
        arrange::join(all, matched, &format!("partners {view}"), ArrowJoin::new(own.fields().len(), columns, Vec::new(), own))
    }

    /// Each row once, or the one row without columns when there is any.
    fn present(&mut self, input: Changes<'s>, view: &str, schema: SchemaRef) -> Changes<'s> {
        if schema.fields().is_empty() {
            return super::exists::any(input, view, &self.place());
        }
        super::aggregate::distinct(input, view, schema, &self.place())
    }
}

fn side_schema(side: &Side<'_>) -> SchemaRef {
    Arc::new(Schema::new(side.schema.fields().iter().skip(side.keys).cloned().collect::<Vec<_>>()))
}

fn joined(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(left.fields().iter().chain(right.fields()).cloned().collect::<Vec<_>>()))
}

/// Rows with a last column that says whether they have a partner.
fn marked<'s>(input: Changes<'s>, mark: bool, schema: &SchemaRef) -> Changes<'s> {
    let schema = schema.clone();
    rows::each(input, "mark", move |updates| {
        let n = updates.rows.num_rows();
        let mark: ArrayRef = Arc::new(BooleanArray::from(vec![mark; n]));
        let columns = updates.rows.columns().iter().cloned().chain(std::iter::once(mark)).collect();
        Ok(Updates { rows: rows::batch(schema.clone(), columns, n)?, diffs: updates.diffs.clone() })
    })
}

/// Rows with null columns before and after.
fn padded<'s>(input: Changes<'s>, before: usize, after: usize, schema: &SchemaRef) -> Changes<'s> {
    let schema = schema.clone();
    rows::each(input, "pad", move |updates| {
        let n = updates.rows.num_rows();
        let null = |i: usize| new_null_array(schema.field(i).data_type(), n);
        let mut columns: Vec<ArrayRef> = (0..before).map(null).collect();
        columns.extend(updates.rows.columns().iter().cloned());
        let own = columns.len();
        columns.extend((own..own + after).map(null));
        Ok(Updates { rows: rows::batch(schema.clone(), columns, n)?, diffs: updates.diffs.clone() })
    })
}
