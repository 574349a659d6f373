//! Joins of tables with watermarks whose condition bounds how far apart the times of their sides are, against a small model of what
//! is late: a change is left out when the other side's rows are let go of and its time is below the watermark of an earlier epoch
//! (where the condition is a key, its own time and that of its partners), and the batch joins what is left. Also with windows over what they give, which close so much later as partners may be.

use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{History, Kind, Table};
use super::modelled::Case;

const MILLI: i64 = 1_000;
const SECOND: i64 = 1_000_000;

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    Mark,
}

fn interval(micros: i64) -> String {
    if micros % SECOND == 0 {
        format!("INTERVAL '{}' SECOND", micros / SECOND)
    } else {
        format!("INTERVAL '{} milliseconds'", micros / MILLI)
    }
}

/// `a.ts - b.ts` compared with a length, as one may write it.
fn compared(dice: &mut Dice, greater: bool, strict: bool, bound: i64) -> String {
    let (op, turned) = match (greater, strict) {
        (true, false) => (">=", "<="),
        (true, true) => (">", "<"),
        (false, false) => ("<=", ">="),
        (false, true) => ("<", ">"),
    };
    let (by, back, more) = (interval(bound), interval(-bound), dice.between(1, 9) * SECOND);
    match dice.below(9) {
        0 => format!("a.ts {op} b.ts + {by}"),
        1 => format!("a.ts {op} b.ts - {back}"),
        2 => format!("b.ts {turned} a.ts - {by}"),
        3 => format!("a.ts - b.ts {op} {by}"),
        4 => format!("{by} {turned} a.ts - b.ts"),
        5 => format!("b.ts - a.ts {turned} {back}"),
        6 => format!("{by} + b.ts {turned} a.ts"),
        7 => format!("a.ts - {} {op} b.ts - {}", interval(more), interval(more - bound)),
        _ => format!("CAST(a.ts AS TIMESTAMP(9)) {op} {by} + b.ts"),
    }
}

/// `a.ts - b.ts` equal to a length, so that it becomes a key.
fn equal(dice: &mut Dice, bound: i64) -> String {
    let (by, back) = (interval(bound), interval(-bound));
    match dice.below(4) {
        0 => format!("a.ts = b.ts + {by}"),
        1 => format!("b.ts + {by} = a.ts"),
        2 => format!("a.ts + {back} = b.ts"),
        _ => format!("a.ts - {} = b.ts - {}", interval(bound + SECOND), interval(SECOND)),
    }
}

/// Bounds of `a.ts - b.ts`, and conditions that say them.
struct Bounds {
    least: Option<i64>,
    greatest: Option<i64>,
    keyed: bool,
    conditions: Vec<String>,
}

fn bounds(dice: &mut Dice) -> Bounds {
    let mut bound = || if dice.percent(25) { 500 * MILLI * dice.between(-30, 30) } else { SECOND * dice.between(-12, 12) };
    let (one, other) = (bound(), bound());
    let (mut least, mut greatest) = (Some(one.min(other)), Some(one.max(other) + if one == other { SECOND } else { 0 }));
    match dice.below(8) {
        0 => least = None,
        1 => greatest = None,
        _ => {}
    }
    let keyed = dice.percent(15);
    let mut conditions = Vec::new();
    if keyed {
        (least, greatest) = (Some(one), Some(one));
        conditions.push(equal(dice, one));
    } else if let (Some(least), Some(greatest)) = (least, greatest)
        && dice.percent(40)
    {
        conditions.push(format!("a.ts BETWEEN b.ts + {} AND b.ts + {}", interval(least), interval(greatest)));
    } else {
        let strict = [dice.percent(30), dice.percent(30)];
        conditions.extend(least.map(|bound| compared(dice, true, strict[0], bound)));
        conditions.extend(greatest.map(|bound| compared(dice, false, strict[1], bound)));
    }
    Bounds { least, greatest, keyed, conditions }
}

