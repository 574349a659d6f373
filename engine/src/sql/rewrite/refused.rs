//! Parts of queries that DataFusion's planner would leave out in silence, or would refuse by the inside of its parser: named here.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, Query, Select, SetExpr, Statement, TableFactor,
    WildcardAdditionalOptions, visit_expressions,
};

use super::using::{self, is_lateral};

/// What is refused; `Ok` when there is nothing.
pub type Refusal = Result<(), String>;

fn first(parts: &[(bool, &str)]) -> Refusal {
    match parts.iter().find(|(there, _)| *there) {
        Some((_, name)) => Err(format!("{name} is not supported yet")),
        None => Ok(()),
    }
}

/// Parts of a whole query.
pub fn of_query(query: &Query) -> Refusal {
    let limited_by = matches!(&query.limit_clause, Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty());
    let changes = matches!(query.body.as_ref(), SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_));
    first(&[
        (!query.locks.is_empty(), "FOR UPDATE or FOR SHARE"),
        (query.for_clause.is_some(), "FOR XML, JSON or BROWSE"),
        (query.settings.is_some() || query.format_clause.is_some(), "SETTINGS or FORMAT"),
        (query.order_by.as_ref().is_some_and(|o| o.interpolate.is_some()), "INTERPOLATE"),
        (limited_by, "LIMIT … BY"),
        (changes, "a change within a query"),
    ])
}

/// Parts of a SELECT.
pub fn of_select(select: &Select) -> Refusal {
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
    first(&[
        (!modifiers.is_empty(), "GROUP BY … WITH (write GROUP BY ROLLUP (…), CUBE or GROUPING SETS)"),
        (select.prewhere.is_some(), "PREWHERE"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (select.value_table_mode.is_some(), "SELECT AS STRUCT or VALUE"),
        (select.top.is_some(), "TOP in a part of UNION, INTERSECT or EXCEPT"),
        (select.into.is_some(), "SELECT INTO (make a view)"),
        (select.exclude.is_some(), "EXCLUDE after the columns (write * EXCLUDE (…))"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW (write CROSS JOIN UNNEST (…))"),
        (!select.cluster_by.is_empty() || !select.distribute_by.is_empty() || !select.sort_by.is_empty(), "CLUSTER, DISTRIBUTE or SORT BY"),
    ])
}

/// Parts of a table in FROM.
pub fn of_table(factor: &TableFactor) -> Refusal {
    match factor {
        TableFactor::Table { version, with_hints, with_ordinality, partitions, json_path, sample, index_hints, .. } => first(&[
            (version.is_some(), "a table as of a version"),
            (!with_hints.is_empty() || !index_hints.is_empty(), "a hint on a table"),
            (*with_ordinality, "WITH ORDINALITY of this table"),
            (!partitions.is_empty(), "PARTITION of a table"),
            (json_path.is_some(), "a path in a table's name"),
            (sample.is_some(), "TABLESAMPLE"),
        ]),
        TableFactor::Derived { sample, .. } => first(&[(sample.is_some(), "TABLESAMPLE")]),
        TableFactor::Pivot { .. } => first(&[(true, "PIVOT (write aggregates with FILTER)")]),
        TableFactor::Unpivot { .. } => first(&[(true, "UNPIVOT (write UNION ALL)")]),
        TableFactor::MatchRecognize { .. } => first(&[(true, "MATCH_RECOGNIZE")]),
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => first(&[(true, "JSON_TABLE")]),
        TableFactor::XmlTable { .. } => first(&[(true, "XMLTABLE")]),
        TableFactor::SemanticView { .. } => first(&[(true, "SEMANTIC_VIEW")]),
        TableFactor::NestedJoin { table_with_joins, .. } => table_with_joins.joins.iter().try_for_each(of_join),
        TableFactor::TableFunction { .. } | TableFactor::Function { .. } | TableFactor::UNNEST { .. } => Ok(()),
    }
}

/// Kinds of joins.
pub fn of_join(join: &Join) -> Refusal {
    use JoinOperator::{ArrayJoin, CrossJoin, InnerArrayJoin, LeftArrayJoin, StraightJoin};
    // DataFusion would leave the columns out.
    if is_lateral(&join.relation) && using::constraint(&join.join_operator).is_some() {
        return first(&[(true, "USING or NATURAL with LATERAL (write ON)")]);
    }
    match &join.join_operator {
        ArrayJoin | LeftArrayJoin | InnerArrayJoin => first(&[(true, "ARRAY JOIN (write CROSS JOIN UNNEST (…))")]),
        StraightJoin(_) => first(&[(true, "STRAIGHT_JOIN")]),
        CrossJoin(constraint) => first(&[(*constraint != JoinConstraint::None, "CROSS JOIN with a condition")]),
        _ => Ok(()),
    }
}

/// Expressions that have no meaning here.
pub fn of_expression(expr: &Expr) -> Refusal {
    let name = match expr {
        Expr::Collate { .. } => "COLLATE",
        Expr::Convert { .. } => "CONVERT (write CAST)",
        Expr::MatchAgainst { .. } => "MATCH … AGAINST",
        Expr::OuterJoin(_) => "(+) for an outer join",
        Expr::Prior(_) => "CONNECT BY",
        Expr::IsNormalized { .. } => "IS NORMALIZED",
        Expr::Lambda(_) => "a lambda function",
        Expr::MemberOf(_) => "MEMBER OF",
        Expr::JsonAccess { .. } => "value:path (write value -> 'path')",
        Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("array") => "ARRAY (SELECT …) (write array_agg)",
        _ => return Ok(()),
    };
    first(&[(true, name)])
}

/// What `SELECT *` leaves out or renames.
pub fn of_wildcard(options: &WildcardAdditionalOptions) -> Refusal {
    first(&[
        (options.opt_rename.is_some(), "SELECT * RENAME (write * EXCEPT (…), a AS b)"),
        (options.opt_ilike.is_some(), "SELECT * ILIKE"),
    ])
}

/// Parts of a call that only aggregates have, which the planner would leave out of any other.
pub fn of_calls(statement: &Statement, is_scalar: &dyn Fn(&str) -> bool) -> Refusal {
    let walked = visit_expressions(statement, |expr| {
        let Expr::Function(f) = expr else { return ControlFlow::Continue(()) };
        let within = match &f.args {
            FunctionArguments::List(list) => list.duplicate_treatment.is_some() || !list.clauses.is_empty(),
            _ => false,
        };
        let name = f.name.to_string().to_lowercase();
        let any = within || f.filter.is_some() || !f.within_group.is_empty() || f.null_treatment.is_some();
        if any && f.over.is_none() && is_scalar(&name) {
            return ControlFlow::Break(format!("FILTER, DISTINCT or an order in {name}, which is no aggregate, is not supported yet"));
        }
        ControlFlow::Continue(())
    });
    match walked {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(()),
    }
}
