//! Joins by time as left joins with a marked condition, which the plan knows: `a ASOF JOIN b MATCH_CONDITION (…) ON …` and
//! `a JOIN b FOR SYSTEM_TIME AS OF a.time ON …`. What the mark means stands in `nearest.rs`.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{Expr, Join, JoinConstraint, JoinOperator, ObjectName, TableFactor};

use super::{argument, expression, plain};

/// The table function that stands for a table as of a time.
pub const VERSION: &str = "as_of_version";
/// The function that marks the condition of a join by time; with a second argument rows of the left without a partner are left out. It
/// is a left join for the rules all the same: those of inner joins put conditions that follow it into it.
pub const NEAREST: &str = "nearest_before";

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
        let JoinConstraint::On(on) = constraint else { return Err("ASOF JOIN needs ON with the equality of its keys".into()) };
        join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(marked(on, &match_condition.to_string())?));
    }
    Ok(())
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
    let known = event_times.get(table.trim_matches('"')).ok_or_else(|| {
        format!("FOR SYSTEM_TIME AS OF needs the event time of table \"{table}\": give it a WATERMARK FOR its time column")
    })?;
    let event_time = &known.column;
    if !known.keeps_versions {
        return Err(format!(
            "FOR SYSTEM_TIME AS OF table \"{table}\" is not supported yet: its PRIMARY KEY keeps only the newest version of a row; \
             leave the key out, or put \"{event_time}\" into it"
        ));
    }
    let known_as = alias.as_ref().map_or(table, |a| a.name.to_string());
    let (on, inner) = match &join.join_operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, ", true"),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, ""),
        _ => return Err("FOR SYSTEM_TIME AS OF is possible in JOIN and LEFT JOIN".into()),
    };
    let JoinConstraint::On(condition) = on else { return Err("FOR SYSTEM_TIME AS OF needs ON with the equality of its keys".into()) };
    let marked = marked(condition, &format!("{time} >= {known_as}.\"{event_time}\"{inner}"))?;
    join.join_operator = JoinOperator::LeftOuter(JoinConstraint::On(marked));
    Ok(())
}

fn marked(on: &Expr, condition: &str) -> Result<Expr, String> {
    expression(&format!("({on}) AND {NEAREST}({condition})"))
}
