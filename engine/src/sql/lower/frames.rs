//! Calls OVER a partition that are computed of slices of it (`frames.rs`): what a row keeps, in which order, what is handed to the
//! computation of a slice, and how its answers become columns.
//!
//! What runs on from the first row of a partition becomes totals: a number of rows, a sum, an extreme, a first value. The row before a
//! slice carries them into it, as a value of its own. A rank is the number of rows up to the last of its peers, less these, and one.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    AggregateUDF, Cast, Expr, ExprSchemable, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition, cast, col,
    lit, when,
};

use super::{Lowering, Refused, all, checked, project, schema_of};
use crate::sql::arrange;
use crate::sql::closing;
use crate::sql::evaluate::{Compute, TAG, column_name, extreme_of_floats, over_frames};
use crate::sql::frames::{Call, Frames};
use crate::sql::overflow::{SUMMED, is_room};
use crate::sql::plan::{Answer, Node, Over, Own, Plan, Total, TotalOf};

/// A node's calls on their way.
struct Calls<'a> {
    frame: &'a DFSchema,
    order: Vec<SortOptions>,
    /// What is kept of a row, in its order.
    places: Vec<Expr>,
    /// Which of it are handed to the computation.
    handed: Vec<usize>,
    totals: Vec<Total>,
    /// The calls of totals, each over its own column, which will stand behind those that are handed.
    of_totals: Vec<WindowFunction>,
    written: Vec<WindowFunction>,
    answers: Vec<Made>,
}

/// How the answer to a call is made, while it is not known how many totals there are.
enum Made {
    Total(usize),
    Written(usize),
    Rank(usize, usize),
    Mean(usize, usize),
}

impl Lowering<'_> {
    /// Window functions, computed of slices.
    pub(super) fn framed(&mut self, window: &Window, frames: Frames, schema: SchemaRef) -> Result<Plan, Refused> {
        let frame = window.input.schema();
        let closing = frames.closing(window, &closing::of(&window.input, self.closings));
        let Some((first, _)) = frames.calls.first() else { return Err("OVER without a call".into()) };
        let (partition, by) = (first.params.partition_by.clone(), first.params.order_by.clone());
        let input = self.plan(&window.input)?;
        let input = Plan { schema: schema_of(&window.input), ..input };
        let order = by.iter().map(|s| SortOptions { descending: !s.asc, nulls_first: s.nulls_first }).collect();
        let mut calls = Calls {
            frame,
            handed: (0..by.len()).collect(),
            places: by.into_iter().map(|s| s.expr).collect(),
            order,
            totals: Vec::new(),
            of_totals: Vec::new(),
            written: Vec::new(),
            answers: Vec::new(),
        };
        let own: Vec<Own> = frame.columns().into_iter().map(|c| calls.own(&Expr::Column(c), &partition)).collect();
        for (function, call) in frames.calls {
            calls.add(function, call)?;
        }
        let keys = all(&partition, frame)?;
        let kept: Vec<_> = keys.iter().cloned().chain(all(&calls.places, frame)?).collect();
        let types = kept.iter().map(|e| e.data_type(&input.schema)).collect::<Result<Vec<_>, _>>().map_err(|e| e.strip_backtrace())?;
        let fields: Vec<Field> = types.iter().enumerate().map(|(i, kind)| Field::new(format!("column {i}"), kind.clone(), true)).collect();
        let layout: SchemaRef = Arc::new(Schema::new(fields));
        arrange::check(&layout)?;
        let (compute, answers) = calls.compute(types.get(keys.len()..).unwrap_or_default());
        checked(&compute)?;
        let over = Over {
            input: project(input, kept, layout),
            keys: keys.len(),
            reach: frames.reach,
            order: calls.order,
            handed: calls.handed,
            totals: calls.totals,
            compute,
            own,
            answers,
            closing,
        };
        Ok(Plan { node: Node::Over(Box::new(over)), schema, append_only: false })
    }
}

