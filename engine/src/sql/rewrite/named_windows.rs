//! Windows that have a name: `OVER (w ORDER BY …)` and `WINDOW v AS (w …)` take what `w` says and add to it, as the standard has
//! it. DataFusion's planner takes `OVER w` alone, and passes by the name within parentheses.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut,
    WindowSpec, WindowType,
};

use crate::sql::program::normal;

/// Writes out what windows of a query take from others.
///
/// # Errors
/// When there is no window of a name, or it says itself what is added to it.
pub fn rewrite(query: &mut Query) -> Result<(), String> {
    let by = query.order_by.as_mut().and_then(|o| match &mut o.kind {
        OrderByKind::Expressions(by) => Some(by.as_mut_slice()),
        OrderByKind::All(_) => None,
    });
    body(&mut query.body, by.unwrap_or_default())
}

/// The same of a query's body, and what orders its rows; each part of a set operation has its own windows.
fn body(body_of: &mut SetExpr, order: &mut [OrderByExpr]) -> Result<(), String> {
    match body_of {
        SetExpr::Select(select) => of_select(select, order),
        SetExpr::SetOperation { left, right, .. } => body(left, &mut []).and_then(|()| body(right, &mut [])),
        _ => Ok(()),
    }
}

fn of_select(select: &mut Select, order: &mut [OrderByExpr]) -> Result<(), String> {
    let mut known: Vec<(String, WindowSpec)> = Vec::new();
    for NamedWindowDefinition(name, window) in &mut select.named_window {
        let spec = match window {
            NamedWindowExpr::NamedWindow(other) => found(&known, &normal(other))?.clone(),
            NamedWindowExpr::WindowSpec(spec) => added(&known, spec.clone())?,
        };
        *window = NamedWindowExpr::WindowSpec(spec.clone());
        known.push((normal(name), spec));
    }
    let mut within = Within { known, depth: 0 };
    let of_item = |item: &mut SelectItem, within: &mut Within| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.visit(within),
        _ => ControlFlow::Continue(()),
    };
    let mut done = select.projection.iter_mut().try_for_each(|item| of_item(item, &mut within));
    if done.is_continue() {
        done = select.qualify.iter_mut().try_for_each(|expr| expr.visit(&mut within));
    }
    if done.is_continue() {
        done = order.iter_mut().try_for_each(|by| by.expr.visit(&mut within));
    }
    match done {
        ControlFlow::Break(message) => Err(message),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Expressions of one query; those of the queries within it have windows of their own.
struct Within {
    known: Vec<(String, WindowSpec)>,
    depth: usize,
}

impl VisitorMut for Within {
    type Break = String;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if let (0, Expr::Function(call)) = (self.depth, expr)
            && let Some(WindowType::WindowSpec(spec)) = &mut call.over
        {
            match added(&self.known, spec.clone()) {
                Ok(whole) => *spec = whole,
                Err(message) => return ControlFlow::Break(message),
            }
        }
        ControlFlow::Continue(())
    }
}

fn found<'a>(known: &'a [(String, WindowSpec)], name: &str) -> Result<&'a WindowSpec, String> {
    known.iter().find(|(n, _)| n == name).map(|(_, spec)| spec).ok_or_else(|| format!("there is no window \"{name}\" before this"))
}

/// A window with what it takes from the one that it names.
fn added(known: &[(String, WindowSpec)], mut spec: WindowSpec) -> Result<WindowSpec, String> {
    let Some(name) = spec.window_name.take().map(|name| normal(&name)) else { return Ok(spec) };
    let base = found(known, &name)?;
    let says = match (&base.window_frame, spec.partition_by.is_empty(), base.order_by.is_empty() || spec.order_by.is_empty()) {
        (Some(_), ..) => "its frame; write OVER w without parentheses, or the window out",
        (None, false, _) => "PARTITION BY; a window that names it cannot",
        (None, true, false) => "ORDER BY; a window that names it cannot",
        (None, true, true) => {
            spec.partition_by.clone_from(&base.partition_by);
            if spec.order_by.is_empty() {
                spec.order_by.clone_from(&base.order_by);
            }
            return Ok(spec);
        }
    };
    Err(format!("window \"{name}\" says {says}"))
}
