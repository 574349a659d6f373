//! Rounds of an iteration: where they end for good, and rows that count once in each.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::super::rows;
use super::Round;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::Evaluate;

/// Rounds of an iteration; a query that does not end by itself ends there, with a row in the error collection.
const ROUNDS_MAX: u64 = 10_000;

/// Lets rows through up to the last round; beyond it they become an error.
pub fn bounded<'i>(fed_back: Stream<'i, Round, Updates>, view: &str) -> rows::Split<'i, Round> {
    let view = view.to_string();
    let within = |time: Option<&Round>| time.is_some_and(|t| t.inner <= ROUNDS_MAX);
    let good = fed_back.clone().unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "round", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                if within(cap.stamp().iter().next()) {
                    output.session_with_builder(&cap).give_containers(data);
                }
            });
        }
    });
    let bad = fed_back.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "last round", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                if within(cap.stamp().iter().next()) || data.count() == 0 {
                    return;
                }
                let text = format!("the recursion does not end: it was stopped after {ROUNDS_MAX} rounds");
                let columns: [Arc<dyn arrow::array::Array>; 2] =
                    [Arc::new(StringArray::from(vec![view.as_str()])), Arc::new(StringArray::from(vec![text]))];
                if let Ok(rows) = RecordBatch::try_new(rows::error_schema(), columns.into()) {
                    output.session_with_builder(&cap).give_container(&mut Updates::insertions(rows));
                }
            });
        }
    });
    (good, bad)
}

/// Each row once.
pub struct Once;

impl Evaluate for Once {
    fn evaluate(&mut self, rows: &RecordBatch, starts: &[usize]) -> Result<(RecordBatch, Vec<u32>), ArrowError> {
        let groups = starts.len().saturating_sub(1) as u32;
        let firsts = UInt32Array::from_iter_values(starts.iter().take(groups as usize).map(|s| *s as u32));
        Ok((take_rows(rows, &firsts)?, (0..groups).collect()))
    }
}
