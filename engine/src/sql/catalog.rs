//! What SQL may name: tables, views, functions. Plans queries with DataFusion, without its execution engine (D5).

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Constraint, Constraints, DFSchema, SchemaError, TableReference};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Distinct, Expr, HigherOrderUDF, Limit, LogicalPlan, ScalarUDF, TableSource, Volatility, WindowUDF, cast,
};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerRule};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::parser::Parser;

use super::casts::NamedCasts;
use super::closing::Closing;
use super::dialect::Sql;
use super::functions::functions;
use super::lateral::{independent, typed};
use super::lower::OwnResult;
use super::merged::MergedColumns;
use super::nearest::WholeRows;
use super::orders;
use super::overflow::Overflow;
use super::pushing::{NUMBERS_RIGHT, rules};
use super::rewrite::{EventTime, Versions, ambiguous, in_brackets, of_calls, rewrite};
use super::subqueries::{above_joins, of_one_row, place, refuse};
use super::subscripts::planners;
use super::types::Types;
use super::watermark::NOW;
use super::window::window_functions;
use super::windowing::expand;
use super::zeros::ONE_ZERO;

/// Rules that hold on streams that change as on tables that do not: they reshape a query without looking at its data.
/// Left out on purpose: whatever reorders by statistics, and `SingleDistinctToGroupBy`, which only pays off in a batch;
/// and `EliminateGroupByConstant`, which fails on `GROUP BY CAST(x AS …), x`: the cast has the name of what it casts.
const RULES: [&str; 16] = [
    "rewrite_set_comparison",
    "optimize_unions",
    "simplify_expressions",
    "eliminate_join",
    "decorrelate_predicate_subquery",
    "scalar_subquery_to_join",
    "decorrelate_lateral_join",
    "extract_equijoin_predicate",
    "eliminate_duplicated_expr",
    "eliminate_filter",
    "eliminate_cross_join",
    "eliminate_outer_join",
    ONE_ZERO,
    NUMBERS_RIGHT,
    "push_down_filter",
    "optimize_projections",
];

/// Functions that a program brings along, for SQL to call.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// Of a row's values. They must give the same for the same, as their rows are computed again when they are taken back.
    pub scalars: Vec<ScalarUDF>,
    /// Of a group's rows; a group is computed anew when it changes.
    pub aggregates: Vec<AggregateUDF>,
}

/// Tables, views and functions by name.
#[derive(Clone)]
pub struct Catalog {
    tables: HashMap<String, Arc<dyn TableSource>>,
    /// Columns of the primary key of each table that has one.
    keys: HashMap<String, Vec<usize>>,
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
    windows: HashMap<String, Arc<WindowUDF>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    relations: Vec<Arc<dyn RelationPlanner>>,
    options: ConfigOptions,
    /// The event-time column of each table that has a watermark.
    event_times: HashMap<String, EventTime>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalog {
    /// DataFusion's functions and the window functions, no tables.
    pub fn new() -> Self {
        let mut options = ConfigOptions::new();
        // Every scalar subquery becomes a join: there is nobody to run it once beforehand.
        options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        let mut catalog = Catalog {
            tables: HashMap::new(),
            keys: HashMap::new(),
            scalars: HashMap::new(),
            aggregates: HashMap::new(),
            windows: HashMap::new(),
            planners: planners(),
            relations: vec![Arc::new(MergedColumns)],
            options,
            event_times: HashMap::new(),
        };
        let own = window_functions().into_iter().chain(functions()).map(Arc::new);
        for function in SessionStateDefaults::default_scalar_functions().into_iter().chain(own) {
            catalog.insert_scalar(function);
        }
        for function in SessionStateDefaults::default_aggregate_functions() {
            for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
                catalog.aggregates.insert(name.to_string(), function.clone());
            }
        }
        for function in SessionStateDefaults::default_window_functions() {
            catalog.windows.insert(function.name().to_string(), function);
        }
        catalog
    }

