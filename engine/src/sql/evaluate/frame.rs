//! Sums, means and extremes of floats over a frame that moves on, each of exactly the values in the frame, in their order.
//!
//! DataFusion's subtract what leaves the frame. So an answer hangs on where the computation began: on what was added and subtracted before,
//! and for good on one infinity. Here it is that of the frame, wherever a slice of a partition begins. It costs the frame's length a row.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};

/// What is computed.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sum,
    Mean,
    Least,
    Greatest,
}

/// The function of floats over frames that moves as one of DataFusion's, if there is one.
pub fn over_frames(name: &str, kind: &DataType) -> Option<Arc<AggregateUDF>> {
    let (what, named) = match name {
        "sum" => (Kind::Sum, "sum of a frame"),
        "avg" => (Kind::Mean, "mean of a frame"),
        "min" => (Kind::Least, "least of a frame"),
        "max" => (Kind::Greatest, "greatest of a frame"),
        _ => return None,
    };
    let of = kind.clone();
    let fresh = move |_: AccumulatorArgs<'_>| {
        Ok(Box::new(Frame { what, kind: of.clone(), values: VecDeque::new(), unknown: 0 }) as Box<dyn Accumulator>)
    };
    let state = Arc::new(vec![kind.clone()]);
    Some(Arc::new(create_udaf(named, vec![kind.clone()], Arc::new(kind.clone()), Volatility::Immutable, Arc::new(fresh), state)))
}

/// The values of a frame that are known, as floats of 64 bits.
#[derive(Debug)]
struct Frame {
    what: Kind,
    kind: DataType,
    values: VecDeque<Option<f64>>,
    unknown: usize,
}

fn floats(values: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = values else { return exec_err!("a frame is of one column") };
    Ok(cast(values, &DataType::Float64)?)
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let wide = floats(values)?;
        for value in wide.as_primitive::<Float64Type>() {
            self.unknown += usize::from(value.is_none());
            self.values.push_back(value);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for _ in 0..values.first().map_or(0, |v| v.len()) {
            self.unknown -= usize::from(self.values.pop_front() == Some(None));
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        exec_err!("frames are not merged")
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let known = || self.values.iter().flatten().copied();
        let count = self.values.len() - self.unknown;
        let found = match self.what {
            _ if count == 0 => None,
            Kind::Sum => Some(0.0 + known().sum::<f64>()),
            Kind::Mean => Some(known().sum::<f64>() / count as f64),
            Kind::Least => known().min_by(f64::total_cmp),
            Kind::Greatest => known().max_by(f64::total_cmp),
        };
        ScalarValue::Float64(found).cast_to(&self.kind)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("frames have no state that is merged")
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<Option<f64>>()
    }
}
