//! WITH RECURSIVE: a fixed point by iteration within an epoch, kept up to date by differential dataflow as its inputs change.
//!
//! Inside the iteration time is (epoch, round). What the step reads beside its own result is rendered outside, once, and
//! enters; only what reads the result is rendered inside, and only grows with it (`lower` sees to that). `UNION` keeps each row
//! once in every round, so that it ends; `UNION ALL` ends when a round gives nothing new, or after a bound that is told.

mod join;
mod rounds;

use arrow::datatypes::SchemaRef;
use timely::dataflow::Scope;
use timely::dataflow::operators::{Concat, ConnectLoop, Enter, Feedback, Leave};
use timely::order::Product;

use self::rounds::{Once, bounded};
use super::{Changes, Renderer, rows};
use crate::flow::exchange::exchange_by;
use crate::sql::arrange;
use crate::sql::plan::{Node, Plan};

/// Time within an iteration.
type Round = Product<u64, u64>;

/// What the step of a recursive query is rendered with.
struct Inner<'a, 'o, 'i> {
    outer: &'a mut Renderer<'o>,
    scope: Scope<'i, Round>,
    view: &'a str,
    name: &'a str,
    result: Changes<'i, Round>,
    errors: Vec<Changes<'i, Round>>,
}

impl<'s> Renderer<'s> {
    /// Renders a fixed point.
    pub(super) fn recursive(
        &mut self,
        view: &str,
        name: &str,
        (first, step): (&Plan, &Plan),
        distinct: bool,
        schema: &SchemaRef,
    ) -> Option<Changes<'s>> {
        let first = rows::rename(self.plan(view, first)?, schema.clone());
        let first = self.remembered(first, view, schema.fields().len());
        let outer_scope = self.scope;
        let peers = outer_scope.worker().peers();
        let (result, errors) = outer_scope.iterative::<u64, _, _>(|scope| {
            let (handle, fed_back) = scope.feedback(Product::new(0, 1));
            let (fed_back, ended) = bounded(fed_back, view);
            let mut result = first.enter(scope).concat(fed_back);
            if distinct {
                let keys = schema.fields().len();
                let shared = if peers > 1 { exchange_by(result, (0..keys).collect()) } else { result };
                result = arrange::reduce(arrange::arrange(shared, keys, "rounds"), "distinct", keys, Box::new(Once));
            }
            let mut inner = Inner { outer: self, scope, view, name, result: result.clone(), errors: vec![ended] };
            let next = inner.plan(step)?;
            rows::rename(next, schema.clone()).connect_loop(handle);
            let errors = inner.errors.into_iter().map(|e| e.leave(outer_scope)).collect::<Vec<_>>();
            Some((result.leave(outer_scope), errors))
        })?;
        let errors: Vec<_> = errors.into_iter().map(|e| self.outer(e)).collect();
        self.errors.extend(errors);
        Some(self.outer(result))
    }

    /// A stream that enters the iteration, kept so that the fixed point can be found again from a snapshot.
    fn remembered(&mut self, stream: Changes<'s>, view: &str, columns: usize) -> Changes<'s> {
        let at = self.place();
        if !at.is_tracked() {
            return stream;
        }
        let all = arrange::with_saved(stream, &at);
        let arranged = arrange::arrange(all.clone(), columns, &format!("remember {view}"));
        at.announce(arrange::Saved(arranged.trace.clone()));
        all
    }
}

impl<'i> Inner<'_, '_, 'i> {
    fn plan(&mut self, plan: &Plan) -> Option<Changes<'i, Round>> {
        if !self.reads(plan) {
            let stream = self.outer.plan(self.view, plan)?;
            return Some(self.outer.remembered(stream, self.view, plan.schema.fields().len()).enter(self.scope));
        }
        let schema = plan.schema.clone();
        Some(match &plan.node {
            Node::Input { columns, .. } => rows::select(self.result.clone(), columns.clone(), schema),
            Node::Filter { input, predicate } => {
                let stream = self.plan(input)?;
                self.keep_errors(rows::filter(stream, self.view, predicate.clone()))
            }
            Node::Project { input, columns } => {
                let stream = self.plan(input)?;
                self.keep_errors(rows::project(stream, self.view, columns.clone(), schema))
            }
            Node::Flat { input, compute } => {
                let stream = self.plan(input)?;
                self.keep_errors(rows::flat(stream, self.view, compute, schema))
            }
            Node::Union { inputs } => {
                let streams: Option<Vec<_>> = inputs.iter().map(|i| self.plan(i)).collect();
                let mut streams = streams?.into_iter().map(|s| rows::rename(s, schema.clone()));
                let first = streams.next()?;
                streams.fold(first, |all, s| all.concat(s))
            }
            Node::Join(join) => self.join(join, schema)?,
            // Rows that are there once: the result keeps each once anyway.
            Node::Aggregate { input, keys, aggregates, .. } if aggregates.is_empty() => {
                let stream = self.plan(input)?;
                self.keep_errors(rows::project(stream, self.view, keys.clone(), schema))
            }
            // `lower` refuses all else.
            _ => return None,
        })
    }

    fn reads(&self, plan: &Plan) -> bool {
        let mut reads = Vec::new();
        plan.reads(&mut reads);
        reads.iter().any(|r| r == self.name)
    }

    fn keep_errors(&mut self, (rows, errors): rows::Split<'i, Round>) -> Changes<'i, Round> {
        self.errors.push(errors);
        rows
    }
}
