//! Functions of a row's values that DataFusion has not: JSON held as text, and sums of times and spans;
//! the function that a sum of integers ends with; one of DataFusion's that is dear row by row; and some of Spark's.
//!
//! Each is immutable, as rows that are taken back are computed again. Window functions stand in `window.rs`.

mod json;
mod spark;
mod times;
mod to_char;
mod whole;

pub use json::{JsonOperators, as_json};
pub use whole::whole;

use datafusion::logical_expr::ScalarUDF;

/// All of them.
pub fn functions() -> Vec<ScalarUDF> {
    [json::functions(), times::functions(), spark::functions(), vec![to_char::to_char()]].concat()
}
