//! Joins by time: each row of the left with the row of the right that is nearest to it, kept change by change. Rows of both sides are
//! kept by key and in the order of time (`side.rs`), so that a row of the left finds its other by one search, and one of the right
//! concerns no more rows of the left than are as near to it as to none else (`state.rs`). Why so: decision 8.

mod keep;
mod let_go;
mod pairs;
mod side;
mod spans;
mod state;

use arrow::datatypes::SchemaRef;

use self::state::{Nearby, Shape};
use super::{Changes, Renderer};
use crate::sql::plan::AsOf;

impl<'s> Renderer<'s> {
    /// Renders a join by time.
    pub(super) fn as_of(&mut self, view: &str, as_of: &AsOf, schema: &SchemaRef) -> Option<Changes<'s>> {
        let (left, right) = (self.plan(view, &as_of.left)?, self.plan(view, &as_of.right)?);
        let left = self.by_key(left, &as_of.left.schema, as_of.keys.len());
        let right = self.by_key(right, &as_of.right.schema, as_of.keys.len());
        let shape = Shape {
            keys: as_of.keys.clone(),
            times: as_of.times,
            widths: as_of.widths,
            newest: as_of.newest,
            strict: as_of.strict,
            outer: as_of.outer,
            layouts: [as_of.left.schema.clone(), as_of.right.schema.clone()],
            retracts: [!as_of.left.append_only, !as_of.right.append_only],
            schema: schema.clone(),
            closes: as_of.closing.clone().map(|(closing, held)| (closing, held, self.watermarks.clone())),
        };
        Some(self.two_sided::<Nearby>(view, left, right, shape))
    }
}
