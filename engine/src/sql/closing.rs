//! Which columns of a query a watermark closes: rows with such a value cannot come or change any more once it has passed.
//!
//! Event-time columns of tables are where it begins; windows of them, their bounds, and joins, filters and groupings by them
//! keep it. What is lost on the way only costs: state is then kept for good, and `EXPLAIN` says so.
//!
//! Where rows may still change by what no watermark tells (a row that they are joined to, the clock, another row of their
//! partition), a column is closed loosely: nothing is let go of by it, but `EMIT FINAL` takes it, for a row is then given as it
//! is at that moment and what changes it later is late.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, NullEquality, ScalarValue};
use datafusion::logical_expr::{Case, Distinct, Expr, ExprSchemable, GroupingSet, Join, JoinType, LogicalPlan, Operator};

use super::frames::Frames;
use super::lower::{asks_now, number_bound};
use super::nearest::Nearest;
use super::watermark::{END, Watermarks};
use super::window::calendar::{Calendar, DAY, Length};
use super::window::zone::Zone;
use super::window::{Arguments, micros_of};
use super::windowing::is_last;
use super::within::{self, Within};

/// How a watermark closes the values of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What the column holds.
    pub shape: Shape,
    /// Tables whose watermarks count.
    pub tables: Vec<String>,
    /// Microseconds that the column is behind those watermarks: partners in a join by time may be so much later.
    pub delay: i64,
    /// Microseconds that other times of the same row may be later than what closes this one.
    pub ahead: i64,
    /// Whether rows may still change once it has passed.
    pub loose: bool,
    /// Whether rows with it only come, as far as is known.
    pub grows: bool,
    /// Of which side of a FULL join it is, where rows without a partner have none: it takes the times of both sides to close them.
    pub half: Option<Half>,
}

/// A side of a FULL join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// What a closing column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A time, closed when the watermark has passed it.
    Time,
    /// A bound, closed when the watermark has reached it.
    Bound,
    /// The start of a window.
    Start(Span),
    /// A window with start and end; how long it is, when its start tells.
    Window(Option<Span>),
    /// Windows, in a list.
    Windows(Option<Span>),
}

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Some microseconds.
    Fixed(i64),
    /// Until the next on a calendar begins.
    Calendar(Calendar),
}

/// What is known of a table or view: for each column how it is closed.
pub type Known<'a> = &'a dyn Fn(&str) -> Vec<Option<Closing>>;

impl Closing {
    /// A time of a table.
    pub fn of_table(name: &str) -> Self {
        Closing { shape: Shape::Time, tables: vec![name.to_string()], delay: 0, ahead: 0, loose: false, grows: false, half: None }
    }

    /// None where rows may still change once it has passed.
    pub fn for_good(self) -> Option<Self> {
        (!self.loose).then_some(self)
    }

    /// The watermark that has passed for the column at the end of an epoch.
    pub fn passed(&self, watermarks: &Watermarks, epoch: u64) -> Option<i64> {
        let passed = watermarks.at(&self.tables, epoch)?;
        Some(if passed == END { END } else { passed.saturating_sub(self.delay) })
    }

    /// The same before an epoch: rows behind it are late.
    pub fn passed_before(&self, watermarks: &Watermarks, epoch: u64) -> Option<i64> {
        self.passed(watermarks, epoch.checked_sub(1)?)
    }

