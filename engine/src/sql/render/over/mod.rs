//! Calls OVER partitions, kept change by change. The rows of each partition are kept in its order (`store::Places`). What an epoch
//! changes concerns the rows around it that look at it, or all after it (`regions.rs`); these and what they look at are a slice, of which
//! DataFusion's own operators compute the answers, as it was before the epoch and as it is then (`slices.rs`). What runs on from the
//! first row is carried into a slice by the totals that are kept with the row before it. Why so: decision 9.

mod let_go;
mod regions;
mod slices;
mod state;

use arrow::datatypes::SchemaRef;

use self::state::Framed;
use super::close::at_close;
use super::{Changes, Renderer};
use crate::sql::plan::Over;

impl<'s> Renderer<'s> {
    /// Renders calls OVER partitions.
    pub(super) fn over(&mut self, view: &str, over: &Over, schema: &SchemaRef) -> Option<Changes<'s>> {
        let input = self.plan(view, &over.input)?;
        let input = self.by_key(input, &over.input.schema, over.keys);
        let state = Framed::new(over, schema.clone(), self.watermarks.clone());
        let state = state.map_err(|error| crate::flow::defect::tell("calls over partitions cannot be kept", &error)).ok();
        let split = at_close(input, "over", view, state, &self.giving_place());
        Some(self.keep_late(split))
    }
}
