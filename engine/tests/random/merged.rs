//! Joins that merge columns, `USING` and `NATURAL`, of every kind and several in a row.
//!
//! The batch is asked with ON and COALESCE, a query within another for each join, for its own `USING` takes the left's column
//! everywhere: what is merged is the left's where that is not null, and else the right's. A column of one table beside the merged one, which
//! the engine reads as `t0.k`, is one more column of the batch's tables, `t0_k`.

use super::check::Pair;
use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{History, Kind, Table, happens};

/// A join so far.
struct Joined {
    engine: String,
    batch: String,
    /// Columns in the order of `*`.
    columns: Vec<(String, Kind)>,
    /// Columns that joins merge, each with its table in front.
    of_tables: Vec<(String, Kind)>,
    natural: bool,
}

/// A history and cases over it.
pub fn cases(seed: u64) -> (History, Vec<Pair>) {
    let mut dice = Dice::new(seed, 7);
    let shared = ["k", "s"].map(|name| (name, dice.pick(&[Kind::Int, Kind::Big, Kind::Text, Kind::Date, Kind::Bool])));
    let tables = [("t0", "v"), ("t1", "w"), ("t2", "u")].map(|(name, own)| {
        let mut columns = vec![(own, dice.pick(&[Kind::Int, Kind::Text])), shared[0]];
        if dice.percent(60) {
            columns.insert(dice.below(3), shared[1]);
        }
        Table::of(&mut dice, name, &columns)
    });
    let history = happens(&mut dice, tables.to_vec());
    let cases = (0..4).map(|_| case(&mut dice, &tables)).collect();
    (history, cases)
}

fn case(dice: &mut Dice, tables: &[Table]) -> Pair {
    let first = dice.pick(tables);
    let of_tables = of_table(&first);
    let more: String = of_tables.iter().map(|(name, _)| format!(", {name} AS {}", name.replace('.', "_"))).collect();
    let (engine, batch) = (format!("{0} AS {0}", first.name), format!("(SELECT *{more} FROM {0} AS {0})", first.name));
    let mut joined = Joined { engine, batch, columns: columns(&first), of_tables, natural: false };
    let mut left: Vec<&Table> = tables.iter().filter(|t| t.name != first.name).collect();
    for _ in 0..1 + usize::from(dice.percent(50)) {
        let next = left.remove(dice.below(left.len()));
        joined = join(dice, joined, next);
    }
    let Joined { mut engine, batch, columns, mut of_tables, natural } = joined;
    if natural || dice.percent(30) {
        of_tables.clear();
    }
    if of_tables.is_empty() && dice.percent(20) {
        let inner = dice.of(&["(SELECT * FROM {}) AS q", "({}) AS q"]);
        engine = inner.replace("{}", &engine);
    }
    let all: Vec<Column> = columns.iter().chain(&of_tables).map(|(name, kind)| Column { name: name.clone(), kind: *kind }).collect();
    let condition = match dice.below(6) {
        _ if !of_tables.is_empty() && dice.percent(40) => format!(" WHERE {} IS NULL", dice.pick(&of_tables).0),
        0 => " WHERE k IS NOT NULL".to_string(),
        1 => format!(" WHERE {}", Expressions { dice, columns: &all, outer: &[] }.of(Kind::Bool, 1)),
        _ => String::new(),
    };
    let last = dice.pick(&all).name;
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let (selected, by) = match dice.below(5) {
        0 | 1 => ("*".to_string(), String::new()),
        2 => (format!("k, {last} AS m"), String::new()),
        3 if !of_tables.is_empty() && dice.percent(60) => {
            let of = dice.pick(&of_tables).0;
            (format!("{of} AS o, count(*) AS n, max(k) AS m"), format!(" GROUP BY {of}"))
        }
        3 => (format!("k, count(*) AS n, max({last}) AS m"), " GROUP BY k".to_string()),
        _ => (format!("{}, k IS NULL AS n", names.join(", ")), String::new()),
    };
    let own = if selected == "*" { names.join(", ") } else { selected.clone() };
    let (own, asked) = (in_batch(&own), in_batch(&format!("{condition}{by}")));
    Pair { engine: format!("SELECT {selected} FROM {engine}{condition}{by}"), batch: format!("SELECT {own} FROM {batch} AS j{asked}") }
}

fn columns(table: &Table) -> Vec<(String, Kind)> {
    table.columns.iter().map(|(name, kind, _)| (name.clone(), *kind)).collect()
}

/// The columns of a table that joins merge, with the table in front.
fn of_table(table: &Table) -> Vec<(String, Kind)> {
    let shared = table.columns.iter().filter(|(name, ..)| ["k", "s"].contains(&name.as_str()));
    shared.map(|(name, kind, _)| (format!("{}.{name}", table.name), *kind)).collect()
}

/// What reads columns with their table in front, as the batch has them.
fn in_batch(text: &str) -> String {
    ["t0", "t1", "t2"].iter().fold(text.to_string(), |text, table| text.replace(&format!("{table}."), &format!("{table}_")))
}

/// One join more.
fn join(dice: &mut Dice, left: Joined, table: &Table) -> Joined {
    let right = columns(table);
    let mut common: Vec<(String, Kind)> = left.columns.iter().filter(|c| right.contains(c)).cloned().collect();
    let natural = dice.percent(40);
    if !natural && dice.percent(50) {
        common.reverse();
    }
    let names: Vec<&str> = common.iter().map(|(name, _)| name.as_str()).collect();
    let kind = dice.of(&["JOIN", "INNER JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "FULL OUTER JOIN"]);
    let name = &table.name;
    let engine = match natural {
        true => format!("{} NATURAL {kind} {name} AS {name}", left.engine),
        false => format!("{} {kind} {name} AS {name} USING ({})", left.engine, names.join(", ")),
    };
    let others = |columns: &[(String, Kind)]| columns.iter().filter(|c| !common.contains(c)).cloned().collect::<Vec<_>>();
    let (of_left, of_right) = (others(&left.columns), others(&right));
    let merged = names.iter().map(|n| format!("coalesce(l.{n}, r.{n}) AS {n}"));
    let rest = of_left.iter().map(|c| format!("l.{}", c.0)).chain(of_right.iter().map(|c| format!("r.{}", c.0)));
    let equal: Vec<String> = names.iter().map(|n| format!("l.{n} = r.{n}")).collect();
    let of_left_tables = left.of_tables.iter().map(|(name, _)| format!("l.{}", in_batch(name)));
    let of_right_table = of_table(table).into_iter().map(|(name, _)| format!("r.{} AS {}", &name[3..], in_batch(&name)));
    let items: Vec<String> = merged.chain(rest).chain(of_left_tables).chain(of_right_table).collect();
    let batch = format!("(SELECT {} FROM {} AS l {kind} {name} AS r ON {})", items.join(", "), left.batch, equal.join(" AND "));
    let of_tables = left.of_tables.into_iter().chain(of_table(table)).collect();
    let columns = common.into_iter().chain(of_left).chain(of_right).collect();
    Joined { engine, batch, columns, of_tables, natural: left.natural || natural }
}
