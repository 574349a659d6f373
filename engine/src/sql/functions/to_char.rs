//! `to_char` of times that follow each other: DataFusion's own, computed once for each run of times within one second, where the
//! format asks for no fractions of it. Rows of a stream come in order of time, so that runs are long.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::to_char::ToCharFunc;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature};

/// Rows that a run has at least on average, so that it pays.
const RUN_ROWS_MIN: usize = 4;
/// Specifiers of chrono that do not tell times within one second apart.
const OF_SECONDS: &str = "YCyGgmbBhdejaAuwUWVDFHkIlMSRTrpPszZ%";

/// The function.
pub fn to_char() -> ScalarUDF {
    ScalarUDF::from(ToChar(ToCharFunc::new()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar(ToCharFunc);

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.0.return_type(arguments)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let runs = match args.args.as_slice() {
            [ColumnarValue::Array(times), ColumnarValue::Scalar(ScalarValue::Utf8(Some(format)))] if is_of_seconds(format) => runs(times)?,
            _ => None,
        };
        let (Some((firsts, run_of_row)), Some(ColumnarValue::Array(times))) = (runs, args.args.first_mut()) else {
            return self.0.invoke_with_args(args);
        };
        *times = take(times, &firsts, None)?;
        args.number_rows = firsts.len();
        let texts = self.0.invoke_with_args(args)?.into_array(firsts.len())?;
        Ok(ColumnarValue::Array(take(&texts, &run_of_row, None)?))
    }
}

/// Whether a format gives the same text for all times within one second.
fn is_of_seconds(format: &str) -> bool {
    let mut letters = format.chars();
    while letters.any(|c| c == '%') {
        let specifier = letters.next().and_then(|c| if matches!(c, '-' | '_' | '0') { letters.next() } else { Some(c) });
        if !specifier.is_some_and(|c| OF_SECONDS.contains(c)) {
            return false;
        }
    }
    true
}

/// The first row of each run of times within one second, and the run of each row; none where it does not pay, or for other types.
fn runs(times: &ArrayRef) -> Result<Option<(UInt32Array, UInt32Array)>> {
    let DataType::Timestamp(unit, _) = times.data_type() else { return Ok(None) };
    let of_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let ticks = cast(times, &DataType::Int64)?;
    let seconds = ticks.as_primitive::<Int64Type>().iter().map(|t| t.map(|t| t.div_euclid(of_second)));
    let (mut firsts, mut run_of_row, mut last) = (Vec::new(), Vec::with_capacity(times.len()), None);
    for (row, second) in seconds.enumerate() {
        if last != Some(second) {
            last = Some(second);
            firsts.push(row as u32);
        }
        run_of_row.push(firsts.len() as u32 - 1);
    }
    Ok((firsts.len() * RUN_ROWS_MIN <= times.len()).then(|| (firsts.into(), run_of_row.into())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;
    use arrow::datatypes::Field;
    use datafusion::config::ConfigOptions;

    use super::*;

    /// None where the format is not one.
    fn texts(of: &dyn ScalarUDFImpl, times: &ArrayRef, format: &str) -> Option<ArrayRef> {
        let kind = times.data_type().clone();
        let args = ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(times.clone()), ColumnarValue::Scalar(ScalarValue::from(format))],
            arg_fields: vec![Arc::new(Field::new("t", kind, true)), Arc::new(Field::new("f", DataType::Utf8, false))],
            number_rows: times.len(),
            return_field: Arc::new(Field::new("s", DataType::Utf8, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        of.invoke_with_args(args).ok()?.into_array(times.len()).ok()
    }

    /// Runs around seconds before and after 1970, with times that are not there, and rows of a slice.
    #[test]
    fn texts_are_those_of_each_time_by_itself() {
        let time = |i: i64| (i % 97 != 0).then_some((i - 500) * 20_003);
        let times = TimestampMicrosecondArray::from_iter((0..1_000).map(time));
        let zoned: ArrayRef = Arc::new(times.clone().with_timezone("Europe/Berlin"));
        for times in [Arc::new(times) as ArrayRef, zoned] {
            for times in [times.clone(), times.slice(333, 77), times.slice(0, 0)] {
                for format in ["%Y-%m-%d", "%H:%M:%S", "%-d.%m. %%s", "%s %z", "%T%.3f", "%f", "%+", "no time", "%H%"] {
                    let own = texts(&ToChar(ToCharFunc::new()), &times, format);
                    assert_eq!(own, texts(&ToCharFunc::new(), &times, format), "{format}");
                }
            }
        }
        let kinds = ["%Y-%m-%d", "%s %-H", "%%f"].map(is_of_seconds);
        assert_eq!(kinds, [true; 3]);
        assert_eq!(["%f", "%.3f", "%3f", "%+", "%H%", "%c"].map(is_of_seconds), [false; 6]);
    }
}
