//! A sum of integers, which is kept as a decimal, as a number of 64 bits (`sql/overflow.rs`); an error where it does not fit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// A sum as a number of a type, `Int64` or `UInt64`.
pub fn whole(sum: Expr, kind: &DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(Whole { signed: *kind != DataType::UInt64, signature }).call(vec![sum])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Whole {
    signed: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &str {
        if self.signed { "sum_of_bigint" } else { "sum_of_unsigned_bigint" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.signed { DataType::Int64 } else { DataType::UInt64 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let of = |sums: &ArrayRef| match self.signed {
            true => narrow::<Int64Type>(sums, "BIGINT"),
            false => narrow::<UInt64Type>(sums, "BIGINT UNSIGNED"),
        };
        match args.args.as_slice() {
            [ColumnarValue::Array(sums)] => Ok(ColumnarValue::Array(of(sums)?)),
            [ColumnarValue::Scalar(sum)] => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&of(&sum.to_array()?)?, 0)?)),
            _ => exec_err!("a sum is one value"),
        }
    }
}

fn narrow<T: ArrowPrimitiveType<Native: TryFrom<i128> + Default>>(sums: &ArrayRef, kind: &str) -> Result<ArrayRef, ArrowError> {
    let Some(sums) = sums.as_primitive_opt::<Decimal128Type>() else {
        return Err(ArrowError::SchemaError("a sum is a decimal".into()));
    };
    let mut fits = true;
    let numbers = sums.values().iter().enumerate().map(|(row, sum)| {
        let number = T::Native::try_from(*sum).ok();
        fits &= number.is_some() || sums.is_null(row);
        number.unwrap_or_default()
    });
    let numbers: Vec<T::Native> = numbers.collect();
    if !fits {
        let sum = sums.iter().flatten().find(|sum| T::Native::try_from(*sum).is_err()).unwrap_or_default();
        return Err(ArrowError::ArithmeticOverflow(format!("a sum of {sum} is out of range for {kind}")));
    }
    Ok(Arc::new(PrimitiveArray::<T>::new(numbers.into(), sums.nulls().cloned())))
}
