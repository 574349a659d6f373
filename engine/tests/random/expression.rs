//! Random expressions of a wanted kind over columns. They are made so that they seldom fail: no division by a column, no cast of
//! text that may be no number. Subqueries and aggregates are made elsewhere.

use super::dice::Dice;
use super::history::{Kind, literal};
use super::tree::{Sql, choice, list, sql};

/// A column that an expression may use.
#[derive(Clone, Debug)]
pub struct Column {
    /// As SQL names it.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// Makes expressions.
pub struct Expressions<'a> {
    /// Chance.
    pub dice: &'a mut Dice,
    /// Columns in reach.
    pub columns: &'a [Column],
    /// Columns of the query around, which a correlated condition may use; none elsewhere.
    pub outer: &'a [Column],
}

impl Expressions<'_> {
    /// An expression of a kind.
    pub fn of(&mut self, kind: Kind, depth: usize) -> Sql {
        if depth == 0 || self.dice.percent(35) {
            return self.leaf(kind);
        }
        match self.dice.below(8) {
            0 => self.case(kind, depth),
            1 => {
                let (a, b) = (self.of(kind, depth - 1), self.of(kind, depth - 1));
                let function = self.dice.of(&["coalesce", "nullif"]);
                choice(sql!(function, "(", &a, ", ", &b, ")"), vec![a, b])
            }
            _ => self.operator(kind, depth - 1),
        }
    }

    /// A column of a kind if there is one, or a literal.
    pub fn leaf(&mut self, kind: Kind) -> Sql {
        let named = |c: &Column| (c.kind == kind).then(|| c.name.clone());
        let columns: Vec<String> = self.columns.iter().filter_map(named).collect();
        let outer: Vec<String> = self.outer.iter().filter_map(named).collect();
        if !outer.is_empty() && self.dice.percent(20) {
            return self.dice.pick(&outer).into();
        }
        if !columns.is_empty() && self.dice.percent(85) {
            return self.dice.pick(&columns).into();
        }
        let others: Vec<Column> = self.columns.iter().filter(|c| casts(c.kind, kind)).cloned().collect();
        if !others.is_empty() && self.dice.percent(70) {
            let other = self.dice.pick(&others);
            return match (other.kind, kind) {
                (_, Kind::Bool) => format!("({} IS NOT NULL)", other.name).into(),
                (_, Kind::Text) => format!("CAST({} AS VARCHAR)", other.name).into(),
                (_, Kind::Big) => format!("CAST({} AS BIGINT)", other.name).into(),
                (_, Kind::Int) => format!("CAST({} % 1000 AS INT)", other.name).into(),
                (_, Kind::Double) => format!("CAST({} AS DOUBLE)", other.name).into(),
                (_, Kind::Date) => format!("CAST({} AS DATE)", other.name).into(),
                _ => self.literal(kind),
            };
        }
        self.literal(kind)
    }

    fn literal(&mut self, kind: Kind) -> Sql {
        let text = literal(self.dice, kind);
        match kind {
            Kind::Big => format!("CAST({text} AS BIGINT)").into(),
            Kind::Int => format!("CAST({text} AS INT)").into(),
            Kind::Small => format!("CAST({text} AS SMALLINT)").into(),
            Kind::Decimal => format!("CAST({text} AS DECIMAL(9,2))").into(),
            Kind::Double => format!("CAST({text} AS DOUBLE)").into(),
            _ => text.into(),
        }
    }

    fn case(&mut self, kind: Kind, depth: usize) -> Sql {
        let (a, b) = (self.of(kind, depth - 1), self.of(kind, depth - 1));
        let when = self.of(Kind::Bool, depth - 1);
        let otherwise = if self.dice.percent(70) { sql!(" ELSE ", &b) } else { Sql::default() };
        choice(sql!("CASE WHEN ", when, " THEN ", &a, otherwise, " END"), vec![a, b])
    }

    fn operator(&mut self, kind: Kind, depth: usize) -> Sql {
        match kind {
            Kind::Big => self.big(depth),
            Kind::Int => self.narrow("INT", depth),
            Kind::Small => self.narrow("SMALLINT", depth),
            Kind::Double => self.double(depth),
            Kind::Decimal => self.decimal(depth),
            Kind::Text => self.text(depth),
            Kind::Bool => self.condition(depth),
            Kind::Date => self.date(depth),
            Kind::Time => self.time(depth),
        }
    }

    fn big(&mut self, depth: usize) -> Sql {
        let a = self.of(Kind::Big, depth);
        match self.dice.below(9) {
            0 | 1 => {
                let b = self.of(Kind::Big, depth);
                let sign = self.dice.of(&[" + ", " - "]);
                choice(sql!("(", &a, sign, &b, ")"), vec![a, b])
            }
            2 => choice(sql!("(", &a, " % 5)"), vec![a]),
            3 => choice(sql!("(", &a, " / 3)"), vec![a]),
            4 => sql!("CAST(character_length(", self.of(Kind::Text, depth), ") AS BIGINT)"),
            5 => sql!("CAST(extract(", self.dice.of(&["second", "day", "year"]), " FROM ", self.of(Kind::Time, depth), ") AS BIGINT)"),
            6 => sql!("CAST(", self.of(Kind::Bool, depth), " AS BIGINT)"),
            7 => sql!("CAST(", self.of(Kind::Int, depth), " AS BIGINT)"),
            _ => choice(sql!("(-", &a, ")"), vec![a]),
        }
    }

    fn narrow(&mut self, name: &str, depth: usize) -> Sql {
        let from = self.dice.pick(&[Kind::Big, Kind::Int, Kind::Small]);
        let more = self.dice.between(-2, 3);
        sql!("CAST((", self.of(from, depth), format!(" % 100 + {more}) AS {name})"))
    }

    fn double(&mut self, depth: usize) -> Sql {
        let a = self.of(Kind::Double, depth);
        match self.dice.below(6) {
            0 => choice(sql!("(", &a, " * 0.5)"), vec![a]),
            1 => choice(sql!("abs(", &a, ")"), vec![a]),
            2 => choice(sql!("nanvl(", &a, ", 0.25)"), vec![a]),
            3 => sql!("CAST(", self.of(Kind::Int, depth), " AS DOUBLE)"),
            4 => choice(sql!("(", &a, " + 1.25)"), vec![a]),
            _ => sql!("CAST((", self.of(Kind::Decimal, depth), " % 10) AS DOUBLE)"),
        }
    }

    fn decimal(&mut self, depth: usize) -> Sql {
        let a = self.of(Kind::Decimal, depth);
        match self.dice.below(4) {
            0 => sql!("CAST(", self.of(Kind::Int, depth), " AS DECIMAL(12,1))"),
            1 => choice(sql!("(", &a, " + CAST(1.5 AS DECIMAL(4,2)))"), vec![a]),
            2 => choice(sql!("(", &a, " % 7)"), vec![a]),
            _ => choice(sql!("(-", &a, ")"), vec![a]),
        }
    }

    fn text(&mut self, depth: usize) -> Sql {
        let a = self.of(Kind::Text, depth);
        match self.dice.below(8) {
            0 => choice(sql!("upper(", &a, ")"), vec![a]),
            1 => choice(sql!("lower(", &a, ")"), vec![a]),
            2 => choice(sql!("reverse(", &a, ")"), vec![a]),
            3 => choice(sql!("substr(", &a, ", 1, 1)"), vec![a]),
            4 => {
                let b = self.of(Kind::Text, depth);
                choice(sql!("(", &a, " || ", &b, ")"), vec![a, b])
            }
            5 => sql!("CAST(", self.of(Kind::Big, depth), " AS VARCHAR)"),
            6 => choice(sql!("replace(", &a, ", 'a', 'bb')"), vec![a]),
            _ => {
                let b = self.of(Kind::Text, depth);
                choice(sql!("concat(", &a, ", '-', ", &b, ")"), vec![a, b])
            }
        }
    }

    fn date(&mut self, depth: usize) -> Sql {
        match self.dice.below(2) {
            0 => sql!("CAST(", self.of(Kind::Time, depth), " AS DATE)"),
            _ => {
                let a = self.of(Kind::Date, depth);
                choice(sql!("CAST((", &a, " + INTERVAL '1' DAY) AS DATE)"), vec![a])
            }
        }
    }

    fn time(&mut self, depth: usize) -> Sql {
        let a = self.of(Kind::Time, depth);
        match self.dice.below(3) {
            0 => choice(sql!("date_trunc('", self.dice.of(&["minute", "hour", "month"]), "', ", &a, ")"), vec![a]),
            1 => choice(sql!("(", &a, " + INTERVAL '7' SECOND)"), vec![a]),
            _ => choice(sql!("tumble_start(", &a, ", INTERVAL '10' SECOND)"), vec![a]),
        }
    }

    /// A condition of one comparison or several.
    pub fn condition(&mut self, depth: usize) -> Sql {
        match self.dice.below(10) {
            0 | 1 => {
                let (a, b) = (self.of(Kind::Bool, depth), self.of(Kind::Bool, depth));
                let word = self.dice.of(&[" AND ", " OR "]);
                choice(sql!("(", &a, word, &b, ")"), vec![a, b])
            }
            2 => {
                let a = self.of(Kind::Bool, depth);
                choice(sql!("(NOT ", &a, ")"), vec![a])
            }
            3 => {
                let kind = self.dice.pick(&super::history::KINDS);
                sql!("(", self.of(kind, depth), self.dice.of(&[" IS NULL)", " IS NOT NULL)"]))
            }
            4 => {
                let kind = self.dice.pick(&[Kind::Big, Kind::Int, Kind::Text, Kind::Date]);
                let items = (0..1 + self.dice.below(4)).map(|_| self.literal(kind)).collect();
                let word = self.dice.of(&[" IN (", " NOT IN ("]);
                sql!("(", self.of(kind, depth), word, list(items), "))")
            }
            5 => sql!(
                "(",
                self.of(Kind::Text, depth),
                self.dice.of(&[" LIKE ", " NOT LIKE "]),
                self.dice.of(&["'a%'", "'%b'", "'_'", "''"]),
                ")"
            ),
            6 => {
                let kind = self.dice.pick(&[Kind::Big, Kind::Decimal, Kind::Time, Kind::Int]);
                let (a, b, c) = (self.of(kind, depth), self.leaf(kind), self.leaf(kind));
                sql!("(", a, " BETWEEN ", b, " AND ", c, ")")
            }
            _ => self.comparison(depth),
        }
    }

    fn comparison(&mut self, depth: usize) -> Sql {
        let kinds: Vec<Kind> = self.columns.iter().map(|c| c.kind).collect();
        let kind = if kinds.is_empty() { Kind::Big } else { self.dice.pick(&kinds) };
        let word = self.dice.of(&[" = ", " = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM "]);
        sql!("(", self.of(kind, depth), word, self.of(kind, depth), ")")
    }
}

/// Whether every value of a kind can be taken for one of another.
fn casts(from: Kind, to: Kind) -> bool {
    let integer = |k| matches!(k, Kind::Big | Kind::Int | Kind::Small);
    match to {
        Kind::Bool => true,
        Kind::Text => integer(from) || matches!(from, Kind::Bool | Kind::Date),
        Kind::Big | Kind::Int | Kind::Double => integer(from),
        Kind::Date => from == Kind::Time,
        _ => false,
    }
}