    fn insert_scalar(&mut self, function: Arc<ScalarUDF>) {
        for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
            self.scalars.insert(name.to_string(), function.clone());
        }
    }

    /// Says which column of a table its watermark is of.
    pub fn set_event_time(&mut self, table: &str, column: &str, keeps_versions: bool) {
        let time = EventTime { column: column.to_string(), keeps_versions, versions: None };
        self.event_times.insert(table.to_string(), time);
    }

    /// Which column of a table or view its watermark is of.
    pub fn event_time(&self, table: &str) -> Option<&str> {
        self.event_times.get(table).map(|time| time.column.as_str())
    }

    /// Says what has the versions of a table or view.
    pub fn set_versions(&mut self, table: &str, versions: Versions) {
        self.event_times.entry(table.to_string()).and_modify(|time| time.versions = Some(versions));
    }

    /// Whether a row of a table leaves those before it there, as far as its event time tells.
    pub fn keeps_versions(&self, table: &str) -> bool {
        self.event_times.get(table).is_none_or(|time| time.keeps_versions)
    }

    /// For each column of a table or view whether it is the event time that a watermark closes.
    fn closings(&self, name: &str) -> Vec<Option<Closing>> {
        let (Some(table), Some(time)) = (self.tables.get(name), self.event_times.get(name)) else { return Vec::new() };
        let closing = |column: &str| (column == time.column).then(|| Closing::of_table(name));
        table.schema().fields().iter().map(|f| closing(f.name())).collect()
    }

    /// Adds a scalar function.
    pub fn add_function(&mut self, function: ScalarUDF) {
        self.insert_scalar(Arc::new(function));
    }

    /// Adds functions that a program brings along.
    ///
    /// # Errors
    /// When there is a function of a name already, or one does not always give the same.
    pub fn add_functions(&mut self, functions: &Functions) -> std::result::Result<(), String> {
        for function in &functions.scalars {
            if self.scalars.contains_key(function.name()) {
                return Err(format!("there is a function {} already", function.name()));
            }
            if function.signature().volatility != Volatility::Immutable {
                return Err(format!("function {} is not declared immutable: views could not take its rows back", function.name()));
            }
            self.insert_scalar(Arc::new(function.clone()));
        }
        for function in &functions.aggregates {
            if self.aggregates.contains_key(function.name()) {
                return Err(format!("there is an aggregate function {} already", function.name()));
            }
            self.aggregates.insert(function.name().to_string(), Arc::new(function.clone()));
        }
        Ok(())
    }

    /// Adds or replaces a table or view.
    pub fn add_table(&mut self, name: &str, schema: SchemaRef) {
        self.tables.insert(name.to_string(), Arc::new(LogicalTableSource::new(schema)));
    }

    /// Says which columns of a table are its primary key.
    pub fn set_key(&mut self, table: &str, key: &[usize]) {
        self.keys.insert(table.to_string(), key.to_vec());
    }

    /// Takes a table or view away.
    pub fn remove(&mut self, name: &str) {
        self.tables.remove(name);
        self.keys.remove(name);
        self.event_times.remove(name);
    }

    /// The columns of a `CREATE TABLE`.
    ///
    /// # Errors
    /// When a type is not known.
    pub fn table_schema(&self, columns: Vec<datafusion::sql::sqlparser::ast::ColumnDef>) -> Result<datafusion::arrow::datatypes::Schema> {
        let parser = ParserOptions { map_string_types_to_utf8view: false, ..ParserOptions::default() };
        SqlToRel::new_with_options(self, parser).build_schema(columns)
    }

    /// Names of all tables and views.
    pub fn table_names(&self) -> Vec<&str> {
        self.tables.keys().map(String::as_str).collect()
    }

    /// Plans the text of one query: resolved, typed and coerced, not optimised.
    ///
    /// # Errors
    /// When it does not parse, is no query, or does not fit the tables.
    pub fn plan_query(&self, sql: &str) -> Result<LogicalPlan> {
        let mut statements = Parser::new(&Sql).try_with_sql(sql)?.parse_statements()?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement @ Statement::Query(_)), true) => self.plan(statement),
            _ => plan_err!("expected one SELECT: this statement is no query"),
        }
    }

    /// The text of one expression over some columns, simplified.
    ///
    /// # Errors
    /// When it does not parse, or does not fit the columns.
    pub fn expression(&self, text: &str, frame: &DFSchema) -> Result<Expr> {
        let parsed = Parser::new(&Sql).try_with_sql(text).and_then(|mut p| p.parse_expr())?;
        let expr = SqlToRel::new(self).sql_to_expr(parsed, frame, &mut PlannerContext::new())?;
        let context = SimplifyContext::builder().with_schema(Arc::new(frame.clone())).build();
        ExprSimplifier::new(context).simplify(expr)
    }

    /// Plans one parsed query.
    ///
    /// # Errors
    /// When it does not fit the tables.
    pub fn plan(&self, mut statement: Statement) -> Result<LogicalPlan> {
        rewrite(&mut statement, &self.event_times).map_err(DataFusionError::Plan)?;
        let is_scalar = |name: &str| self.scalars.contains_key(name) && !self.aggregates.contains_key(name);
        of_calls(&statement, &is_scalar).map_err(DataFusionError::Plan)?;
        let plan = self.resolved(&mut statement).or_else(|error| match error {
            error if is_of_a_name_twice(&error) => {
                let planners = [Arc::new(NamedCasts) as Arc<dyn ExprPlanner>].into_iter().chain(self.planners.iter().cloned());
                Catalog { planners: planners.collect(), ..self.clone() }.resolved(&mut statement).map_err(|_| error)
            }
            error if is_of_no_group(&error) => self.with_keys().resolved(&mut statement).map_err(|_| error),
            error => Err(error),
        })?;
        if let Some(name) = ambiguous(&plan)? {
            return plan_err!("column \"{name}\" is ambiguous: give one of its name another with AS");
        }
        let plan = typed(orders::above_distinct(plan)?, &self.options)?;
        let plan = above_joins(of_one_row(expand(plan, &|table| self.closings(table))?)?)?;
        refuse(&plan)?;
        let place = place(&plan)?;
        let plan = with_clock(independent(plan)?)?;
        let mut analyzer = Analyzer::new();
        analyzer.rules.push(Arc::new(WholeRows));
        analyzer.rules.push(Arc::new(Overflow));
        let plan = analyzer.execute_and_check(plan, &self.options, |_, _| {});
        let plan = plan.map_err(|error| match place.filter(|_| error.strip_backtrace().contains("subquery")) {
            Some(place) => DataFusionError::Plan(format!("{place} is not supported yet")),
            None => error,
        })?;
        match unstable_function(&plan)? {
            // Rewriting would put in the value of this moment, for good.
            Some(name) => plan_err!("function {name}, whose value depends on when it is called, is not supported yet"),
            None => Ok(plan),
        }
    }

    /// A statement with its tables and types.
    fn resolved(&self, statement: &mut Statement) -> Result<LogicalPlan> {
        let parser = ParserOptions { map_string_types_to_utf8view: false, ..ParserOptions::default() };
        // Each turn writes the fields of one more column of a query around in another way.
        loop {
            match SqlToRel::new_with_options(self, parser).sql_statement_to_plan(statement.clone()) {
                Err(DataFusionError::NotImplemented(message)) if in_brackets(statement, &message) => {}
                done => return done,
            }
        }
    }

    /// The same with what primary keys say: that a row of a key has all its columns in the key's group. Only asked where a query needs
    /// it, as rules would make other plans of every query over such a table.
    fn with_keys(&self) -> Catalog {
        let mut tables = self.tables.clone();
        for (name, key) in &self.keys {
            if let Some(table) = tables.get_mut(name) {
                let constraints = Constraints::new_unverified(vec![Constraint::PrimaryKey(key.clone())]);
                *table = Arc::new(LogicalTableSource::new(table.schema()).with_constraints(constraints));
            }
        }
        Catalog { tables, ..self.clone() }
    }

    /// Reshapes a planned query by the chosen rules.
    ///
    /// # Errors
    /// When a rule fails, which is a defect of it.
    pub fn optimise(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.apply(guarded(plan)?, &RULES)
    }

    /// Only rewrites expressions: some functions have no other way to run than what they are rewritten to.
    ///
    /// # Errors
    /// When the rule fails, which is a defect of it.
    pub fn simplify(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.apply(plan, &[ONE_ZERO, "simplify_expressions"])
    }

    fn apply(&self, plan: LogicalPlan, names: &[&str]) -> Result<LogicalPlan> {
        let chosen = |rule: &Arc<dyn OptimizerRule + Send + Sync>| names.contains(&rule.name());
        let rules: Vec<_> = rules().into_iter().filter(chosen).collect();
        debug_assert!(rules.iter().all(|r| matches!(r.apply_order(), Some(ApplyOrder::TopDown | ApplyOrder::BottomUp) | None)));
        let context = OptimizerContext::new_with_config_options(Arc::new(self.options.clone())).with_skip_failing_rules(false);
        Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})
    }
}

