//! Sessions: rows with the session that each is in (`rows.rs`), or, over rows that only come, aggregates of sessions without their
//! rows (`totals.rs`). Both are let go of by the watermark of their time; `keys.rs` knows until when a key's sessions are closed.

mod columns;
mod keys;
mod rows;
mod totals;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use self::rows::SessionRows;
use self::totals::SessionTotals;
use super::aggregate::{Shape, prepare};
use super::close::at_close;
use super::rows::project;
use super::{Changes, Renderer};
use crate::flow::defect;
use crate::sql::lower::column;
use crate::sql::plan::{Aggregate, Expression, Sessions};

impl<'s> Renderer<'s> {
    /// Renders sessions.
    pub(super) fn sessions(&mut self, view: &str, sessions: &Sessions, schema: &SchemaRef) -> Option<Changes<'s>> {
        let input = self.plan(view, &sessions.input)?;
        if let Some(aggregates) = &sessions.totals {
            return Some(self.totals(view, input, (sessions, aggregates), schema));
        }
        let (layout, width) = (&sessions.input.schema, sessions.keys);
        let input = self.by_key(input, layout, width);
        let closes = sessions.closing.clone().map(|closing| (closing, self.watermarks.clone()));
        let state = SessionRows::new((layout, width), schema.clone(), sessions.gap, sessions.input.append_only, closes);
        let state = state.map_err(|error| defect::tell("sessions cannot be kept", &error)).ok();
        let split = at_close(input, "sessions", view, state, &self.giving_place());
        Some(self.keep_late(split))
    }

    fn totals(
        &mut self,
        view: &str,
        input: Changes<'s>,
        (sessions, aggregates): (&Sessions, &[Aggregate]),
        schema: &SchemaRef,
    ) -> Changes<'s> {
        let keys = sessions.keys + 1;
        let columns: Vec<Expression> = (0..keys).map(|i| column(&sessions.input.schema, i)).collect();
        let (prepared, layout) = prepare(&sessions.input, &columns, aggregates, schema);
        // Late rows are told with the names of the input's keys and time, and of the aggregates that the rest is for.
        let own = sessions.input.schema.fields().iter().take(keys).cloned();
        let rest = layout.fields().iter().skip(keys).zip(schema.fields().iter().skip(keys + 1));
        let rest = rest.map(|(field, of)| Arc::new(field.as_ref().clone().with_name(of.name())));
        let layout: SchemaRef = Arc::new(Schema::new(own.chain(rest).collect::<Vec<_>>()));
        let split = project(input, view, prepared, layout.clone());
        let input = self.keep_errors(split);
        let input = self.by_key(input, &layout, sessions.keys);
        let closes = sessions.closing.clone().map(|closing| (closing, self.watermarks.clone()));
        let (append_only, once) = (sessions.input.append_only, sessions.once);
        let shape = Shape { prepared: layout, keys, schema: schema.clone(), append_only, hop: None, once };
        let state = SessionTotals::new(&shape, aggregates, sessions.gap, closes);
        let state = state.map_err(|error| defect::tell("sessions cannot be kept", &error)).ok();
        let split = at_close(input, "sessions", view, state, &self.giving_place());
        self.keep_late(split)
    }
}