impl Calls<'_> {
    /// Where something is kept with a row.
    fn place(&mut self, expr: &Expr) -> usize {
        self.places.iter().position(|known| known == expr).unwrap_or_else(|| {
            self.places.push(expr.clone());
            self.places.len() - 1
        })
    }

    /// Where a column of the input is kept. Keys of floats have one zero, and say not which it was.
    fn own(&mut self, column: &Expr, partition: &[Expr]) -> Own {
        let exact = column.get_type(self.frame).is_ok_and(|kind| !kind.is_floating() && !kind.is_nested());
        match partition.iter().position(|key| key == column).filter(|_| exact) {
            Some(key) => Own::Key(key),
            None => Own::Place(self.place(column)),
        }
    }

    /// What is handed for an argument: itself where it is a constant, or a column; as a wider number where it is that of one.
    fn hand(&mut self, expr: &Expr) -> Expr {
        match expr {
            Expr::Literal(..) => expr.clone(),
            Expr::Cast(Cast { expr: of, field }) if self.widens(of, field.data_type()) => cast(self.hand(of), field.data_type().clone()),
            _ => {
                let place = self.place(expr);
                let at = self.handed.iter().position(|known| *known == place).unwrap_or_else(|| {
                    self.handed.push(place);
                    self.handed.len() - 1
                });
                col(column_name(at))
            }
        }
    }

    /// Whether a column can be made of a type without failing.
    fn widens(&self, of: &Expr, to: &DataType) -> bool {
        let Ok(kind) = of.get_type(self.frame) else { return false };
        let is_wider = *to == SUMMED || *to == DataType::Float64 || is_room(to) && matches!(kind, DataType::Decimal128(..));
        matches!(of, Expr::Column(_)) && is_wider && (kind.is_integer() || is_room(to))
    }

    /// The place of what a total is of among those that are handed.
    fn handed_place(&mut self, expr: &Expr) -> Option<usize> {
        let expr = match expr {
            Expr::Cast(Cast { expr: of, field }) if self.widens(of, field.data_type()) => of.as_ref(),
            other => other,
        };
        let Expr::Column(handed) = self.hand(expr) else { return None };
        (0..self.handed.len()).find(|at| column_name(*at) == handed.name)
    }

    /// A call as it is, over what is handed, of a partition and in an order of its slice.
    fn framed(&self, mut f: WindowFunction, args: Vec<Expr>) -> WindowFunction {
        f.params.args = args;
        f.params.partition_by = vec![col(TAG)];
        let one = |(at, o): (usize, &SortOptions)| col(column_name(at)).sort(!o.descending, o.nulls_first);
        f.params.order_by = self.order.iter().enumerate().map(one).collect();
        f
    }

    fn total(&mut self, of: TotalOf, kind: &DataType, function: WindowFunction) -> usize {
        self.totals.push(Total { of, kind: kind.clone() });
        let function = self.framed(function, Vec::new());
        self.of_totals.push(function);
        self.totals.len() - 1
    }

    fn write(&mut self, function: WindowFunction, args: Vec<Expr>) -> usize {
        let function = self.framed(function, args);
        self.written.push(function);
        self.written.len() - 1
    }

    fn add(&mut self, f: WindowFunction, call: Call) -> Result<(), Refused> {
        let rows =
            |f: &WindowFunction, by: WindowFrameUnits| aggregate(f, sum_udaf(), by, WindowFrameBound::Preceding(ScalarValue::UInt64(None)));
        let made = match call {
            Call::Number => Made::Total(self.total(TotalOf::Rows, &DataType::Int64, rows(&f, WindowFrameUnits::Rows))),
            Call::DenseRank => Made::Total(self.total(TotalOf::Peers, &DataType::Int64, rows(&f, WindowFrameUnits::Range))),
            Call::Rank => {
                let all = self.total(TotalOf::Rows, &DataType::Int64, rows(&f, WindowFrameUnits::Range));
                let peers = aggregate(&f, count_udaf(), WindowFrameUnits::Range, WindowFrameBound::CurrentRow);
                Made::Rank(all, self.write(peers, vec![lit(1i64)]))
            }
            Call::Mean => {
                let known = self.known(&f)?;
                let sum = with(&f, sum_udaf());
                let count = self.total(known, &DataType::Int64, sum.clone());
                let of = self.value(&f)?;
                Made::Mean(self.total(TotalOf::Value(of), &DataType::Float64, sum), count)
            }
            Call::Total if f.fun.name() == "count" => {
                let known = self.known(&f)?;
                Made::Total(self.total(known, &DataType::Int64, with(&f, sum_udaf())))
            }
            Call::Total => self.running(f)?,
            Call::Written => {
                let mut call = self.of_floats(f)?;
                let args = call.params.args.iter().map(|e| self.hand(e)).collect();
                call.params.filter = call.params.filter.map(|e| Box::new(self.hand(&e)));
                Made::Written(self.write(call, args))
            }
        };
        self.answers.push(made);
        Ok(())
    }

    /// A sum, an extreme or a first value of all rows up to one.
    fn running(&mut self, mut f: WindowFunction) -> Result<Made, Refused> {
        let (kind, at) = (self.kind(&f)?, self.value(&f)?);
        let of = if f.fun.name() == "first_value" { TotalOf::First(at) } else { TotalOf::Value(at) };
        let least = f.fun.name() == "min";
        if (least || f.fun.name() == "max") && kind.is_floating() {
            f.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(extreme_of_floats(least, &kind)));
        }
        f.params.filter = None;
        Ok(Made::Total(self.total(of, &kind, f)))
    }

    fn kind(&self, f: &WindowFunction) -> Result<DataType, Refused> {
        Expr::WindowFunction(Box::new(f.clone())).get_type(self.frame).map_err(|e| e.strip_backtrace())
    }

    /// What a total is of; a row that a filter leaves out has none.
    fn value(&mut self, f: &WindowFunction) -> Result<usize, Refused> {
        let argument = f.params.args.first().cloned().ok_or("a call OVER of nothing")?;
        let argument = match f.params.filter.clone() {
            Some(filter) => when(*filter, argument).end().map_err(|e| e.strip_backtrace())?,
            None => argument,
        };
        // A constant is a column of every row.
        let argument = if matches!(argument, Expr::Literal(..)) { argument.alias("constant") } else { argument };
        self.handed_place(&argument).ok_or_else(|| "a call OVER of what is no column".to_string())
    }

    fn known(&mut self, f: &WindowFunction) -> Result<TotalOf, Refused> {
        match (f.params.args.first(), &f.params.filter) {
            (Some(Expr::Literal(value, _)), None) if !value.is_null() => Ok(TotalOf::Rows),
            _ => Ok(TotalOf::Known(self.value(f)?)),
        }
    }

    /// A call that gives the same answer wherever its slice begins.
    fn of_floats(&self, f: WindowFunction) -> Result<WindowFunction, Refused> {
        let WindowFunctionDefinition::AggregateUDF(udaf) = &f.fun else { return Ok(f) };
        let kind = self.kind(&f)?;
        match over_frames(udaf.name(), &kind).filter(|_| kind.is_floating()) {
            Some(own) => {
                let mut f = WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(own), ..f };
                for argument in &mut f.params.args {
                    if argument.get_type(self.frame).map_err(|e| e.strip_backtrace())? != kind {
                        *argument = cast(argument.clone(), kind.clone());
                    }
                }
                Ok(f)
            }
            None => Ok(f),
        }
    }

    /// The computation over what is handed, and how its answers are read: those of totals stand first.
    fn compute(&self, kinds: &[DataType]) -> (Compute, Vec<Answer>) {
        let handed = self.handed.iter().map(|at| kinds.get(*at).cloned().unwrap_or(DataType::Null));
        let kinds = handed.chain(self.totals.iter().map(|t| t.kind.clone()));
        let fields: Vec<Field> = kinds.enumerate().map(|(i, kind)| Field::new(column_name(i), kind, true)).collect();
        let of_totals = self.of_totals.iter().enumerate().map(|(i, call)| {
            let mut call = call.clone();
            call.params.args = vec![col(column_name(self.handed.len() + i))];
            call
        });
        let calls = of_totals.chain(self.written.iter().cloned()).map(|f| Expr::WindowFunction(Box::new(f))).collect();
        let compute = Compute::Window { input: Arc::new(Schema::new(fields)), calls, order: Some(self.order.clone()) };
        let behind = self.totals.len();
        let one = |made: &Made| match *made {
            Made::Total(at) => Answer::Call(at),
            Made::Written(at) => Answer::Call(behind + at),
            Made::Rank(all, peers) => Answer::Rank { all, peers: behind + peers },
            Made::Mean(sum, count) => Answer::Mean { sum, count },
        };
        (compute, self.answers.iter().map(one).collect())
    }
}

/// The same call of another function, of all rows that it is given.
fn with(f: &WindowFunction, function: Arc<AggregateUDF>) -> WindowFunction {
    let mut call = f.clone();
    call.fun = WindowFunctionDefinition::AggregateUDF(function);
    call.params.filter = None;
    call
}

/// A call of a function over a frame up to the row.
fn aggregate(f: &WindowFunction, function: Arc<AggregateUDF>, units: WindowFrameUnits, from: WindowFrameBound) -> WindowFunction {
    let mut call = with(f, function);
    call.params.window_frame = WindowFrame::new_bounds(units, from, WindowFrameBound::CurrentRow);
    call
}