/// Whether a query has no plan because two of its columns have one name.
fn is_of_a_name_twice(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(cause, _) => {
            matches!(**cause, SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. })
        }
        DataFusionError::Plan(message) => message.contains("unique expression names"),
        _ => false,
    }
}

/// Whether a query has no plan because a column stands in no group.
fn is_of_no_group(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::Plan(message) if message.contains("must appear in the GROUP BY clause"))
}

/// Whether an expression is the clock, which every epoch reads once.
pub fn is_now(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(p) if p.id == NOW)
}

/// Whether a plan asks for the clock anywhere.
pub fn asks_now(plan: &LogicalPlan) -> Result<bool> {
    let mut asks = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            asks |= expr.exists(|e| Ok(is_now(e)))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(asks)
}

/// The plan with the clock as a placeholder, so that no rule puts in the value of the moment.
fn with_clock(plan: LogicalPlan) -> Result<LogicalPlan> {
    let field = Arc::new(Field::new(NOW, DataType::Timestamp(TimeUnit::Microsecond, None), false));
    let clock = Expr::Placeholder(Placeholder { id: NOW.into(), field: Some(field) });
    let one = |e: Expr| match &e {
        Expr::ScalarFunction(f) if f.name() == "now" => Ok(Transformed::yes(clock.clone())),
        Expr::ScalarFunction(f) if f.name() == "current_date" => Ok(Transformed::yes(cast(clock.clone(), DataType::Date32))),
        _ => Ok(Transformed::no(e)),
    };
    let done = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_up(one))?.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(done.data)
}

