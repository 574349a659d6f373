//! Functions from Rust in SQL: of a row's values and of a group's rows, equal to the batch as their input changes.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, ColumnarValue, Volatility, create_udaf, create_udf};
use littoral_engine::sql::Functions;
use littoral_engine::sql::script::{ScriptOptions, run};

/// The product of the values, which no built-in aggregate is.
#[derive(Debug)]
struct Product(i64);

impl Accumulator for Product {
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::from(self.0)])
    }
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0 = values[0].as_primitive::<Int64Type>().iter().flatten().fold(self.0, i64::wrapping_mul);
        Ok(())
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::from(self.0))
    }
    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

fn functions(volatility: Volatility) -> Functions {
    let squared = |arguments: &[ColumnarValue]| {
        let values = arguments[0].to_array(1)?;
        let squared: Int64Array = values.as_primitive::<Int64Type>().unary(|v| v.wrapping_mul(v));
        Ok(ColumnarValue::Array(Arc::new(squared)))
    };
    let number = DataType::Int64;
    let scalar = create_udf("squared", vec![number.clone()], number.clone(), volatility, Arc::new(squared));
    let product = |_: datafusion::logical_expr::function::AccumulatorArgs<'_>| Ok(Box::new(Product(1)) as Box<dyn Accumulator>);
    let states = Arc::new(vec![number.clone()]);
    let aggregate = create_udaf("product", vec![number.clone()], Arc::new(number), Volatility::Immutable, Arc::new(product), states);
    Functions { scalars: vec![scalar], aggregates: vec![aggregate] }
}

#[test]
fn functions_from_rust_are_called_in_views_and_in_changes() {
    let script = "CREATE TABLE t (g VARCHAR, v BIGINT);
        CREATE VIEW p AS SELECT g, product(squared(v)) AS p FROM t GROUP BY g;
        INSERT INTO t VALUES ('a', 2), ('a', 3), ('b', squared(3));
        DELETE FROM t WHERE v = 2;
        INSERT INTO t VALUES ('a', 5);
        SELECT g, p FROM p;";
    let options = ScriptOptions { functions: functions(Volatility::Immutable), workers: 2, ..ScriptOptions::default() };
    let answer = run("functions.sql", script, &options).unwrap().remove(0);
    let products: Vec<i64> = answer.rows.column(1).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(products, [225, 81]);
    let changed: Vec<(u64, usize)> = answer.changes.iter().map(|(epoch, u)| (*epoch, u.rows.num_rows())).collect();
    assert_eq!(changed, [(1, 2), (2, 2), (3, 2)]);
}

#[test]
fn a_function_that_panics_is_an_error_of_its_row() {
    let careful = |arguments: &[ColumnarValue]| {
        let values = arguments[0].to_array(1)?;
        let kept: Int64Array = values.as_primitive::<Int64Type>().unary(|v| if v == 13 { panic!("no luck with {v}") } else { v });
        Ok(ColumnarValue::Array(Arc::new(kept)))
    };
    let number = DataType::Int64;
    let scalar = create_udf("careful", vec![number.clone()], number, Volatility::Immutable, Arc::new(careful));
    let script = "CREATE TABLE t (k BIGINT, v BIGINT);
        CREATE VIEW p AS SELECT careful(v) AS p FROM t;
        CREATE VIEW j AS SELECT a.k FROM t AS a JOIN t AS b ON a.k = b.k AND careful(a.v + b.v - 13) > 0;
        INSERT INTO t VALUES (1, 12), (2, 13), (3, 14);
        SELECT p FROM p ORDER BY p;
        SELECT k FROM j ORDER BY k;
        SELECT count(*) AS n FROM row_errors WHERE error LIKE '%a function panicked: no luck with 13%';";
    let functions = Functions { scalars: vec![scalar], aggregates: vec![] };
    let answers = run("functions.sql", script, &ScriptOptions { functions, ..ScriptOptions::default() }).unwrap();
    let numbers = |at: usize| answers[at].rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!((numbers(0), numbers(1), numbers(2)), (vec![12, 14], vec![1, 3], vec![2]));
}

#[test]
fn functions_that_views_could_not_undo_or_that_hide_others_are_refused() {
    let refused = |functions: Functions| {
        run("f.sql", "SELECT 1 AS x", &ScriptOptions { functions, ..ScriptOptions::default() }).unwrap_err().to_string()
    };
    assert!(refused(functions(Volatility::Volatile)).contains("squared is not declared immutable"));
    let mut twice = functions(Volatility::Immutable);
    twice.scalars.push(twice.scalars[0].clone());
    assert!(refused(twice).contains("there is a function squared already"));
}
