//! Joins within the step of a recursive query: over keyed collections that know rounds, unlike those of `render::join`.
//!
//! Rows of the left with a partner come out of a join too, with the keys, or where more than a key decides the rows, that have
//! one; rows without are all less those. `lower` sees to it that only partners are looked for in the query's own result.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use timely::dataflow::operators::{Concat, Enter};

use super::rounds::Once;
use super::{Inner, Round};
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;
use crate::sql::arrange::{self, Arrangement, ArrowJoin};
use crate::sql::plan::{Expression, Join, JoinKind, Plan};
use crate::sql::render::{Changes, join, rows};

/// A side of a join: its keys and then its own columns.
struct Side<'i> {
    rows: Changes<'i, Round>,
    keys: usize,
    schema: SchemaRef,
}

impl<'i> Side<'i> {
    /// Where the side's own columns are.
    fn own(&self) -> Vec<usize> {
        (self.keys..self.schema.fields().len()).collect()
    }

    /// The side's own columns alone.
    fn alone(&self) -> (Changes<'i, Round>, SchemaRef) {
        let schema: SchemaRef = Arc::new(Schema::new(self.schema.fields().iter().skip(self.keys).cloned().collect::<Vec<_>>()));
        (rows::select(self.rows.clone(), self.own(), schema.clone()), schema)
    }
}

