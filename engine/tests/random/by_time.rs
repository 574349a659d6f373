//! Joins by time against their meaning: for each row of the left the nearest time of the right on one side of it, and of several rows of
//! that time the one whose columns come first, which the batch finds among all pairs that fit. Of tables with watermarks a small model
//! says what is late: a change is left out when its time is below the joint watermark of an earlier epoch.

use super::dice::Dice;
use super::history::{History, Kind, Table};
use super::modelled::Case;

const SECOND: i64 = 1_000_000;

/// Columns of each side that may be its key, by name.
fn keys(dice: &mut Dice, tables: &[Table; 2]) -> Option<(String, String)> {
    let [left, right] = tables;
    let fits = |a: &(String, Kind, String), b: &(String, Kind, String)| a.1 == b.1 && a.1 != Kind::Double && a.0 != "ts" && b.0 != "ts";
    let of =
        |a: &(String, Kind, String)| right.columns.iter().filter(|b| fits(a, b)).map(|b| (a.0.clone(), b.0.clone())).collect::<Vec<_>>();
    let pairs: Vec<(String, String)> = left.columns.iter().flat_map(of).collect();
    (!pairs.is_empty()).then(|| dice.pick(&pairs))
}

/// What must hold of a pair beside their times; and whether it leaves all rows to the join.
fn condition(dice: &mut Dice, (a, b): (&str, &str), other: &str) -> (String, bool) {
    let key = if dice.percent(25) { "IS NOT DISTINCT FROM" } else { "=" };
    let mut on = format!("a.{a} {key} b.{b}");
    if dice.percent(20) {
        on += " AND a.ts >= TIMESTAMP '2024-01-01 00:00:12'";
    }
    let filters = [(20, format!(" AND b.{other} IS NOT NULL")), (5, " AND 1 = 0".to_string())];
    let filters: String = filters.into_iter().filter(|(percent, _)| dice.percent(*percent)).map(|(_, filter)| filter).collect();
    (on + &filters, filters.is_empty())
}

/// How the times compare, as one may write it; where nothing is closed by them, as numbers of another type at times: they are whole
/// seconds, so that it says the same.
fn matching(dice: &mut Dice, op: &str, closes: bool) -> String {
    let number = if closes { None } else { dice.pick(&[None, None, None, Some("DOUBLE"), Some("DECIMAL(18, 2)"), Some("BIGINT")]) };
    let time = |side: &str| match number {
        Some(kind) => format!("CAST(date_part('epoch', {side}.ts) AS {kind})"),
        None => format!("{side}.ts"),
    };
    let turned = match op {
        ">=" => "<=",
        ">" => "<",
        "<=" => ">=",
        _ => ">",
    };
    let (of_left, of_right) = (time("a"), time("b"));
    if dice.percent(30) { format!("{of_right} {turned} {of_left}") } else { format!("{of_left} {op} {of_right}") }
}

/// What is selected of a join by time, and what the batch says for it.
struct Given {
    selected: String,
    of_pairs: String,
    /// Conditions and groups behind the join, and behind the batch's pairs.
    by: String,
    of_those: String,
    /// How long after it the column `w` ends.
    last: i64,
}

fn given(dice: &mut Dice, a: &str, other: &str, closes: bool) -> Given {
    let size = dice.between(2, 12);
    let (chosen, groups) = (dice.below(3), format!(" GROUP BY a.{a}, a.ts, b.ts, b.{other}"));
    if chosen == 0 && closes {
        let window = |side: &str| format!("date_bin(INTERVAL '{size}' SECOND, {side}ts)");
        return Given {
            selected: format!("{} AS w, count(*) AS n, count(b.ts) AS m, max(b.{other}) AS x", window("a.")),
            of_pairs: format!("{} AS w, sum(n) AS n, sum(CASE WHEN t IS NULL THEN 0 ELSE n END) AS m, max(x) AS x", window("p.")),
            by: format!(" GROUP BY {}", window("a.")),
            of_those: format!(" GROUP BY {}", window("p.")),
            last: size * SECOND,
        };
    }
    let found = if chosen == 1 { Some(dice.of(&["b.ts IS NOT NULL", "b.ts IS NULL"])) } else { None };
    Given {
        selected: format!("a.ts AS w, a.{a} AS k, b.ts AS t, b.{other} AS x, count(*) AS n"),
        of_pairs: "ts AS w, k, t, x, n".into(),
        by: found.map_or(String::new(), |found| format!(" WHERE {found}")) + &groups,
        of_those: found.map_or(String::new(), |found| format!(" WHERE {}", found.replace("b.ts", "t"))),
        last: 1,
    }
}

/// A random join by time of a history's tables; none when no two columns go together.
pub fn random_case(seed: u64, history: &History) -> Option<Case> {
    let mut dice = Dice::new(seed, 4);
    let dice = &mut dice;
    let tables = [dice.pick(&history.tables), dice.pick(&history.tables)];
    let (a, b) = keys(dice, &tables)?;
    let [left, right] = &tables;
    let is_other = |c: &&(String, Kind, String)| c.0 != b && c.0 != "ts" && c.1 != Kind::Double;
    let others: Vec<String> = right.columns.iter().filter(is_other).map(|c| c.0.clone()).collect();
    let other = if others.is_empty() { b.clone() } else { dice.pick(&others) };
    let closes = tables.iter().all(|table| table.watermark.is_some());
    let versions = closes && right.key == 0 && dice.percent(30);
    let op = if versions { ">=" } else { dice.pick(&[">=", ">=", ">", "<=", "<"]) };
    let inner = versions && dice.percent(50);
    let (on, unfiltered) = condition(dice, (&a, &b), &other);
    let matches = matching(dice, op, closes);
    let joined = match (versions, inner) {
        (false, _) => format!("{} AS a ASOF JOIN {} AS b MATCH_CONDITION ({matches}) ON {on}", left.name, right.name),
        (true, inner) => {
            let kind = if inner { "" } else { "LEFT " };
            format!("{} AS a {kind}JOIN {} FOR SYSTEM_TIME AS OF a.ts AS b ON {on}", left.name, right.name)
        }
    };
    let newest = op.starts_with('>');
    let once = closes && newest && dice.percent(40);
    let Given { selected, of_pairs, by, of_those, last } = given(dice, &a, &other, closes && newest);
    let order = if newest { "DESC" } else { "ASC" };
    let columns: Vec<String> = right.columns.iter().map(|c| format!("b.{} ASC NULLS FIRST", c.0)).collect();
    let place = format!("row_number() OVER (PARTITION BY a.{a}, a.ts ORDER BY b.ts {order} NULLS LAST, {})", columns.join(", "));
    let pairs = format!(
        "SELECT a.{a} AS k, a.ts, a.n, b.ts AS t, b.{other} AS x, {place} AS place \
         FROM (SELECT {a}, ts, count(*) AS n FROM {{0}} GROUP BY {a}, ts) AS a \
         {} JOIN {{1}} AS b ON {on} AND a.ts {op} b.ts",
        if inner { "" } else { "LEFT" }
    );
    let engine = format!("SELECT {selected} FROM {joined}{by}{}", if once { " EMIT FINAL" } else { "" });
    let batch = format!("SELECT {of_pairs} FROM (SELECT k, ts, n, t, x FROM ({pairs}) AS p WHERE place = 1) AS p{of_those}");
    Some(Case {
        tables: tables.to_vec(),
        engine,
        batch,
        last: once.then_some(last),
        late_after: vec![Some(0); 2],
        unfiltered,
        restored: closes && dice.percent(30),
    })
}