/// A random join of a history's tables.
pub fn random_case(seed: u64, history: &History) -> Case {
    let mut dice = Dice::new(seed, 5);
    let dice = &mut dice;
    let tables = [dice.pick(&history.tables), dice.pick(&history.tables)];
    let Bounds { least, greatest, keyed, mut conditions } = bounds(dice);
    let [left, right] = &tables;
    let own = |table: &Table, name: &str| -> Vec<Column> {
        table.columns.iter().map(|(column, kind, _)| Column { name: format!("{name}.{column}"), kind: *kind }).collect()
    };
    let (of_left, of_right) = (own(left, "a"), own(right, "b"));
    let alike = |l: &Column, r: &Column| l.kind == r.kind && l.kind != Kind::Double && !l.name.ends_with(".ts") && !r.name.ends_with(".ts");
    let pairs: Vec<String> = of_left
        .iter()
        .flat_map(|l| of_right.iter().filter(|r| alike(l, r)).map(|r| format!("{} = {}", l.name, r.name)).collect::<Vec<_>>())
        .collect();
    if !pairs.is_empty() && dice.percent(60) {
        conditions.insert(dice.below(2), dice.pick(&pairs));
    }
    let filtered = dice.percent(20);
    if filtered {
        let both: Vec<Column> = of_left.iter().chain(&of_right).cloned().collect();
        // Never false for all pairs, which would leave no join behind, and nothing would be late; and no bound, whatever `any` comes to.
        let any = Expressions { dice, columns: &both, outer: &[] }.of(Kind::Bool, 1);
        conditions.push(format!("({any} OR a.ts <> b.ts)"));
    }
    let kind = dice.pick(&[Join::Inner, Join::Inner, Join::Left, Join::Left, Join::Right, Join::Full, Join::Semi, Join::Anti, Join::Mark]);
    let plain = |columns: &[Column]| columns.iter().take(2).map(|c| c.name.clone()).collect::<Vec<_>>();
    let Given { selected, grouping, last } =
        given(dice, kind, (&plain(&of_left), &plain(&of_right)), least.is_some() && greatest.is_some());
    let on = conditions.join(" AND ");
    let query = match kind {
        Join::Semi => format!("SELECT {selected} FROM {{0}} AS a WHERE EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})"),
        Join::Anti => format!("SELECT {selected} FROM {{0}} AS a WHERE NOT EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})"),
        Join::Mark => {
            let or = if dice.percent(50) { "a.ts IS NULL" } else { "a.ts > TIMESTAMP '2024-01-01 00:00:12'" };
            format!("SELECT {selected} FROM {{0}} AS a WHERE {or} OR EXISTS (SELECT 1 FROM {{1}} AS b WHERE {on})")
        }
        pairs => {
            let word = match pairs {
                Join::Left => "LEFT",
                Join::Right => "RIGHT",
                Join::Full => "FULL",
                _ => "INNER",
            };
            format!("SELECT {selected} FROM {{0}} AS a {word} JOIN {{1}} AS b ON {on}")
        }
    };
    let query = format!("{query}{grouping}");
    // How far what a side's time closes is behind the watermark.
    let delays = [least.map_or(0, |l| -l).max(0), greatest.unwrap_or(0).max(0)];
    // With one bound alone all rows stay, and none is late. Where the bounds are a key rows stay until the later of both times.
    let lets_go = least.is_some() && greatest.is_some();
    let late_after = delays.map(|delay| lets_go.then_some(if keyed { delay } else { 0 })).to_vec();
    let named = tables.iter().enumerate().fold(query.clone(), |text, (at, table)| text.replace(&format!("{{{at}}}"), &table.name));
    Case {
        engine: named + if last.is_some() { " EMIT FINAL" } else { "" },
        batch: query,
        last: last.map(|(side, after)| after + delays[side]),
        late_after,
        unfiltered: !filtered,
        restored: dice.percent(30),
        tables: tables.to_vec(),
    }
}

/// What is selected, with a grouping by windows at times; and what closes it where it is given once only.
struct Given {
    selected: String,
    grouping: String,
    last: Option<(usize, i64)>,
}

fn given(dice: &mut Dice, kind: Join, (left, right): (&[String], &[String]), closes: bool) -> Given {
    let of_left = matches!(kind, Join::Semi | Join::Anti | Join::Mark);
    let side = match kind {
        Join::Inner | Join::Full => dice.below(2),
        Join::Right => 1,
        _ => 0,
    };
    let time = ["a.ts", "b.ts"][side];
    let own = if side == 0 { left } else { right };
    let once = closes && kind != Join::Full && dice.percent(50);
    match dice.below(2) {
        0 if closes => {
            let size = dice.between(2, 12);
            let window = format!("date_bin(INTERVAL '{size}' SECOND, {time})");
            let selected = format!("{window} AS w, count(*) AS n, count({}) AS m", own[0]);
            Given { selected, grouping: format!(" GROUP BY {window}"), last: once.then_some((side, size * SECOND)) }
        }
        _ => {
            let mut columns = left.to_vec();
            if !of_left {
                columns.extend_from_slice(right);
                columns.push(if side == 0 { "b.ts" } else { "a.ts" }.into());
            }
            let named: String = columns.iter().enumerate().map(|(i, c)| format!(", {c} AS c{i}")).collect();
            Given { selected: format!("{time} AS w{named}"), grouping: String::new(), last: once.then_some((side, 1)) }
        }
    }
}
