//! JSON made of values: `to_json(x)`, `json_build_object(key, value, …)`, `json_build_array(value, …)`, `json_valid(text)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use littoral_connectors::map_keys::text_keys;

use super::{as_json, is_json};

/// The functions.
pub fn functions() -> Vec<ScalarUDF> {
    [("to_json", Makes::Value), ("json_build_object", Makes::Object), ("json_build_array", Makes::Array), ("json_valid", Makes::Check)]
        .map(|(name, makes)| ScalarUDF::from(Made { name, makes, signature: Signature::variadic_any(Volatility::Immutable) }))
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Makes {
    Value,
    Object,
    Array,
    Check,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Made {
    name: &'static str,
    makes: Makes,
    signature: Signature,
}

impl ScalarUDFImpl for Made {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let fits = match self.makes {
            Makes::Value => arguments.len() == 1,
            Makes::Check => matches!(arguments, [t] if t.is_string() || t.is_null()),
            Makes::Object => arguments.len().is_multiple_of(2),
            Makes::Array => true,
        };
        match (fits, self.makes) {
            (false, Makes::Object) => plan_err!("{} needs a key before each value", self.name),
            (false, _) => plan_err!("{} is {}(value)", self.name, self.name),
            (true, Makes::Check) => Ok(DataType::Boolean),
            _ => Ok(DataType::Utf8),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let kinds: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let field = Field::new(self.name, self.return_type(&kinds)?, true);
        Ok(Arc::new(if self.makes == Makes::Check { field } else { as_json(field) }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let written = |of: (usize, &ArrayRef)| values(of, &args.arg_fields);
        let out: ArrayRef = match (self.makes, arrays.as_slice()) {
            (Makes::Check, [text]) => {
                let text = cast(text, &DataType::Utf8)?;
                let valid = |t: &str| serde_json::from_str::<&serde_json::value::RawValue>(t).is_ok();
                Arc::new(text.as_string::<i32>().iter().map(|t| t.map(valid)).collect::<BooleanArray>())
            }
            // A value that is null is no document.
            (Makes::Value, [value]) => {
                let texts = written((0, value))?;
                Arc::new(texts.into_iter().enumerate().map(|(row, t)| value.is_valid(row).then_some(t)).collect::<StringArray>())
            }
            (Makes::Array, values) => {
                let columns = values.iter().enumerate().map(written).collect::<Result<Vec<_>>>()?;
                let row = |row: usize| format!("[{}]", cells(&columns, row).join(","));
                Arc::new((0..rows).map(|r| Some(row(r))).collect::<StringArray>())
            }
            (Makes::Object, pairs) => objects(pairs, rows, &written)?,
            _ => return exec_err!("{} is {}(value)", self.name, self.name),
        };
        Ok(ColumnarValue::Array(out))
    }
}

fn cells(columns: &[Vec<String>], row: usize) -> Vec<&str> {
    columns.iter().filter_map(|c| c.get(row)).map(String::as_str).collect()
}

type Written<'a> = &'a dyn Fn((usize, &ArrayRef)) -> Result<Vec<String>>;

fn objects(pairs: &[ArrayRef], rows: usize, written: Written<'_>) -> Result<ArrayRef> {
    let (keys, values): (Vec<_>, Vec<_>) = pairs.iter().enumerate().partition(|(i, _)| i % 2 == 0);
    let keys = keys.into_iter().map(|(_, k)| Ok(cast(k, &DataType::Utf8)?)).collect::<Result<Vec<_>>>()?;
    let columns = values.into_iter().map(written).collect::<Result<Vec<_>>>()?;
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut members = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(cells(&columns, row)) {
            if key.is_null(row) {
                return exec_err!("a key of json_build_object is null");
            }
            let key = serde_json::to_string(key.as_string::<i32>().value(row)).unwrap_or_default();
            members.push(format!("{key}:{value}"));
        }
        out.push(format!("{{{}}}", members.join(",")));
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// An argument's values as JSON, by its place among the fields of all.
pub fn values((at, values): (usize, &ArrayRef), fields: &[FieldRef]) -> Result<Vec<String>> {
    match fields.get(at).is_some_and(|field| is_json(field)) {
        true => documents(values),
        false => written(values),
    }
}

/// Documents as they are, null as `null`; what turns out to be none is a string.
fn documents(values: &ArrayRef) -> Result<Vec<String>> {
    let texts = cast(values, &DataType::Utf8)?;
    let one = |text: Option<&str>| match text {
        None => "null".to_string(),
        Some(text) if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => text.trim().to_string(),
        Some(text) => serde_json::Value::from(text).to_string(),
    };
    Ok(texts.as_string::<i32>().iter().map(one).collect())
}

/// Values as JSON, null as `null`.
fn written(values: &ArrayRef) -> Result<Vec<String>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&text_keys(&RecordBatch::try_from_iter_with_nullable([("v", values.clone(), true)])?)?)?;
    writer.finish()?;
    let bytes = writer.into_inner();
    let text = String::from_utf8_lossy(&bytes);
    let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|l| l.strip_suffix('}')).unwrap_or("null").to_string();
    Ok(text.lines().map(value).collect())
}
