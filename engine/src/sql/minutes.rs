//! Times that are written without seconds, as `2024-01-01 10:00`: DataFusion wants them. The last rule of the analyser puts them in
//! where a literal is cast (`overflow.rs`), and an `INSERT` where a text is (`script/batch.rs`). Not in files, whose readers have a format.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

/// What a time without seconds looks like, up to its zone: `d` is a digit.
const SHAPE: &[u8] = b"dddd-dd-dd dd:dd";

/// A time that has no seconds, with some; none when it has, or is no time.
pub fn with_seconds(text: &str) -> Option<String> {
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        b' ' => matches!(byte, b' ' | b'T' | b't'),
        other => byte == *other,
    };
    let text = text.trim();
    let (head, zone) = text.split_at_checked(SHAPE.len())?;
    let has_zone = zone.trim_start().starts_with(['Z', 'z', '+', '-']);
    (head.bytes().zip(SHAPE).all(fits) && (zone.is_empty() || has_zone)).then(|| format!("{head}:00{zone}"))
}

/// A literal that is cast to a time, with seconds; none when it has them.
pub fn literal(of: &Expr, to: &DataType) -> Option<Expr> {
    let Expr::Literal(value, name) = of else { return None };
    let text = value.try_as_str().flatten().filter(|_| matches!(to, DataType::Timestamp(..)))?;
    Some(Expr::Literal(ScalarValue::from(with_seconds(text)?), name.clone()))
}

/// A column of text that is cast to times, with seconds; none when it is none, or all have them.
pub fn column(of: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    if !matches!(to, DataType::Timestamp(..)) || !matches!(of.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return None;
    }
    let texts = cast(of, &DataType::Utf8).ok()?;
    let texts = texts.as_any().downcast_ref::<StringArray>()?;
    if !texts.iter().flatten().any(|text| with_seconds(text).is_some()) {
        return None;
    }
    let one = |text: &str| with_seconds(text).unwrap_or_else(|| text.to_string());
    Some(Arc::new(texts.iter().map(|text| text.map(one)).collect::<StringArray>()))
}

#[cfg(test)]
mod tests {
    use super::with_seconds;

    #[test]
    fn seconds_are_put_in_where_there_are_none() {
        let given = ["2024-01-01 10:00", "2024-01-01T10:00", "2024-01-01 10:00Z", "2024-01-01T10:00+02:00", " 2024-01-01 10:00 "];
        let made =
            ["2024-01-01 10:00:00", "2024-01-01T10:00:00", "2024-01-01 10:00:00Z", "2024-01-01T10:00:00+02:00", "2024-01-01 10:00:00"];
        for (given, made) in given.into_iter().zip(made) {
            assert_eq!(with_seconds(given).as_deref(), Some(made));
        }
        for other in
            ["2024-01-01 10:00:00", "2024-01-01", "2024-01-01 10:0", "2024-01-01 10:00x", "2024/01/01 10:00", "", "2024-01-01 10:0é"]
        {
            assert_eq!(with_seconds(other), None, "{other}");
        }
    }
}
