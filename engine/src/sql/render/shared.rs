//! Equal parts of a view's plan are rendered once, and their stream is read by all who ask for it: a query that is named in WITH
//! and read twice, the list of a `NOT IN`, which is asked three things.
//!
//! So their state is kept once, and what they tell of errors and late rows is told once. Parts of different views are not
//! shared, as errors have the name of their view.

use std::collections::{HashMap, HashSet};

use super::{Changes, Renderer};
use crate::sql::plan::{Node, Plan};
use crate::sql::snapshot::{Fingerprint, fingerprint};

/// Streams of parts that a view's plan has more than once.
#[derive(Default)]
pub struct Shared<'s> {
    repeated: HashSet<Fingerprint>,
    /// By what they are of, and whether everything is wanted of them.
    streams: HashMap<(Fingerprint, bool), Changes<'s>>,
}

impl<'s> Renderer<'s> {
    /// Begins with a view.
    pub fn begin(&mut self, plan: &Plan) {
        self.shared = Shared::default();
        let mut seen = HashMap::new();
        self.find_repeated(plan, &mut seen);
        self.shared.repeated.retain(|of| seen.contains_key(of));
    }

    fn find_repeated<'p>(&mut self, plan: &'p Plan, seen: &mut HashMap<Fingerprint, &'p Plan>) {
        let inputs = plan.inputs();
        if matches!(plan.node, Node::Input { .. } | Node::Values { .. }) {
            return;
        }
        let of = self.fingerprint(plan);
        match seen.get(&of) {
            None if !self.shared.repeated.contains(&of) => {
                seen.insert(of, plan);
            }
            // What stands beneath a part that is repeated is rendered with it.
            Some(other) if format!("{other:?}") == format!("{plan:?}") => {
                self.shared.repeated.insert(of);
                return;
            }
            // A fingerprint is of the text of expressions, which does not tell all: such parts are rendered each by itself.
            _ => {
                seen.remove(&of);
                self.shared.repeated.insert(of);
            }
        }
        inputs.into_iter().for_each(|input| self.find_repeated(input, seen));
    }

    fn fingerprint(&self, plan: &Plan) -> Fingerprint {
        fingerprint(plan, &|name| self.named.get(name).cloned())
    }

    /// What a part that is repeated goes by; none for others.
    pub(super) fn shared_as(&self, plan: &Plan) -> Option<(Fingerprint, bool)> {
        if self.shared.repeated.is_empty() || matches!(plan.node, Node::Input { .. } | Node::Values { .. }) {
            return None;
        }
        Some((self.fingerprint(plan), self.full)).filter(|(of, _)| self.shared.repeated.contains(of))
    }

    /// The stream of a part that was rendered before.
    pub(super) fn rendered(&self, part: &(Fingerprint, bool)) -> Option<Changes<'s>> {
        self.shared.streams.get(part).cloned()
    }

    /// Keeps a part's stream for those who ask next.
    pub(super) fn keep(&mut self, part: (Fingerprint, bool), stream: &Changes<'s>) {
        self.shared.streams.insert(part, stream.clone());
    }
}