    /// For each row the watermark that closes it, in microseconds; null for rows without a time.
    pub fn times(&self, column: &ArrayRef) -> Option<TimestampMicrosecondArray> {
        let (column, after) = match self.shape {
            Shape::Time => (column.clone(), Span::Fixed(1)),
            Shape::Bound => (column.clone(), Span::Fixed(0)),
            Shape::Start(span) => (column.clone(), span),
            Shape::Window(_) => (column.as_struct_opt()?.column_by_name("end")?.clone(), Span::Fixed(0)),
            Shape::Windows(_) => return None,
        };
        let micros = cast(&column, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        Some(match after {
            Span::Fixed(after) => micros.unary(|t| t.saturating_add(after)),
            Span::Calendar(calendar) => micros.unary(|t| calendar.end(t)),
        })
    }
}

/// For each column of a query how it is closed.
pub fn of(plan: &LogicalPlan, known: Known<'_>) -> Vec<Option<Closing>> {
    whole(closed(plan, known).0)
}

/// Those that close all rows.
fn whole(closings: Vec<Option<Closing>>) -> Vec<Option<Closing>> {
    closings.into_iter().map(|closing| closing.filter(|c| c.half.is_none())).collect()
}

/// The same; and together how the columns of all that the query reads and joins are closed, those that it leaves out too.
fn closed(plan: &LogicalPlan, known: Known<'_>) -> (Vec<Option<Closing>>, Option<Closing>) {
    let (inputs, beneath): (Vec<_>, Vec<_>) = plan.inputs().into_iter().map(|input| closed(input, known)).unzip();
    let mut beneath: Vec<Closing> = beneath.into_iter().flatten().collect();
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().unwrap_or_default();
    let width = plan.schema().fields().len();
    let mut out = match plan {
        LogicalPlan::TableScan(scan) => {
            let table = known(scan.table_name.table());
            beneath.extend(table.iter().flatten().cloned());
            let picked = scan.projection.clone().unwrap_or_else(|| (0..table.len()).collect());
            let changes = scan.filters.iter().any(asks_now);
            loosened(picked.into_iter().map(|i| table.get(i).cloned().flatten()).collect(), |_| changes)
        }
        LogicalPlan::Distinct(Distinct::On(on)) => loosened(through(&on.select_expr, on.input.schema(), &next()), |_| true),
        LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => {
            // First rows change with any row.
            let changes = is_first(plan) || matches!(plan, LogicalPlan::Filter(f) if asks_now(&f.predicate));
            loosened(next(), |_| changes)
        }
        LogicalPlan::Projection(p) => through(&p.expr, p.input.schema(), &next()),
        LogicalPlan::Aggregate(a) => {
            let keys = grouped(&a.group_expr, a.input.schema(), &next());
            if a.aggr_expr.is_empty() { keys } else { changing(keys) }
        }
        LogicalPlan::Window(w) => {
            let input = next();
            let calls = through(&w.window_expr, w.input.schema(), &input);
            let partitions: Vec<Vec<usize>> = w.window_expr.iter().map(|e| partition(e, w.input.schema())).collect();
            let in_order = Frames::of(w).and_then(|frames| frames.stays(w, &whole(input.clone())));
            let stays = |at: usize| in_order == Some(at) || partitions.iter().all(|columns| columns.contains(&at));
            changing(loosened(input, |at| !stays(at)).into_iter().chain(calls).collect())
        }
        LogicalPlan::Unnest(u) => {
            let input = next();
            u.dependency_indices.iter().map(|i| input.get(*i).cloned().flatten().map(taken_apart)).collect()
        }
        LogicalPlan::Join(j) => {
            let (left, right) = (whole(next()), whole(next()));
            let only_come = j.join_type == JoinType::Inner && grows(&j.left, &left, known) && grows(&j.right, &right, known);
            let [mut left, mut right] = of_pairs(j, left, right, &beneath);
            beneath.extend(telling(j.join_type, &left, &right));
            match j.join_type {
                JoinType::Inner => {}
                JoinType::Left => right.iter_mut().for_each(|c| *c = None),
                JoinType::Right => left.iter_mut().for_each(|c| *c = None),
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => right.clear(),
                JoinType::RightSemi | JoinType::RightAnti => left.clear(),
                JoinType::Full => [left, right] = [(left, Half::Left), (right, Half::Right)].map(half),
                _ => (left, right) = (Vec::new(), Vec::new()),
            }
            let sides: Vec<_> = left.into_iter().chain(right).collect();
            if only_come { sides } else { changing(sides) }
        }
        LogicalPlan::Union(_) => {
            let inputs: Vec<_> = inputs.collect();
            (0..width).map(|column| common(&inputs, column)).collect()
        }
        _ => Vec::new(),
    };
    out.resize(width, None);
    (out, beneath.into_iter().reduce(|a, b| both(&a, &b)))
}

/// What tells when the rows of a join are final: the times of one side do, which each row has; without a partner it may be either's.
fn telling(kind: JoinType, left: &[Option<Closing>], right: &[Option<Closing>]) -> Vec<Closing> {
    let sides = match kind {
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => [&[], right],
        JoinType::Full => [left, right],
        _ => [left, &[]],
    };
    sides.into_iter().flatten().flatten().cloned().collect()
}

/// The columns of a side of a FULL join.
fn half((closings, of): (Vec<Option<Closing>>, Half)) -> Vec<Option<Closing>> {
    closings.into_iter().map(|closing| closing.map(|c| Closing { half: Some(of), ..c })).collect()
}

/// How the columns of groups are closed.
fn grouped(keys: &[Expr], frame: &DFSchema, input: &[Option<Closing>]) -> Vec<Option<Closing>> {
    match keys {
        [Expr::GroupingSet(sets)] => in_all(sets).map(|e| through_one(e?, frame, input)).collect(),
        keys => through(keys, frame, input),
    }
}

/// The columns of grouping sets; none in the place of one that a set leaves out, where it is null.
fn in_all(sets: &GroupingSet) -> impl Iterator<Item = Option<&Expr>> {
    let everywhere = |e: &Expr| matches!(sets, GroupingSet::GroupingSets(sets) if sets.iter().all(|set| set.contains(e)));
    sets.distinct_expr().into_iter().map(move |e| everywhere(e).then_some(e))
}

/// Whether a query takes first rows of an order, so that others take their place.
pub fn takes_first(plan: &LogicalPlan) -> bool {
    plan.exists(|node| Ok(is_first(node))).unwrap_or(true)
}

/// Whether a node lets first rows through.
fn is_first(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Filter(f) => number_bound(f).is_some(),
        LogicalPlan::Distinct(Distinct::On(_)) | LogicalPlan::Limit(_) => true,
        LogicalPlan::Sort(s) => s.fetch.is_some(),
        _ => false,
    }
}

