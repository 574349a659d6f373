//! Calls OVER partitions in the order of time: running totals and ranks, frames of rows and of seconds, rows before and after. Where the
//! order leaves ties, only calls whose answer does not hang on them.

use super::dice::Dice;
use super::history::{History, Kind, Table};
use super::modelled::Case;

/// A call; and whether it looks at no row that comes later.
fn call(dice: &mut Dice, table: &Table, by: &str, back_only: bool) -> (String, bool) {
    let columns: Vec<(String, Kind, String)> = table.columns.iter().filter(|c| c.1 != Kind::Double).cloned().collect();
    let names: Vec<&str> = table.columns.iter().map(|c| c.0.as_str()).filter(|name| *name != "ts").collect();
    let complete = format!("{by}ORDER BY ts, {}", names.join(", "));
    let complete = if names.is_empty() { format!("{by}ORDER BY ts") } else { complete };
    let by_time = format!("{by}ORDER BY ts");
    let column = dice.pick(&columns);
    let numbers: Vec<String> = columns.iter().filter(|c| matches!(c.1, Kind::Int | Kind::Small)).map(|c| c.0.clone()).collect();
    let number = if numbers.is_empty() { "1".to_string() } else { dice.pick(&numbers) };
    let filter = if dice.percent(20) { format!(" FILTER (WHERE {} IS NOT NULL)", dice.pick(&columns).0) } else { String::new() };
    let (n, m) = (dice.between(0, 4), dice.between(0, 3));
    let seconds = (dice.between(0, 20), dice.between(0, 8));
    let (rows, range) = match back_only {
        true => (
            format!("ROWS BETWEEN {} PRECEDING AND {} PRECEDING", n + m, m),
            format!("RANGE BETWEEN INTERVAL '{}' SECOND PRECEDING AND CURRENT ROW", seconds.0),
        ),
        false => (
            format!("ROWS BETWEEN {n} PRECEDING AND {m} FOLLOWING"),
            format!("RANGE BETWEEN INTERVAL '{}' SECOND PRECEDING AND INTERVAL '{}' SECOND FOLLOWING", seconds.0, seconds.1),
        ),
    };
    let frame = dice.pick(&[rows.clone(), "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_string(), String::new()]);
    let of = &column.0;
    match dice.below(13) {
        0 => (format!("lag({of}, {}) OVER ({complete})", 1 + n), true),
        1 if !back_only => (format!("lead({of}, {}) OVER ({complete})", 1 + m), false),
        2 => (format!("row_number() OVER ({complete})"), true),
        3 => (format!("rank() OVER ({by_time})"), true),
        4 => (format!("dense_rank() OVER ({by_time})"), true),
        5 => (format!("count(*){filter} OVER ({by_time} {range})"), back_only),
        6 => (format!("max({of}){filter} OVER ({by_time} {range})"), back_only),
        7 => (format!("sum({number}){filter} OVER ({complete} {rows})"), back_only),
        8 => (format!("min({of}) OVER ({complete} {frame})"), back_only || frame != rows),
        9 => (format!("first_value({of}) OVER ({complete} {frame})"), back_only || frame != rows),
        10 => (format!("last_value({of}) OVER ({complete} {rows})"), back_only),
        11 => (format!("avg(CAST({number} AS DOUBLE)){filter} OVER ({complete} {frame})"), back_only || frame != rows),
        _ => (format!("{}({number}){filter} OVER ({by_time})", dice.of(&["sum", "count", "max", "avg"])), true),
    }
}

/// A random query of calls over partitions of a history's table.
pub fn random_case(seed: u64, history: &History) -> Case {
    let mut dice = Dice::new(seed, 9);
    let dice = &mut dice;
    let table = dice.pick(&history.tables);
    let keys: Vec<String> = table.columns.iter().filter(|c| c.1 != Kind::Double && c.0 != "ts").map(|c| c.0.clone()).collect();
    let by = if keys.is_empty() || dice.percent(25) { String::new() } else { format!("PARTITION BY {} ", dice.pick(&keys)) };
    let back_only = dice.percent(60);
    let calls: Vec<(String, bool)> = (0..dice.between(1, 3)).map(|_| call(dice, &table, &by, back_only)).collect();
    let columns: Vec<&str> = table.columns.iter().map(|c| c.0.as_str()).filter(|name| *name != "ts").collect();
    let items: Vec<String> = calls.iter().enumerate().map(|(i, (call, _))| format!("{call} AS c{i}")).collect();
    let given = columns.into_iter().map(str::to_string).chain(items).collect::<Vec<_>>().join(", ");
    let once = table.watermark.is_some() && calls.iter().all(|c| c.1) && dice.percent(30);
    let query = |from: &str| format!("SELECT ts AS w, {given} FROM {from}");
    let emit = if once { " EMIT FINAL" } else { "" };
    Case {
        engine: query(&table.name) + emit,
        batch: query("{0}"),
        last: once.then_some(1),
        late_after: vec![Some(0)],
        unfiltered: true,
        restored: table.watermark.is_some() && dice.percent(30),
        tables: vec![table],
    }
}
