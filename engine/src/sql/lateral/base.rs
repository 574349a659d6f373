//! A subquery over all the values that it reads at once: each of its nodes carries them along, in front of its own columns.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullEquality, Result, plan_err};
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, DistinctOn, Expr, ExprFunctionExt, FetchType, Join, JoinType, Limit, LogicalPlan, LogicalPlanBuilder,
    Operator, Projection, SkipType, SortExpr, Union, Values, Window, WindowFrame, cast, lit, when,
};

use super::{columns, is_not_distinct, reads_outside};

/// Numbers names of columns, so that no two are alike in a query.
#[derive(Default)]
pub struct Numbered(usize);

impl Numbered {
    /// A name that no other column has.
    pub fn name(&mut self, what: &str) -> String {
        self.0 += 1;
        format!("{what} {}", self.0)
    }
}

/// Rows on which a subquery stands.
pub struct Base {
    /// The rows.
    plan: LogicalPlan,
    /// Columns that a subquery reads, and the columns of the base that they are.
    pub columns: Vec<(Column, Column)>,
    /// Columns of the base that stand beside the rows of the subquery.
    carried: Vec<Expr>,
    /// A name of the base's own, for columns that only help.
    name: String,
}

impl Base {
    /// The values that a subquery reads of a plan, each combination once.
    pub fn of_values(left: &LogicalPlan, read: Vec<Column>, numbered: &mut Numbered) -> Result<Self> {
        let name = numbered.name("of row");
        let own: Vec<Column> = (0..read.len()).map(|i| Column::new_unqualified(format!("{name}.{i}"))).collect();
        let exprs = read.iter().zip(&own).map(|(outer, own)| Expr::Column(outer.clone()).alias(&own.name));
        let plan = match read.is_empty() {
            true => LogicalPlanBuilder::empty(true).build()?,
            false => LogicalPlanBuilder::from(left.clone()).project(exprs.collect::<Vec<_>>())?.distinct()?.build()?,
        };
        let carried = own.iter().cloned().map(Expr::Column).collect();
        Ok(Base { plan, columns: read.into_iter().zip(own).collect(), carried, name })
    }

    /// The rows of a plan themselves.
    pub fn of_rows(left: &LogicalPlan, read: Vec<Column>) -> Self {
        let columns = read.into_iter().map(|c| (c.clone(), c)).collect();
        Base { plan: left.clone(), columns, carried: super::columns(left).collect(), name: String::new() }
    }

    /// A subquery over the base: its columns come after those that are carried along.
    pub fn under(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if let LogicalPlan::EmptyRelation(empty) = plan
            && empty.produce_one_row
        {
            return Ok(self.plan.clone());
        }
        if !reads_outside(plan)? {
            // Last, so that tables within are joined with each other before, where their joins are put in order.
            let beside = LogicalPlanBuilder::from(plan.clone()).cross_join(self.plan.clone())?;
            return beside.project(self.carried.iter().cloned().chain(columns(plan)))?.build();
        }
        match plan {
            LogicalPlan::Projection(p) => self.projection(&p.input, p.expr.iter().cloned()),
            LogicalPlan::SubqueryAlias(alias) => {
                let renamed = columns(&alias.input).map(|c| {
                    let name = c.qualified_name().1;
                    c.alias_qualified(Some(alias.alias.clone()), name)
                });
                self.projection(&alias.input, renamed)
            }
            LogicalPlan::Subquery(subquery) => self.under(&subquery.subquery),
            LogicalPlan::Filter(f) => LogicalPlanBuilder::from(self.under(&f.input)?).filter(self.read_here(f.predicate.clone())?)?.build(),
            LogicalPlan::Unnest(u) => LogicalPlanBuilder::from(self.under(&u.input)?)
                .unnest_columns_with_options(u.exec_columns.clone(), u.options.clone())?
                .build(),
            // Only what limits rows minds their order, and finds it itself.
            LogicalPlan::Sort(sort) => self.under(&sort.input),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Distinct(Distinct::All(input)) => LogicalPlanBuilder::from(self.under(input)?).distinct()?.build(),
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::Join(join) => self.join(join),
            other => plan_err!("a subquery that reads the query around it in {} is not supported yet", other.display()),
        }
    }

    /// An expression that reads the base where it read the query around it; its name stays.
    fn read_here(&self, expr: Expr) -> Result<Expr> {
        let saved = NamePreserver::new_for_projection().save(&expr);
        let new = expr.transform(|e| {
            Ok(match &e {
                Expr::OuterReferenceColumn(_, outer) => match self.columns.iter().find(|(c, _)| c == outer) {
                    Some((_, own)) => Transformed::yes(Expr::Column(own.clone())),
                    None => Transformed::no(e),
                },
                _ => Transformed::no(e),
            })
        })?;
        Ok(if new.transformed { saved.restore(new.data) } else { new.data })
    }

