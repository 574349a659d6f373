//! WITH RECURSIVE: a fixed point by iteration within an epoch, kept up to date by differential dataflow as its inputs change.
//!
//! Inside the iteration time is (epoch, round). What the step reads beside its own result is rendered outside, once, and
//! enters; only what reads the result is rendered inside, and only grows with it (`lower` sees to that). `UNION` keeps each row
//! once in every round, so that it ends; `UNION ALL` ends when a round gives nothing new, or after a bound that is told.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Concat, ConnectLoop, Enter, Feedback, Leave};
use timely::dataflow::{Scope, Stream};
use timely::order::Product;

use super::{Changes, Renderer, join, rows};
use crate::flow::exchange::exchange_by;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{self, ArrowJoin, Evaluate};
use crate::sql::plan::{Expression, JoinKind, Node, Plan};

/// Rounds of an iteration; a query that does not end by itself ends there, with a row in the error collection.
const ROUNDS_MAX: u64 = 10_000;

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

    fn join(&mut self, join: &crate::sql::plan::Join, schema: SchemaRef) -> Option<Changes<'i, Round>> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = join.keys.iter().cloned().unzip();
        let n = join.keys.len();
        let right = match join.kind {
            JoinKind::Semi if self.reads(&join.right) => self.keys_present(&join.right, &right_keys)?,
            // Whether there is a partner hangs on the right alone, which does not take part in the iteration.
            JoinKind::Semi if join.residual.is_none() => {
                let right = self.outer.plan(self.view, &join.right)?;
                let present = self.outer.keys_present(right, self.view, &right_keys, &join.right);
                self.outer.remembered(present, self.view, right_keys.len()).enter(self.scope)
            }
            JoinKind::Inner => {
                let right = self.plan(&join.right)?;
                let (columns, layout) = join::layout(&right_keys, &join.right);
                rows::normal_keys(self.keep_errors(rows::project(right, self.view, columns, layout.clone())), &layout, n)
            }
            _ => return None,
        };
        let left = self.plan(&join.left)?;
        let (columns, layout) = join::layout(&left_keys, &join.left);
        let left = rows::normal_keys(self.keep_errors(rows::project(left, self.view, columns, layout.clone())), &layout, n);
        let arranged = |side: Changes<'i, Round>, scope: Scope<'i, Round>| {
            let side = if join.null_equal || n == 0 { side } else { rows::by_null_keys(side, n, false) };
            let side = if scope.worker().peers() > 1 { exchange_by(side, (0..n).collect()) } else { side };
            arrange::arrange(side, n, "rounds")
        };
        let own = |plan: &Plan| (n..n + plan.schema.fields().len()).collect::<Vec<_>>();
        let right_columns = if join.kind == JoinKind::Semi { Vec::new() } else { own(&join.right) };
        let gathered = ArrowJoin::new(n, own(&join.left), right_columns, schema);
        let pairs = arrange::join(arranged(left, self.scope), arranged(right, self.scope), "rounds", gathered);
        Some(match &join.residual {
            None => pairs,
            Some(residual) => self.keep_errors(rows::filter(pairs, self.view, residual.clone())),
        })
    }

    /// The keys of a side that takes part in the iteration, each once a round.
    fn keys_present(&mut self, plan: &Plan, keys: &[Expression]) -> Option<Changes<'i, Round>> {
        let (_, layout) = join::layout(keys, plan);
        let fields = layout.fields().iter().take(keys.len()).cloned().collect::<Vec<_>>();
        let schema: SchemaRef = Arc::new(arrow::datatypes::Schema::new(fields));
        let n = keys.len();
        let stream = self.plan(plan)?;
        let keyed = self.keep_errors(rows::project(stream, self.view, keys.to_vec(), schema.clone()));
        let keyed = rows::by_null_keys(rows::normal_keys(keyed, &schema, n), n, false);
        let shared = if self.scope.worker().peers() > 1 { exchange_by(keyed, (0..n).collect()) } else { keyed };
        Some(arrange::reduce(arrange::arrange(shared, n, "rounds"), "distinct", n, Box::new(Once)))
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

/// Lets rows through up to the last round; beyond it they become an error.
fn bounded<'i>(fed_back: Stream<'i, Round, Updates>, view: &str) -> rows::Split<'i, Round> {
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
struct Once;

impl Evaluate for Once {
    fn evaluate(&mut self, rows: &RecordBatch, starts: &[usize]) -> Result<(RecordBatch, Vec<u32>), ArrowError> {
        let groups = starts.len().saturating_sub(1) as u32;
        let firsts = UInt32Array::from_iter_values(starts.iter().take(groups as usize).map(|s| *s as u32));
        Ok((take_rows(rows, &firsts)?, (0..groups).collect()))
    }
}
