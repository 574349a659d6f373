//! Random subqueries in conditions and in SELECT: IN, NOT IN, EXISTS, and scalar ones, correlated or not.

use super::expression::Column;
use super::history::Kind;
use super::query::Maker;
use super::tree::{Sql, maybe, query, sql};

impl Maker<'_> {
    /// A condition with a subquery, perhaps beside another.
    pub fn with_subquery(&mut self, columns: &[Column], depth: usize) -> Sql {
        let condition = match self.dice.below(4) {
            0 => self.in_query(columns, depth),
            1 => self.exists(columns),
            2 => {
                let kind = self.dice.pick(&[Kind::Big, Kind::Int, Kind::Date]);
                let word = self.dice.of(&[" = ", " < ", " >= "]);
                sql!(self.expression(kind, columns, 1), word, self.scalar(kind, columns, depth))
            }
            _ => self.in_query(columns, depth),
        };
        match self.dice.below(4) {
            0 => {
                let word = self.dice.of(&[" OR ", " AND "]);
                sql!("(", condition, maybe(sql!(word, self.expression(Kind::Bool, columns, 1))), ")")
            }
            _ => condition,
        }
    }

    fn in_query(&mut self, columns: &[Column], depth: usize) -> Sql {
        let kinds: Vec<Kind> = columns.iter().map(|c| c.kind).filter(|k| *k != Kind::Bool).collect();
        let kind = if kinds.is_empty() { Kind::Big } else { self.dice.pick(&kinds) };
        let word = self.dice.of(&[" IN (", " IN (", " NOT IN ("]);
        sql!(self.expression(kind, columns, 1), word, query(self.query(&[kind], depth)), ")")
    }

    fn exists(&mut self, columns: &[Column]) -> Sql {
        let inner = self.table();
        let on = self.equality(columns, &inner.columns);
        let both: Vec<Column> = columns.iter().chain(&inner.columns).cloned().collect();
        let more = match self.dice.percent(40) {
            true => maybe(sql!(" AND ", self.expression(Kind::Bool, &both, 1))),
            false => Sql::default(),
        };
        let word = self.dice.of(&["EXISTS", "NOT EXISTS"]);
        sql!(word, " (SELECT 1 FROM ", inner.text, " WHERE ", on, more, ")")
    }

    /// A subquery that gives one value.
    pub fn scalar(&mut self, kind: Kind, columns: &[Column], depth: usize) -> Sql {
        if self.dice.percent(50) {
            let source = self.source(depth.min(1));
            let value = self.aggregate(kind, &source.columns);
            return sql!("(", query(sql!("SELECT ", value, " AS c0 FROM ", source.text)), ")");
        }
        let inner = self.table();
        let value = self.aggregate(kind, &inner.columns);
        let on = self.equality(columns, &inner.columns);
        sql!("(SELECT ", value, " FROM ", inner.text, " WHERE ", on, ")")
    }
}
