//! Sessions, which stand in a plan as two window functions (`windowing/session.rs`): rows with the session that each is in; and where a
//! grouping over them asks for nothing but whole sessions of rows that only come, the aggregates of sessions.
//!
//! What stands between the grouping and the sessions is looked through, as for sliding windows (`hop.rs`).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::{
    Aggregate as LogicalAggregate, Expr, ExprSchemable, LogicalPlan, Operator, Window, WindowFunctionDefinition,
};
use datafusion::scalar::ScalarValue;

use super::over::{argument, columns_of, inner, named, written};
use super::{Lowering, Refused, all, column, fields_of, physical, project, schema_of};
use crate::sql::closing::{self, Closing, Shape};
use crate::sql::plan::{Aggregate, Expression, Node, Plan, Sessions};
use crate::sql::render::merges;
use crate::sql::window::micros_of;
use crate::sql::windowing::{is_first, is_last};

/// What the window functions of sessions say.
struct Call {
    keys: Vec<Expr>,
    time: Expr,
    /// In microseconds.
    gap: i64,
}

fn same(a: &WindowFunctionParams, b: &WindowFunctionParams) -> bool {
    (&a.args, &a.partition_by) == (&b.args, &b.partition_by)
}

/// The ends of a session as columns behind others: the first and the last time, under the names that a window node has for them.
fn ends(window: &Window) -> [Field; 2] {
    let (own, width) = (fields_of(&window.schema), window.input.schema().fields().len());
    let kind = own.fields().last().map_or(DataType::Null, |f| f.data_type().clone());
    let of = |wanted: fn(&str) -> bool, otherwise: &str| {
        let at = window.window_expr.iter().position(|e| function(e).is_some_and(|(name, _)| wanted(&name)));
        let field = at.and_then(|at| own.fields().get(width + at));
        field.map_or_else(|| Field::new(otherwise, kind.clone(), true), |f| f.as_ref().clone())
    };
    [of(is_first, "first of session"), of(is_last, "last of session")]
}

/// A window function of ours, and what it is told.
fn function(expr: &Expr) -> Option<(String, WindowFunctionParams)> {
    match inner(expr) {
        Expr::WindowFunction(f) => match &f.fun {
            WindowFunctionDefinition::WindowUDF(udf) => Some((udf.name().to_string(), f.params.clone())),
            WindowFunctionDefinition::AggregateUDF(_) => None,
        },
        _ => None,
    }
}

/// The session that a window node finds for each row, if that is what it does: its functions are the first and the last time.
fn call(window: &Window) -> Option<Call> {
    // One of them is left out where nobody asks for it.
    let calls: Vec<_> = window.window_expr.iter().map(function).collect::<Option<_>>()?;
    let (_, params) = calls.first()?;
    if !calls.iter().all(|(name, others)| (is_first(name) || is_last(name)) && same(params, others)) {
        return None;
    }
    let [time, Expr::Literal(gap, _)] = params.args.as_slice() else { return None };
    Some(Call { keys: params.partition_by.clone(), time: time.clone(), gap: micros_of(gap).filter(|gap| *gap > 0)? })
}

/// The window node of sessions beneath projections and names; and what each column of the query is over its columns.
fn found(input: &LogicalPlan) -> Result<Option<(&Window, Call, Vec<Expr>)>> {
    let (mut over, mut at) = (columns_of(input), input);
    loop {
        if let LogicalPlan::Window(window) = at {
            return Ok(call(window).map(|call| (window, call, over)));
        }
        let Some((beneath, exprs)) = named(at) else { return Ok(None) };
        over = written(over, at.schema(), &exprs)?;
        at = beneath;
    }
}

/// Whether an expression asks for the session, and whether for anything else of the row.
fn asks(expr: &Expr, window: &Window) -> (bool, bool) {
    let width = window.input.schema().fields().len();
    let of_session = |c: &&datafusion::common::Column| window.schema.index_of_column(c).is_ok_and(|at| at >= width);
    let refs = expr.column_refs();
    (refs.iter().any(of_session), !refs.iter().all(of_session))
}

/// Whether sessions of one key that differ, differ in an expression over their ends.
fn tells_apart(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => tells_apart(&alias.expr),
        Expr::Cast(cast) => matches!(cast.field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) && tells_apart(&cast.expr),
        Expr::BinaryExpr(b) => b.op == Operator::Plus && is_length(&b.right) && tells_apart(&b.left),
        Expr::ScalarFunction(f) if f.name() == "named_struct" => f.args.iter().any(tells_apart),
        Expr::ScalarFunction(f) if f.name() == "get_field" => match f.args.as_slice() {
            [of, name] => member(inner(of), name).is_some_and(tells_apart),
            _ => false,
        },
        _ => false,
    }
}

/// Whether an expression is a length of time, in which no month and no day of a calendar is.
fn is_length(expr: &Expr) -> bool {
    matches!(inner(expr), Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(i)), _) if (i.months, i.days) == (0, 0))
}

