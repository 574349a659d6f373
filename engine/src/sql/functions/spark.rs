//! Functions that Spark and Flink have and DataFusion alone has not, from DataFusion's own collection of Spark's.
//!
//! Only those whose name means nothing else here, that engines which have them agree on, and that no value makes panic
//! (`format_string` does).

use datafusion::logical_expr::ScalarUDF;
use datafusion_spark::function::{bitwise, datetime, hash, math, string, url};

/// The functions.
pub fn functions() -> Vec<ScalarUDF> {
    let all = [
        bitwise::bit_count(),
        datetime::add_months(),
        datetime::last_day(),
        datetime::next_day(),
        datetime::unix_date(),
        datetime::unix_micros(),
        hash::crc32(),
        hash::sha1(),
        hash::sha2(),
        math::bin(),
        math::hex(),
        math::unhex(),
        math::width_bucket(),
        string::elt(),
        string::soundex(),
        string::base64(),
        string::unbase64(),
        url::parse_url(),
        url::url_decode(),
        url::url_encode(),
    ];
    all.iter().map(|function| function.as_ref().clone()).collect()
}
