//! What JSON aggregates are made of: `json_agg(x)` is `json_joined(array_agg(to_json(x)))`, `json_object_agg(k, v)` is
//! `json_braced(array_agg(json_member(k, v)))`, so that a group is kept as any other list is. Not for scripts: elements are not checked.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::call::{Call, Given};
use super::made::member;

/// The functions.
pub fn functions() -> [Call; 3] {
    let of_list = |name, compute| Call { name, takes: "list of text", fits: is_texts, gives: DataType::Utf8, json: true, compute };
    [
        Call { name: "json_member", takes: "key, value", fits: |of| of.len() == 2, gives: DataType::Utf8, json: false, compute: members },
        of_list("json_joined", |given| joined(given, ['[', ']'])),
        of_list("json_braced", |given| joined(given, ['{', '}'])),
    ]
}

fn is_texts(of: &[DataType]) -> bool {
    let is_text = |t: &DataType| t.is_string() || t.is_null();
    matches!(of, [DataType::List(element)] if is_text(element.data_type())) || matches!(of, [DataType::Null])
}

/// Members; none for a key that is null, which is an error where it is put into an object: a row may be left out by FILTER.
fn members(given: Given<'_>) -> Result<ArrayRef> {
    let [keys, _] = given.columns else { return exec_err!("json_member takes a key and a value") };
    let keys = cast(keys, &DataType::Utf8)?;
    let pairs = keys.as_string::<i32>().iter().zip(given.json(1)?);
    Ok(Arc::new(pairs.map(|(key, value)| key.map(|key| member(key, &value))).collect::<StringArray>()))
}

/// Lists of texts between brackets; a text that is null is `null`, and no member.
fn joined(given: Given<'_>, [open, close]: [char; 2]) -> Result<ArrayRef> {
    let [lists] = given.columns else { return exec_err!("a list is taken") };
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
