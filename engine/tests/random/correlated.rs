//! Subqueries in WHERE that are correlated, where nulls meet on either side: `IN`, `NOT IN`, `EXISTS`, `NOT EXISTS` and scalars, also
//! with `HAVING` over an aggregate of all rows, and over two tables whose columns have the same names.
//!
//! DataFusion loses rows of a correlated `NOT IN` itself, and takes two columns of one name for one. So the batch is asked for what
//! it means: each row outside is numbered and held against every row within, and counts say whether there is an equal value, one
//! that is unknown, or any.

use super::check::Pair;
use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{History, Kind, Table, happens};
use super::tree::{Sql, sql};

const NAMES: [&str; 3] = ["k", "s", "v"];
const KINDS: [Kind; 6] = [Kind::Int, Kind::Big, Kind::Decimal, Kind::Text, Kind::Date, Kind::Bool];

/// A condition with a subquery.
struct Asked {
    engine: String,
    /// For the batch: columns of what is counted a row outside, `e`, `u` and `x`; which pairs count; and the condition by that.
    counted: String,
    pairs: String,
    condition: String,
}

/// What a subquery is of.
struct Inside {
    columns: Vec<Column>,
    /// For the engine.
    from: String,
    /// For the batch, all pairs; which of them there are.
    all: &'static str,
    on: &'static str,
}

/// A history and cases over it.
pub fn cases(seed: u64) -> (History, Vec<Pair>) {
    let mut dice = Dice::new(seed, 6);
    let columns = NAMES.map(|name| (name, dice.pick(&KINDS)));
    let tables: Vec<Table> = ["t0", "t1", "t2"].iter().map(|name| Table::of(&mut dice, name, &columns)).collect();
    let history = happens(&mut dice, tables);
    let cases = (0..4).map(|_| case(&mut dice, &columns)).collect();
    (history, cases)
}

fn of(alias: &str, columns: &[(&str, Kind)]) -> Vec<Column> {
    columns.iter().map(|(name, kind)| Column { name: format!("{alias}.{name}"), kind: *kind }).collect()
}

