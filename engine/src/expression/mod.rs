//! Queries of edge steps: projections and a filter over one stream, in a form that a device can run without a SQL engine.
//!
//! `compile` (only where SQL is planned) turns `SELECT … FROM step WHERE …` into a `RowQuery`; it serialises into a
//! fragment; `program` runs it over batches on either tier with the same expressions, so with the same bits.
//! Not here: anything with state (`sql`).

use serde::{Deserialize, Serialize};

mod checked;
#[cfg(feature = "sql")]
mod compile;
mod literal;
mod logical;
mod program;

pub use checked::physical;
#[cfg(feature = "sql")]
pub use checked::{checked, is_sum, operator_of};
#[cfg(feature = "sql")]
pub use compile::compile;
pub use literal::{Kind, Literal};
pub use program::{Outcome, ParamColumns, QueryError, RowProgram};

/// Projections and a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowQuery {
    /// Rows for which this is true stay; all when none.
    pub filter: Option<Scalar>,
    /// Columns by name, in order.
    pub project: Vec<(String, Scalar)>,
}

impl RowQuery {
    /// Keeps a column of the input, where the query does not make one of that name; it stands after `ts`.
    pub fn carry(&mut self, column: &str) {
        if self.project.iter().any(|(name, _)| name == column) {
            return;
        }
        let at = self.project.iter().position(|(name, _)| name == "ts").map_or(self.project.len(), |i| i + 1);
        self.project.insert(at, (column.to_string(), Scalar::Column(column.to_string())));
    }
}

/// An expression over the columns of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// A column of the input.
    Column(String),
    /// A constant.
    Literal(Literal),
    /// A parameter of the device that made the row.
    Param(String),
    /// An operator by its SQL sign, such as `>=`, `AND`, `+`.
    Binary(String, Box<Scalar>, Box<Scalar>),
    /// `NOT`
    Not(Box<Scalar>),
    /// `-`
    Negate(Box<Scalar>),
    /// `IS NULL`
    IsNull(Box<Scalar>),
    /// `IS NOT NULL`
    IsNotNull(Box<Scalar>),
    /// `CAST`
    Cast(Box<Scalar>, Kind),
    /// `TRY_CAST`
    TryCast(Box<Scalar>, Kind),
    /// `CASE`: operand, pairs of when and then, else.
    Case(Option<Box<Scalar>>, Vec<(Scalar, Scalar)>, Option<Box<Scalar>>),
    /// `IN`: the flag is for `NOT IN`.
    InList(Box<Scalar>, Vec<Scalar>, bool),
    /// `LIKE`: the first flag is for `NOT`, the second for any case.
    Like(Box<Scalar>, Box<Scalar>, bool, bool),
    /// A scalar function by name.
    Call(String, Vec<Scalar>),
}

impl Scalar {
    /// Adds the parameters that the expression reads to `out`, each once.
    pub fn params(&self, out: &mut Vec<String>) {
        match self {
            Scalar::Param(name) if !out.contains(name) => out.push(name.clone()),
            Scalar::Column(_) | Scalar::Literal(_) | Scalar::Param(_) => {}
            Scalar::Binary(_, a, b) | Scalar::Like(a, b, ..) => [a, b].iter().for_each(|s| s.params(out)),
            Scalar::Not(a) | Scalar::Negate(a) | Scalar::IsNull(a) | Scalar::IsNotNull(a) | Scalar::Cast(a, _) | Scalar::TryCast(a, _) => {
                a.params(out)
            }
            Scalar::Case(operand, pairs, otherwise) => {
                operand.iter().chain(otherwise).for_each(|s| s.params(out));
                pairs.iter().for_each(|(when, then)| [when, then].iter().for_each(|s| s.params(out)));
            }
            Scalar::InList(a, list, _) => {
                a.params(out);
                list.iter().for_each(|s| s.params(out));
            }
            Scalar::Call(_, args) => args.iter().for_each(|s| s.params(out)),
        }
    }
}
