//! The plan of a view: few node kinds, each with its columns and whether its output can only grow (D4).
//!
//! Everything that rendering needs is here: expressions are compiled, keys are found. Each kind is rendered in its own file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_plan::PhysicalExpr;

use super::closing::Closing;
use super::evaluate::Compute;
use super::frames::Reach;
use super::window::calendar::Calendar;
use super::within::Within;

/// An expression over the columns of a node's input.
pub type Expression = Arc<dyn PhysicalExpr>;

/// A node with its output.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it does.
    pub node: Node,
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether its output can only grow.
    pub append_only: bool,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Node {
    /// Columns of a table or view.
    Input { name: String, columns: Vec<usize> },
    /// Rows that are always there.
    Values { rows: RecordBatch },
    /// Rows for which the predicate is true.
    Filter { input: Box<Plan>, predicate: Expression },
    /// An expression a column.
    Project { input: Box<Plan>, columns: Vec<Expression> },
    /// Any number of rows for each row, without state.
    Flat { input: Box<Plan>, compute: Compute },
    /// Pairs of rows with equal keys, and what the kind says of rows without a partner.
    Join(Box<Join>),
    /// Each row of the left with the row of the right that is nearest to it in time.
    AsOf(Box<AsOf>),
    /// One row a group: its keys, then its aggregates.
    Aggregate {
        /// The rows.
        input: Box<Plan>,
        /// What is equal within a group.
        keys: Vec<Expression>,
        /// What is computed of a group.
        aggregates: Vec<Aggregate>,
        /// The key that a watermark closes, which lets go of the group.
        closing: Option<(usize, Closing)>,
        /// Sliding windows that the groups are in; the last key is then the slice.
        hop: Option<Hop>,
        /// Whether a group is given once only, when it is closed.
        once: bool,
    },
    /// What a computation gives for each group of rows with equal first columns; the group is computed anew when it changes.
    Group {
        /// The rows, with what is equal within a group as their first columns.
        input: Box<Plan>,
        /// Number of those columns.
        keys: usize,
        /// What is computed.
        compute: Compute,
        /// The key that a watermark closes, which lets go of the group's rows.
        closing: Option<(usize, Closing)>,
    },
    /// Rows with what calls OVER their partition say of them.
    Over(Box<Over>),
    /// Rows with their session, or aggregates of sessions.
    Sessions(Box<Sessions>),
    /// The first rows of each group in an order.
    Top(Box<Top>),
    /// Rows of all inputs.
    Union { inputs: Vec<Plan> },
    /// Rows once a watermark has closed them.
    Final { input: Box<Plan>, column: usize, closing: Closing },
    /// Rows while the clock is within their bounds.
    Temporal { input: Box<Plan>, from: Vec<Bound>, until: Vec<Bound> },
    /// The fixed point of a query that reads its own result under a name.
    Recursive { name: String, first: Box<Plan>, step: Box<Plan>, distinct: bool },
}

/// A moment of the clock that hangs on a row.
#[derive(Clone, Debug)]
pub struct Bound {
    /// A time in microseconds.
    pub time: Expression,
    /// What leads from it to the moment.
    pub steps: Vec<Step>,
}

/// From one moment to another.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Microseconds later.
    Later(i64),
    /// To the next that is a multiple of some microseconds after a first one, or is one itself.
    Multiple(i64, i64),
    /// To the next that begins a window of a calendar, or does so itself.
    Begins(Calendar),
}

impl Bound {
    /// The moment of a row with this time.
    pub fn moment(&self, time: i64) -> i64 {
        self.steps.iter().fold(time, |at, step| match step {
            Step::Later(by) => at.saturating_add(*by),
            Step::Multiple(of, first) => {
                let past = at.saturating_sub(*first).rem_euclid(*of);
                if past == 0 { at } else { at.saturating_add(of - past) }
            }
            Step::Begins(calendar) => match calendar.window(at) {
                (start, _) if start == at => at,
                (_, end) => end,
            },
        })
    }
}

/// Sliding windows, in microseconds.
#[derive(Clone, Debug)]
pub struct Hop {
    /// From one start to the next.
    pub slide: i64,
    /// From start to end.
    pub size: i64,
    /// The start of one of them.
    pub offset: i64,
    /// The keys of the output.
    pub keys: Vec<HopKey>,
}

/// A key of groups that are in sliding windows.
#[derive(Clone, Debug)]
pub enum HopKey {
    /// A key beside the slice.
    Column(usize),
    /// Of the window, the one column of its input.
    Window(Expression),
}