/// The plan with a limit that limits nothing above every `DISTINCT ON`: filters are pushed below those as below a `DISTINCT`, which
/// would choose among other rows, but not below a limit.
fn guarded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let one = |node: LogicalPlan| match node {
        LogicalPlan::Distinct(Distinct::On(_)) => {
            Ok(Transformed::yes(LogicalPlan::Limit(Limit { skip: None, fetch: None, input: Arc::new(node) })))
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(one).map(|t| t.data)
}

/// A function in a plan whose value is not always the same; `param` is a device's own business.
fn unstable_function(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Expr::ScalarFunction(f) = e
                    && f.func.signature().volatility != Volatility::Immutable
                    && f.name() != "param"
                {
                    found = Some(f.name().to_string());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

impl ContextProvider for Catalog {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if let Some(schema) = name.schema().filter(|s| *s != "public") {
            return plan_err!("there is no schema \"{schema}\": tables have plain names");
        }
        match self.tables.get(name.table()) {
            Some(table) => Ok(table.clone()),
            None => {
                let near = self.tables.keys().map(|t| (strsim::jaro_winkler(t, name.table()), t)).max_by(|a, b| a.0.total_cmp(&b.0));
                let hint = near.filter(|(score, _)| *score > 0.7).map(|(_, t)| format!("; did you mean \"{t}\"?")).unwrap_or_default();
                Err(DataFusionError::Plan(format!("there is no table or view \"{}\"{hint}", name.table())))
            }
        }
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalars.get(name).cloned()
    }
    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(name).cloned()
    }
    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(name).cloned()
    }
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }
    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }
    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(Arc::new(OwnResult { name: name.to_string(), schema }))
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }
    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        sorted(&self.scalars)
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        sorted(&self.aggregates)
    }
    fn udwf_names(&self) -> Vec<String> {
        sorted(&self.windows)
    }
}

/// Names in an order, so that an error which names the nearest always names the same.
fn sorted<T>(of: &HashMap<String, T>) -> Vec<String> {
    let mut names: Vec<String> = of.keys().cloned().collect();
    names.sort();
    names
}
