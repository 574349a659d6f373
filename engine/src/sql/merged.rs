//! Columns that a join merges: of `JOIN … USING (k)` there is one `k`, which stands first. It is that of the left side in JOIN and
//! LEFT JOIN, that of the right side in RIGHT JOIN, and the one that is not null in FULL JOIN.
//!
//! DataFusion takes that of the left side everywhere. What is merged is taken out under its own side's name; the other column is
//! handed on under a name of its own where the query reads it (`rewrite/merged_away.rs`). With NATURAL or `c.*`, where names cannot tell,
//! such a query has the join as DataFusion has it, or is refused where that would be another column.

use std::collections::{BTreeSet, HashSet};

use datafusion::common::{Column, Result, TableReference, plan_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{JoinConstraint, JoinOperator, ObjectName, TableFactor, TableWithJoins};

use super::rewrite::{MERGED, constraint, name_of};

/// Plans joins that merge columns.
#[derive(Debug)]
pub struct MergedColumns;

impl RelationPlanner for MergedColumns {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        match relation {
            TableFactor::NestedJoin { table_with_joins, alias: Some(alias) } if alias.name.value == MERGED => {
                let names = Names(alias.columns.into_iter().map(|c| c.name.value).collect());
                let plan = planned(*table_with_joins, &names, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

/// What the query reads: `column`, `table.column`, `*` and `table.*`.
struct Names(BTreeSet<String>);

impl Names {
    /// Whether a column is read with its table in front, be it with all of that table.
    fn of_table(&self, column: &Column) -> bool {
        let all = |t: &TableReference| self.0.contains(&format!("{}.*", t.table()));
        self.by_name(column) || column.relation.as_ref().is_some_and(all)
    }

    /// Whether a column is read with its table in front and by its name.
    fn by_name(&self, column: &Column) -> bool {
        column.relation.as_ref().is_some_and(|t| self.0.contains(&format!("{}.{}", t.table(), column.name)))
    }
}

/// The columns of both sides that are one.
struct Pair {
    left: Column,
    right: Column,
}

fn planned(pair: TableWithJoins, names: &Names, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let mut joins = pair.joins;
    let Some(join) = joins.pop() else { return plan_err!("a join of one table") };
    let Some(constraint) = constraint(&join.join_operator) else { return plan_err!("a join that merges no columns") };
    let (left, right) = (context.plan(pair.relation)?, context.plan(join.relation)?);
    let kind = kind(&join.join_operator);
    let keys = match constraint {
        JoinConstraint::Using(columns) => {
            let one = |c: &ObjectName| match c.0.as_slice() {
                [part] if part.as_ident().is_some() => Ok(part.as_ident().map(|i| context.normalize_ident(i.clone())).unwrap_or_default()),
                _ => plan_err!("\"{c}\" in USING is no plain column"),
            };
            columns.iter().map(one).collect::<Result<Vec<_>>>()?
        }
        _ => common(&left, &right),
    };
    if keys.is_empty() {
        return LogicalPlanBuilder::from(left).join_on(right, kind, (kind != JoinType::Inner).then(|| lit(true)))?.build();
    }
    let one = |key: &String| Ok(Pair { left: side(&left, key, "left")?, right: side(&right, key, "right")? });
    let pairs = keys.iter().map(one).collect::<Result<Vec<_>>>()?;
    let handed_on = handed_on(&pairs, kind, names);
    if !kept_apart(&pairs, kind, names)? {
        return merged(left, right, kind, &pairs, handed_on);
    }
    let join = LogicalPlanBuilder::from(left).join_using(right, kind, keys.into_iter().map(Column::from_name).collect())?;
    if handed_on.is_empty() {
        return join.build();
    }
    let all = join.schema().columns().into_iter().map(Expr::Column).chain(handed_on).collect::<Vec<_>>();
    join.project(all)?.build()
}

/// The columns that are merged with another of their name and that the query reads, under names of their own.
fn handed_on(pairs: &[Pair], kind: JoinType, names: &Names) -> Vec<Expr> {
    let other = |p: &Pair| match kind {
        JoinType::Right => vec![p.left.clone()],
        JoinType::Full => vec![p.left.clone(), p.right.clone()],
        _ => vec![p.right.clone()],
    };
    let one = |column: Column| {
        let name = name_of(column.relation.as_ref()?.table(), &column.name);
        let own = Column { name: name.clone(), ..column.clone() };
        names.by_name(&own).then(|| Expr::Column(column).alias_qualified(own.relation, name))
    };
    pairs.iter().flat_map(other).filter_map(one).collect()
}

fn kind(operator: &JoinOperator) -> JoinType {
    match operator {
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => JoinType::Left,
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => JoinType::Right,
        JoinOperator::FullOuter(_) => JoinType::Full,
        _ => JoinType::Inner,
    }
}

/// Names that both sides have, in the order of the left.
fn common(left: &LogicalPlan, right: &LogicalPlan) -> Vec<String> {
    let there: HashSet<&String> = right.schema().fields().iter().map(|f| f.name()).collect();
    let mut seen = HashSet::new();
    let names = left.schema().fields().iter().map(|f| f.name());
    names.filter(|n| there.contains(n) && seen.insert(n.to_string())).cloned().collect()
}

/// The column of one side.
fn side(plan: &LogicalPlan, key: &str, which: &str) -> Result<Column> {
    match plan.schema().columns_with_unqualified_name(key).as_slice() {
        [one] => Ok(one.clone()),
        [] => plan_err!("column \"{key}\" of USING is not on the {which} of the join"),
        _ => plan_err!(
            "column \"{key}\" of USING is ambiguous on the {which} of the join: write ON, or USING in place of a NATURAL before it"
        ),
    }
}

/// Whether the query reads a column that would be merged with its table in front, so that both stay; refused where DataFusion
/// would then take another for the merged one.
fn kept_apart(pairs: &[Pair], kind: JoinType, names: &Names) -> Result<bool> {
    let read = |p: &&Pair| match kind {
        JoinType::Right => names.of_table(&p.left),
        JoinType::Full => names.of_table(&p.left) || names.of_table(&p.right),
        _ => names.of_table(&p.right),
    };
    let Some(apart) = pairs.iter().find(read) else { return Ok(false) };
    let all = names.0.contains("*");
    let wrong = |p: &&Pair| match kind {
        JoinType::Inner => false,
        // Of columns of one name `*` shows the first by table, whichever side it is of.
        JoinType::Left => all && p.right < p.left,
        _ => all || names.0.contains(&p.left.name),
    };
    match pairs.iter().find(wrong) {
        None => Ok(true),
        Some(_) => plan_err!(
            "column \"{}\" of one table beside the merged one is not supported yet in a NATURAL {} JOIN, in a join with an alias, with \
             \"table.*\" or where HAVING reads the merged one (write USING (…) without an alias, and the columns by name with AS)",
            apart.left.name,
            kind.to_string().to_uppercase()
        ),
    }
}

/// The join with its merged columns first, then the others of the left and of the right, and what is handed on.
fn merged(left: LogicalPlan, right: LogicalPlan, kind: JoinType, pairs: &[Pair], handed_on: Vec<Expr>) -> Result<LogicalPlan> {
    let rest = |plan: &LogicalPlan, of: fn(&Pair) -> &Column| -> Vec<Expr> {
        plan.schema().columns().into_iter().filter(|c| !pairs.iter().any(|p| of(p) == c)).map(Expr::Column).collect()
    };
    let (of_left, of_right) = (rest(&left, |p| &p.left), rest(&right, |p| &p.right));
    let column = |c: &Column| Expr::Column(c.clone());
    let one = |p: &Pair| match kind {
        JoinType::Right => column(&p.right),
        JoinType::Full => {
            let table = |c: &Column| c.relation.as_ref().map(|r| r.table().to_string()).unwrap_or_default();
            let of_both = TableReference::bare(format!("{} or {}", table(&p.left), table(&p.right)));
            coalesce(vec![column(&p.left), column(&p.right)]).alias_qualified(Some(of_both), &p.left.name)
        }
        _ => column(&p.left),
    };
    let exprs: Vec<Expr> = pairs.iter().map(one).chain(of_left).chain(of_right).chain(handed_on).collect();
    let equal: Vec<Expr> = pairs.iter().map(|p| column(&p.left).eq(column(&p.right))).collect();
    LogicalPlanBuilder::from(left).join_on(right, kind, equal)?.project(exprs)?.build()
}
