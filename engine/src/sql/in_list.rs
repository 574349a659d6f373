//! `x IN (…)` with an element that is computed of the row, as comparisons one by one.
//!
//! DataFusion asks whether a list is constant by computing its elements of no rows, and a CASE, or what becomes one, answers that with
//! its first branch: the branch then stood for all rows. Lists of constants and of plain columns stay what they are.

use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::disjunction;
use datafusion::logical_expr::{Expr, not};

/// The comparisons; the list as it is when DataFusion is right about it.
pub fn compared(list: InList) -> Transformed<Expr> {
    let computed = |e: &Expr| !matches!(e, Expr::Column(_)) && (e.any_column_refs() || e.contains_outer());
    let equal = |list: &InList| disjunction(list.list.iter().map(|one| list.expr.as_ref().clone().eq(one.clone())));
    match if list.list.iter().any(computed) { equal(&list) } else { None } {
        Some(equal) => Transformed::yes(if list.negated { not(equal) } else { equal }),
        None => Transformed::no(Expr::InList(list)),
    }
}