fn case(dice: &mut Dice, columns: &[(&str, Kind)]) -> Pair {
    let mut outside = of("a", columns);
    let mut from = "t0 AS a".to_string();
    if dice.percent(30) {
        // What an outer join leaves without a partner is null too.
        from += &format!(" {} JOIN t2 AS c ON a.k = c.k", dice.of(&["", "LEFT", "RIGHT", "FULL"]));
        outside.extend(of("c", columns));
    }
    let count = 1 + usize::from(dice.percent(25));
    let inside: Vec<Inside> = (0..count).map(|_| inside(dice, columns)).collect();
    let asked: Vec<Asked> = inside.iter().enumerate().map(|(at, of)| asked(dice, at, &outside, of)).collect();
    let (mut engine, mut batch) = (asked[0].engine.clone(), asked[0].condition.clone());
    if let Some(other) = asked.get(1) {
        let word = dice.of(&["AND", "OR"]);
        (engine, batch) = (format!("({engine} {word} {})", other.engine), format!("({batch} {word} {})", other.condition));
    } else if dice.percent(30) {
        let more = Expressions { dice, columns: &outside, outer: &[] }.of(Kind::Bool, 1);
        let word = dice.of(&["AND", "OR"]);
        (engine, batch) = (format!("({engine} {word} {more})"), format!("({batch} {word} {more})"));
    }
    let around = dice.of(&["{}", "{}", "{}", "NOT {}", "({}) IS NULL", "({}) IS NOT TRUE"]);
    let names =
        |named: fn(&str) -> String| outside.iter().enumerate().map(|(i, c)| format!("{} AS c{i}", named(&c.name))).collect::<Vec<_>>();
    let (selected, numbered) = (names(str::to_string).join(", "), outside.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
    let counts: String = asked.iter().zip(&inside).enumerate().map(|(at, (asked, inside))| counts(at, asked, inside)).collect();
    let within: Vec<String> = outside.iter().map(|c| format!("{} AS {}", c.name, c.name.replace('.', "_"))).collect();
    let batch = format!(
        "WITH o AS (SELECT row_number() OVER (ORDER BY {}) AS number, {} FROM {from}) SELECT {} FROM o{counts} WHERE {}",
        numbered.join(", "),
        within.join(", "),
        names(numbered_name).join(", "),
        numbered_name(&around.replace("{}", &batch)),
    );
    Pair { engine: format!("SELECT {selected} FROM {from} WHERE {}", around.replace("{}", &engine)), batch }
}

/// Names of columns outside, as the batch has them.
fn numbered_name(text: &str) -> String {
    text.replace("a.", "o.a_").replace("c.", "o.c_")
}

fn counts(at: usize, asked: &Asked, inside: &Inside) -> String {
    let (counted, pairs, Inside { all, on, .. }) = (numbered_name(&asked.counted), numbered_name(&asked.pairs), inside);
    format!(
        " LEFT JOIN (SELECT o.number AS number, count(*) AS n, {counted} FROM o CROSS JOIN {all} WHERE {on}{pairs} GROUP BY o.number) AS m{at} \
         ON m{at}.number = o.number"
    )
}

/// One table, or two that are joined.
fn inside(dice: &mut Dice, columns: &[(&str, Kind)]) -> Inside {
    let (b, both) = (of("b", columns), of("b", columns).into_iter().chain(of("d", columns)).collect());
    let all = "t1 AS b CROSS JOIN t2 AS d";
    match dice.below(6) {
        0 => Inside { columns: both, from: "t1 AS b JOIN t2 AS d ON b.k = d.k".into(), all, on: "b.k = d.k AND " },
        1 => Inside { columns: both, from: "t1 AS b, t2 AS d".into(), all, on: "" },
        2 => Inside { columns: both, from: "(SELECT * FROM t1) AS b JOIN t2 AS d USING (k)".into(), all, on: "b.k = d.k AND " },
        _ => Inside { columns: b, from: "t1 AS b".into(), all: "t1 AS b", on: "" },
    }
}

/// Which rows within belong to one outside.
fn pairs(dice: &mut Dice, outside: &[Column], inside: &[Column]) -> String {
    let mut all = Vec::new();
    // Of two tables more is asked, so that it is of both.
    let two = inside.len() > NAMES.len();
    let more = if two { 75 } else { 25 };
    for _ in 0..1 + usize::from(dice.percent(more)) {
        let alike: Vec<(&Column, &Column)> =
            outside.iter().flat_map(|o| inside.iter().filter(|i| i.kind == o.kind).map(move |i| (o, i))).collect();
        let (o, i) = dice.pick(&alike);
        let equal = if two && dice.percent(60) { "<>" } else { "=" };
        let word = dice.of(&[equal, equal, equal, equal, "<", ">=", "<>", "IS NOT DISTINCT FROM"]);
        all.push(format!("{} {word} {}", i.name, o.name));
    }
    match dice.below(8) {
        0 => all.push(format!("{} IS NOT NULL", dice.pick(inside).name)),
        1 => all.push(format!("{} IS NOT NULL", dice.pick(outside).name)),
        2 => all.push(Expressions { dice, columns: inside, outer: &[] }.of(Kind::Bool, 1).to_string()),
        _ => {}
    }
    all.join(" AND ")
}

fn asked(dice: &mut Dice, at: usize, outside: &[Column], of: &Inside) -> Asked {
    let Inside { columns: inside, from, .. } = of;
    let pairs = pairs(dice, outside, inside);
    match dice.below(6) {
        5 => having(dice, at, from, pairs),
        0 => {
            let (word, test) = [("EXISTS", "> 0"), ("NOT EXISTS", "= 0")][dice.below(2)];
            let condition = format!("coalesce(m{at}.n, 0) {test}");
            let engine = format!("{word} (SELECT 1 FROM {from} WHERE {pairs})");
            Asked { engine, counted: "0 AS x".into(), pairs, condition }
        }
        1 => scalar(dice, at, (from, pairs), (outside, inside)),
        _ => {
            let kind = dice.pick(inside).kind;
            let left = match dice.below(8) {
                0 => Expressions { dice, columns: &[], outer: &[] }.of(kind, 0),
                1 => Expressions { dice, columns: outside, outer: &[] }.of(kind, 1),
                // Null for some rows that the list is not empty for.
                2 | 3 => {
                    sql!("nullif(", column_of(dice, outside, kind), ", ", Expressions { dice, columns: &[], outer: &[] }.leaf(kind), ")")
                }
                _ => Expressions { dice, columns: outside, outer: &[] }.leaf(kind),
            };
            let mut right = column_of(dice, inside, kind);
            if kind == Kind::Text && dice.percent(30) {
                // What correlates the list may be what is cast.
                right = sql!("CAST(", dice.pick(inside).name, " AS VARCHAR)");
            }
            if dice.percent(20) {
                right = sql!("nullif(", right, ", ", Expressions { dice, columns: &[], outer: &[] }.leaf(kind), ")");
            }
            let not = dice.of(&["", "NOT ", "NOT "]);
            let counted =
                format!("count(*) FILTER (WHERE ({left}) = ({right})) AS e, count(*) FILTER (WHERE (({left}) = ({right})) IS NULL) AS u");
            let condition = format!(
                "({not}CASE WHEN coalesce(m{at}.e, 0) > 0 THEN true WHEN coalesce(m{at}.u, 0) > 0 THEN CAST(NULL AS BOOLEAN) ELSE false END)"
            );
            Asked { engine: format!("{left} {not}IN (SELECT {right} FROM {from} WHERE {pairs})"), counted, pairs, condition }
        }
    }
}

/// What is asked of an aggregate of all rows within, which has a row where there are none; or given beside it.
fn having(dice: &mut Dice, at: usize, from: &str, pairs: String) -> Asked {
    let n = format!("coalesce(m{at}.n, 0)");
    let more = dice.of(&["", "", "", " AND a.k IS NOT NULL"]);
    let test = format!("{} {}{more}", dice.of(&["=", "<>", "<", ">="]), dice.below(3));
    let (from, holds) = (format!("FROM {from} WHERE {pairs}"), format!("({n} {test})"));
    let (engine, condition) = match dice.below(6) {
        0 => (format!("EXISTS (SELECT 1 {from} HAVING count(*) {test})"), holds),
        1 => (format!("NOT EXISTS (SELECT 1 {from} HAVING count(*) {test})"), format!("NOT {holds}")),
        2 => (format!("((SELECT count(*) {from} HAVING count(*) {test}) < 2)"), format!("(CASE WHEN {holds} THEN {n} END < 2)")),
        3 => (format!("((SELECT 'x' {from} HAVING count(*) {test}) IS NULL)"), format!("NOT {holds}")),
        4 => (
            format!("(SELECT count(*) IS NOT NULL AND count(*) {test} {from})").replace(more, ""),
            format!("({})", holds.replace(more, "")),
        ),
        _ => (format!("((SELECT coalesce(max(1), 7) {from}) = 7)"), format!("({n} = 0)")),
    };
    Asked { engine, counted: "0 AS x".into(), pairs, condition }
}

fn column_of(dice: &mut Dice, columns: &[Column], kind: Kind) -> Sql {
    let own: Vec<&str> = columns.iter().filter(|c| c.kind == kind).map(|c| c.name.as_str()).collect();
    dice.of(&own).into()
}

fn scalar(dice: &mut Dice, at: usize, (from, pairs): (&str, String), (outside, inside): (&[Column], &[Column])) -> Asked {
    let of = dice.pick(inside);
    let (call, kind) = match dice.below(3) {
        0 if of.kind != Kind::Bool => (format!("min({})", of.name), of.kind),
        1 if of.kind != Kind::Bool => (format!("max({})", of.name), of.kind),
        _ => (format!("count({})", of.name), Kind::Big),
    };
    let left = Expressions { dice, columns: outside, outer: &[] }.of(kind, 1);
    let word = dice.of(&["=", "<", ">=", "<>", "IS DISTINCT FROM"]);
    let value = if call.starts_with("count") { format!("coalesce(m{at}.x, 0)") } else { format!("m{at}.x") };
    let engine = format!("({left} {word} (SELECT {call} FROM {from} WHERE {pairs}))");
    Asked { engine, counted: format!("{call} AS x"), pairs, condition: format!("({left} {word} {value})") }
}
