//! Random groups and windows: all aggregates with FILTER, DISTINCT and ORDER BY, HAVING, grouping sets, OVER. Orders are complete
//! wherever ties would show, and there is one such order a query, for the places of equal rows are not told.

use super::expression::Column;
use super::history::Kind;
use super::query::Maker;
use super::tree::{Sql, list, maybe, sql};

impl Maker<'_> {
    /// GROUP BY with aggregates, and perhaps HAVING.
    pub fn grouped(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth);
        let (mut items, mut keys) = (Vec::new(), Vec::new());
        for (i, kind) in kinds.iter().enumerate() {
            let item = match self.dice.percent(40) {
                true => {
                    let key = self.expression(*kind, &source.columns, self.names % 2);
                    keys.push(key.clone());
                    // The text must stay the same in both places.
                    Sql::from(key.to_string())
                }
                false => self.aggregate(*kind, &source.columns),
            };
            items.push(sql!(item, format!(" AS c{i}")));
        }
        if self.dice.percent(20) {
            let column = self.dice.pick(&source.columns);
            keys.push(column.name.into());
        }
        let keys: Vec<Sql> = keys.into_iter().map(|k| k.to_string().into()).collect();
        let by = if keys.is_empty() { Sql::default() } else { maybe(sql!(" GROUP BY ", list(keys))) };
        let condition = self.where_clause(&source.columns, depth, 35);
        let having = match self.dice.percent(20) {
            true => maybe(sql!(
                " HAVING ",
                self.aggregate(Kind::Big, &source.columns),
                self.dice.of(&[" > 1", " <> 2", " <= 3", " IS NOT NULL"])
            )),
            false => Sql::default(),
        };
        sql!("SELECT ", list(items), " FROM ", source.text, condition, by, having)
    }

    /// GROUP BY with several groupings at once.
    pub fn grouping_sets(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth - 1);
        let count = 1 + self.dice.below(3);
        let keys: Vec<Column> = (0..count).map(|_| self.dice.pick(&source.columns)).collect();
        let mut items = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let own: Vec<String> = keys.iter().filter(|k| k.kind == *kind).map(|k| k.name.clone()).collect();
            let item = if !own.is_empty() && self.dice.percent(60) {
                self.dice.pick(&own).into()
            } else if *kind == Kind::Big && self.dice.percent(20) {
                format!("CAST(grouping({}) AS BIGINT)", self.dice.pick(&keys).name).into()
            } else {
                self.aggregate(*kind, &source.columns)
            };
            items.push(sql!(item, format!(" AS c{i}")));
        }
        let names: Vec<String> = keys.iter().map(|k| k.name.clone()).collect();
        let all = names.join(", ");
        let by = match self.dice.below(4) {
            0 => format!("ROLLUP ({all})"),
            1 => format!("CUBE ({all})"),
            2 => format!("GROUPING SETS (({all}), ())"),
            _ => format!("GROUPING SETS ({})", names.iter().map(|n| format!("({n})")).collect::<Vec<_>>().join(", ")),
        };
        let condition = self.where_clause(&source.columns, 0, 30);
        sql!("SELECT ", list(items), " FROM ", source.text, condition, " GROUP BY ", by)
    }

    /// An aggregate that gives a kind.
    pub fn aggregate(&mut self, kind: Kind, columns: &[Column]) -> Sql {
        let call = self.call(kind, columns);
        let filter = match self.dice.percent(22) {
            true => maybe(sql!(" FILTER (WHERE ", self.expression(Kind::Bool, columns, 1), ")")),
            false => Sql::default(),
        };
        match kind {
            Kind::Int => sql!("CAST(", call, filter, " AS INT)"),
            Kind::Small => sql!("CAST(", call, filter, " AS SMALLINT)"),
            Kind::Big => sql!("CAST(", call, filter, " AS BIGINT)"),
            _ => sql!(call, filter),
        }
    }

    fn call(&mut self, kind: Kind, columns: &[Column]) -> Sql {
        let distinct = if self.dice.percent(15) { maybe("DISTINCT ".into()) } else { Sql::default() };
        let number = self.dice.pick(&[Kind::Big, Kind::Int, Kind::Small]);
        match (kind, self.dice.below(10)) {
            (Kind::Big, 0 | 1) => "count(*)".into(),
            (Kind::Big, 2 | 3) => {
                let of = self.dice.pick(columns).kind;
                sql!("count(", distinct, self.expression(of, columns, 1), ")")
            }
            (Kind::Big, 4 | 5) => sql!("sum(", distinct, self.expression(number, columns, 1), ")"),
            (Kind::Big, 6) => {
                let function = self.dice.of(&["bit_xor", "bit_and", "bit_or", "median"]);
                sql!(function, "(", self.expression(Kind::Big, columns, 0), ")")
            }
            (Kind::Big, 7) => {
                let of = self.dice.pick(columns).kind;
                sql!("array_length(array_agg(", self.expression(of, columns, 0), "))")
            }
            (Kind::Double, 0..=2) => sql!("avg(", distinct, self.expression(number, columns, 1), ")"),
            (Kind::Double, 3) => {
                let function = self.dice.of(&["stddev", "var_pop", "var_samp", "stddev_pop"]);
                sql!(function, "(", self.expression(Kind::Small, columns, 0), ")")
            }
            (Kind::Double, 4 | 5) => sql!("sum(", self.expression(Kind::Double, columns, 0), ")"),
            (Kind::Double, 6) => sql!("avg(", self.expression(Kind::Double, columns, 0), ")"),
            (Kind::Decimal, 0..=2) => sql!("sum(", distinct, self.expression(Kind::Decimal, columns, 0), ")"),
            (Kind::Decimal, 3 | 4) => sql!("avg(", self.expression(Kind::Decimal, columns, 0), ")"),
            (Kind::Text, 0 | 1) => {
                let of = self.expression(Kind::Text, columns, 0);
                sql!("string_agg(", &of, ", ',' ORDER BY ", of, self.dice.of(&[")", " DESC)"]))
            }
            (Kind::Bool, 0..=3) => {
                let function = self.dice.of(&["bool_and", "bool_or"]);
                sql!(function, "(", self.expression(Kind::Bool, columns, 1), ")")
            }
            (_, 8) => {
                let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
                let function = self.dice.of(&["first_value", "last_value"]);
                sql!(function, "(", self.expression(kind, columns, 0), " ORDER BY ", self.complete_order(&names), ")")
            }
            _ => {
                let function = self.dice.of(&["min", "max"]);
                // The batch's answer hangs on the order of rows for NaN, and is the greatest number for infinity.
                let (before, after) = match kind {
                    Kind::Double => ("nanvl(nullif(nullif(", ", CAST('Infinity' AS DOUBLE)), CAST('-Infinity' AS DOUBLE)), 0.75)"),
                    _ => ("", ""),
                };
                sql!(function, "(", distinct, before, self.expression(kind, columns, 1), after, ")")
            }
        }
    }

    /// SELECT with window functions.
    pub fn windowed(&mut self, kinds: &[Kind], depth: usize) -> Sql {
        let source = self.source(depth - 1);
        let names: Vec<String> = source.columns.iter().map(|c| c.name.clone()).collect();
        let by = match self.dice.below(3) {
            0 => String::new(),
            1 => format!("PARTITION BY {} ", self.dice.pick(&names)),
            _ => format!("PARTITION BY {}, {} ", self.dice.pick(&names), self.dice.pick(&names)),
        };
        let whole = sql!(&by, "ORDER BY ", self.complete_order(&names)).to_string();
        let mut items = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let item = match self.dice.percent(65) {
                true => self.over(*kind, &source.columns, &by, &whole),
                false => self.expression(*kind, &source.columns, 1),
            };
            items.push(sql!(item, format!(" AS c{i}")));
        }
        let condition = self.where_clause(&source.columns, 0, 30);
        sql!("SELECT ", list(items), " FROM ", source.text, condition)
    }

    fn over(&mut self, kind: Kind, columns: &[Column], by: &str, whole: &str) -> Sql {
        let simple = self.expression(kind, columns, 0);
        match (kind, self.dice.below(8)) {
            (Kind::Big, 0) => format!("CAST(row_number() OVER ({whole}) AS BIGINT)").into(),
            (Kind::Big, 1) => {
                let one = self.dice.pick(columns).name;
                let function = self.dice.of(&["rank", "dense_rank"]);
                format!("CAST({function}() OVER ({by}ORDER BY {one}) AS BIGINT)").into()
            }
            (Kind::Big, 2) => format!("CAST(ntile({}) OVER ({whole}) AS BIGINT)", 1 + self.dice.below(3)).into(),
            (Kind::Big | Kind::Decimal, 3) => sql!("sum(", simple, format!(") OVER ({whole} "), self.rows_frame(), ")"),
            (Kind::Big, 4) => sql!("count(", simple, ") OVER (", by, ")"),
            (Kind::Big, 5) => {
                let integers: Vec<String> =
                    columns.iter().filter(|c| matches!(c.kind, Kind::Big | Kind::Int)).map(|c| c.name.clone()).collect();
                if integers.is_empty() {
                    return sql!("count(*) OVER (", by, ")");
                }
                let frame = self.dice.of(&[
                    "RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                    "RANGE BETWEEN UNBOUNDED PRECEDING AND 2 FOLLOWING",
                    "GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
                ]);
                // A frame beyond the end of a type has the rows with null in it in DataFusion; half of a value is far from it, and may be large.
                sql!("count(", simple, format!(") OVER ({by}ORDER BY {} / 2 {frame})", self.dice.pick(&integers)))
            }
            (Kind::Double, 0 | 1) => {
                let function = self.dice.of(&["percent_rank", "cume_dist"]);
                format!("{function}() OVER ({by}ORDER BY {})", self.dice.pick(columns).name).into()
            }
            (Kind::Double, 2 | 3) => {
                sql!("avg(", self.expression(Kind::Int, columns, 0), format!(") OVER ({whole} "), self.rows_frame(), ")")
            }
            (_, 4 | 5) => {
                let function = self.dice.of(&["lag", "lead"]);
                sql!(function, "(", simple, self.dice.of(&["", ", 1", ", 2"]), format!(") OVER ({whole})"))
            }
            (Kind::Double, _) => sql!("first_value(", simple, format!(") OVER ({whole})")),
            (_, 6) => {
                let function = self.dice.of(&["min", "max"]);
                sql!(function, "(", simple, format!(") OVER ({whole} "), self.rows_frame(), ")")
            }
            _ => {
                let function = self.dice.of(&["first_value", "last_value"]);
                sql!(function, "(", simple, format!(") OVER ({whole} "), self.rows_frame(), ")")
            }
        }
    }

    fn rows_frame(&mut self) -> &'static str {
        self.dice.of(&[
            "",
            "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            "ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        ])
    }
}
