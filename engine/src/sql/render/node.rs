//! Where a node stands in a run that goes on from a snapshot: whether its state is kept, and what its streams carry at the
//! epoch that the run begins with: everything or nothing.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Timestamp;

use super::{Changes, Renderer};
use crate::sql::explain::title;
use crate::sql::plan::{JoinKind, Node, Plan};
use crate::sql::snapshot::{Fingerprint, Place, SavedNode, States, fingerprint};

/// Fingerprints of tables and views by name.
pub type Named = HashMap<String, Fingerprint>;

/// The node that is being rendered.
pub struct At {
    fingerprint: Fingerprint,
    /// Whether it goes on with what was saved.
    pub kept: bool,
    /// Whether everything is wanted of it at the epoch that the run begins with.
    pub full: bool,
    next: Cell<usize>,
}

impl Default for At {
    fn default() -> Self {
        At { fingerprint: String::new(), kept: false, full: true, next: Cell::new(0) }
    }
}

/// Whether a node keeps rows.
pub fn has_state(plan: &Plan) -> bool {
    !matches!(
        plan.node,
        Node::Input { .. } | Node::Values { .. } | Node::Filter { .. } | Node::Project { .. } | Node::Flat { .. } | Node::Union { .. }
    )
}

/// Whether a node can give all its rows again from what it keeps.
fn can_give(plan: &Plan) -> bool {
    match &plan.node {
        // Groups that a watermark has closed are gone, and so are rows that were held until then.
        Node::Aggregate { closing, .. } | Node::Group { closing, .. } => closing.is_none(),
        Node::Over(over) => over.closing.is_none(),
        Node::Sessions(sessions) => sessions.closing.is_none(),
        Node::Final { .. } | Node::Temporal { .. } => false,
        // Rows of the left that surely have no other are not kept.
        Node::AsOf(as_of) => !as_of.outer && as_of.closing.is_none(),
        // Rows without a partner are not kept where their key is null.
        Node::Join(join) if join.closing.is_some() || join.within.is_some() => false,
        Node::Join(join) => join.null_equal || join.keys.is_empty() || matches!(join.kind, JoinKind::Inner | JoinKind::Semi),
        _ => true,
    }
}

/// Whether a node goes on with what was saved, when everything or nothing is wanted of it.
pub fn is_kept(plan: &Plan, states: &States, named: &Named, full: bool) -> bool {
    states.begins_at().is_some()
        && has_state(plan)
        && (!full || can_give(plan))
        && states.has(&fingerprint(plan, &|name| named.get(name).cloned()))
}

/// A walk over a plan that asks of each node what its inputs are asked for.
pub struct Walk<'a> {
    /// What the snapshot has.
    pub states: &'a States,
    /// Fingerprints of tables and views.
    pub named: &'a Named,
}

impl Walk<'_> {
    /// Calls a function for every node, with whether everything is wanted of it and whether it goes on with what was saved.
    ///
    /// What a recursive query does with its own result is a part of that query, and is not kept by itself.
    pub fn each<'p>(&self, plan: &'p Plan, full: bool, within: &mut Vec<&'p str>, of: &mut impl FnMut(&Plan, bool, Option<bool>)) {
        let mut reads = Vec::new();
        plan.reads(&mut reads);
        let own = has_state(plan) && !reads.iter().any(|name| within.contains(&name.as_str()));
        let kept = own.then(|| is_kept(plan, self.states, self.named, full));
        of(plan, full, kept);
        let full = kept.map_or(full, |kept| !kept);
        let name = if let Node::Recursive { name, .. } = &plan.node { Some(name.as_str()) } else { None };
        within.extend(name);
        plan.inputs().into_iter().for_each(|input| self.each(input, full, within, of));
        if name.is_some() {
            within.pop();
        }
    }
}

/// The tables and views of which everything is wanted, for a plan of which everything or nothing is.
pub fn wanted_full(plan: &Plan, states: &States, named: &Named, full: bool, out: &mut BTreeSet<String>) {
    Walk { states, named }.each(plan, full, &mut Vec::new(), &mut |node, full, _| {
        if let (Node::Input { name, .. }, true) = (&node.node, full) {
            out.insert(name.clone());
        }
    });
}

/// All nodes of a plan that have state, and whether each goes on with what was saved.
pub fn with_state(view: &str, plan: &Plan, states: &States, named: &Named, full: bool, out: &mut Vec<(SavedNode, bool)>) {
    Walk { states, named }.each(plan, full, &mut Vec::new(), &mut |node, _, kept| {
        if let Some(kept) = kept {
            let fingerprint = fingerprint(node, &|name| named.get(name).cloned());
            out.push((SavedNode { view: view.to_string(), title: title(node), fingerprint }, kept));
        }
    });
}

/// A stream without what it carries up to an epoch.
pub fn after<'s, T: Timestamp>(input: Changes<'s, T>, epoch: T) -> Changes<'s, T> {
    input.unary::<NoopBuilder<_>, _, _, _>(Pipeline, "after the snapshot", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| match cap.stamp().iter().next() {
                Some(time) if !time.less_equal(&epoch) => output.session_with_builder(&cap).give_containers(data),
                _ => data.for_each(drop),
            });
        }
    })
}

impl<'s> Renderer<'s> {
    /// Goes to a node; what its inputs are asked for follows from whether it is kept.
    pub(super) fn go_to(&mut self, plan: &Plan) -> At {
        let full = self.full;
        let kept = is_kept(plan, &self.states, &self.named, full);
        if has_state(plan) {
            self.full = !kept;
        }
        let fingerprint = match self.states.is_tracked() && has_state(plan) {
            true => fingerprint(plan, &|name| self.named.get(name).cloned()),
            false => String::new(),
        };
        std::mem::replace(&mut self.at, At { fingerprint, kept, full, next: Cell::new(0) })
    }

    /// Goes back to the node that asked.
    pub(super) fn go_back(&mut self, to: At) {
        self.full = self.at.full;
        self.at = to;
    }

    /// The place of the node's next state, which gives nothing by itself.
    pub(super) fn place(&self) -> Place {
        self.place_that(false)
    }

    /// The place of the node's next state, which gives everything if that is wanted of the node.
    pub(super) fn giving_place(&self) -> Place {
        self.place_that(self.at.full)
    }

    fn place_that(&self, gives: bool) -> Place {
        let number = self.at.next.get();
        self.at.next.set(number + 1);
        self.states.place(format!("{}-{number}", self.at.fingerprint), self.at.kept, gives)
    }

    /// What comes of the node's own arrangements inside it: nothing at the epoch at which they are filled.
    pub(super) fn inner(&self, stream: Changes<'s>) -> Changes<'s> {
        match self.states.begins_at().filter(|_| self.at.kept) {
            Some(epoch) => after(stream, epoch),
            None => stream,
        }
    }

    /// What the node gives: at the epoch at which it is filled everything or nothing, as it is asked.
    pub(super) fn outer(&self, stream: Changes<'s>) -> Changes<'s> {
        if self.at.full { stream } else { self.inner(stream) }
    }
}
