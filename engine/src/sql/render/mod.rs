//! Renders plans as operators: one walk, a file a kind. Decides nothing.
//!
//! Every node gives rows with diffs and adds its scalar errors to the view's error collection (D6), with the same diffs, so
//! that an error goes away with its cause.

use std::collections::HashMap;

use timely::dataflow::operators::Concatenate;
use timely::dataflow::{Scope, Stream};

use super::plan::{Node, Plan};
use crate::flow::updates::Updates;

mod aggregate;
mod groups;
mod join;
mod rows;

pub use rows::error_schema;

/// A stream of changes.
pub type Changes<'s> = Stream<'s, u64, Updates>;

/// What rendering has made so far.
pub struct Renderer<'s> {
    /// Where operators go.
    pub scope: Scope<'s, u64>,
    /// Tables and rendered views by name.
    pub relations: HashMap<String, Changes<'s>>,
    /// Error collections of all nodes.
    pub errors: Vec<Changes<'s>>,
}

impl<'s> Renderer<'s> {
    /// Renders a plan; none when it reads a relation that is not there, which was checked before.
    pub fn plan(&mut self, view: &str, plan: &Plan) -> Option<Changes<'s>> {
        Some(match &plan.node {
            Node::Input { name, columns } => {
                let input = self.relations.get(name)?.clone();
                rows::select(input, columns.clone(), plan.schema.clone())
            }
            Node::Filter { input, predicate } => {
                let stream = self.plan(view, input)?;
                self.keep_errors(rows::filter(stream, view, predicate.clone()))
            }
            Node::Project { input, columns } => {
                let stream = self.plan(view, input)?;
                self.keep_errors(rows::project(stream, view, columns.clone(), plan.schema.clone()))
            }
            Node::Join { left, right, keys } => {
                let (l, r) = (self.plan(view, left)?, self.plan(view, right)?);
                let (joined, errors) = join::join(l, r, view, left, right, keys, plan.schema.clone());
                self.errors.extend(errors);
                joined
            }
            Node::Aggregate { input, keys, aggregates } => {
                let stream = self.plan(view, input)?;
                let (prepared, schema) = aggregate::prepare(input, keys, aggregates);
                let stream = self.keep_errors(rows::project(stream, view, prepared, schema.clone()));
                aggregate::aggregate(stream, view, schema, keys.len(), aggregates, plan.schema.clone(), input.append_only)
            }
            Node::Union { inputs } => {
                let streams: Option<Vec<_>> = inputs.iter().map(|i| self.plan(view, i)).collect();
                let schema = plan.schema.clone();
                let streams: Vec<_> = streams?.into_iter().map(|s| rows::rename(s, schema.clone())).collect();
                self.scope.concatenate(streams)
            }
        })
    }

    fn keep_errors(&mut self, (rows, errors): (Changes<'s>, Changes<'s>)) -> Changes<'s> {
        self.errors.push(errors);
        rows
    }
}
