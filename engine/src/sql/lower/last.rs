//! EMIT FINAL: rows are given once, when a watermark has closed them.
//!
//! Where they are groups that the watermark closes, perhaps filtered and projected, the groups are simply not told of before:
//! nothing is given that would be held back, and sliding windows are put together once. All else is held back until it is closed.

use crate::sql::closing::Closing;
use crate::sql::plan::{Node, Plan};

/// The plan, giving rows once they are closed; `column` is what tells when that is.
pub fn closed(mut plan: Plan, column: usize, closing: Closing) -> Plan {
    if given_once(&mut plan) {
        return plan;
    }
    let schema = plan.schema.clone();
    Plan { append_only: true, node: Node::Final { input: Box::new(plan), column, closing }, schema }
}

/// Has groups stay that may still change once a watermark has passed them, where they are not given once.
pub fn keep_loose(plan: &mut Plan) {
    if let Node::Aggregate { closing, once: false, .. } | Node::Group { closing, .. } = &mut plan.node
        && closing.as_ref().is_some_and(|(_, closing)| closing.loose)
    {
        *closing = None;
    }
    plan.inputs_mut().into_iter().for_each(keep_loose);
}

/// Has the plan's groups given once; false, and the plan as it was, when it is none of groups that close.
fn given_once(plan: &mut Plan) -> bool {
    let groups = match &mut plan.node {
        Node::Project { input, .. } | Node::Filter { input, .. } => given_once(input),
        Node::Aggregate { closing: Some(_), once, .. } => {
            *once = true;
            true
        }
        Node::Sessions(sessions) if sessions.closing.is_some() && sessions.totals.is_some() => {
            sessions.once = true;
            true
        }
        _ => false,
    };
    plan.append_only |= groups;
    groups
}
