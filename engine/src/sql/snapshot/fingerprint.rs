//! Fingerprints of plans: equal where a node, its columns and all beneath it are equal, so that state can be kept.
//!
//! They are made of the text of the plan's expressions, with types. What a table is named does not matter beneath a view:
//! a table counts by its name and columns, a view by its own fingerprint.

use std::fmt::Write;

use crate::flow::hash::{hash_bytes, hash_rows};
use crate::sql::evaluate::Compute;
use crate::sql::plan::{Aggregate, Bound, Expression, Hop, HopKey, Node, Plan};

/// What a plan comes to, in hexadecimal digits.
pub type Fingerprint = String;

/// The fingerprint of a plan; `named` gives those of tables and views.
pub fn fingerprint(plan: &Plan, named: &dyn Fn(&str) -> Option<Fingerprint>) -> Fingerprint {
    let mut text = String::new();
    // Writing to a string does not fail.
    let written = node(plan, named, &mut text);
    debug_assert!(written.is_ok());
    of_text(&text)
}

/// The fingerprint of a text.
pub fn of_text(text: &str) -> Fingerprint {
    format!("{:016x}", hash_bytes(0x6c69_7474, text.as_bytes()))
}

fn node(plan: &Plan, named: &dyn Fn(&str) -> Option<Fingerprint>, out: &mut String) -> std::fmt::Result {
    match &plan.node {
        Node::Input { name, columns } => write!(out, "input {} {columns:?}", named(name).unwrap_or_else(|| name.clone()))?,
        Node::Values { rows } => {
            let hashes = hash_rows(rows.columns(), rows.num_rows()).unwrap_or_default();
            write!(out, "values {hashes:?}")?;
        }
        Node::Filter { predicate, .. } => write!(out, "filter {predicate}")?,
        Node::Project { columns, .. } => write!(out, "project {}", listed(columns))?,
        Node::Flat { compute: c, .. } => compute(c, out)?,
        Node::Join(join) => {
            let keys: Vec<String> = join.keys.iter().map(|(l, r)| format!("{l} = {r}")).collect();
            let residual = join.residual.as_ref().map(ToString::to_string);
            write!(out, "join {:?} {keys:?} {} {residual:?} {:?} {:?}", join.kind, join.null_equal, join.closing, join.within)?;
        }
        Node::AsOf(a) => {
            write!(out, "as of {:?} {:?} {:?} {} {} {} {:?}", a.keys, a.times, a.widths, a.newest, a.strict, a.outer, a.closing)?;
        }
        Node::Aggregate { keys, aggregates, closing, hop, once, .. } => {
            let key = |key: &HopKey| match key {
                HopKey::Column(at) => at.to_string(),
                HopKey::Window(of) => of.to_string(),
            };
            let keys_of = |h: &Hop| h.keys.iter().map(key).collect::<Vec<_>>();
            let windows = hop.as_ref().map(|h| format!("{} {} {} {:?}", h.slide, h.size, h.offset, keys_of(h)));
            write!(out, "aggregate {} {closing:?} {windows:?} {once}", listed(keys))?;
            aggregates.iter().try_for_each(|a| call(a, out))?;
        }
        Node::Group { keys, compute: c, closing, .. } => {
            write!(out, "group {keys} ")?;
            if closing.is_some() {
                write!(out, "{closing:?} ")?;
            }
            compute(c, out)?;
        }
        Node::Over(o) => {
            write!(
                out,
                "over {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} ",
                o.keys, o.reach, o.order, o.handed, o.totals, o.own, o.answers, o.closing
            )?;
            compute(&o.compute, out)?;
        }
        Node::Sessions(s) => {
            write!(out, "sessions {} {} {:?} {} {}", s.keys, s.gap, s.closing, s.once, s.totals.is_some())?;
            s.totals.iter().flatten().try_for_each(|a| call(a, out))?;
        }
        Node::Top(top) => {
            let order: Vec<String> = top.order.iter().map(|(e, o)| format!("{e} {o:?}")).collect();
            write!(out, "top {} {order:?} {} {:?} {}", listed(&top.keys), top.skip, top.fetch, top.number)?;
        }
        Node::Union { .. } => write!(out, "union")?,
        Node::Final { column, closing, .. } => write!(out, "final {column} {closing:?}")?,
        Node::Temporal { from, until, .. } => {
            let bounds = |of: &[Bound]| of.iter().map(|b| format!("{} {:?}", b.time, b.steps)).collect::<Vec<_>>();
            write!(out, "temporal {:?} {:?}", bounds(from), bounds(until))?;
        }
        Node::Recursive { name, distinct, .. } => write!(out, "recursive {name} {distinct}")?,
    }
    for field in plan.schema.fields() {
        write!(out, ", {} {}", field.name(), field.data_type())?;
    }
    write!(out, " grows {} (", plan.append_only)?;
    for input in plan.inputs() {
        node(input, named, out)?;
        write!(out, ";")?;
    }
    write!(out, ")")
}

fn listed(expressions: &[Expression]) -> String {
    expressions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn call(aggregate: &Aggregate, out: &mut String) -> std::fmt::Result {
    let text = |e: &Option<Expression>| e.as_ref().map(ToString::to_string);
    write!(out, " {:?} {:?} {:?} {}", aggregate.function, text(&aggregate.argument), text(&aggregate.filter), aggregate.distinct)
}

fn compute(compute: &Compute, out: &mut String) -> std::fmt::Result {
    match compute {
        Compute::Aggregate { calls, keys, .. } => {
            write!(out, "aggregates of {keys} {:?}", calls.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        Compute::Window { calls, .. } => write!(out, "windows {:?}", calls.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Compute::Unnest { columns, options, .. } => write!(out, "unnest {columns:?} {options:?}"),
    }
}