/// A join.
#[derive(Clone, Debug)]
pub struct Join {
    /// The left side.
    pub left: Plan,
    /// The right side.
    pub right: Plan,
    /// Expressions over each side that must be equal.
    pub keys: Vec<(Expression, Expression)>,
    /// Whether null equals null in the keys.
    pub null_equal: bool,
    /// What else must hold, over the columns of the left and then of the right.
    pub residual: Option<Expression>,
    /// Which rows it gives.
    pub kind: JoinKind,
    /// The key that a watermark closes, which lets go of its rows on both sides.
    pub closing: Option<(usize, Closing)>,
    /// Bounds between times of both sides, which let go of rows one by one; only where no key is closed.
    pub within: Option<Within>,
}

/// Which rows a join gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and rows of the left without a partner.
    Left,
    /// Pairs, and rows of both sides without a partner.
    Full,
    /// Rows of the left with a partner.
    Semi,
    /// Rows of the left without a partner.
    Anti,
    /// Rows of the left, with whether they have a partner.
    Mark,
}

/// A join by time, of sides whose rows can be kept in its order. With each row of the left goes the newest of those of the right with
/// equal keys that are not after it, or the oldest that is not before it; of several at that time the first in the order of its columns.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// The left side: keys, then its own columns.
    pub left: Plan,
    /// The right side, alike.
    pub right: Plan,
    /// Of each key whether null equals null.
    pub keys: Vec<bool>,
    /// The time of each side among its own columns; the last of them, where it is given for nothing else. A row without has no other.
    pub times: [usize; 2],
    /// How many own columns of each side are given.
    pub widths: [usize; 2],
    /// Whether the newest of those before is meant, and not the oldest of those after.
    pub newest: bool,
    /// Whether a row of the same time is none.
    pub strict: bool,
    /// Whether rows of the left without such a row are given, with nulls.
    pub outer: bool,
    /// How watermarks close the times of both sides, which lets go of rows; and where those stand.
    pub closing: Option<(Closing, [usize; 2])>,
}

/// Calls OVER partitions, computed of slices: each change concerns rows around it only, or all after it.
#[derive(Clone, Debug)]
pub struct Over {
    /// Keys of the partition, then what is kept of a row: the order columns, then what else there is.
    pub input: Plan,
    /// Number of keys.
    pub keys: usize,
    /// How far calls look around their row.
    pub reach: Reach,
    /// The order of the first columns that are kept.
    pub order: Vec<SortOptions>,
    /// Which of those that are kept are handed to the computation; the order columns are the first.
    pub handed: Vec<usize>,
    /// What the row before a slice carries into it; handed behind those.
    pub totals: Vec<Total>,
    /// What is computed of slices, totals first.
    pub compute: Compute,
    /// Where the columns of the input are.
    pub own: Vec<Own>,
    /// What is given behind them.
    pub answers: Vec<Answer>,
    /// How a watermark closes the first order column, which lets go of rows.
    pub closing: Option<Closing>,
}

/// A total of all rows of a partition up to one.
#[derive(Clone, Debug)]
pub struct Total {
    /// What each row adds.
    pub of: TotalOf,
    /// The type of the total, and of what is handed for it.
    pub kind: DataType,
}

/// What a row adds to a total. Columns count among those that are handed.
#[derive(Clone, Copy, Debug)]
pub enum TotalOf {
    /// One.
    Rows,
    /// One, if it is the first of its place in the order.
    Peers,
    /// One, if a column has a value.
    Known(usize),
    /// The value of a column.
    Value(usize),
    /// Nothing: the value of the first row stays.
    First(usize),
}

/// Where a column of a row is kept.
#[derive(Clone, Copy, Debug)]
pub enum Own {
    /// Among the keys.
    Key(usize),
    /// With the row.
    Place(usize),
}

/// How an answer is made of computed columns.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It is one.
    Call(usize),
    /// The rows up to the last of its peers, less these, and one.
    Rank {
        /// Rows up to the last of its peers.
        all: usize,
        /// Its peers, itself too.
        peers: usize,
    },
    /// A sum divided by a count.
    Mean {
        /// The sum.
        sum: usize,
        /// The count.
        count: usize,
    },
}

