//! `min` and `max` of floats with NaN as the greatest value, for groups that are computed anew: DataFusion's own take a NaN for
//! whatever comes after it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Expr, Volatility, create_udaf};

/// A call of `min` or `max` of floats by the functions of this file; others as they are. `output` is the type of the call.
pub fn total(call: Expr, output: &DataType) -> Expr {
    let Expr::AggregateFunction(mut f) = call else { return call };
    let least = f.func.name() == "min";
    if (least || f.func.name() == "max") && output.is_floating() {
        f.func = Arc::new(extreme_of_floats(least, output));
        f.params.distinct = false;
    }
    Expr::AggregateFunction(f)
}

/// The least or the greatest of floats of a type.
pub fn extreme_of_floats(least: bool, kind: &DataType) -> AggregateUDF {
    let of = kind.clone();
    let state = Arc::new(vec![kind.clone()]);
    let fresh = move |_: AccumulatorArgs<'_>| Ok(Box::new(Extreme { least, kind: of.clone(), best: None }) as Box<dyn Accumulator>);
    let name = if least { "least value" } else { "greatest value" };
    create_udaf(name, vec![kind.clone()], Arc::new(kind.clone()), Volatility::Immutable, Arc::new(fresh), state)
}

/// The least or greatest value so far; any float is one of 64 bits.
#[derive(Debug)]
struct Extreme {
    least: bool,
    kind: DataType,
    best: Option<f64>,
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [values] = values else { return exec_err!("an extreme is of one column") };
        let wide = cast(values, &DataType::Float64)?;
        let floats = wide.as_primitive::<Float64Type>();
        let found = if self.least { min(floats) } else { max(floats) };
        self.best = match (self.best, found) {
            (Some(a), Some(b)) if a.total_cmp(&b).is_lt() == self.least => Some(a),
            (best, found) => found.or(best),
        };
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::Float64(self.best).cast_to(&self.kind)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