/// Whether the rows of a query may change at all.
fn changes(plan: &LogicalPlan) -> bool {
    let may = |node: &LogicalPlan| match node {
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => false,
        LogicalPlan::Filter(f) => asks_now(&f.predicate),
        other => other.inputs().is_empty(),
    };
    plan.exists(|node| Ok(may(node))).unwrap_or(true)
}

/// Closings that are loose at some places.
fn loosened(closings: Vec<Option<Closing>>, at: impl Fn(usize) -> bool) -> Vec<Option<Closing>> {
    let loose = |(column, closing): (usize, Option<Closing>)| {
        closing.map(|c| Closing { loose: c.loose || at(column), grows: c.grows && !at(column), ..c })
    };
    closings.into_iter().enumerate().map(loose).collect()
}

/// Closings of rows that also go.
fn changing(closings: Vec<Option<Closing>>) -> Vec<Option<Closing>> {
    closings.into_iter().map(|closing| closing.map(|c| Closing { grows: false, ..c })).collect()
}

/// Whether it is known of a query, whose columns are closed so, that its rows only come: it has a time, and all that it reads does so.
fn grows(plan: &LogicalPlan, columns: &[Option<Closing>], known: Known<'_>) -> bool {
    let goes = |node: &LogicalPlan| match node {
        LogicalPlan::TableScan(scan) => !known(scan.table_name.table()).iter().flatten().any(|c| c.grows),
        _ => false,
    };
    columns.iter().flatten().any(|c| c.grows) && !plan.exists(|node| Ok(goes(node))).unwrap_or(true)
}

/// The columns that a window function is partitioned by.
fn partition(expr: &Expr, frame: &DFSchema) -> Vec<usize> {
    match expr.clone().unalias() {
        Expr::WindowFunction(w) => w.params.partition_by.iter().filter_map(|e| column(e, frame)).collect(),
        _ => Vec::new(),
    }
}

/// Which column an expression is.
fn column(expr: &Expr, frame: &DFSchema) -> Option<usize> {
    if let Expr::Column(c) = expr { frame.maybe_index_of_column(c) } else { None }
}

