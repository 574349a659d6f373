//! A small model of which rows of a table come too late for its sessions, made without the engine. A row is late when it would have been
//! in a session that a watermark has closed, or in one whose end is at or below the watermark of an earlier epoch and that reaches no
//! session that was open before. A key that has no open session is forgotten once the watermark is a gap further; of one that
//! comes anew nothing is taken that is more than a gap behind the watermark.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch, new_null_array};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};

use super::dice::Dice;
use super::history::{Change, History, Kind, Table, literal_time};

/// A table whose rows are of few keys and come close to its watermark, on both sides: many in few epochs, at times such that go or change.
pub fn history(seed: u64) -> History {
    let mut dice = Dice::new(seed, 12);
    let dice = &mut dice;
    let mut table = Table::of(dice, "t0", &[("k", Kind::Int), ("v", Kind::Big), ("ts", Kind::Time)]);
    table.watermark = Some(dice.between(0, 3));
    // With many keys most are forgotten before they come anew.
    let (mut clock, changing, keys) = (1_704_067_200, dice.percent(40), dice.pick(&[1, 1, 5, 9]));
    let mut epochs = Vec::new();
    for _ in 0..6 + dice.below(8) {
        clock += dice.between(0, 4);
        let rows = |dice: &mut Dice| {
            let mut row = || {
                let key = if dice.percent(8) { "NULL".to_string() } else { dice.between(0, keys).to_string() };
                format!("({key}, {}, {})", dice.between(0, 4), literal_time(clock + dice.between(-9, 1)))
            };
            (0..3).map(|_| row()).collect::<Vec<String>>()
        };
        let changes = (0..1 + dice.below(2)).map(|_| match dice.below(6) {
            0 if changing => Change::Other(format!("DELETE FROM t0 WHERE v = {}", dice.between(0, 4))),
            // The time too, which every query reads: one that reads no changed column sees no change, and what was late stays so.
            1 if changing => {
                Change::Other(format!("UPDATE t0 SET v = v + 1, ts = ts + INTERVAL '1 microsecond' WHERE k = {}", dice.between(0, 1)))
            }
            _ => Change::Insert("t0".to_string(), rows(dice)),
        });
        epochs.push(changes.collect());
    }
    History { tables: vec![table], epochs }
}

/// A row's key, its time, and the row.
type Row = (Vec<u8>, i64, Vec<u8>);

/// What sessions have taken in.
pub struct Accepted {
    gap: i64,
    by_key: bool,
    /// Columns that the query does not read: rows that differ in nothing else are one to it.
    unread: Vec<usize>,
    converter: RowConverter,
    schema: SchemaRef,
    before: BTreeMap<Row, i64>,
    rows: BTreeMap<Row, i64>,
    /// Of each key the time before which nothing is taken.
    floors: BTreeMap<Vec<u8>, i64>,
    /// Late rows, less those that went late.
    pub late: i64,
}

impl Accepted {
    /// Nothing yet; the gap in microseconds, whether there are sessions of the first column, and the query.
    pub fn new(gap: i64, by_key: bool, schema: SchemaRef, query: &str) -> Self {
        let is_unread = |at: &usize| schema.field(*at).name() != "ts" && !query.contains(&format!("a.{}", schema.field(*at).name()));
        let unread = (usize::from(by_key)..schema.fields().len()).filter(is_unread).filter(|at| schema.field(*at).is_nullable()).collect();
        let converter = RowConverter::new(schema.fields().iter().map(|f| SortField::new(f.data_type().clone())).collect()).unwrap();
        let (before, rows, floors) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Accepted { gap, by_key, unread, converter, schema, before, rows, floors, late: 0 }
    }

