//! EXPLAIN: the nodes of a plan, whether each can take rows back (its changelog mode), and what bounds its state.

use std::fmt::Write;

use super::closing::Closing;
use super::plan::{JoinKind, Node, Plan};
use super::snapshot::Size;

/// The plan as text, a node a line, what it reads beneath it; `held` says how much a node holds, where that is known.
pub fn explain(plan: &Plan, held: &dyn Fn(&Plan) -> Option<Size>) -> String {
    let mut out = String::new();
    line(plan, 0, held, &mut out);
    out
}

fn line(plan: &Plan, depth: usize, held: &dyn Fn(&Plan) -> Option<Size>, out: &mut String) {
    let mode = if plan.append_only { "rows only come" } else { "rows come and go" };
    let state = state(plan).map(|s| format!("; state: {s}")).unwrap_or_default();
    let held_now = held(plan).map(|s| format!("; holds {} rows, {} bytes", s.rows, s.bytes)).unwrap_or_default();
    let written = writeln!(out, "{:indent$}{} [{mode}{state}{held_now}]", "", title(plan), indent = 2 * depth);
    debug_assert!(written.is_ok());
    plan.inputs().iter().for_each(|input| line(input, depth + 1, held, out));
}

/// What a node does, in a line.
pub fn title(plan: &Plan) -> String {
    let names = |of: &Plan| of.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ");
    match &plan.node {
        Node::Input { name, .. } => format!("read {name} ({})", names(plan)),
        Node::Values { rows } => format!("values ({} rows)", rows.num_rows()),
        Node::Filter { predicate, .. } => format!("filter {predicate}"),
        Node::Project { .. } => format!("project ({})", names(plan)),
        Node::Flat { .. } => "unnest".into(),
        Node::Join(join) => {
            let kind = match join.kind {
                JoinKind::Inner => "inner",
                JoinKind::Left => "left",
                JoinKind::Full => "full",
                JoinKind::Semi => "semi",
                JoinKind::Anti => "anti",
                JoinKind::Mark => "mark",
            };
            let on: Vec<String> = join.keys.iter().map(|(l, r)| format!("{l} = {r}")).collect();
            let residual = join.residual.as_ref().map(|r| format!(", and {r}")).unwrap_or_default();
            format!("{kind} join on {}{residual}", if on.is_empty() { "everything".to_string() } else { on.join(" and ") })
        }
        Node::AsOf(a) => {
            let kind = if a.outer { "left" } else { "inner" };
            let which = match (a.newest, a.strict) {
                (true, false) => "the newest not after it",
                (true, true) => "the newest before it",
                (false, false) => "the oldest not before it",
                (false, true) => "the oldest after it",
            };
            format!("{kind} join by time, {which} by {} columns", a.keys.len())
        }
        Node::Aggregate { keys, aggregates, once, hop, .. } => {
            let slices = if hop.is_some() { ", sliding windows of slices" } else { "" };
            let once = format!("{slices}{}", if *once { ", given once closed" } else { "" });
            match aggregates.is_empty() {
                true => format!("distinct by {} columns{once}", keys.len()),
                false => format!("aggregate by {} columns, {} kept change by change{once}", keys.len(), aggregates.len()),
            }
        }
        Node::Sessions(s) => {
            let once = if s.once { ", given once closed" } else { "" };
            match &s.totals {
                Some(totals) => format!("aggregate sessions by {} columns, {} kept change by change{once}", s.keys, totals.len()),
                None => format!("sessions of rows by {} columns", s.keys),
            }
        }
        Node::Group { keys, .. } => format!("compute each group anew, by {keys} columns"),
        Node::Over(over) => {
            let how = if over.reach.onward { "on from the row that changes" } else { "around rows that change" };
            format!("calls over partitions by {} columns, {how}", over.keys)
        }
        Node::Top(top) => format!("first {} rows by {} columns", top.fetch.map_or("all".to_string(), |n| n.to_string()), top.keys.len()),
        Node::Union { inputs } => format!("union of {}", inputs.len()),
        Node::Final { .. } => "hold until final".into(),
        Node::Temporal { .. } => "while now() is within bounds".into(),
        Node::Recursive { name, distinct, .. } => format!("fixed point {name}{}", if *distinct { "" } else { ", with duplicates" }),
    }
}

/// What bounds the state of a node; none when it has none.
fn state(plan: &Plan) -> Option<String> {
    if let Some(closing) = plan.closing() {
        let besides = match &plan.node {
            Node::AsOf(a) if a.newest => ", and the newest row of the right of each key",
            Node::AsOf(_) => ", and rows of the left until one of the right follows",
            Node::Over(_) => ", and what calls look at before it",
            _ => "",
        };
        return Some(by_watermark(closing) + besides);
    }
    Some(match &plan.node {
        Node::Input { .. } | Node::Values { .. } | Node::Filter { .. } | Node::Project { .. } | Node::Flat { .. } | Node::Union { .. } => {
            return None;
        }
        Node::Final { closing, .. } => by_watermark(closing),
        Node::Temporal { .. } => "rows that the clock will change".into(),
        Node::Aggregate { keys, .. } if keys.is_empty() => "one group".into(),
        Node::Aggregate { .. } => "by number of groups".into(),
        Node::Sessions(s) if s.totals.is_some() => "by number of sessions".into(),
        Node::Top(top) if top.input.append_only && top.fetch.is_some() => {
            if top.keys.is_empty() {
                "the first rows".into()
            } else {
                "by number of groups".into()
            }
        }
        Node::Join(_) | Node::AsOf(_) | Node::Group { .. } | Node::Over(_) | Node::Sessions(_) | Node::Top(_) | Node::Recursive { .. } => {
            if plan.inputs().iter().all(|i| !grows(i)) {
                "by rows of its inputs, which are bounded".into()
            } else {
                "UNBOUNDED: all rows of its inputs".into()
            }
        }
    })
}

/// Which watermark bounds state, and how far it is behind that of tables.
fn by_watermark(closing: &Closing) -> String {
    let seconds = closing.delay.unsigned_abs() as f64 / 1e6;
    let behind = match closing.delay.signum() {
        0 => String::new(),
        1 => format!(" less {seconds} s"),
        _ => format!(" plus {seconds} s"),
    };
    format!("by watermark of {}{behind}", closing.tables.join(", "))
}

/// Whether a plan's rows can become more without end: it reads a table and nothing groups it.
fn grows(plan: &Plan) -> bool {
    match &plan.node {
        Node::Input { .. } => true,
        Node::Aggregate { keys, .. } => !keys.is_empty(),
        Node::Temporal { until, .. } => until.is_empty(),
        Node::Top(top) => !(top.keys.is_empty() && top.fetch.is_some()),
        _ => plan.inputs().iter().any(|i| grows(i)),
    }
}