/// The member of a name of a struct that is made.
fn member<'a>(made: &'a Expr, name: &Expr) -> Option<&'a Expr> {
    match made {
        Expr::ScalarFunction(f) if f.name() == "named_struct" => f.args.chunks(2).find_map(|pair| match pair {
            [own, value] => (own == name).then_some(value),
            _ => None,
        }),
        _ => None,
    }
}

/// A key of a grouping over sessions.
enum Key {
    /// One of the keys of sessions.
    Of(usize),
    /// Of the ends of a session.
    Ends(Expr),
}

/// The keys of a grouping whose groups are whole sessions, each one.
fn keys_of(groups: Vec<Expr>, window: &Window, call: &Call) -> Option<Vec<Key>> {
    let key = |expr: Expr| match asks(&expr, window) {
        (true, true) => None,
        (true, false) => Some(Key::Ends(expr)),
        (false, _) => call.keys.iter().position(|key| inner(key) == inner(&expr)).map(Key::Of),
    };
    let keys: Vec<Key> = groups.into_iter().map(key).collect::<Option<_>>()?;
    let whole = keys.iter().any(|key| matches!(key, Key::Ends(expr) if tells_apart(expr)));
    let all = (0..call.keys.len()).all(|at| keys.iter().any(|key| matches!(key, Key::Of(of) if *of == at)));
    (whole && all).then_some(keys)
}

impl Lowering<'_> {
    /// Rows with their sessions; none where a window node is no such.
    pub(super) fn sessions(&mut self, window: &Window, schema: &SchemaRef) -> Result<Option<Plan>, Refused> {
        let Some(call) = call(window) else { return Ok(None) };
        let frame = window.input.schema();
        let (input, closing) = self.laid_out_by_time(window, &call, columns_of(&window.input))?;
        let node = Sessions { input, keys: call.keys.len(), gap: call.gap, closing, totals: None, once: false };
        let width = frame.fields().len();
        let fields = schema.fields().iter().take(width).map(|f| f.as_ref().clone()).chain(ends(window));
        let given: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let plan = Plan { node: Node::Sessions(Box::new(node)), schema: given.clone(), append_only: false };
        let asked = window.window_expr.iter().map(|e| width + usize::from(function(e).is_some_and(|(name, _)| is_last(&name))));
        let columns: Vec<usize> = (0..width).chain(asked).collect();
        if columns.iter().copied().eq(0..width + 2) {
            return Ok(Some(plan));
        }
        Ok(Some(project(plan, columns.into_iter().map(|at| column(&given, at)).collect(), schema.clone())))
    }

    /// The input of sessions: their keys, the time, and what else is wanted; and how the time is closed.
    fn laid_out_by_time(&mut self, window: &Window, call: &Call, rest: Vec<Expr>) -> Result<(Plan, Option<Closing>), Refused> {
        let frame = window.input.schema();
        let input = self.plan(&window.input)?;
        let input = Plan { schema: schema_of(&window.input), ..input };
        let closings = closing::of(&window.input, self.closings);
        let closing = closing::through_one(&call.time, frame, &closings).filter(|c| c.shape == Shape::Time);
        let exprs: Vec<Expr> = call.keys.iter().cloned().chain([call.time.clone()]).chain(rest).collect();
        let columns = all(&exprs, frame)?;
        let field = |(expr, column): (&Expr, &Expression)| {
            let name = if let Expr::Column(c) = inner(expr) { c.name.clone() } else { inner(expr).schema_name().to_string() };
            column.data_type(&input.schema).map(|kind| Field::new(name, kind, true))
        };
        let fields = exprs.iter().zip(&columns).map(field).collect::<std::result::Result<Vec<_>, _>>().map_err(|e| e.strip_backtrace())?;
        let schema = Arc::new(Schema::new(fields));
        crate::sql::arrange::check(&schema)?;
        Ok((project(input, columns, schema), closing.and_then(Closing::for_good)))
    }

    /// Aggregates of whole sessions; none where a grouping is no such.
    pub(super) fn session_totals(
        &mut self,
        aggregate: &LogicalAggregate,
        calls: &[Aggregate],
        schema: &SchemaRef,
    ) -> Result<Option<Plan>, Refused> {
        let plain = |e: datafusion::common::DataFusionError| e.strip_backtrace();
        let Some((window, call, over)) = found(&aggregate.input).map_err(plain)? else { return Ok(None) };
        let groups = aggregate.group_expr.iter().map(|e| inner(e).clone()).collect();
        let groups = written(groups, aggregate.input.schema(), &over).map_err(plain)?;
        let Some(keys) = keys_of(groups, window, &call) else { return Ok(None) };
        let Some(arguments) = arguments(aggregate, calls, &over, window).map_err(plain)? else { return Ok(None) };
        let beneath = window.input.schema();
        let keeps = |(call, argument): (&Aggregate, &Option<Expr>)| {
            let kind = argument.as_ref().map_or(Ok(DataType::Int64), |argument| argument.get_type(beneath));
            kind.is_ok_and(|kind| merges(&Aggregate { filter: None, ..call.clone() }, &kind, true))
        };
        if !calls.iter().zip(&arguments).all(keeps) {
            return Ok(None);
        }
        let (input, closing) = self.laid_out_by_time(window, &call, arguments.iter().flatten().cloned().collect())?;
        if !input.append_only {
            return Ok(None);
        }
        let (width, mut at) = (call.keys.len(), call.keys.len() + 1);
        let mut totals = Vec::with_capacity(calls.len());
        for (call, argument) in calls.iter().zip(&arguments) {
            let argument = argument.as_ref().map(|_| column(&input.schema, at));
            at += usize::from(argument.is_some());
            totals.push(Aggregate { argument, filter: None, ..call.clone() });
        }
        let ends = ends(window).map(Arc::new);
        let of = input.schema.fields().iter().take(width).chain(&ends).chain(schema.fields().iter().skip(keys.len()));
        let given: SchemaRef = Arc::new(Schema::new(of.cloned().collect::<Vec<_>>()));
        let ends =
            DFSchema::try_from(Schema::new(given.fields().iter().skip(width).take(2).cloned().collect::<Vec<_>>())).map_err(plain)?;
        let mut columns: Vec<Expression> = Vec::with_capacity(schema.fields().len());
        for key in keys {
            columns.push(match key {
                Key::Of(at) => column(&given, at),
                Key::Ends(expr) => moved(physical(&expr, &ends)?, width)?,
            });
        }
        columns.extend((width + 2..given.fields().len()).map(|at| column(&given, at)));
        let node = Sessions { input, keys: width, gap: call.gap, closing, totals: Some(totals), once: false };
        let node = Plan { node: Node::Sessions(Box::new(node)), schema: given, append_only: false };
        Ok(Some(project(node, columns, schema.clone())))
    }
}

