//! Joins by time as left joins with a marked condition, which the plan knows: `a ASOF JOIN b MATCH_CONDITION (…) ON …` and
//! `a JOIN b FOR SYSTEM_TIME AS OF a.time ON …`. What the mark means stands in `nearest.rs`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Select, Statement, TableAlias, TableFactor, Visit, Visitor,
};

use super::{argument, expression, plain};
use crate::sql::program::normal;

/// The table function that stands for a table as of a time.
pub const VERSION: &str = "as_of_version";
/// The function that a join by time has for its condition: of how times compare, of what else must hold, and of whether rows of the left
/// without a partner are left out; further arguments keep the columns that they are. It is a left join for the rules all the same:
/// those of inner joins put conditions that follow it into it. And it is one call, so that they do not take it apart.
pub const NEAREST: &str = "nearest_before";

/// Whether a statement has a join by time.
pub fn is_in(statement: &Statement) -> bool {
    struct Looking;
    impl Visitor for Looking {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let mut joins = select.from.iter().flat_map(|table| &table.joins);
            if joins.any(|join| matches!(join.join_operator, JoinOperator::AsOf { .. })) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            match factor {
                TableFactor::Table { name, args: Some(_), .. } if name.to_string() == VERSION => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    statement.visit(&mut Looking).is_break()
}

/// The event time of a table.
#[derive(Clone, Debug)]
pub struct EventTime {
    /// Its column.
    pub column: String,
    /// Whether a row leaves those before it there, rather than take the place of the one with its key.
    pub keeps_versions: bool,
    /// What has its versions where it does not keep them itself.
    pub versions: Option<Versions>,
}

/// A companion that has all versions of rows.
#[derive(Clone, Debug)]
pub struct Versions {
    /// Its name.
    pub name: String,
    /// The columns that a join must hold equal, as rows take each other's place by them.
    pub keys: Vec<String>,
}

/// Rewrites a join, when it is one by time.
pub fn join(join: &mut Join, event_times: &HashMap<String, EventTime>) -> Result<(), String> {
    version(join, event_times)?;
    if let JoinOperator::AsOf { match_condition, constraint } = &join.join_operator {
        let on = condition(constraint, "ASOF JOIN")?;
        join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(marked(on, &match_condition.to_string(), false)?));
    }
    Ok(())
}

/// The condition of a join by time.
fn condition<'a>(constraint: &'a JoinConstraint, what: &str) -> Result<&'a Expr, String> {
    match constraint {
        JoinConstraint::On(on) => Ok(on),
        JoinConstraint::Using(_) | JoinConstraint::Natural => Err(format!("{what} with USING or NATURAL is not supported yet: write ON")),
        JoinConstraint::None => Err(format!("{what} needs ON with the equality of its keys")),
    }
}

/// `JOIN b FOR SYSTEM_TIME AS OF time ON …`: the newest row of `b` that is not after the time.
fn version(join: &mut Join, event_times: &HashMap<String, EventTime>) -> Result<(), String> {
    let TableFactor::Table { name, alias, args: arguments @ Some(_), .. } = &mut join.relation else { return Ok(()) };
    if name.to_string() != VERSION {
        return Ok(());
    }
    let texts: Vec<String> = arguments.iter().flat_map(|a| &a.args).map(argument).collect::<Result<_, _>>()?;
    let [table, time] = texts.as_slice() else { return Err("FOR SYSTEM_TIME AS OF needs a table and a time".into()) };
    let (table, time) = (table.clone(), time.clone());
    *name = ObjectName::from(vec![plain(&table).ok_or("FOR SYSTEM_TIME AS OF needs a plain table")?]);
    *arguments = None;
    let folded = if table.starts_with('"') { table.trim_matches('"').to_string() } else { table.to_lowercase() };
    let known = event_times.get(&folded).ok_or_else(|| {
        format!("FOR SYSTEM_TIME AS OF needs the event time of table \"{table}\": give it a WATERMARK FOR its time column")
    })?;
    let event_time = &known.column;
    if known.versions.is_none() && !known.keeps_versions {
        return Err(format!(
            "FOR SYSTEM_TIME AS OF \"{table}\" is not supported yet: it keeps only the newest version of a row; leave the PRIMARY KEY \
             of a table out, or put \"{event_time}\" into it; of a view that takes first rows name what it reads"
        ));
    }
    if alias.as_ref().is_some_and(|a| !a.columns.is_empty()) {
        return Err(format!("FOR SYSTEM_TIME AS OF table \"{table}\" with names for its columns is not supported yet"));
    }
    let known_as = alias.as_ref().map_or(table.clone(), |a| a.name.to_string());
    if let Some(versions) = &known.versions {
        let named = plain(&known_as).ok_or("FOR SYSTEM_TIME AS OF needs a plain name")?;
        *name = ObjectName::from(vec![Ident::with_quote('"', &versions.name)]);
        *alias = Some(TableAlias { explicit: true, name: named, columns: Vec::new(), at: None });
    }
    let (on, inner) = match &join.join_operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, true),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, false),
        _ => return Err("FOR SYSTEM_TIME AS OF is possible in JOIN and LEFT JOIN".into()),
    };
    let on = condition(on, "FOR SYSTEM_TIME AS OF")?;
    if let Some(missing) = known.versions.iter().flat_map(|v| &v.keys).find(|key| !holds_equal(on, key, &known_as)) {
        return Err(format!("FOR SYSTEM_TIME AS OF \"{table}\" needs ON with the equality of its key \"{missing}\""));
    }
    let marked = marked(on, &format!("{time} >= {known_as}.\"{event_time}\""), inner)?;
    join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(marked));
    Ok(())
}

/// Whether a condition holds a column of a table equal to something of another.
fn holds_equal(on: &Expr, key: &str, table: &str) -> bool {
    let is_table = |of: &Ident| plain(table).is_some_and(|table| normal(of) == normal(&table));
    let is_key = |e: &Expr| match e {
        Expr::Identifier(name) => normal(name) == key,
        Expr::CompoundIdentifier(names) => matches!(names.as_slice(), [of, name] if normal(name) == key && is_table(of)),
        _ => false,
    };
    let is_own = |e: &Expr| match e {
        Expr::CompoundIdentifier(names) => names.first().is_some_and(is_table),
        _ => is_key(e),
    };
    match on {
        Expr::Nested(on) => holds_equal(on, key, table),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => holds_equal(left, key, table) || holds_equal(right, key, table),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => is_key(left) && !is_own(right) || is_key(right) && !is_own(left),
        _ => false,
    }
}

fn marked(on: &Expr, times: &str, inner: bool) -> Result<Expr, String> {
    expression(&format!("{NEAREST}({times}, {on}, {inner})"))
}