/// How the columns of each side of a join are closed in what it gives. A pair may still come, or a row find its partner, as long as
/// either side may, and as long as partners may be later: than the time that is held against theirs, which may itself be later than
/// others of its row.
fn of_pairs(
    join: &Join,
    mut left: Vec<Option<Closing>>,
    mut right: Vec<Option<Closing>>,
    beneath: &[Closing],
) -> [Vec<Option<Closing>>; 2] {
    let (tables, behind) = together(left.iter().chain(&right).flatten().chain(beneath));
    let by_time = Nearest::of(join).ok().flatten();
    let held = by_time.as_ref().filter(|n| n.newest).and_then(|n| n.closing(join, &left, &right)).map(|(_, [held, _])| held);
    let ties = match (held, of_join(join, &left, &right)) {
        (Some(held), _) => [Some((held, 0)), None],
        (None, LetGo::ByKey(_, _, Some(ties))) => ties.map(Some),
        (None, LetGo::Within(within, _)) => within.tie().map(Some),
        (None, LetGo::ByKey(_, _, None) | LetGo::Never) => [None, None],
    };
    if by_time.is_some() {
        // The other of a row of the left may be another for as long as rows come to the right; a row of the right may be the newest for as
        // long as none follows.
        let stays = held.is_some() || !changes(&join.right);
        left = left.into_iter().map(|closing| closing.filter(|_| stays)).collect();
        right = loosened(right, |_| true);
    } else if ties == [None, None] {
        let [of_left, of_right] = closed_keys(join, &left, &right);
        let (by_left, by_right) = (changes(&join.left), changes(&join.right));
        left = loosened(left, |at| by_right && !of_left.contains(&at));
        right = loosened(right, |at| by_left && !of_right.contains(&at));
    }
    let furthest = |side: &[Option<Closing>]| side.iter().flatten().map(|c| c.ahead).max().unwrap_or(0);
    let (of_left, of_right) = (furthest(&left), furthest(&right));
    let [left_tie, right_tie] = ties;
    for (closings, tie, others) in [(&mut left, left_tie, of_right), (&mut right, right_tie, of_left)] {
        for (column, closing) in closings.iter_mut().enumerate().filter_map(|(at, c)| Some((at, c.as_mut()?))) {
            (closing.tables, closing.delay) = (tables.clone(), behind);
            if let Some((held, later)) = tie {
                let later = if column == held { later } else { closing.ahead.saturating_add(later) };
                closing.delay = behind.saturating_add(later);
                closing.ahead = closing.ahead.max(later.saturating_add(others));
            }
        }
    }
    [left, right]
}

/// The columns of each side that are keys closed on both, so that pairs with a value cannot change once it has passed.
fn closed_keys(join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> [Vec<usize>; 2] {
    let closed = join.on.iter().filter(|(l, r)| alike(l, r, join, left, right).is_some());
    let of_left = closed.clone().filter_map(|(l, _)| column(l, join.left.schema())).collect();
    [of_left, closed.filter_map(|(_, r)| column(r, join.right.schema())).collect()]
}

/// How a key is closed for good that is closed alike on both sides.
fn alike(l: &Expr, r: &Expr, join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> Option<Closing> {
    let l = through_one(l, join.left.schema(), left)?.for_good()?;
    let r = through_one(r, join.right.schema(), right)?.for_good().filter(|r| r.shape == l.shape)?;
    Some(both(&l, &r))
}

/// For each side of a join the column of the time that is held against one of the other side, and how many microseconds later
/// partners may be.
pub type Tie = [(usize, i64); 2];

/// What lets go of the rows of a join.
pub enum LetGo {
    /// The key that watermarks close on both sides; and the times in it, when it is of times.
    ByKey(usize, Closing, Option<Tie>),
    /// Times that are not far apart; and the further condition with their bounds first.
    Within(Within, Expr),
    /// Nothing.
    Never,
}

/// What lets go of the rows of a join, given how the columns of its sides are closed.
pub fn of_join(join: &Join, left: &[Option<Closing>], right: &[Option<Closing>]) -> LetGo {
    // Where null equals null, rows without a time stay.
    let keys = join.on.iter().enumerate().filter(|_| join.null_equality != NullEquality::NullEqualsNull);
    let closed = |(at, (l, r)): (usize, &(Expr, Expr))| match within::of_key((l, r), join, left, right) {
        Some((closing, tie)) => Some((at, closing, Some(tie))),
        None => Some((at, alike(l, r, join, left, right)?, None)),
    };
    match keys.into_iter().find_map(closed) {
        Some((at, closing, tie)) => LetGo::ByKey(at, closing, tie),
        None if join.null_aware => LetGo::Never,
        None => within::of(join, left, right).map_or(LetGo::Never, |(within, condition)| LetGo::Within(within, condition)),
    }
}

/// The tables of some closings, and how far the last of them is behind.
pub fn together<'a>(closings: impl Iterator<Item = &'a Closing>) -> (Vec<String>, i64) {
    let (mut tables, mut delay) = (Vec::new(), 0);
    for closing in closings {
        tables.extend(closing.tables.iter().cloned());
        delay = delay.max(closing.delay);
    }
    tables.sort();
    tables.dedup();
    (tables, delay)
}

/// What closes a column of one shape once both do.
pub fn both(a: &Closing, b: &Closing) -> Closing {
    let (tables, delay) = together([a, b].into_iter());
    let half = a.half.filter(|_| a.half == b.half);
    Closing { shape: a.shape, tables, delay, ahead: a.ahead.max(b.ahead), loose: a.loose || b.loose, grows: a.grows && b.grows, half }
}

fn common(inputs: &[Vec<Option<Closing>>], column: usize) -> Option<Closing> {
    let mut all = inputs.iter().map(|i| i.get(column).cloned().flatten());
    let first = all.next()??;
    all.try_fold(first, |a, b| b.filter(|b| b.shape == a.shape && b.half == a.half).map(|b| both(&a, &b)))
}

/// The values of a `coalesce`, also as the `CASE` that it is made.
fn coalesced(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::ScalarFunction(f) if ["coalesce", "nvl"].contains(&f.name()) => Some(f.args.iter().collect()),
        Expr::Case(Case { expr: None, when_then_expr, else_expr: Some(other) }) => match when_then_expr.as_slice() {
            [(when, then)] if matches!(when.as_ref(), Expr::IsNotNull(of) if of == then) => Some(vec![then, other]),
            _ => None,
        },
        _ => None,
    }
}

