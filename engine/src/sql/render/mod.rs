//! Renders plans as operators: one walk, a file a kind. Decides nothing.
//!
//! Every node gives rows with diffs and adds its scalar errors to the view's error collection (D6), with the same diffs, so
//! that an error goes away with its cause.

use std::collections::HashMap;

use timely::container::NoopBuilder;
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::{Scope, Stream};

use super::arrange;
use super::evaluate::GroupEvaluator;
use super::plan::{Expression, Node, Plan};
use super::snapshot::States;
use super::watermark::Watermarks;
use crate::flow::exchange::exchange_by;
use crate::flow::updates::Updates;

mod aggregate;
mod as_of;
mod close;
mod divisions;
mod exists;
mod groups;
mod join;
mod last;
mod node;
mod over;
mod recursive;
mod rows;
mod sessions;
mod shared;
mod temporal;
mod top;
mod until_closed;

pub use close::late_schema;
pub use groups::merges;
pub use node::{At, Named, has_state, wanted_full, with_state};
pub use rows::{batch, error_schema};
pub use shared::Shared;

/// A stream of changes.
pub type Changes<'s, T = u64> = Stream<'s, T, Updates>;

/// What rendering has made so far.
pub struct Renderer<'s> {
    /// Where operators go.
    pub scope: Scope<'s, u64>,
    /// Tables and rendered views by name.
    pub relations: HashMap<String, Changes<'s>>,
    /// Error collections of all nodes.
    pub errors: Vec<Changes<'s>>,
    /// Rows that came too late for some operator.
    pub late: Vec<Changes<'s>>,
    /// What closes windows.
    pub watermarks: Watermarks,
    /// What operators keep.
    pub states: States,
    /// Fingerprints of tables and views.
    pub named: Named,
    /// Whether everything is wanted of what is rendered next, at the epoch that the run begins with.
    pub full: bool,
    /// The node that is being rendered.
    pub at: At,
    /// Parts that the view has more than once.
    pub shared: Shared<'s>,
}

