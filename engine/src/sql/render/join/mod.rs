//! Joins of every kind, as one operator: both sides are kept by key, an epoch's rows look up their partners and are kept then.
//!
//! Epochs follow each other (D1), so nothing is kept in versions: state is hash tables over columns (`sql/store`), and an
//! epoch costs what changes and what that gives. Within an iteration, where time is not one number, joins are those of
//! differential dataflow over Arrow chunks (`sql/arrange`). Why so: decision 5.

mod alone;
mod divided;
mod dues;
mod operator;
mod pairs;
mod saved;
mod side;
mod sides;
mod state;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;

use self::divided::Divided;
pub use self::pairs::PAIRS;
use self::saved::SavedSide;
pub use self::sides::{Shape as SidesShape, Sides};
pub use self::state::{Given, of, of_mut, with_null};
use self::state::{JoinState, Shape};
use super::close::own_rows;
use super::{Changes, Renderer, rows};
use crate::sql::plan::{Expression, Join, JoinKind, Plan};
use crate::sql::snapshot::Place;

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
        let (left, left_layout) = self.side(l, view, &left_keys, &join.left);
        let (right, right_layout) = self.side(r, view, &right_keys, &join.right);
        let shape = Shape {
            kind: join.kind,
            keys: join.keys.len(),
            null_equal: join.null_equal,
            residual: join.residual.clone(),
            layouts: [left_layout, right_layout],
            retracts: [!join.left.append_only, !join.right.append_only],
            pairs: match join.kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Full => schema.clone(),
                _ => joined(&join.left.schema, &join.right.schema),
            },
            schema: schema.clone(),
            closes: join.closing.clone().map(|(key, closing)| (key, closing, self.watermarks.clone())),
            within: join.within.clone().map(|within| (within, self.watermarks.clone())),
        };
        Some(self.two_sided::<JoinState>(view, left, right, shape))
    }

    /// Runs a state of two sides, with what was saved of it.
    pub(super) fn two_sided<S: Sides + 'static>(
        &mut self,
        view: &str,
        left: Changes<'s>,
        right: Changes<'s>,
        shape: S::Shape,
    ) -> Changes<'s> {
        let places = [self.giving_place(), self.place()];
        let [left_place, right_place] = &places;
        let (index, peers) = (self.scope.worker().index(), self.scope.worker().peers());
        let keys = shape.keys();
        let made = Divided::<S>::new(shape).map(|state| kept(state, keys, [left_place, right_place], index, peers));
        let made = made.map_err(|error| crate::flow::defect::tell("a join cannot be kept", &error)).ok();
        let state = made.map(|state| Rc::new(RefCell::new(state)));
        let mut before = Vec::new();
        if let Some(state) = &state {
            if left_place.is_tracked() {
                left_place.announce(SavedSide { state: state.clone(), side: 0 });
                right_place.announce(SavedSide { state: state.clone(), side: 1 });
            }
            if left_place.gives {
                match state.borrow_mut().given() {
                    Ok(given) => before = given,
                    Err(error) => left_place.failed(&error.into()),
                }
            }
        }
        let begins_at = left_place.begins_at().unwrap_or(0);
        let operator::Streams { rows, errors, late } = operator::operate(left, right, view, state, before, begins_at);
        self.late.push(late);
        self.keep_errors((rows, errors))
    }

    /// A side in its layout, rows of equal keys on one worker.
    fn side(&mut self, input: Changes<'s>, view: &str, keys: &[Expression], plan: &Plan) -> (Changes<'s>, SchemaRef) {
        let (columns, schema) = layout(keys, plan);
        let projected = rows::project(input, view, columns, schema.clone());
        let all = self.keep_errors(projected);
        (self.by_key(all, &schema, keys.len()), schema)
    }
}

/// A state with what was saved of it.
fn kept<S: Sides>(mut state: Divided<S>, keys: usize, places: [&Place; 2], index: usize, peers: usize) -> Divided<S> {
    for (side, at) in places.into_iter().enumerate() {
        for (_, part) in at.parts() {
            for saved in at.read(&part) {
                let restored =
                    own_rows(&saved, &super::close::Routing::ByKeys(keys), index, peers).and_then(|own| state.restore(side, &own));
                if let Err(error) = restored {
                    at.failed(&error.into());
                }
            }
        }
    }
    state
}

fn joined(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(left.fields().iter().chain(right.fields()).cloned().collect::<Vec<_>>()))
}