/// How the first of some values that is not null is closed: once each is, of which one is never null, or those of both sides of a FULL
/// join.
fn first_of(values: &[&Expr], inner: &dyn Fn(&Expr) -> Option<Closing>) -> Option<Closing> {
    let closings: Vec<Closing> = values.iter().map(|e| inner(e)).collect::<Option<_>>()?;
    let has = |half: Option<Half>| closings.iter().any(|c| c.half == half);
    let (first, rest) = closings.split_first()?;
    let alike = rest.iter().all(|c| c.shape == first.shape);
    let all = has(None) || has(Some(Half::Left)) && has(Some(Half::Right));
    (alike && all).then(|| Closing { half: None, ..rest.iter().fold(first.clone(), |a, b| both(&a, b)) })
}

fn taken_apart(closing: Closing) -> Closing {
    match closing.shape {
        Shape::Windows(size) => Closing { shape: Shape::Window(size), ..closing },
        _ => closing,
    }
}

fn through(exprs: &[Expr], frame: &DFSchema, input: &[Option<Closing>]) -> Vec<Option<Closing>> {
    exprs.iter().map(|e| through_one(e, frame, input)).collect()
}

/// How the value of an expression is closed.
pub fn through_one(expr: &Expr, frame: &DFSchema, input: &[Option<Closing>]) -> Option<Closing> {
    let inner = |e: &Expr| through_one(e, frame, input);
    let shaped = |closing: Closing, shape: Shape| Some(Closing { shape, ..closing });
    if let Some(values) = coalesced(expr) {
        return first_of(&values, &inner);
    }
    match expr {
        Expr::Alias(alias) => inner(&alias.expr),
        Expr::Column(column) => input.get(frame.index_of_column(column).ok()?).cloned().flatten(),
        Expr::Cast(cast) => cast_to(inner(&cast.expr)?, &cast.expr.get_type(frame).ok()?, cast.field.data_type()),
        Expr::BinaryExpr(b) => {
            // Of a zone with summer time a day may be longer than it seems.
            let fixed = || matches!(b.left.get_type(frame), Ok(DataType::Timestamp(_, zone)) if is_utc(&zone));
            shifted(b.op, inner(&b.left)?, literal(&b.right)?).filter(|_| b.op == Operator::Plus || fixed())
        }
        // The end of a session is what closes it; over any other partition the value may change as long as rows come. Where rows go, a
        // session may become one that was over before.
        Expr::WindowFunction(w) if is_last(w.fun.name()) => {
            let closing = inner(w.params.args.first()?)?;
            Some(Closing { loose: closing.loose || !closing.grows, ..closing })
        }
        Expr::ScalarFunction(f) => {
            let argument = |i: usize| f.args.get(i);
            match f.name() {
                "tumble" | "tumble_start" | "tumble_end" => {
                    let closing = inner(argument(0)?).filter(|c| c.shape == Shape::Time)?;
                    let span = span(&f.args)?;
                    shaped(
                        closing,
                        match f.name() {
                            "tumble" => Shape::Window(Some(span)),
                            "tumble_start" => Shape::Start(span),
                            _ => Shape::Bound,
                        },
                    )
                }
                "date_bin" => {
                    let closing = inner(argument(1)?).filter(|c| c.shape == Shape::Time)?;
                    shaped(closing, Shape::Start(Span::Fixed(literal(argument(0)?)?)))
                }
                "date_trunc" => {
                    let closing = inner(argument(1)?).filter(|c| c.shape == Shape::Time)?;
                    let Ok(DataType::Timestamp(_, zone)) = argument(1)?.get_type(frame) else { return None };
                    let Expr::Literal(unit, _) = argument(0)? else { return None };
                    shaped(closing, Shape::Start(unit_span(unit.try_as_str().flatten()?).filter(|_| is_utc(&zone))?))
                }
                "hop_windows" => shaped(inner(argument(0)?)?, Shape::Windows(literal(argument(2)?).map(Span::Fixed))),
                "cumulate_windows" | "hop_windows_of_calendar" | "cumulate_windows_of_calendar" => {
                    shaped(inner(argument(0)?)?, Shape::Windows(None))
                }
                "named_struct" => shaped(inner(argument(3)?).filter(|c| c.shape == Shape::Bound)?, Shape::Window(None)),
                "get_field" => {
                    let closing = inner(argument(0)?)?;
                    match (closing.shape, argument(1)?) {
                        (Shape::Window(_), Expr::Literal(name, _)) if name.try_as_str().flatten() == Some("end") => {
                            shaped(closing, Shape::Bound)
                        }
                        (Shape::Window(Some(span)), Expr::Literal(..)) => shaped(closing, Shape::Start(span)),
                        _ => None,
                    }
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// How a time is closed once a length of time is added to it or taken from it, as it is for the last moment of a window, which is
/// final when its end is.
fn shifted(op: Operator, closing: Closing, by: i64) -> Option<Closing> {
    let behind = match (op, closing.shape) {
        (Operator::Plus, Shape::Time) if by > 0 => return Some(Closing { shape: Shape::Bound, ..closing }),
        (Operator::Plus, Shape::Time) => 0,
        (Operator::Minus, Shape::Time) => by,
        (Operator::Minus, Shape::Bound) => by.checked_sub(1).filter(|behind| *behind >= 0)?,
        _ => return None,
    };
    Some(Closing { shape: Shape::Time, delay: closing.delay.checked_add(behind)?, ..closing })
}

/// How a time is closed once it is cast: a coarser one holds times of a whole unit, and one on the clock of a zone tells no instant.
fn cast_to(closing: Closing, from: &DataType, to: &DataType) -> Option<Closing> {
    let (unit, before, after) = match (from, to) {
        (DataType::Timestamp(_, before), DataType::Timestamp(unit, after)) => (unit, before, after),
        // A date holds the times of its day.
        (DataType::Timestamp(_, zone), DataType::Date32) if is_utc(zone) && closing.shape == Shape::Time => {
            return Some(Closing { shape: Shape::Start(Span::Fixed(DAY)), ..closing });
        }
        _ => return None,
    };
    if before != after && !(is_utc(before) && is_utc(after)) {
        return None;
    }
    match (unit, closing.shape) {
        (TimeUnit::Nanosecond | TimeUnit::Microsecond, _) => Some(closing),
        (TimeUnit::Millisecond, Shape::Time) => Some(Closing { shape: Shape::Start(Span::Fixed(1_000)), ..closing }),
        (TimeUnit::Second, Shape::Time) => Some(Closing { shape: Shape::Start(Span::Fixed(1_000_000)), ..closing }),
        _ => None,
    }
}

/// How long the part of time is that `date_trunc` gives the start of.
pub fn unit_span(unit: &str) -> Option<Span> {
    let months = |count: i32| Span::Calendar(Calendar { length: Length::Months(count), offset: 0, zone: Zone::Fixed(0) });
    Some(match unit.to_lowercase().as_str() {
        "second" => Span::Fixed(1_000_000),
        "minute" => Span::Fixed(60_000_000),
        "hour" => Span::Fixed(3_600_000_000),
        "day" => Span::Fixed(DAY),
        "week" => Span::Fixed(7 * DAY),
        "month" => months(1),
        "quarter" => months(3),
        "year" => months(12),
        _ => return None,
    })
}

/// Whether times of a zone, or of none, are those of UTC.
pub fn is_utc(zone: &Option<Arc<str>>) -> bool {
    zone.as_deref().is_none_or(|z| ["UTC", "+00:00", "Z"].contains(&z))
}

/// How long the windows of a call of `tumble` are.
fn span(args: &[Expr]) -> Option<Span> {
    let constants: Option<Vec<&ScalarValue>> =
        args.iter().skip(1).map(|e| if let Expr::Literal(value, _) = e { Some(value) } else { None }).collect();
    let given = Arguments::of(&constants?, 1, "").ok()?;
    match (given.calendar(), given.fixed().ok()?.first()) {
        (Some(calendar), _) => Some(Span::Calendar(calendar)),
        (None, size) => size.copied().map(Span::Fixed),
    }
}

fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => micros_of(value).filter(|m| *m >= 0),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}
