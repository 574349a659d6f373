//! Joins by time as left joins with a marked condition, which the plan knows: `a ASOF JOIN b MATCH_CONDITION (…) ON …` and
//! `a JOIN b FOR SYSTEM_TIME AS OF a.time ON …`. What the mark means stands in `nearest.rs`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, ObjectName, Select, Statement, TableFactor, Visit, Visitor,
};

use super::{argument, expression, plain};

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
    if !known.keeps_versions {
        return Err(format!(
            "FOR SYSTEM_TIME AS OF \"{table}\" is not supported yet: it keeps only the newest version of a row; leave the PRIMARY KEY \
             of a table out, or put \"{event_time}\" into it; of a view that takes first rows name what it reads"
        ));
    }
    if alias.as_ref().is_some_and(|a| !a.columns.is_empty()) {
        return Err(format!("FOR SYSTEM_TIME AS OF table \"{table}\" with names for its columns is not supported yet"));
    }
    let known_as = alias.as_ref().map_or(table, |a| a.name.to_string());
    let (on, inner) = match &join.join_operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, true),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, false),
        _ => return Err("FOR SYSTEM_TIME AS OF is possible in JOIN and LEFT JOIN".into()),
    };
    let on = condition(on, "FOR SYSTEM_TIME AS OF")?;
    let marked = marked(on, &format!("{time} >= {known_as}.\"{event_time}\""), inner)?;
    join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(marked));
    Ok(())
}

fn marked(on: &Expr, times: &str, inner: bool) -> Result<Expr, String> {
    expression(&format!("{NEAREST}({times}, {on}, {inner})"))
}
