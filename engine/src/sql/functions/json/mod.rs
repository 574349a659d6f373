//! JSON as text: what stands at a place of a document, and documents made of values.
//!
//! A place is given by keys and numbers (`json_get(doc, 'a', 0)`), or by a path (`json_value(doc, '$.a[0]')`). What is not there,
//! and what is no JSON, is null. Nothing is parsed but what leads to the place (`find.rs`).

mod call;
mod find;
mod gathered;
mod made;
mod operators;
mod path;
mod value;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub use operators::JsonOperators;
use path::Step;
pub use value::{as_json, is_json};

/// What a function gives of what stands at the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gives {
    /// It, as JSON.
    Json,
    /// It, as text; a string without its quotes, null as null.
    Text,
    /// It when it is a string.
    Str,
    /// It when it is a whole number.
    Int,
    /// It when it is a number.
    Float,
    /// It when it is true or false.
    Bool,
    /// It when it is neither a list nor an object, as text.
    Scalar,
    /// It when it is a list or an object, as JSON.
    Whole,
    /// Whether it is there.
    Exists,
    /// How many elements or members it has.
    Length,
    /// What kind of value it is.
    Type,
    /// The keys of its members.
    Keys,
    /// Its elements, as JSON.
    Elements,
    /// Its elements, as text.
    Texts,
    /// All that stand at such places, as JSON.
    All,
}

/// How a function is told the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// Keys and numbers, an argument each.
    Keys,
    /// A path, the second argument.
    Path,
    /// Keys in one text, `{a,0}`.
    Braces,
}

/// Functions with their names, how they are told the place, and what they give.
const FUNCTIONS: [(&str, Place, Gives); 24] = [
    ("json_get", Place::Keys, Gives::Json),
    ("json_get_json", Place::Keys, Gives::Json),
    ("json_as_text", Place::Keys, Gives::Text),
    ("json_extract_path", Place::Keys, Gives::Json),
    ("json_extract_path_text", Place::Keys, Gives::Text),
    ("json_get_str", Place::Keys, Gives::Str),
    ("json_get_int", Place::Keys, Gives::Int),
    ("json_get_float", Place::Keys, Gives::Float),
    ("json_get_bool", Place::Keys, Gives::Bool),
    ("json_contains", Place::Keys, Gives::Exists),
    ("json_length", Place::Keys, Gives::Length),
    ("json_array_length", Place::Keys, Gives::Length),
    ("json_typeof", Place::Keys, Gives::Type),
    ("json_object_keys", Place::Keys, Gives::Keys),
    ("json_array_elements", Place::Keys, Gives::Elements),
    ("json_array_elements_text", Place::Keys, Gives::Texts),
    ("json_at", Place::Braces, Gives::Json),
    ("json_text_at", Place::Braces, Gives::Text),
    ("json_extract", Place::Path, Gives::Json),
    ("json_extract_string", Place::Path, Gives::Text),
    ("json_value", Place::Path, Gives::Scalar),
    ("json_query", Place::Path, Gives::Whole),
    ("json_exists", Place::Path, Gives::Exists),
    ("extract_json", Place::Path, Gives::All),
];

/// All functions of JSON.
pub fn functions() -> Vec<ScalarUDF> {
    let read = FUNCTIONS.map(|(name, place, gives)| {
        ScalarUDF::from(Read { name, place, gives, signature: Signature::variadic_any(Volatility::Immutable) })
    });
    let calls = made::functions().into_iter().chain(gathered::functions()).chain([operators::includes(), operators::concat()]);
    read.into_iter().chain(calls.map(call::Call::function)).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    name: &'static str,
    place: Place,
    gives: Gives,
    signature: Signature,
}

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let fits = match self.place {
            Place::Keys => !arguments.is_empty(),
            Place::Path | Place::Braces => arguments.len() == 2,
        };
        let known = |t: &DataType| t.is_string() || t.is_null();
        if !fits || !arguments.first().is_some_and(known) || !arguments.iter().skip(1).all(|t| known(t) || t.is_integer()) {
            let shape = match self.place {
                Place::Keys => "(json [, key or number …])",
                Place::Path => "(json, path)",
                Place::Braces => "(json, '{key,…}')",
            };
            return plan_err!("{} is {}{shape}, and JSON is text", self.name, self.name);
        }
        Ok(match self.gives {
            Gives::Json | Gives::Text | Gives::Str | Gives::Scalar | Gives::Whole | Gives::Type => DataType::Utf8,
            Gives::Int | Gives::Length => DataType::Int64,
            Gives::Float => DataType::Float64,
            Gives::Bool | Gives::Exists => DataType::Boolean,
            Gives::Keys | Gives::Elements | Gives::Texts | Gives::All => texts(),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        call::field_of(self, &args, matches!(self.gives, Gives::Json | Gives::Whole))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [json, place @ ..] = arrays.as_slice() else { return exec_err!("{} needs JSON", self.name) };
        let json = cast(json, &DataType::Utf8)?;
        let json = json.as_string::<i32>();
        let constant = args.args.iter().skip(1).all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let mut columns: Vec<Column> = place.iter().map(Column::of).collect::<Result<_>>()?;
        let rows = rows.min(json.len());
        let mut known: Option<Option<Vec<Step>>> = None;
        let mut steps_at = |row: usize| match &known {
            Some(steps) if constant => Ok(steps.clone()),
            _ => {
                let steps = self.steps(&mut columns, row)?;
                known = Some(steps.clone());
                Ok(steps)
            }
        };
        given(self.gives, json, rows, &mut steps_at).map(ColumnarValue::Array)
    }
}