impl<'i> Inner<'_, '_, 'i> {
    pub(super) fn join(&mut self, join: &Join, schema: SchemaRef) -> Option<Changes<'i, Round>> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = join.keys.iter().cloned().unzip();
        let left = self.side(&join.left, &left_keys)?;
        if join.kind == JoinKind::Inner {
            let right = self.side(&join.right, &right_keys)?;
            return Some(self.pairs(join, &left, &right, schema));
        }
        let (all, own) = left.alone();
        Some(match join.kind {
            JoinKind::Semi => rows::rename(self.partners(join, &left, &right_keys)?, schema),
            JoinKind::Anti => rows::rename(all.concat(negate(self.partners(join, &left, &right_keys)?)), schema),
            JoinKind::Left => {
                let right = self.side(&join.right, &right_keys)?;
                let pairs = self.pairs(join, &left, &right, schema.clone());
                let with_partner = self.in_pairs(&left, pairs.clone(), own);
                pairs.concat(filled(all.concat(negate(with_partner)), None, schema))
            }
            JoinKind::Mark => {
                let partners = self.partners(join, &left, &right_keys)?;
                let without = filled(all.concat(negate(partners.clone())), Some(false), schema.clone());
                filled(partners, Some(true), schema).concat(without)
            }
            // `lower` refuses it.
            JoinKind::Inner | JoinKind::Full => return None,
        })
    }

    fn side(&mut self, plan: &Plan, keys: &[Expression]) -> Option<Side<'i>> {
        let input = self.plan(plan)?;
        let (columns, schema) = join::layout(keys, plan);
        let projected = self.keep_errors(rows::project(input, self.view, columns, schema.clone()));
        Some(Side { rows: rows::normal_keys(projected, &schema, keys.len()), keys: keys.len(), schema })
    }

    /// Pairs of rows that fit, with the columns of the left and then of the right.
    fn pairs(&mut self, join: &Join, left: &Side<'i>, right: &Side<'i>, schema: SchemaRef) -> Changes<'i, Round> {
        let gathered = ArrowJoin::new(left.keys, left.own(), right.own(), schema);
        let known = |side: &Side<'i>| self.keyed(side.rows.clone(), side.keys, join.null_equal);
        let pairs = arrange::join(known(left), known(right), "rounds", gathered);
        match &join.residual {
            None => pairs,
            Some(residual) => self.keep_errors(rows::filter(pairs, self.view, residual.clone())),
        }
    }

    /// Rows of the left that have a partner, as often as they are there.
    fn partners(&mut self, join: &Join, left: &Side<'i>, right_keys: &[Expression]) -> Option<Changes<'i, Round>> {
        let (_, own) = left.alone();
        if join.residual.is_some() {
            let right = self.side(&join.right, right_keys)?;
            let fields = [left, &right].map(|s| s.schema.fields().iter().skip(s.keys).cloned().collect::<Vec<_>>()).concat();
            let pairs = self.pairs(join, left, &right, Arc::new(Schema::new(fields)));
            return Some(self.in_pairs(left, pairs, own));
        }
        let n = left.keys;
        let present = match self.reads(&join.right) || join.null_equal {
            true => {
                let right = self.side(&join.right, right_keys)?;
                let fields = right.schema.fields().iter().take(n).cloned().collect::<Vec<_>>();
                self.once(rows::select(right.rows, (0..n).collect(), Arc::new(Schema::new(fields))), n, join.null_equal)
            }
            // It does not take part in the iteration.
            false => {
                let right = self.outer.plan(self.view, &join.right)?;
                let present = self.outer.keys_present(right, self.view, right_keys, &join.right);
                let present = self.outer.remembered(present, self.view, n).enter(self.scope);
                self.keyed(present, n, false)
            }
        };
        let gathered = ArrowJoin::new(n, left.own(), Vec::new(), own);
        Some(arrange::join(self.keyed(left.rows.clone(), n, join.null_equal), present, "rounds", gathered))
    }

    /// Rows of the left that stand in front of a pair, as often as they are there.
    fn in_pairs(&mut self, left: &Side<'i>, pairs: Changes<'i, Round>, own: SchemaRef) -> Changes<'i, Round> {
        let n = own.fields().len();
        let found = self.once(rows::select(pairs, (0..n).collect(), own.clone()), n, true);
        let (all, _) = left.alone();
        arrange::join(self.keyed(all, n, true), found, "rounds", ArrowJoin::new(n, (0..n).collect(), Vec::new(), own))
    }

    /// Rows by their first columns; a null there equals nothing unless it equals null.
    fn keyed(&self, input: Changes<'i, Round>, keys: usize, null_equal: bool) -> Arrangement<'i, Round> {
        let known = if null_equal || keys == 0 { input } else { rows::by_null_keys(input, keys, false) };
        let shared = if self.scope.worker().peers() > 1 { exchange_by(known, (0..keys).collect()) } else { known };
        arrange::arrange(shared, keys, "rounds")
    }

    /// Each of some keys once a round.
    fn once(&self, keys: Changes<'i, Round>, width: usize, null_equal: bool) -> Arrangement<'i, Round> {
        let once = arrange::reduce(self.keyed(keys, width, null_equal), "distinct", width, Box::new(Once));
        // What is reduced stays on its worker.
        arrange::arrange(once, width, "rounds")
    }
}

fn negate(input: Changes<'_, Round>) -> Changes<'_, Round> {
    rows::each(input, "negate", |updates| {
        let diffs: Vec<i64> = (0..updates.rows.num_rows()).map(|row| -updates.diff(row)).collect();
        Ok(Updates::changes(updates.rows.clone(), diffs.into()))
    })
}

/// Rows with a mark, or nulls, for the columns that they do not have.
fn filled(input: Changes<'_, Round>, mark: Option<bool>, schema: SchemaRef) -> Changes<'_, Round> {
    rows::each(input, "fill", move |updates| {
        let n = updates.rows.num_rows();
        let fill = |f: &FieldRef| match mark {
            Some(mark) => Arc::new(BooleanArray::from(vec![mark; n])) as ArrayRef,
            None => new_null_array(f.data_type(), n),
        };
        let missing = schema.fields().iter().skip(updates.rows.num_columns()).map(fill);
        let columns: Vec<ArrayRef> = updates.rows.columns().iter().cloned().chain(missing).collect();
        Ok(Updates { rows: rows::batch(schema.clone(), columns, n)?, diffs: updates.diffs.clone() })
    })
}
