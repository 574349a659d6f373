//! Turns the steps of a fragment into timely operators: one walk, the same for both tiers.
//!
//! Decides nothing: what a step needs is in the fragment. Each worker builds its own stages.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use crate::flow::exchange::exchange_by;
use crate::flow::shared::Shared;
use crate::flow::stage::{Stage, StageContext, StageError};
use crate::flow::updates::Updates;
use crate::fragment::FragmentStep;
use crate::pipeline::Param;

/// A stream and the columns of its rows.
pub type Typed<'s> = (Stream<'s, u64, Updates>, SchemaRef);

/// Adds a stream for every step to `streams`, which holds the sources or inlets.
pub fn render_steps<'s>(
    steps: &[FragmentStep],
    params: &[Param],
    shared: &Arc<Shared>,
    streams: &mut HashMap<String, Typed<'s>>,
) -> Result<(), StageError> {
    for step in steps {
        let Some((stream, schema)) = streams.get(&step.from).cloned() else {
            let cause = crate::flow::stage::StageCause::Input(format!("it reads \"{}\", which is not in this fragment", step.from));
            return Err(StageError { step: step.name.clone(), cause });
        };
        let stage = Stage::new(step, &schema, params)?;
        let output = stage.output_schema();
        streams.insert(step.name.clone(), (run_stage(stream, stage, shared.clone()), output));
    }
    Ok(())
}

/// Runs a stage over a stream; rows of a key meet on one worker first, where the stage needs that.
fn run_stage<'s>(stream: Stream<'s, u64, Updates>, mut stage: Stage, shared: Arc<Shared>) -> Stream<'s, u64, Updates> {
    let keys = stage.keys();
    let stream = if keys.is_empty() { stream } else { exchange_by(stream, keys) };
    let name = stage.name().to_string();
    stream.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, &name, move |_, _| {
        let mut out = Vec::new();
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    let context = StageContext { specs: &shared.specs, totals: &shared.totals };
                    if let Err(error) = stage.apply(&updates.rows, &context, &mut out) {
                        shared.ending.fail(error);
                    }
                    for rows in out.drain(..).filter(|rows| rows.num_rows() > 0) {
                        session.give_container(&mut Updates::insertions(rows));
                    }
                }
            });
        }
    })
}