/// Rows of equal keys that follow one another in less than a gap are a session.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// The rows: keys, a time in microseconds, other columns.
    pub input: Plan,
    /// Number of keys.
    pub keys: usize,
    /// Microseconds after which a row is no more in the session of the one before it.
    pub gap: i64,
    /// How a watermark closes the time, which lets go of sessions.
    pub closing: Option<Closing>,
    /// What is computed of each session: its keys, its first and last time, and these are given, over rows that only come. With none
    /// each row's other columns are given, and the first and last time of its session.
    pub totals: Option<Vec<Aggregate>>,
    /// Whether a session is given once only, when it is closed.
    pub once: bool,
}

/// The first rows of groups.
#[derive(Clone, Debug)]
pub struct Top {
    /// The rows.
    pub input: Plan,
    /// Each group has equal values of these.
    pub keys: Vec<Expression>,
    /// The order within a group; ties go by the rows themselves.
    pub order: Vec<(Expression, SortOptions)>,
    /// Rows left out at the front.
    pub skip: usize,
    /// Rows given at most.
    pub fetch: Option<usize>,
    /// Whether the place in the order, from 1, is added as a last column.
    pub number: bool,
}

/// One aggregate of a group.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The function.
    pub function: Function,
    /// Its argument; none for `count(*)`.
    pub argument: Option<Expression>,
    /// Only rows for which this is true.
    pub filter: Option<Expression>,
    /// Each value once.
    pub distinct: bool,
}

/// The aggregate functions that are kept up to date change by change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Rows, or values that are not null.
    Count,
    /// Total.
    Sum,
    /// Mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
}

impl Plan {
    /// The nodes that this one reads.
    pub fn inputs(&self) -> Vec<&Plan> {
        match &self.node {
            Node::Input { .. } | Node::Values { .. } => Vec::new(),
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Flat { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Final { input, .. }
            | Node::Temporal { input, .. }
            | Node::Group { input, .. } => vec![input],
            Node::Over(over) => vec![&over.input],
            Node::Sessions(sessions) => vec![&sessions.input],
            Node::Top(top) => vec![&top.input],
            Node::Join(join) => vec![&join.left, &join.right],
            Node::AsOf(as_of) => vec![&as_of.left, &as_of.right],
            Node::Union { inputs } => inputs.iter().collect(),
            Node::Recursive { first, step, .. } => vec![first, step],
        }
    }

    /// The same, to be changed.
    pub fn inputs_mut(&mut self) -> Vec<&mut Plan> {
        match &mut self.node {
            Node::Input { .. } | Node::Values { .. } => Vec::new(),
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Flat { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Final { input, .. }
            | Node::Temporal { input, .. }
            | Node::Group { input, .. } => vec![input],
            Node::Over(over) => vec![&mut over.input],
            Node::Sessions(sessions) => vec![&mut sessions.input],
            Node::Top(top) => vec![&mut top.input],
            Node::Join(join) => vec![&mut join.left, &mut join.right],
            Node::AsOf(as_of) => vec![&mut as_of.left, &mut as_of.right],
            Node::Union { inputs } => inputs.iter_mut().collect(),
            Node::Recursive { first, step, .. } => vec![first, step],
        }
    }

    /// How watermarks close what the node keeps, where they do.
    pub fn closing(&self) -> Option<&Closing> {
        match &self.node {
            Node::Aggregate { closing: Some((_, closing)), .. }
            | Node::Group { closing: Some((_, closing)), .. }
            | Node::Final { closing, .. } => Some(closing),
            Node::Over(over) => over.closing.as_ref(),
            Node::Sessions(sessions) => sessions.closing.as_ref(),
            Node::AsOf(as_of) => as_of.closing.as_ref().map(|(closing, _)| closing),
            Node::Join(join) => join.closing.as_ref().map(|(_, c)| c).or(join.within.as_ref().map(|w| &w.closing)),
            _ => None,
        }
    }

    /// Names of the tables and views that the plan reads.
    pub fn reads(&self, out: &mut Vec<String>) {
        match &self.node {
            Node::Input { name, .. } if !out.contains(name) => out.push(name.clone()),
            Node::Recursive { name, first, step, .. } => {
                first.reads(out);
                let mut inner = Vec::new();
                step.reads(&mut inner);
                inner.into_iter().filter(|n| n != name).for_each(|n| {
                    if !out.contains(&n) {
                        out.push(n);
                    }
                });
            }
            _ => self.inputs().iter().for_each(|p| p.reads(out)),
        }
    }

    /// Column indices of one table that the plan reads.
    pub fn columns_of(&self, table: &str, out: &mut Vec<usize>) {
        match &self.node {
            Node::Input { name, columns } if name == table => out.extend(columns),
            _ => self.inputs().iter().for_each(|p| p.columns_of(table, out)),
        }
    }
}
