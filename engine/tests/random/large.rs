//! Large groups: thousands of rows of one key, many keys with texts short and long, and epochs of many rows, so that what is coded,
//! merged, divided and spilled is taken. Memory has a limit here, which changes no answer.

use super::check::Pair;
use super::dice::Dice;
use super::history::{Change, History, Kind, Table};

/// Bytes that all state together may hold: one state of long texts is over it.
pub const MEMORY: u64 = 1 << 20;

/// A history and cases over it.
pub fn cases(seed: u64) -> (History, Vec<Pair>) {
    let mut dice = Dice::new(seed, 9);
    let columns = [("k", Kind::Big), ("s", Kind::Text), ("v", Kind::Big)];
    let tables: Vec<Table> = ["t0", "t1"].iter().map(|name| Table::of(&mut dice, name, &columns)).collect();
    let wide = seed.is_multiple_of(6);
    let mut from = 0;
    let epochs =
        (0..3 + dice.below(3)).map(|epoch| (0..1 + dice.below(2)).map(|_| many(&mut dice, epoch, wide, &mut from)).collect()).collect();
    let cases = (0..4).map(|_| case(&mut dice)).collect();
    (History { tables, epochs }, cases)
}

/// A statement over many rows, or over one of many.
fn many(dice: &mut Dice, epoch: usize, wide: bool, from: &mut i64) -> Change {
    let what = if epoch == 0 { 0 } else { dice.weighted(&[6, 2, 2, 1, 1]) };
    let (by, rest) = (dice.between(2, 9), dice.between(0, 3));
    Change::Other(match what {
        0 => {
            let (table, rows) = (dice.of(&["t0", "t0", "t0", "t1"]), if wide { 3000 } else { dice.pick(&[40, 800, 1500]) });
            let rows = if table == "t1" { 30 } else { rows };
            let key = match dice.pick(&[1, 3, 60, 5000]) {
                5000 => "CASE WHEN x % 11 = 0 THEN NULL ELSE x * 1000003 % 5000 END".to_string(),
                keys => format!("x % {keys}"),
            };
            let text = match dice.below(5) {
                _ if wide => "repeat(CAST(x % 2500 AS VARCHAR), 120)",
                0 => "CAST(x % 7 AS VARCHAR)",
                1 => "concat('longer than seven bytes: ', CAST(x % 40 AS VARCHAR))",
                2 => "CASE WHEN x % 5 = 0 THEN NULL WHEN x % 2 = 0 THEN 'ä' ELSE repeat('ab', CAST(x % 9 AS BIGINT)) END",
                3 => "repeat('x', CAST(x % 12 AS BIGINT))",
                _ => "'one'",
            };
            let first = *from;
            *from += rows;
            format!("INSERT INTO {table} SELECT {key}, {text}, x * 7919 % 10007 FROM (SELECT unnest(range({first}, {from})) AS x)")
        }
        1 => format!("DELETE FROM t0 WHERE v % {by} = {rest}"),
        2 => format!("UPDATE t0 SET v = v + 1 WHERE v % {by} = {rest}"),
        3 => format!("DELETE FROM t0 WHERE v = {}", dice.between(0, 10_006)),
        _ => "UPDATE t0 SET s = NULL, k = k + 1 WHERE v % 50 = 7".to_string(),
    })
}

fn case(dice: &mut Dice) -> Pair {
    let call = |dice: &mut Dice, of: &str| {
        let calls =
            ["count(*)", "count({}s)", "sum({}v)", "avg({}v)", "min({}s)", "max({}v)", "max({}s)", "count(DISTINCT {}s)", "median({}v)"];
        let more = [
            "bit_xor({}v)",
            "string_agg(substr({}s, 1, 2), '' ORDER BY {}s)",
            "sum(DISTINCT {}k)",
            "count({}k) FILTER (WHERE {}v % 3 = 0)",
        ];
        dice.pick(&[&calls[..], &calls[..], &more[..]].concat()).replace("{}", of)
    };
    let calls =
        |dice: &mut Dice, of: &str| (0..1 + dice.below(3)).map(|i| format!("{} AS c{i}", call(dice, of))).collect::<Vec<_>>().join(", ");
    let text = match dice.below(9) {
        0..=3 => {
            let key = dice.of(&["k", "s", "k, s", "s, k % 3", "v % 1000", "concat(s, 'x')", "v % 2 = 0"]);
            format!("SELECT {key}, {} FROM t0 GROUP BY {key}", calls(dice, ""))
        }
        4 => format!("SELECT {} FROM t0", calls(dice, "")),
        5 => format!(
            "SELECT b.s, {} FROM t0 AS a {} JOIN t1 AS b ON a.k = b.k GROUP BY b.s",
            calls(dice, "a."),
            dice.of(&["", "LEFT", "FULL"])
        ),
        6 => format!("SELECT DISTINCT {} FROM t0", dice.of(&["s", "k, s", "k, v % 10"])),
        7 => "SELECT k, s, v FROM (SELECT k, s, v, row_number() OVER (PARTITION BY k ORDER BY v DESC, s) AS rn FROM t0) WHERE rn <= 3"
            .to_string(),
        _ => format!("SELECT k, s, {} FROM t0 GROUP BY ROLLUP (k, s)", calls(dice, "")),
    };
    Pair { engine: text.clone(), batch: text }
}