impl<'s> Renderer<'s> {
    /// Renders a plan; none when it reads a relation that is not there, which was checked before.
    pub fn plan(&mut self, view: &str, plan: &Plan) -> Option<Changes<'s>> {
        if let Some(closing) = plan.closing() {
            self.watermarks.watch(&closing.tables);
        }
        let shared = self.shared_as(plan);
        if let Some(stream) = shared.as_ref().and_then(|part| self.rendered(part)) {
            return Some(stream);
        }
        let asked = self.go_to(plan);
        let rendered = self.node(view, plan);
        self.go_back(asked);
        if let (Some(part), Some(stream)) = (shared, &rendered) {
            self.keep(part, stream);
        }
        rendered
    }

    fn node(&mut self, view: &str, plan: &Plan) -> Option<Changes<'s>> {
        let schema = plan.schema.clone();
        Some(match &plan.node {
            Node::Input { name, columns } => self.asked(rows::select(self.relations.get(name)?.clone(), columns.clone(), schema)),
            Node::Values { rows } => self.values(rows),
            Node::Filter { input, predicate } => {
                let stream = self.plan(view, input)?;
                self.keep_errors(rows::filter(stream, view, predicate.clone()))
            }
            Node::Project { input, columns } => {
                let stream = self.plan(view, input)?;
                self.keep_errors(rows::project(stream, view, columns.clone(), schema))
            }
            Node::Flat { input, compute } => {
                let stream = self.plan(view, input)?;
                self.keep_errors(rows::flat(stream, view, compute, schema))
            }
            Node::Join(join) => self.join(view, join, &schema)?,
            Node::AsOf(as_of) => self.as_of(view, as_of, &schema)?,
            Node::Aggregate { input, keys, aggregates, closing, hop, once } => {
                let stream = self.plan(view, input)?;
                let (prepared, columns) = aggregate::prepare(input, keys, aggregates, &schema);
                let stream = self.keep_errors(rows::project(stream, view, prepared, columns.clone()));
                let (keys, append_only, once) = (keys.len(), input.append_only, *once);
                let shape = aggregate::Shape { prepared: columns, keys, schema, append_only, hop: hop.clone(), once };
                let closing = closing.clone().map(|(key, closing)| (key, closing, self.watermarks.clone()));
                let split = aggregate::aggregate(stream, view, &shape, aggregates, closing, &self.giving_place());
                self.keep_late(split)
            }
            Node::Group { input, keys, compute, closing } => {
                let mut stream = rows::normal_keys(self.plan(view, input)?, &input.schema, *keys);
                let closes = closing.clone().map(|(key, closing)| (key, closing, self.watermarks.clone()));
                if let Some(closes) = &closes {
                    let split = self.while_open(stream, view, closes, (&input.schema, *keys, &schema));
                    stream = self.keep_late(split);
                }
                // It was planned once before, when the view was made.
                let evaluator = GroupEvaluator::new(compute, schema.clone());
                let evaluator = evaluator.map_err(|error| crate::flow::defect::tell("a computation cannot be planned", &error)).ok()?;
                let arranged = self.arranged(stream, *keys, view);
                let given = arrange::reduce(arranged, &format!("group {view}"), *keys, Box::new(evaluator));
                let given = self.outer(given);
                let given = match closes {
                    Some(closes) => until_closed::of_open(given, closes),
                    None => given,
                };
                self.keep_errors(rows::split_errors(given, view, schema))
            }
            Node::Final { input, column, closing } => {
                let stream = self.plan(view, input)?;
                self.last(view, stream, *column, closing, schema)
            }
            Node::Over(over) => self.over(view, over, &schema)?,
            Node::Sessions(sessions) => self.sessions(view, sessions, &schema)?,
            Node::Top(top) => self.top(view, top, &schema)?,
            Node::Temporal { input, from, until } => self.temporal(view, input, (from, until))?,
            Node::Union { inputs } => {
                let streams: Option<Vec<_>> = inputs.iter().map(|i| self.plan(view, i)).collect();
                self.union(streams?.into_iter().map(|s| rows::rename(s, schema.clone())).collect())
            }
            Node::Recursive { name, first, step, distinct } => self.recursive(view, name, (first, step), *distinct, &schema)?,
        })
    }

    /// A relation's stream: at the epoch that the run begins with everything or nothing, as it is asked.
    fn asked(&self, stream: Changes<'s>) -> Changes<'s> {
        match self.states.begins_at().filter(|_| !self.full) {
            Some(epoch) => node::after(stream, epoch),
            None => stream,
        }
    }

    /// Rows of equal keys on one worker, arranged by their first columns.
    fn arranged(&self, input: Changes<'s>, keys: usize, view: &str) -> arrange::Arrangement<'s, u64> {
        let at = self.place();
        let input = arrange::with_saved(input, &at);
        let input = if self.scope.worker().peers() > 1 { exchange_by(input, (0..keys).collect()) } else { input };
        let arranged = arrange::arrange(input, keys, &format!("arrange {view}"));
        if at.is_tracked() {
            at.announce(arrange::Saved(arranged.trace.clone()));
        }
        arranged
    }

    /// Rows on the worker of their first columns, which are keys.
    fn by_key(&self, input: Changes<'s>, layout: &arrow::datatypes::SchemaRef, keys: usize) -> Changes<'s> {
        let input = rows::normal_keys(input, layout, keys);
        if self.scope.worker().peers() > 1 { exchange_by(input, (0..keys).collect()) } else { input }
    }

    fn union(&self, streams: Vec<Changes<'s>>) -> Changes<'s> {
        self.scope.concatenate(streams)
    }

    /// Rows that are there from the first epoch on.
    fn values(&self, rows: &arrow::array::RecordBatch) -> Changes<'s> {
        let begins_at = self.states.begins_at();
        let wanted = self.full || begins_at.is_none();
        let mut rows = (wanted && self.scope.worker().index() == 0 && rows.num_rows() > 0).then(|| rows.clone());
        source::<_, NoopBuilder<Updates>, _, _>(self.scope, "values", move |cap, _| {
            let mut cap = Some(cap.delayed(&begins_at.unwrap_or(0)));
            move |output| {
                if let (Some(cap), Some(rows)) = (cap.take(), rows.take()) {
                    output.session_with_builder(&cap).give_container(&mut Updates::insertions(rows));
                }
            }
        })
    }

    /// The keys of a side, each once, without those that have a null.
    fn keys_present(&mut self, input: Changes<'s>, view: &str, keys: &[Expression], plan: &Plan) -> Changes<'s> {
        let (_, layout) = join::layout(keys, plan);
        let fields = layout.fields().iter().take(keys.len()).cloned().collect::<Vec<_>>();
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields));
        let keyed = self.keep_errors(rows::project(input, view, keys.to_vec(), schema.clone()));
        let keyed = rows::normal_keys(keyed, &schema, keys.len());
        match keys.is_empty() {
            true => exists::any(keyed, view, &self.place()),
            false => aggregate::distinct(rows::by_null_keys(keyed, keys.len(), false), view, schema, &self.place()),
        }
    }

    fn keep_late(&mut self, (rows, late): rows::Split<'s>) -> Changes<'s> {
        self.late.push(late);
        rows
    }

    fn keep_errors(&mut self, (rows, errors): rows::Split<'s>) -> Changes<'s> {
        self.errors.push(errors);
        rows
    }
}
