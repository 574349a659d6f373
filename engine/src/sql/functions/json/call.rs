//! A function that makes JSON, or asks something of it, column by column: what it takes, what it gives, and how it is worked out. Not here:
//! functions that read a place of a document (`mod.rs`).

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::as_json;

/// The function.
#[derive(Debug)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as an error says them.
    pub takes: &'static str,
    /// Whether it takes arguments of such types.
    pub fits: fn(&[DataType]) -> bool,
    /// What it gives; text is JSON where `json` is true.
    pub gives: DataType,
    /// Whether it gives JSON.
    pub json: bool,
    /// Works it out for all rows.
    pub compute: fn(Given<'_>) -> Result<ArrayRef>,
}

/// Arguments: a column each, and what their fields say.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The columns.
    pub columns: &'a [ArrayRef],
    /// Their fields.
    pub fields: &'a [FieldRef],
    /// How many rows there are, where there may be no column.
    pub rows: usize,
}

impl Call {
    /// As a function of DataFusion.
    pub fn function(self) -> ScalarUDF {
        ScalarUDF::from(Called { call: self, signature: Signature::variadic_any(Volatility::Immutable) })
    }
}

/// What a function that gives some type says of what it gives.
///
/// # Errors
/// When it does not take such arguments.
pub fn field_of(function: &dyn ScalarUDFImpl, args: &ReturnFieldArgs, json: bool) -> Result<FieldRef> {
    let kinds: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
    let field = Field::new(function.name(), function.return_type(&kinds)?, true);
    Ok(Arc::new(if json { as_json(field) } else { field }))
}

#[derive(Debug)]
struct Called {
    call: Call,
    signature: Signature,
}

/// Names are of one function each.
impl PartialEq for Called {
    fn eq(&self, other: &Self) -> bool {
        self.call.name == other.call.name
    }
}

impl Eq for Called {}

impl Hash for Called {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.call.name.hash(state);
    }
}

impl ScalarUDFImpl for Called {
    fn name(&self) -> &str {
        self.call.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match (self.call.fits)(arguments) {
            true => Ok(self.call.gives.clone()),
            false => plan_err!("{} is {}({})", self.call.name, self.call.name, self.call.takes),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        field_of(self, &args, self.call.json)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args.args.iter().map(|a| a.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let given = Given { columns: &columns, fields: &args.arg_fields, rows: args.number_rows };
        (self.call.compute)(given).map(ColumnarValue::Array)
    }
}