    /// Takes in a table as it is at the end of an epoch, given the watermark before it; what it has then taken in all.
    pub fn epoch(&mut self, table: &RecordBatch, watermark: Option<i64>) -> RecordBatch {
        if let Some(watermark) = watermark {
            self.close(watermark);
        }
        let now = self.rows_of(table);
        let all: BTreeSet<Row> = now.keys().chain(self.before.keys()).cloned().collect();
        let (mut come, mut touched) = (BTreeMap::new(), BTreeSet::new());
        let keys: BTreeSet<Vec<u8>> = all.iter().map(|row| row.0.clone()).collect();
        let open: BTreeMap<Vec<u8>, Vec<(i64, i64)>> = keys.into_iter().map(|key| (key.clone(), self.sessions(&key))).collect();
        for row in all {
            let count = |of: &BTreeMap<Row, i64>| of.get(&row).copied().unwrap_or(0);
            let change = count(&now) - count(&self.before);
            if change == 0 {
                continue;
            }
            let unknown = watermark.map_or(i64::MIN, |w| w - self.gap);
            let floor = *self.floors.entry(row.0.clone()).or_insert(unknown);
            if row.1 < floor {
                self.late += change;
            } else if change < 0 {
                let there = count(&self.rows).min(-change);
                self.late += change + there;
                *self.rows.entry(row.clone()).or_insert(0) -= there;
            } else {
                touched.insert(row.0.clone());
                come.insert(row, change);
            }
        }
        self.rows.retain(|_, count| *count != 0);
        for key in touched {
            let mut times: Vec<i64> = self.open(&key).chain(come.keys().filter(|row| row.0 == key).map(|row| row.1)).collect();
            times.sort();
            for session in times.chunk_by(|a, b| b - a < self.gap) {
                let (first, last) = (session[0], *session.last().unwrap());
                let is_near = |other: &(i64, i64)| first - other.1 < self.gap && other.0 - last < self.gap;
                let is_late = watermark.is_some_and(|w| last + self.gap <= w) && !open[&key].iter().any(is_near);
                for (row, count) in come.iter().filter(|(row, _)| row.0 == key && (first..=last).contains(&row.1)) {
                    if is_late {
                        self.late += count;
                    } else {
                        *self.rows.entry(row.clone()).or_insert(0) += count;
                    }
                }
            }
        }
        self.before = now;
        self.table()
    }

    /// Times of a key that are in no closed session.
    fn open(&self, key: &[u8]) -> impl Iterator<Item = i64> + '_ {
        let floor = self.floors.get(key).copied().unwrap_or(i64::MIN);
        let key = key.to_vec();
        self.rows.keys().filter(move |row| row.0 == key && row.1 >= floor).map(|row| row.1)
    }

    /// The first and the last time of each session of a key that is open.
    fn sessions(&self, key: &[u8]) -> Vec<(i64, i64)> {
        let times: Vec<i64> = self.open(key).collect();
        times.chunk_by(|a, b| b - a < self.gap).map(|session| (session[0], *session.last().unwrap())).collect()
    }

    fn close(&mut self, watermark: i64) {
        for key in self.floors.keys().cloned().collect::<Vec<_>>() {
            let times: Vec<i64> = self.open(&key).collect();
            let ends = times.chunk_by(|a, b| b - a < self.gap).map(|session| session.last().unwrap() + self.gap);
            let closed = ends.filter(|end| *end <= watermark).max();
            let floor = closed.unwrap_or(i64::MIN).max(self.floors[&key]);
            self.floors.insert(key.clone(), floor);
            if self.open(&key).next().is_none() && floor.saturating_add(self.gap) <= watermark {
                self.floors.remove(&key);
            }
        }
    }

    fn rows_of(&self, table: &RecordBatch) -> BTreeMap<Row, i64> {
        let ts = table.schema().index_of("ts").unwrap();
        let times = table.column(ts).as_primitive::<TimestampMicrosecondType>();
        let key = RowConverter::new(vec![SortField::new(table.column(0).data_type().clone())]).unwrap();
        let keys = key.convert_columns(&table.columns()[..1]).unwrap();
        let mut out = BTreeMap::new();
        let mut columns = table.columns().to_vec();
        self.unread.iter().for_each(|at| columns[*at] = new_null_array(columns[*at].data_type(), table.num_rows()));
        for (at, row) in self.converter.convert_columns(&columns).unwrap().iter().enumerate() {
            // A row without a time is in no session.
            if let Some(time) = times.iter().nth(at).flatten() {
                let key = if self.by_key { keys.row(at).as_ref().to_vec() } else { Vec::new() };
                *out.entry((key, time, row.as_ref().to_vec())).or_insert(0) += 1;
            }
        }
        out
    }

    fn table(&self) -> RecordBatch {
        let parser = self.converter.parser();
        let repeated =
            self.rows.iter().flat_map(|(row, count)| std::iter::repeat_n(parser.parse(&row.2), usize::try_from(*count).unwrap()));
        RecordBatch::try_new(self.schema.clone(), self.converter.convert_rows(repeated.collect::<Vec<_>>()).unwrap()).unwrap()
    }
}
