//! The TPC-H tables keep the published rules: keys, sums and dates.

use std::collections::{HashMap, HashSet};

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};

use super::*;

type Tables = HashMap<&'static str, RecordBatch>;

fn made(seed: u64, scale: f64) -> Tables {
    tables(seed, scale).unwrap().into_iter().collect()
}

fn whole<'a>(tables: &'a Tables, table: &str, name: &str) -> &'a [i64] {
    tables[table].column_by_name(name).unwrap().as_primitive::<Int64Type>().values()
}

fn cents<'a>(tables: &'a Tables, table: &str, name: &str) -> &'a [i128] {
    tables[table].column_by_name(name).unwrap().as_primitive::<Decimal128Type>().values()
}

fn dates<'a>(tables: &'a Tables, name: &str) -> &'a [i32] {
    tables["lineitem"].column_by_name(name).unwrap().as_primitive::<Date32Type>().values()
}

/// The values of `of` in `table`, all of which must differ.
fn unique(tables: &Tables, table: &str, of: &[&str]) -> HashSet<Vec<i64>> {
    let rows = tables[table].num_rows();
    let columns: Vec<&[i64]> = of.iter().map(|name| whole(tables, table, name)).collect();
    let keys: HashSet<Vec<i64>> = (0..rows).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    assert_eq!(keys.len(), rows, "{table}");
    keys
}

#[test]
fn the_seed_and_the_scale_say_it_all() {
    assert_eq!(tables(1, 0.001).unwrap(), tables(1, 0.001).unwrap());
    let (one, two) = (made(1, 0.001), made(2, 0.001));
    for name in one.keys() {
        assert_ne!(one[name], two[name], "{name}");
    }
}

#[test]
fn counts_follow_the_scale() {
    let counts = Counts::new(1.0);
    assert_eq!((counts.suppliers, counts.customers, counts.parts, counts.orders), (10_000, 150_000, 200_000, 1_500_000));
    let small = made(1, 0.0005);
    let rows = |name| small[name].num_rows();
    assert_eq!(["supplier", "customer", "part", "partsupp", "orders"].map(rows), [6, 75, 100, 400, 750]);
    assert!((2700..3400).contains(&rows("lineitem")), "{}", rows("lineitem"));
    for scale in [0.0, -1.0, 10.5, f64::NAN, f64::INFINITY] {
        assert!(tables(1, scale).is_err(), "{scale}");
    }
}

#[test]
fn keys_are_unique_and_refer_to_rows() {
    for scale in [1e-9, 0.0005, 0.002, 0.01] {
        let all = made(3, scale);
        let refers = |table, columns: &[&str], to: &HashSet<Vec<i64>>| {
            let columns: Vec<&[i64]> = columns.iter().map(|name| whole(&all, table, name)).collect();
            for row in 0..all[table].num_rows() {
                let key: Vec<i64> = columns.iter().map(|column| column[row]).collect();
                assert!(to.contains(&key), "{table} {key:?}");
            }
        };
        let nations = unique(&all, "nation", &["n_nationkey"]);
        let parts = unique(&all, "part", &["p_partkey"]);
        let suppliers = unique(&all, "supplier", &["s_suppkey"]);
        refers("nation", &["n_regionkey"], &unique(&all, "region", &["r_regionkey"]));
        refers("supplier", &["s_nationkey"], &nations);
        refers("customer", &["c_nationkey"], &nations);
        refers("partsupp", &["ps_partkey"], &parts);
        refers("partsupp", &["ps_suppkey"], &suppliers);
        refers("orders", &["o_custkey"], &unique(&all, "customer", &["c_custkey"]));
        refers("lineitem", &["l_orderkey"], &unique(&all, "orders", &["o_orderkey"]));
        refers("lineitem", &["l_partkey", "l_suppkey"], &unique(&all, "partsupp", &["ps_partkey", "ps_suppkey"]));
        unique(&all, "lineitem", &["l_orderkey", "l_linenumber"]);
        assert!(whole(&all, "orders", "o_custkey").iter().all(|key| key % 3 != 0));
    }
}

#[test]
fn an_orders_price_is_that_of_its_lines() {
    let all = made(4, 0.002);
    let mut sums: HashMap<i64, i128> = HashMap::new();
    let (prices, discounts, taxes) =
        (cents(&all, "lineitem", "l_extendedprice"), cents(&all, "lineitem", "l_discount"), cents(&all, "lineitem", "l_tax"));
    for (row, order) in whole(&all, "lineitem", "l_orderkey").iter().enumerate() {
        *sums.entry(*order).or_default() += prices[row] * (100 - discounts[row]) * (100 + taxes[row]);
    }
    for (order, total) in whole(&all, "orders", "o_orderkey").iter().zip(cents(&all, "orders", "o_totalprice")) {
        assert!((sums[order] - total * 10_000).abs() <= 5000, "{order}");
    }
}

#[test]
fn dates_decide_flags() {
    let all = made(5, 0.002);
    let flags = all["lineitem"].column_by_name("l_returnflag").unwrap().as_string::<i32>();
    let statuses = all["lineitem"].column_by_name("l_linestatus").unwrap().as_string::<i32>();
    let (shipped, received) = (dates(&all, "l_shipdate"), dates(&all, "l_receiptdate"));
    for row in 0..shipped.len() {
        assert!(received[row] > shipped[row] && (8036..=10_561).contains(&shipped[row]));
        assert_eq!(statuses.value(row) == "O", shipped[row] > 9298);
        assert_eq!(flags.value(row) == "N", received[row] > 9298);
    }
}

#[test]
fn texts_are_as_long_as_the_columns_allow() {
    let all = made(6, 0.01);
    let longest = [
        ("region", "r_comment", 152),
        ("supplier", "s_address", 40),
        ("supplier", "s_comment", 101),
        ("supplier", "s_phone", 15),
        ("customer", "c_comment", 117),
        ("part", "p_name", 55),
        ("part", "p_type", 25),
        ("part", "p_container", 10),
        ("part", "p_comment", 23),
        ("partsupp", "ps_comment", 199),
        ("orders", "o_comment", 79),
        ("lineitem", "l_comment", 44),
    ];
    for (table, name, most) in longest {
        let column = all[table].column_by_name(name).unwrap().as_string::<i32>();
        assert!(column.iter().flatten().all(|text| text.len() <= most && text.len() >= 5), "{name}");
    }
}
