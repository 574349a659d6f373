//! Random queries, put together from relations: tables, subqueries, common tables, joins, set operations, first rows, lists taken
//! apart, recursion. A query is made for wanted kinds of columns, which it names c0, c1 and so on, so that nearly all of them
//! plan. Groups and windows are in `grouped.rs`, subqueries in conditions in `condition.rs`.

use super::dice::Dice;
use super::expression::{Column, Expressions};
use super::history::{KINDS, Kind, Table, literal};
use super::tree::{Sql, list, maybe, query, sql};

/// What stands in FROM.
pub struct Source {
    /// Its text.
    pub text: Sql,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// Makes queries.
pub struct Maker<'a> {
    /// Chance.
    pub dice: Dice,
    /// The tables.
    pub tables: &'a [Table],
    /// Common tables in reach: names and kinds of columns.
    pub commons: Vec<(String, Vec<Kind>)>,
    /// Names that were given.
    pub names: usize,
}

/// A random query over tables.
pub fn random_query(seed: u64, tables: &[Table]) -> Sql {
    let mut maker = Maker { dice: Dice::new(seed, 2), tables, commons: Vec::new(), names: 0 };
    let depth = maker.dice.weighted(&[2, 5, 4, 1]);
    let kinds = maker.kinds();
    maker.query(&kinds, depth)
}

/// The type that a literal must be given to be of a kind.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Big => "BIGINT",
        Kind::Int => "INT",
        Kind::Small => "SMALLINT",
        Kind::Double => "DOUBLE",
        Kind::Decimal => "DECIMAL(9,2)",
        Kind::Text => "VARCHAR",
        Kind::Bool => "BOOLEAN",
        Kind::Date => "DATE",
        Kind::Time => "TIMESTAMP",
    }
}