/// An expression with its columns so many places further.
fn moved(expr: Expression, by: usize) -> Result<Expression, Refused> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    use datafusion::physical_expr::expressions::Column;
    let one = |e: Expression| {
        Ok(match e.downcast_ref::<Column>() {
            Some(column) => Transformed::yes(Arc::new(Column::new(column.name(), column.index() + by)) as Expression),
            None => Transformed::no(e),
        })
    };
    expr.transform_up(one).map(|t| t.data).map_err(|e| e.strip_backtrace())
}

/// Whether an expression surely has a value for each row: columns, and what asks and computes of them without errors.
fn cannot_fail(expr: &Expr, frame: &DFSchema) -> bool {
    let all = |of: &[&Expr]| of.iter().all(|e| cannot_fail(e, frame));
    let float = |e: &Expr| e.get_type(frame).is_ok_and(|kind| kind.is_floating());
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => cannot_fail(&alias.expr, frame),
        Expr::Not(e) | Expr::IsNull(e) | Expr::IsNotNull(e) | Expr::IsTrue(e) | Expr::IsFalse(e) => cannot_fail(e, frame),
        Expr::BinaryExpr(b) => {
            use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
            let asks = matches!(b.op, And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom);
            let computes = matches!(b.op, Operator::Plus | Operator::Minus | Operator::Multiply) && float(&b.left) && float(&b.right);
            (asks || computes) && all(&[&b.left, &b.right])
        }
        Expr::Case(case) => {
            let when = case.when_then_expr.iter().flat_map(|(when, then)| [when.as_ref(), then.as_ref()]);
            let parts: Vec<&Expr> = when.chain(case.expr.as_deref()).chain(case.else_expr.as_deref()).collect();
            all(&parts)
        }
        Expr::Cast(cast) => match (cast.expr.get_type(frame), cast.field.data_type()) {
            (Ok(from), DataType::Float64) => (from.is_integer() || from.is_floating()) && cannot_fail(&cast.expr, frame),
            (Ok(from), DataType::Int64) => from.is_integer() && from != DataType::UInt64 && cannot_fail(&cast.expr, frame),
            _ => false,
        },
        _ => false,
    }
}

/// The argument of each call over the rows, if it has one; none when one asks for the session, or may fail.
fn arguments(aggregate: &LogicalAggregate, calls: &[Aggregate], over: &[Expr], window: &Window) -> Result<Option<Vec<Option<Expr>>>> {
    let (mut out, frame) = (Vec::new(), aggregate.input.schema());
    for (expr, call) in aggregate.aggr_expr.iter().zip(calls) {
        let argument = argument(expr, call, frame, over)?;
        match argument {
            Some(argument) if asks(&argument, window).0 => return Ok(None),
            // A row whose argument fails is in its session all the same, which must then be found first.
            Some(argument) if !cannot_fail(&argument, window.input.schema()) => return Ok(None),
            argument => out.push(argument),
        }
    }
    Ok(Some(out))
}
