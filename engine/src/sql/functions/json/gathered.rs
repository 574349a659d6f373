//! What JSON aggregates are made of: `json_agg(x)` is `json_joined(array_agg(to_json(x)))`, `json_object_agg(k, v)` is
//! `json_braced(array_agg(json_member(k, v)))`, so that a group is kept as any other list is. Not for scripts: elements are not checked.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::as_json;
use super::made::values;

/// The functions.
pub fn functions() -> Vec<ScalarUDF> {
    [("json_member", Part::Member), ("json_joined", Part::List), ("json_braced", Part::Object)]
        .map(|(name, part)| ScalarUDF::from(Gathered { name, part, signature: Signature::variadic_any(Volatility::Immutable) }))
        .into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Member,
    List,
    Object,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Gathered {
    name: &'static str,
    part: Part,
    signature: Signature,
}

impl ScalarUDFImpl for Gathered {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let is_texts = |t: &DataType| matches!(t, DataType::List(of) if of.data_type().is_string() || of.data_type().is_null());
        match (self.part, arguments) {
            (Part::Member, [_, _]) => Ok(DataType::Utf8),
            (Part::List | Part::Object, [list]) if is_texts(list) || list.is_null() => Ok(DataType::Utf8),
            (Part::Member, _) => plan_err!("{} is {}(key, value)", self.name, self.name),
            _ => plan_err!("{} is {}(list of text)", self.name, self.name),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let kinds: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let field = Field::new(self.name, self.return_type(&kinds)?, true);
        Ok(Arc::new(if self.part == Part::Member { field } else { as_json(field) }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|a| a.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let out = match (self.part, arrays.as_slice()) {
            (Part::Member, [keys, of]) => members(keys, &values((1, of), &args.arg_fields)?)?,
            (Part::List, [lists]) => joined(lists, ['[', ']'])?,
            (Part::Object, [lists]) => joined(lists, ['{', '}'])?,
            _ => return exec_err!("{} has other arguments", self.name),
        };
        Ok(ColumnarValue::Array(out))
    }
}

fn members(keys: &ArrayRef, values: &[String]) -> Result<ArrayRef> {
    let keys = cast(keys, &DataType::Utf8)?;
    let mut out = Vec::with_capacity(values.len());
    for (key, value) in keys.as_string::<i32>().iter().zip(values) {
        // An error where it is a member: a row may be left out by FILTER.
        out.push(key.map(|key| format!("{}:{value}", serde_json::Value::from(key))));
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// Lists of texts between brackets; a text that is null is `null`, and no member.
fn joined(lists: &ArrayRef, [open, close]: [char; 2]) -> Result<ArrayRef> {
    if lists.data_type().is_null() {
        return Ok(cast(lists, &DataType::Utf8)?);
    }
    let one = |list: ArrayRef| {
        let list = cast(&list, &DataType::Utf8)?;
        if open == '{' && list.null_count() > 0 {
            return exec_err!("a key of a JSON object is null");
        }
        let texts: Vec<&str> = list.as_string::<i32>().iter().map(|text| text.unwrap_or("null")).collect();
        Ok(format!("{open}{}{close}", texts.join(",")))
    };
    let all = lists.as_list::<i32>().iter().map(|list| list.map(one).transpose()).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StringArray::from(all)))
}
