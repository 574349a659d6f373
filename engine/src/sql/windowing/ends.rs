//! The first or the last time of each row's session, as window functions: for the batch, and for plans, where `lower/session.rs`
//! finds them. A row begins a session when the time before it, and the gap, is not after it.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::kernels::cmp::gt_eq;
use arrow::compute::kernels::numeric::add;
use arrow::compute::{cast, take};
use arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{Expr, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

const FIRST: &str = "first_of_session";
const LAST: &str = "last_of_session";

/// The first time of a session. To be given a partition and the order of `time`.
pub fn first(time: Expr, gap: Expr) -> Expr {
    call(FIRST, time, gap)
}

/// The last time of a session.
pub fn last(time: Expr, gap: Expr) -> Expr {
    call(LAST, time, gap)
}

/// Whether a function of a name gives the first time of a session.
pub fn is_first(name: &str) -> bool {
    name == FIRST
}

/// Whether a function of a name gives the last time of a session, which is what closes it.
pub fn is_last(name: &str) -> bool {
    name == LAST
}

fn call(name: &'static str, time: Expr, gap: Expr) -> Expr {
    WindowUDF::from(Session { name, signature: Signature::any(2, Volatility::Immutable) }).call(vec![time, gap])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Session {
    name: &'static str,
    signature: Signature,
}

impl WindowUDFImpl for Session {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Ends { last: self.name == LAST }))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        match args.get_input_field(0) {
            Some(time) => Ok(Arc::new(Field::new(args.name(), time.data_type().clone(), true))),
            None => exec_err!("a session is of a time"),
        }
    }
}

#[derive(Debug)]
struct Ends {
    last: bool,
}

impl PartitionEvaluator for Ends {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [time, gap] = values else { return exec_err!("a session is of a time and a gap") };
        let until = cast(&add(time, gap)?, time.data_type())?;
        let mut of: Vec<u32> = Vec::with_capacity(rows);
        for session in sessions(time, &until, rows)? {
            let row = if self.last { session.end.saturating_sub(1) } else { session.start };
            of.resize(session.end, row as u32);
        }
        Ok(take(time, &UInt32Array::from(of), None)?)
    }
}

/// The rows of each session, one after the other.
fn sessions(time: &ArrayRef, until: &ArrayRef, rows: usize) -> Result<Vec<Range<usize>>> {
    let more = rows.saturating_sub(1);
    let begins = gt_eq(&time.slice(rows.min(1), more), &until.slice(0, more))?;
    let (mut out, mut from) = (Vec::new(), 0);
    for row in begins.values().set_indices().map(|row| row + 1).chain(std::iter::once(rows)) {
        out.push(from..row);
        from = row;
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{AsArray, IntervalMonthDayNanoArray, TimestampMicrosecondArray};
    use arrow::datatypes::{IntervalMonthDayNano, TimestampMicrosecondType};

    use super::*;

    #[test]
    fn a_session_ends_a_gap_after_its_last_row() {
        let ends = |last: bool, of: &[i64]| {
            let times = Arc::new(TimestampMicrosecondArray::from(of.to_vec())) as ArrayRef;
            let gap = Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(0, 0, 10_000); of.len()])) as ArrayRef;
            let ends = Ends { last }.evaluate_all(&[times, gap], of.len()).unwrap();
            ends.as_primitive::<TimestampMicrosecondType>().values().to_vec()
        };
        assert_eq!(ends(false, &[1, 1, 10, 20, 29]), [1, 1, 1, 20, 20]);
        assert_eq!(ends(true, &[1, 1, 10, 20, 29]), [10, 10, 10, 29, 29]);
        assert_eq!((ends(true, &[7]), ends(false, &[])), (vec![7], vec![]));
    }
}