/// An argument that is part of a place.
enum Column {
    Text(StringArray),
    Number(arrow::array::Int64Array),
}

impl Column {
    fn of(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type().is_integer() {
            true => Column::Number(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            false => Column::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }

    fn step(&self, row: usize) -> Option<Step> {
        match self {
            Column::Text(texts) => texts.is_valid(row).then(|| Step::Key(texts.value(row).to_string())),
            Column::Number(numbers) => numbers.is_valid(row).then(|| Step::Index(numbers.value(row))),
        }
    }
}

impl Read {
    /// The steps to the place; none when a part of it is null.
    fn steps(&self, columns: &mut [Column], row: usize) -> Result<Option<Vec<Step>>> {
        if self.place == Place::Keys {
            return Ok(columns.iter().map(|c| c.step(row)).collect());
        }
        let Some(Step::Key(text)) = columns.first().and_then(|c| c.step(row)) else { return Ok(None) };
        let steps = if self.place == Place::Path { path::steps(&text) } else { path::in_braces(&text) };
        steps.map(Some).or_else(|message| exec_err!("{message}"))
    }
}

type StepsAt<'a> = &'a mut dyn FnMut(usize) -> Result<Option<Vec<Step>>>;

fn given(gives: Gives, json: &StringArray, rows: usize, steps_at: StepsAt<'_>) -> Result<ArrayRef> {
    let mut one = |row: usize| -> Result<Option<&str>> {
        let Some(steps) = steps_at(row)? else { return Ok(None) };
        Ok(if json.is_valid(row) { find::last(json.value(row), &steps) } else { None })
    };
    macro_rules! built {
        ($builder:ident, $value:expr) => {{
            let mut builder = $builder::new();
            for row in 0..rows {
                builder.append_option(one(row)?.and_then($value));
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    Ok(match gives {
        Gives::Json => built!(StringBuilder, |v: &str| Some(v.to_string())),
        Gives::Text => built!(StringBuilder, find::text),
        Gives::Str => built!(StringBuilder, find::string),
        Gives::Scalar => built!(StringBuilder, |v: &str| if find::is_whole(v) { None } else { find::text(v) }),
        Gives::Whole => built!(StringBuilder, |v: &str| find::is_whole(v).then(|| v.to_string())),
        Gives::Type => built!(StringBuilder, |v: &str| Some(find::kind(v).to_string())),
        Gives::Int => built!(Int64Builder, |v: &str| v.parse::<i64>().ok()),
        Gives::Length => built!(Int64Builder, find::length),
        Gives::Float => built!(Float64Builder, |v: &str| if find::kind(v) == "number" { v.parse::<f64>().ok() } else { None }),
        Gives::Bool => built!(BooleanBuilder, |v: &str| v.parse::<bool>().ok()),
        Gives::Exists => {
            let mut builder = BooleanBuilder::new();
            for row in 0..rows {
                let there = one(row)?.is_some();
                builder.append_option(json.is_valid(row).then_some(there));
            }
            Arc::new(builder.finish())
        }
        Gives::Keys | Gives::Elements | Gives::Texts | Gives::All => lists(gives, json, rows, steps_at)?,
    })
}

fn lists(gives: Gives, json: &StringArray, rows: usize, steps_at: StepsAt<'_>) -> Result<ArrayRef> {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        let steps = steps_at(row)?.filter(|_| json.is_valid(row));
        let texts: Option<Vec<Option<String>>> = steps.and_then(|steps| match gives {
            Gives::All => find::all(json.value(row), &steps).map(|all| all.into_iter().map(|v| Some(v.to_string())).collect()),
            Gives::Keys => find::keys(find::last(json.value(row), &steps)?).map(|keys| keys.into_iter().map(Some).collect()),
            Gives::Texts => find::elements(find::last(json.value(row), &steps)?).map(|all| all.into_iter().map(find::text).collect()),
            _ => find::elements(find::last(json.value(row), &steps)?).map(|all| all.into_iter().map(|v| Some(v.to_string())).collect()),
        });
        match texts {
            Some(texts) => {
                texts.into_iter().for_each(|t| builder.values().append_option(t));
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    Ok(Arc::new(builder.finish()))
}