    fn carrying(&self, exprs: impl Iterator<Item = Expr>) -> Result<Vec<Expr>> {
        self.carried.iter().cloned().map(Ok).chain(exprs.map(|e| self.read_here(e))).collect()
    }

    fn projection(&self, input: &LogicalPlan, exprs: impl Iterator<Item = Expr>) -> Result<LogicalPlan> {
        let exprs = self.carrying(exprs)?;
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(self.under(input)?))?))
    }

    /// The first rows for each combination of values, by number.
    fn limit(&self, limit: &Limit) -> Result<LogicalPlan> {
        let (skip, fetch) = match (limit.get_skip_type()?, limit.get_fetch_type()?) {
            (SkipType::Literal(skip), FetchType::Literal(fetch)) => (skip as u64, fetch.map(|n| n as u64)),
            _ => return plan_err!("LIMIT or OFFSET without a constant number is not supported yet"),
        };
        match limit.input.as_ref() {
            // The order stands below what chooses columns.
            LogicalPlan::Projection(p) if matches!(p.input.as_ref(), LogicalPlan::Sort(_)) => {
                let input = LogicalPlan::Limit(Limit { input: p.input.clone(), ..limit.clone() });
                self.projection(&input, p.expr.iter().cloned())
            }
            LogicalPlan::Sort(sort) => self.numbered(&sort.input, &sort.expr, skip, fetch),
            other => self.numbered(other, &[], skip, fetch),
        }
    }

    fn numbered(&self, input: &LogicalPlan, order: &[SortExpr], skip: u64, fetch: Option<u64>) -> Result<LogicalPlan> {
        let name = format!("number {}", self.name);
        let order =
            order.iter().map(|s| Ok(SortExpr { expr: self.read_here(s.expr.clone())?, ..s.clone() })).collect::<Result<Vec<_>>>()?;
        let number = row_number().partition_by(self.carried.clone());
        let number = if order.is_empty() { number.window_frame(WindowFrame::new(None)) } else { number.order_by(order) };
        let number = number.build()?.alias(&name);
        let plan = self.under(input)?;
        let shown: Vec<Expr> = columns(&plan).collect();
        let at = Expr::Column(Column::new_unqualified(&name));
        let last = fetch.map(|n| at.clone().lt_eq(lit(skip.saturating_add(n))));
        let first = (skip > 0).then(|| at.gt(lit(skip)));
        let Some(wanted) = last.into_iter().chain(first).reduce(Expr::and) else { return Ok(plan) };
        LogicalPlanBuilder::from(plan).window(vec![number])?.filter(wanted)?.project(shown)?.build()
    }

    fn distinct_on(&self, on: &DistinctOn) -> Result<LogicalPlan> {
        let by: Vec<Expr> = self.carrying(on.on_expr.iter().cloned())?;
        let select = self.carrying(on.select_expr.iter().cloned())?;
        let first = self.carried.iter().map(|c| c.clone().sort(true, false));
        let sort: Option<Vec<SortExpr>> = on.sort_expr.as_ref().map(|sort| first.chain(sort.iter().cloned()).collect());
        let on = DistinctOn::try_new(by, select, sort, Arc::new(self.under(&on.input)?))?;
        Ok(LogicalPlan::Distinct(Distinct::On(on)))
    }

    fn window(&self, window: &Window) -> Result<LogicalPlan> {
        let one = |expr: &Expr| {
            let saved = NamePreserver::new_for_projection().save(expr);
            let new = self.read_here(expr.clone())?.transform(|e| {
                Ok(match e {
                    Expr::WindowFunction(mut call) => {
                        call.params.partition_by.splice(0..0, self.carried.iter().cloned());
                        Transformed::yes(Expr::WindowFunction(call))
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(saved.restore(new.data))
        };
        let calls = window.window_expr.iter().map(one).collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(self.under(&window.input)?).window(calls)?.build()
    }

    /// A join: where its right side reads the base too, both sides stand on it, and pairs are of one combination of values.
    fn join(&self, join: &Join) -> Result<LogicalPlan> {
        use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi};
        if !matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark) {
            return plan_err!("a {} JOIN in a subquery that reads the query around it is not supported yet", join.join_type);
        }
        let (again, mut right) = (|i: usize| format!("{}.{i} on the right", self.name), join.right.as_ref().clone());
        // INTERSECT and EXCEPT take nulls as equal.
        let operator = match join.null_equality {
            NullEquality::NullEqualsNothing => Operator::Eq,
            NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
        };
        let equal = |(l, r): &(Expr, Expr)| Expr::BinaryExpr(BinaryExpr::new(Box::new(l.clone()), operator, Box::new(r.clone())));
        let on = join.on.iter().map(equal).chain(join.filter.clone());
        let mut on = on.map(|e| self.read_here(e)).collect::<Result<Vec<_>>>()?;
        if reads_outside(&right)? {
            let renamed = self.columns.iter().enumerate().map(|(i, (_, own))| Expr::Column(own.clone()).alias(again(i)));
            let exprs: Vec<Expr> = renamed.chain(columns(&right)).collect();
            right = LogicalPlanBuilder::from(self.under(&right)?).project(exprs)?.build()?;
            on.extend(self.columns.iter().enumerate().map(|(i, (_, own))| is_not_distinct(own, &Column::new_unqualified(again(i)))));
        }
        let shown: Vec<Expr> = self.carried.iter().cloned().chain(join.schema.iter().map(|(q, f)| Expr::Column((q, f).into()))).collect();
        let left = LogicalPlanBuilder::from(self.under(&join.left)?);
        let joined =
            if on.is_empty() && join.join_type == Inner { left.cross_join(right)? } else { left.join_on(right, join.join_type, on)? };
        joined.project(shown)?.build()
    }

    /// Rows that are written out: a list of them beside each row of the base, taken apart.
    fn values(&self, values: &Values) -> Result<LogicalPlan> {
        let name = format!("rows {}", self.name);
        let row = |row: &Vec<Expr>| {
            let fields = row.iter().zip(values.schema.fields()).flat_map(|(e, f)| [lit(f.name()), cast(e.clone(), f.data_type().clone())]);
            Ok(named_struct(fields.collect::<Vec<_>>().into_iter().map(|e| self.read_here(e)).collect::<Result<_>>()?))
        };
        let rows = make_array(values.values.iter().map(row).collect::<Result<_>>()?).alias(&name);
        let exprs: Vec<Expr> = self.carried.iter().cloned().chain([rows]).collect();
        let column = Column::new_unqualified(&name);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).project(exprs)?.unnest_column(column.clone())?;
        let field = |f: &Arc<Field>| get_field(Expr::Column(column.clone()), f.name().clone()).alias(f.name());
        let exprs: Vec<Expr> = self.carried.iter().cloned().chain(values.schema.fields().iter().map(field)).collect();
        plan.project(exprs)?.build()
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return plan_err!("grouping sets in a subquery that reads the query around it are not supported yet");
        }
        let groups = self.carrying(aggregate.group_expr.iter().cloned())?;
        let calls = aggregate.aggr_expr.iter().map(|e| self.read_here(e.clone())).collect::<Result<Vec<_>>>()?;
        let input = Arc::new(self.under(&aggregate.input)?);
        let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, calls)?);
        if !aggregate.group_expr.is_empty() {
            return Ok(grouped);
        }
        // Values for which there are no rows have their one group all the same.
        let (again, found) = (|i: usize| format!("{}.{i} again", self.name), format!("{} found", self.name));
        let renamed = self.columns.iter().enumerate().map(|(i, (_, own))| Expr::Column(own.clone()).alias(again(i)));
        let given: Vec<Expr> = columns(&grouped).skip(self.carried.len()).collect();
        let exprs: Vec<Expr> = renamed.chain(given.iter().cloned()).chain([lit(true).alias(&found)]).collect();
        let grouped = LogicalPlanBuilder::from(grouped).project(exprs)?.build()?;
        let equal = self.columns.iter().enumerate().map(|(i, (_, own))| is_not_distinct(own, &Column::new_unqualified(again(i))));
        let joined = LogicalPlanBuilder::from(self.plan.clone()).join_on(grouped, JoinType::Left, equal.collect::<Vec<_>>())?;
        let is_found = Expr::Column(Column::new_unqualified(&found)).is_not_null();
        let shown = given.into_iter().zip(&aggregate.aggr_expr).zip(aggregate.schema.fields()).map(|((column, call), field)| {
            let Expr::AggregateFunction(f) = call.clone().unalias_nested().data else { return Ok(column) };
            let otherwise = f.func.default_value(field.data_type())?;
            let saved = NamePreserver::new_for_projection().save(&column);
            Ok(saved.restore(when(is_found.clone(), column).otherwise(lit(otherwise))?))
        });
        let shown: Vec<Expr> = self.carried.iter().cloned().map(Ok).chain(shown).collect::<Result<_>>()?;
        joined.project(shown)?.build()
    }

    fn union(&self, union: &Union) -> Result<LogicalPlan> {
        let mut parts = union.inputs.iter().map(|input| {
            let renamed = columns(input).zip(union.schema.iter()).map(|(c, (q, f))| c.alias_qualified(q.cloned(), f.name()));
            self.projection(input, renamed)
        });
        let Some(first) = parts.next() else { return plan_err!("a UNION of nothing") };
        let all = parts.try_fold(LogicalPlanBuilder::from(first?), |all, part| all.union(part?))?.build()?;
        // A union forgets which table its columns are of.
        let named = self.carried.iter().map(|c| c.qualified_name().1).map(|n| Expr::Column(Column::new_unqualified(n)));
        let own =
            columns(&all).skip(self.carried.len()).zip(union.schema.iter()).map(|(c, (q, f))| c.alias_qualified(q.cloned(), f.name()));
        let exprs: Vec<Expr> = named.chain(own).collect();
        LogicalPlanBuilder::from(all).project(exprs)?.build()
    }
}
