//! Sums, differences and products of integers that fail where they leave their type, as SQL has them; DataFusion's wrap.
//!
//! In a logical plan such an operator is a function, as DataFusion's own operators have no sign for it and would be folded
//! while they wrap (`sql/overflow.rs` puts it in). A physical expression has the sign: there the function is an operator again.
//! Not here: decimals and divisions, which fail by themselves; floats, which have infinities.

use std::sync::Arc;

use arrow::array::{ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, Result, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion_physical_expr::expressions::{BinaryExpr, Literal, NegativeExpr};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr, create_physical_expr};

/// An operator on two integers of one type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operator: Operator,
    signature: Signature,
}

/// Whether an operator may leave the type of its integers without a word.
pub fn is_sum(operator: Operator) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply)
}

/// A sum, difference or product as a call.
#[cfg_attr(not(feature = "sql"), allow(dead_code, reason = "only plans of SQL have such calls"))]
pub fn checked(left: Expr, operator: Operator, right: Expr) -> Expr {
    debug_assert!(is_sum(operator));
    let signature = Signature::any(2, Volatility::Immutable);
    let function = Arc::new(ScalarUDF::from(Checked { operator, signature }));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right]))
}

/// The operator of a call that `checked` gave.
pub fn operator_of(function: &ScalarUDF) -> Option<Operator> {
    function.inner().downcast_ref::<Checked>().map(|checked| checked.operator)
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Minus => "checked_subtract",
            Operator::Multiply => "checked_multiply",
            _ => "checked_add",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return datafusion_common::exec_err!("an operator takes two numbers") };
        let alone = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let (left, right) = (datum(left)?, datum(right)?);
        let (left, right) = (left.as_ref(), right.as_ref());
        let given: ArrayRef = match self.operator {
            Operator::Minus => sub(left, right)?,
            Operator::Multiply => mul(left, right)?,
            _ => add(left, right)?,
        };
        match alone {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&given, 0)?)),
            false => Ok(ColumnarValue::Array(given)),
        }
    }
}

fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(array.clone()),
        ColumnarValue::Scalar(value) => Box::new(value.to_scalar()?),
    })
}

/// The expression ready to run over rows of a schema, with operators on integers that fail where they leave their type.
///
/// # Errors
/// When DataFusion does not take it.
pub fn physical(expr: &Expr, frame: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    let made = create_physical_expr(expr, frame, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    let checked = |left: &Arc<dyn PhysicalExpr>, operator, right: &Arc<dyn PhysicalExpr>| {
        Transformed::yes(Arc::new(BinaryExpr::new(left.clone(), operator, right.clone()).with_fail_on_overflow(true)) as _)
    };
    let strict = |e: Arc<dyn PhysicalExpr>| -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
        if let Some(plain) = e.downcast_ref::<BinaryExpr>().filter(|b| is_sum(*b.op())) {
            return Ok(checked(plain.left(), *plain.op(), plain.right()));
        }
        if let Some(negative) = e.downcast_ref::<NegativeExpr>() {
            let kind = negative.arg().data_type(frame.as_arrow())?;
            if kind.is_signed_integer() {
                let zero = ScalarValue::new_zero(&kind)?;
                return Ok(checked(&(Arc::new(Literal::new(zero)) as _), Operator::Minus, negative.arg()));
            }
        }
        let call = e.downcast_ref::<ScalarFunctionExpr>().and_then(|call| Some((operator_of(call.fun())?, call.args())));
        match call {
            Some((operator, [left, right])) => Ok(checked(left, operator, right)),
            _ => Ok(Transformed::no(e)),
        }
    };
    made.transform_up(strict).map(|done| done.data)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{AsArray, Int32Array, RecordBatch};
    use arrow::datatypes::Int32Type;
    use datafusion_expr::{col, lit};

    use super::*;

    fn run(expr: &Expr, values: Vec<Option<i32>>) -> Result<Vec<Option<i32>>> {
        let rows = RecordBatch::try_from_iter_with_nullable([("x", Arc::new(Int32Array::from(values)) as ArrayRef, true)])?;
        let frame = DFSchema::try_from(rows.schema().as_ref().clone())?;
        let given = physical(expr, &frame)?.evaluate(&rows)?.into_array(rows.num_rows())?;
        Ok(given.as_primitive::<Int32Type>().iter().collect())
    }

    #[test]
    fn what_leaves_its_type_fails() {
        let forms = [
            checked(col("x"), Operator::Plus, lit(1i32)),
            checked(lit(1i32), Operator::Plus, col("x")),
            col("x") + lit(1i32),
            -(-(col("x")) - lit(1i32)),
            checked(col("x"), Operator::Multiply, lit(2i32)) - (col("x") - lit(1i32)),
        ];
        for form in forms {
            assert_eq!(run(&form, vec![Some(1), None, Some(-7)]).unwrap(), [Some(2), None, Some(-6)], "{form}");
            assert!(run(&form, vec![Some(1), Some(i32::MAX)]).unwrap_err().to_string().contains("verflow"), "{form}");
        }
        assert!(run(&-col("x"), vec![Some(i32::MIN)]).unwrap_err().to_string().contains("verflow"));
    }
}
