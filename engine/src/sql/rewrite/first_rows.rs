//! Other words for the first rows: `FETCH FIRST n ROWS ONLY`, `SELECT TOP n`, `LIMIT NULL`.

use datafusion::sql::sqlparser::ast::{Expr, Fetch, LimitClause, Query, SetExpr, Top, TopQuantity, Value};

/// Rewrites how a query limits its rows.
pub fn rewrite(query: &mut Query) -> Result<(), String> {
    if let Some(fetch) = query.fetch.take() {
        limit(query, fetched(fetch)?, "FETCH")?;
    }
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(top) = select.top.take()
    {
        limit(query, topmost(top)?, "TOP")?;
    }
    if let Some(LimitClause::LimitOffset { limit, .. }) = &mut query.limit_clause
        && limit.as_ref().is_some_and(is_null)
    {
        *limit = None;
    }
    Ok(())
}

fn limit(query: &mut Query, rows: Expr, word: &str) -> Result<(), String> {
    match &mut query.limit_clause {
        None => query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() }),
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
        Some(_) => return Err(format!("{word} beside LIMIT")),
    }
    Ok(())
}

fn fetched(fetch: Fetch) -> Result<Expr, String> {
    match fetch {
        Fetch { with_ties: true, .. } => Err("FETCH … WITH TIES is not supported yet".into()),
        Fetch { percent: true, .. } => Err("FETCH … PERCENT is not supported yet".into()),
        Fetch { quantity, .. } => Ok(quantity.unwrap_or_else(|| number("1"))),
    }
}

fn topmost(top: Top) -> Result<Expr, String> {
    match top {
        Top { with_ties: true, .. } => Err("TOP … WITH TIES is not supported yet".into()),
        Top { percent: true, .. } => Err("TOP … PERCENT is not supported yet".into()),
        Top { quantity: Some(TopQuantity::Constant(n)), .. } => Ok(number(&n.to_string())),
        Top { quantity: Some(TopQuantity::Expr(expr)), .. } => Ok(expr),
        Top { quantity: None, .. } => Err("TOP without a number".into()),
    }
}

fn number(text: &str) -> Expr {
    Expr::value(Value::Number(text.into(), false))
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if v.value == Value::Null)
}
