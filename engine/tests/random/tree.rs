//! SQL text as a tree that knows which of its pieces may go: what the shrinker takes away. It knows nothing of SQL's grammar;
//! a text that has become nonsense is refused by the planner, and the shrinker then tries another.

use std::fmt;

/// A piece of text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// Text that may be left out.
    Maybe(Sql),
    /// Items between commas; all but one may be left out.
    List(Vec<Sql>),
    /// A query, which could stand alone.
    Query(Sql),
    /// Text, and simpler texts that may stand in its place.
    Choice(Sql, Vec<Sql>),
}

/// A text.
#[derive(Clone, Debug, Default)]
pub struct Sql(pub Vec<Piece>);

impl From<&str> for Sql {
    fn from(text: &str) -> Self {
        Sql(vec![Piece::Text(text.to_string())])
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Sql(vec![Piece::Text(text)])
    }
}

impl From<&String> for Sql {
    fn from(text: &String) -> Self {
        Sql(vec![Piece::Text(text.clone())])
    }
}

impl From<&Sql> for Sql {
    fn from(text: &Sql) -> Self {
        text.clone()
    }
}

/// Texts one after the other.
macro_rules! sql {
    ($($part:expr),* $(,)?) => {{
        let mut all = $crate::random::tree::Sql::default();
        $( all.0.extend($crate::random::tree::Sql::from($part).0); )*
        all
    }};
}
pub(crate) use sql;

/// Text that may be left out.
pub fn maybe(text: Sql) -> Sql {
    Sql(vec![Piece::Maybe(text)])
}

/// Items between commas.
pub fn list(items: Vec<Sql>) -> Sql {
    Sql(vec![Piece::List(items)])
}

/// A query within another.
pub fn query(text: Sql) -> Sql {
    Sql(vec![Piece::Query(text)])
}

/// Text that simpler texts may stand in for.
pub fn choice(text: Sql, simpler: Vec<Sql>) -> Sql {
    Sql(vec![Piece::Choice(text, simpler)])
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => write!(f, "{text}")?,
                Piece::Maybe(text) | Piece::Query(text) | Piece::Choice(text, _) => write!(f, "{text}")?,
                Piece::List(items) => {
                    for (i, item) in items.iter().enumerate() {
                        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Sql {
    /// Every text that is one step simpler: first the queries within, then the whole with one piece less.
    pub fn simpler(&self) -> Vec<Sql> {
        let mut out = Vec::new();
        self.queries(&mut out);
        out.extend(self.reduced());
        out
    }

    fn queries(&self, out: &mut Vec<Sql>) {
        for piece in &self.0 {
            match piece {
                Piece::Query(inner) => {
                    out.push(inner.clone());
                    inner.queries(out);
                }
                Piece::Maybe(inner) | Piece::Choice(inner, _) => inner.queries(out),
                Piece::List(items) => items.iter().for_each(|i| i.queries(out)),
                Piece::Text(_) => {}
            }
        }
    }

    fn reduced(&self) -> Vec<Sql> {
        let mut out = Vec::new();
        for (at, piece) in self.0.iter().enumerate() {
            for instead in instead_of(piece) {
                let mut whole = self.0.clone();
                whole.splice(at..=at, instead);
                out.push(Sql(whole));
            }
        }
        out
    }
}

fn instead_of(piece: &Piece) -> Vec<Vec<Piece>> {
    match piece {
        Piece::Text(_) => Vec::new(),
        Piece::Maybe(inner) => std::iter::once(Vec::new()).chain(inner.reduced().into_iter().map(|s| vec![Piece::Maybe(s)])).collect(),
        Piece::Query(inner) => {
            let mut within = Vec::new();
            inner.queries(&mut within);
            within.into_iter().chain(inner.reduced()).map(|s| vec![Piece::Query(s)]).collect()
        }
        Piece::Choice(inner, simpler) => {
            let kept = inner.reduced().into_iter().map(|s| vec![Piece::Choice(s, simpler.clone())]);
            simpler.iter().map(|s| s.0.clone()).chain(kept).collect()
        }
        Piece::List(items) => {
            let mut out = Vec::new();
            for at in 0..items.len() {
                if items.len() > 1 {
                    let mut fewer = items.clone();
                    fewer.remove(at);
                    out.push(vec![Piece::List(fewer)]);
                }
                for instead in items[at].reduced() {
                    let mut changed = items.clone();
                    changed[at] = instead;
                    out.push(vec![Piece::List(changed)]);
                }
            }
            out
        }
    }
}
