//! Aggregates of floats that are NaN, infinite or minus zero, beside others that are computed anew each time.
//!
//! What is least and greatest is told by an order in which NaN is the greatest: DataFusion's own `min` and `max` hang on the order
//! of rows where there is a NaN, and give the greatest number for infinity. So the batch is asked for the first of a sorted list.

use super::check::Pair;
use super::dice::Dice;
use super::history::{Change, History, Kind, Table, happens};

/// A history and cases over it.
pub fn cases(seed: u64) -> (History, Vec<Pair>) {
    let mut dice = Dice::new(seed, 8);
    let columns = [("k", Kind::Int), ("s", Kind::Text), ("x", Kind::Double), ("y", Kind::Double), ("n", Kind::Small)];
    let table = Table::of(&mut dice, "t0", &columns);
    let mut history = happens(&mut dice, vec![table]);
    // Few rows in many are odd by chance; here an update makes some more so, and what is greatest then goes.
    for epoch in history.epochs.iter_mut().skip(1) {
        if dice.percent(60) {
            continue;
        }
        let (to, which) = (dice.of(&["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'"]), dice.between(0, 3));
        epoch.push(Change::Other(format!("UPDATE t0 SET x = CAST({to} AS DOUBLE) WHERE k = {which}")));
    }
    let cases = (0..4).map(|_| case(&mut dice)).collect();
    (history, cases)
}

fn same(text: impl Into<String>) -> Pair {
    let text = text.into();
    Pair { engine: text.clone(), batch: text }
}

/// An aggregate.
fn call(dice: &mut Dice) -> Pair {
    let of = dice.of(&["x", "x", "y", "-x", "x * 0.5", "abs(y)", "CAST(x AS REAL)"]);
    let filter = if dice.percent(20) { " FILTER (WHERE n > 0)" } else { "" };
    match dice.below(16) {
        0..=6 => {
            let (function, way) = [("min", "ASC"), ("max", "DESC")][dice.below(2)];
            let distinct = if dice.percent(10) { "DISTINCT " } else { "" };
            Pair {
                engine: format!("{function}({distinct}{of}){filter}"),
                batch: format!("array_sort(array_agg({of}){filter}, '{way}', 'NULLS LAST')[1]"),
            }
        }
        7 => same(format!("sum({of}){filter}")),
        8 => same(format!("avg({of}){filter}")),
        // A NaN with a sign makes DataFusion's median hang on the order of rows.
        9 => Pair {
            engine: format!("median({of}){filter}"),
            batch: format!("median(CASE WHEN isnan({of}) THEN abs({of}) ELSE {of} END){filter}"),
        },
        // Of one value without groups DataFusion gives 0, whatever it is, and of groups NaN where it has no square.
        10 => {
            let call = format!("{}({of}){filter}", dice.of(&["stddev", "var_pop", "stddev_pop"]));
            let batch = format!(
                "CASE WHEN count({of}){filter} > 1 OR bool_and(abs({of}) < 'Infinity'){filter} THEN {call} ELSE {call} * 'NaN' END"
            );
            Pair { engine: call, batch }
        }
        11 => same(format!("string_agg(s, ',' ORDER BY s){filter}")),
        12 => same(format!("array_length(array_agg({of}){filter})")),
        13 => same(format!("first_value({of} ORDER BY s, x, y, n, k){filter}")),
        14 => same(format!("count(DISTINCT isnan({of})){filter}")),
        _ => same(format!("median(n){filter}")),
    }
}

fn case(dice: &mut Dice) -> Pair {
    if dice.percent(15) {
        let (function, way) = [("min", "ASC"), ("max", "DESC")][dice.below(2)];
        let over = |call: &str, order: &str| format!("SELECT k, s, {call} OVER (PARTITION BY k{order}) AS c0 FROM t0");
        let batch = over("first_value(x)", &format!(" ORDER BY x {way} NULLS LAST"));
        return Pair { engine: over(&format!("{function}(x)"), ""), batch };
    }
    let calls: Vec<Pair> = (0..1 + dice.below(4)).map(|_| call(dice)).collect();
    let key = dice.of(&["", "k", "k", "s", "n % 2"]);
    let by = if key.is_empty() { String::new() } else { format!(" GROUP BY {key}") };
    let having = dice.percent(15).then(|| call_over(dice));
    let text = |of: fn(&Pair) -> &String| {
        let mut items: Vec<String> = calls.iter().enumerate().map(|(i, c)| format!("{} AS c{i}", of(c))).collect();
        items.extend((!key.is_empty()).then(|| format!("{key} AS key")));
        let having = having.as_ref().map(|h| format!(" HAVING {}", of(h))).unwrap_or_default();
        format!("SELECT {} FROM t0{by}{having}", items.join(", "))
    };
    Pair { engine: text(|p| &p.engine), batch: text(|p| &p.batch) }
}

/// A condition over the greatest or the least.
fn call_over(dice: &mut Dice) -> Pair {
    let (function, way) = [("min", "ASC"), ("max", "DESC")][dice.below(2)];
    let test = dice.of(&["> 1.5", "<= 2.5", "IS NOT NULL", "<> CAST('NaN' AS DOUBLE)"]);
    Pair { engine: format!("{function}(x) {test}"), batch: format!("array_sort(array_agg(x), '{way}', 'NULLS LAST')[1] {test}") }
}