impl Maker<'_> {
    /// Some kinds of columns.
    pub fn kinds(&mut self) -> Vec<Kind> {
        let count = 1 + self.dice.weighted(&[3, 4, 3, 1]);
        let own: Vec<Kind> = self.tables.iter().flat_map(|t| t.columns.iter().map(|c| c.1)).collect();
        // Kinds that some table has, mostly: of others there are only constants.
        (0..count).map(|_| if self.dice.percent(75) { self.dice.pick(&own) } else { self.dice.pick(&KINDS) }).collect()
    }

    /// A new name.
    pub fn name(&mut self, first: &str) -> String {
        self.names += 1;
        format!("{first}{}", self.names)
    }

    /// An expression of a kind.
    pub fn expression(&mut self, kind: Kind, columns: &[Column], depth: usize) -> Sql {
        Expressions { dice: &mut self.dice, columns, outer: &[] }.of(kind, depth)
    }

    /// A query that gives columns of some kinds.
    pub fn query(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        if depth == 0 {
            return if self.dice.percent(70) { self.plain(kinds, 0) } else { self.grouped(kinds, 0) };
        }
        match self.dice.weighted(&[20, 18, 5, 9, 8, 6, 11, 2, 4, 6, 3, 3]) {
            0 => self.plain(kinds, depth),
            1 => self.grouped(kinds, depth),
            2 => self.grouping_sets(kinds, depth),
            3 => self.windowed(kinds, depth),
            4 => self.first_rows(kinds, depth),
            5 => self.numbered(kinds, depth),
            6 => self.set_operation(kinds, depth),
            7 => self.values(kinds),
            8 => self.taken_apart(kinds, depth),
            9 => self.with_common(kinds, depth),
            10 => self.recursive(kinds, depth),
            _ => self.distinct_on(kinds, depth),
        }
    }

    /// A relation for FROM.
    pub fn source(&mut self, depth: usize) -> Source {
        match self.dice.weighted(&[30, 12 * depth.min(1), 20, 8, 12]) {
            1 => {
                let kinds = self.kinds();
                let (inner, alias) = (self.query(&kinds, depth - 1), self.name("q"));
                Source { text: sql!("(", query(inner), ") AS ", &alias), columns: numbered_columns(&alias, &kinds) }
            }
            2 => self.join(depth),
            3 => self.time_windows().unwrap_or_else(|| self.table()),
            4 if !self.commons.is_empty() => {
                let commons = self.commons.clone();
                let ((name, kinds), alias) = (self.dice.pick(&commons), self.name("w"));
                Source { text: format!("{name} AS {alias}").into(), columns: numbered_columns(&alias, &kinds) }
            }
            _ => self.table(),
        }
    }

    /// A table under a new name.
    pub fn table(&mut self) -> Source {
        let (table, alias) = (self.dice.pick(self.tables), self.name("a"));
        let columns = table.columns.iter().map(|(name, kind, _)| Column { name: format!("{alias}.{name}"), kind: *kind }).collect();
        Source { text: format!("{} AS {alias}", table.name).into(), columns }
    }

    /// A table with the windows that each row is in, when some table has a time.
    fn time_windows(&mut self) -> Option<Source> {
        let timed: Vec<(Table, String)> =
            self.tables.iter().flat_map(|t| t.columns.iter().filter(|c| c.1 == Kind::Time).map(|c| (t.clone(), c.0.clone()))).collect();
        if timed.is_empty() {
            return None;
        }
        let ((table, time), alias) = (self.dice.pick(&timed), self.name("a"));
        let (a, b) = (self.dice.between(3, 9), self.dice.between(1, 4));
        let name = &table.name;
        let call = match self.dice.below(5) {
            0 => format!("tumble({name}, {time}, INTERVAL '{a}' SECOND)"),
            1 => format!("hop({name}, {time}, INTERVAL '{a}' SECOND, INTERVAL '{}' SECOND)", a + b),
            2 => format!("cumulate({name}, {time}, INTERVAL '{a}' SECOND, INTERVAL '{}' SECOND)", a * b),
            3 => format!("session({name}, {time}, INTERVAL '{a}' SECOND)"),
            _ => format!("session({name}, {time}, INTERVAL '{a}' SECOND, {})", table.columns[0].0),
        };
        let own = table.columns.iter().map(|(name, kind, _)| (name.as_str(), *kind));
        let columns = own.chain([("window_start", Kind::Time), ("window_end", Kind::Time)]);
        let columns = columns.map(|(name, kind)| Column { name: format!("{alias}.{name}"), kind }).collect();
        Some(Source { text: format!("{call} AS {alias}").into(), columns })
    }

    fn join(&mut self, depth: usize) -> Source {
        let left = if depth > 0 && self.dice.percent(40) { self.source(depth - 1) } else { self.table() };
        let right = match depth > 0 && self.dice.percent(40) {
            true => {
                let kinds = self.kinds();
                let (inner, alias) = (self.query(&kinds, depth - 1), self.name("q"));
                Source { text: sql!("(", query(inner), ") AS ", &alias), columns: numbered_columns(&alias, &kinds) }
            }
            false => self.table(),
        };
        let words = ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"];
        let word = self.dice.of(&words);
        let both: Vec<Column> = left.columns.iter().chain(&right.columns).cloned().collect();
        let columns = if word.contains("SEMI") || word.contains("ANTI") { left.columns.clone() } else { both.clone() };
        if word == "CROSS JOIN" {
            return Source { text: sql!(left.text, " CROSS JOIN ", right.text), columns };
        }
        let mut on = Sql::default();
        let pairs = 1 + usize::from(self.dice.percent(20));
        for i in 0..pairs {
            on = sql!(on, if i > 0 { " AND " } else { "" }, self.equality(&left.columns, &right.columns));
        }
        if self.dice.percent(30) {
            let more = self.expression(Kind::Bool, &both, 1);
            on = sql!(on, maybe(sql!(" AND ", more)));
        } else if self.dice.percent(8) {
            on = self.expression(Kind::Bool, &both, 1);
        }
        Source { text: sql!(left.text, " ", word, " ", right.text, " ON ", on), columns }
    }

    /// A condition that something of the left equals something of the right.
    pub fn equality(&mut self, left: &[Column], right: &[Column]) -> Sql {
        let pairs: Vec<(Column, Column)> =
            left.iter().flat_map(|l| right.iter().filter(|r| r.kind == l.kind).map(|r| (l.clone(), r.clone()))).collect();
        if pairs.is_empty() || self.dice.percent(15) {
            let kind = self.dice.pick(&[Kind::Big, Kind::Int, Kind::Text]);
            return sql!(self.expression(kind, left, 1), " = ", self.expression(kind, right, 1));
        }
        let (l, r) = self.dice.pick(&pairs);
        if l.kind == Kind::Big && self.dice.percent(15) {
            return format!("{} + 1 = {}", l.name, r.name).into();
        }
        let word = if self.dice.percent(6) { "IS NOT DISTINCT FROM" } else { "=" };
        format!("{} {word} {}", l.name, r.name).into()
    }

    /// SELECT with expressions, and perhaps WHERE and DISTINCT.
    fn plain(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth);
        let mut items = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let item = match depth > 0 && self.dice.percent(5) {
                true => self.scalar(*kind, &source.columns, depth - 1),
                false => self.expression(*kind, &source.columns, 2),
            };
            items.push(sql!(item, format!(" AS c{i}")));
        }
        let distinct = if self.dice.percent(12) { maybe("DISTINCT ".into()) } else { Sql::default() };
        let condition = self.where_clause(&source.columns, depth, 55);
        sql!("SELECT ", distinct, list(items), " FROM ", source.text, condition)
    }

    /// WHERE, in so many of a hundred cases.
    pub fn where_clause(&mut self, columns: &[Column], depth: usize, chance: usize) -> Sql {
        if !self.dice.percent(chance) {
            return Sql::default();
        }
        let condition = match depth > 0 && self.dice.percent(25) {
            true => self.with_subquery(columns, depth - 1),
            false => self.expression(Kind::Bool, columns, 2),
        };
        maybe(sql!(" WHERE ", condition))
    }

    fn set_operation(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let (left, right) = (self.query(kinds, depth - 1), self.query(kinds, depth - 1));
        let words = ["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"];
        sql!("(", query(left), ") ", self.dice.of(&words), " (", query(right), ")")
    }

    fn values(&mut self, kinds: &[Kind]) -> Sql {
        let rows = 1 + self.dice.below(4);
        let row = |dice: &mut Dice| {
            let cells = kinds.iter().map(|k| {
                let text = if dice.percent(15) { "NULL".to_string() } else { literal(dice, *k) };
                format!("CAST({text} AS {})", type_name(*k))
            });
            Sql::from(format!("({})", cells.collect::<Vec<_>>().join(", ")))
        };
        let rows: Vec<Sql> = (0..rows).map(|_| row(&mut self.dice)).collect();
        let items = (0..kinds.len()).map(|i| format!("column{} AS c{i}", i + 1).into()).collect();
        sql!("SELECT ", list(items), " FROM (VALUES ", list(rows), ")")
    }

    /// All columns of a source in some order, so that only equal rows tie.
    pub fn complete_order(&mut self, columns: &[String]) -> Sql {
        let mut left = columns.to_vec();
        let mut keys = Vec::new();
        while !left.is_empty() {
            let at = self.dice.below(left.len());
            let way = self.dice.of(&["", "", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"]);
            keys.push(format!("{}{way}", left.remove(at)));
        }
        keys.join(", ").into()
    }

    fn first_rows(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let (inner, alias) = (self.query(kinds, depth - 1), self.name("q"));
        let names: Vec<String> = (0..kinds.len()).map(|i| format!("c{i}")).collect();
        let items = names.iter().map(Sql::from).collect();
        let order = self.complete_order(&names);
        let offset = if self.dice.percent(30) { maybe(format!(" OFFSET {}", self.dice.below(4)).into()) } else { Sql::default() };
        let limit = format!(" LIMIT {}", self.dice.below(5));
        sql!("SELECT ", list(items), " FROM (", query(inner), ") AS ", alias, " ORDER BY ", order, limit, offset)
    }

    fn distinct_on(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let (inner, alias) = (self.query(kinds, depth - 1), self.name("q"));
        let names: Vec<String> = (0..kinds.len()).map(|i| format!("c{i}")).collect();
        let way = self.dice.of(&["", " DESC", " NULLS FIRST"]);
        let rest = if names.len() > 1 { sql!(", ", self.complete_order(&names[1..])) } else { Sql::default() };
        let items = names.iter().map(Sql::from).collect();
        sql!("SELECT DISTINCT ON (c0) ", list(items), " FROM (", query(inner), ") AS ", alias, " ORDER BY c0", way, rest)
    }

    /// The first rows of each partition by ROW_NUMBER().
    fn numbered(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth - 1);
        let names: Vec<String> = source.columns.iter().map(|c| c.name.clone()).collect();
        let mut items: Vec<Sql> = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            items.push(sql!(self.expression(*kind, &source.columns, 1), format!(" AS c{i}")));
        }
        let by = if self.dice.percent(75) { format!("PARTITION BY {} ", self.dice.pick(&names)) } else { String::new() };
        let number = sql!("ROW_NUMBER() OVER (", maybe(by.into()), "ORDER BY ", self.complete_order(&names), ") AS rn");
        let bound = self.dice.between(0, 4);
        let test = match self.dice.below(4) {
            0 => format!("rn = {bound}"),
            1 => format!("rn < {bound} AND c0 IS NOT NULL"),
            _ => format!("rn <= {bound}"),
        };
        let condition = self.where_clause(&source.columns, 0, 30);
        let inner = sql!("SELECT ", list(items), ", ", number, " FROM ", source.text, condition);
        let outer = (0..kinds.len()).map(|i| format!("c{i}").into()).collect();
        sql!("SELECT ", list(outer), " FROM (", query(inner), ") AS ", self.name("q"), " WHERE ", test)
    }

    /// A list taken apart, a row an element.
    fn taken_apart(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth - 1);
        let which = self.dice.below(kinds.len());
        let mut items = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let item = match (i == which, kind) {
                (true, Kind::Big) if self.dice.percent(50) => {
                    sql!("unnest(range(0, ", self.expression(Kind::Big, &source.columns, 1), " % 4))")
                }
                (true, _) => {
                    let elements = (0..1 + self.dice.below(3)).map(|_| self.expression(*kind, &source.columns, 1)).collect();
                    sql!("unnest(make_array(", list(elements), "))")
                }
                _ => self.expression(*kind, &source.columns, 1),
            };
            items.push(sql!(item, format!(" AS c{i}")));
        }
        let condition = self.where_clause(&source.columns, 0, 30);
        sql!("SELECT ", list(items), " FROM ", source.text, condition)
    }

    fn with_common(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let inner_kinds = self.kinds();
        let inner = self.query(&inner_kinds, depth - 1);
        let name = self.name("common");
        self.commons.push((name.clone(), inner_kinds));
        let body = self.query(kinds, depth);
        self.commons.pop();
        sql!("WITH ", name, " AS (", query(inner), ") ", query(body))
    }

    /// Recursion that is linear and comes to an end.
    fn recursive(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let (source, name) = (self.source(depth - 1), self.name("r"));
        let condition = self.where_clause(&source.columns, 0, 30);
        let first = self.expression(Kind::Big, &source.columns, 1);
        let (text, inner_kinds) = if self.dice.percent(50) {
            let all = self.dice.of(&["UNION ALL", "UNION"]);
            let start = sql!("SELECT ", first, " % 6 AS c0 FROM ", source.text, condition);
            (sql!(query(start), " ", all, format!(" SELECT c0 + 1 FROM {name} WHERE c0 < 4")), vec![Kind::Big])
        } else {
            let second = self.expression(Kind::Big, &source.columns, 1);
            let start = sql!("SELECT ", first, " % 6 AS c0, ", second, " % 6 AS c1 FROM ", source.text, condition);
            let table = self.table();
            let (from, to) = (self.expression(Kind::Big, &table.columns, 0), self.expression(Kind::Big, &table.columns, 0));
            let step =
                sql!(format!("SELECT {name}.c0, "), to, format!(" % 6 FROM {name} JOIN "), table.text, format!(" ON {name}.c1 = "), from);
            (sql!(query(start), " UNION ", step), vec![Kind::Big, Kind::Big])
        };
        let columns = if inner_kinds.len() == 1 { "c0" } else { "c0, c1" };
        self.commons.push((name.clone(), inner_kinds));
        let body = self.query(kinds, depth - 1);
        self.commons.pop();
        let body = if body.to_string().contains(&name) { body } else { sql!("SELECT ", columns, " FROM ", &name) };
        sql!("WITH RECURSIVE ", name, "(", columns, ") AS (", text, ") ", body)
    }
}

/// Columns c0, c1 and so on of a relation.
fn numbered_columns(alias: &str, kinds: &[Kind]) -> Vec<Column> {
    kinds.iter().enumerate().map(|(i, kind)| Column { name: format!("{alias}.c{i}"), kind: *kind }).collect()
}
