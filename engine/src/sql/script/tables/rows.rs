//! The rows that a table holds, for statements that look at them. What comes is added behind what is there; what goes leaves a
//! hole, until there are as many holes as rows. So a change costs what it changes, and a look at all rows what there is.
//!
//! Of a table that no statement looks at, none are held. Not here: which those are (`held.rs`), what they are to a run (the history).

use std::collections::{HashMap, HashSet};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, interleave_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::row::OwnedRow;

use super::encoded;

/// Holes that are not worth being closed.
const HOLES_MIN: usize = 1 << 10;

/// Rows with a number each, in the order in which they came.
pub struct Rows {
    schema: SchemaRef,
    key: Vec<usize>,
    is_held: bool,
    /// Batches with the number of the first row of each.
    parts: Vec<(usize, RecordBatch)>,
    /// Whether each row is still there.
    live: Vec<bool>,
    holes: usize,
    /// Numbers of rows by key, where there is one.
    by_key: HashMap<OwnedRow, usize>,
}

impl Rows {
    /// None yet; none ever, where no statement looks at them.
    pub fn new(schema: SchemaRef, key: &[usize], is_held: bool) -> Self {
        let key = key.to_vec();
        Rows { schema, key, is_held, parts: Vec::new(), live: Vec::new(), holes: 0, by_key: HashMap::new() }
    }

    /// Whether they are held.
    pub fn are_held(&self) -> bool {
        self.is_held
    }

    /// Adds rows; the key of none is there.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn add(&mut self, rows: &RecordBatch) -> Result<(), String> {
        if !self.is_held || rows.num_rows() == 0 {
            return Ok(());
        }
        let first = self.live.len();
        if !self.key.is_empty() {
            self.by_key.extend(self.keys_of(rows)?.into_iter().zip(first..));
        }
        looked_at(rows.num_rows());
        self.live.resize(first + rows.num_rows(), true);
        self.parts.push((first, rows.clone()));
        Ok(())
    }

    /// Takes rows away, each as often as it is given.
    ///
    /// # Errors
    /// When rows cannot be encoded.
    pub fn take_away(&mut self, gone: &RecordBatch) -> Result<(), String> {
        if !self.is_held || gone.num_rows() == 0 {
            return Ok(());
        }
        if self.key.is_empty() {
            return self.take_away_by_value(gone);
        }
        for key in self.keys_of(gone)? {
            if let Some(live) = self.by_key.remove(&key).and_then(|number| self.live.get_mut(number)) {
                *live = false;
                self.holes += 1;
            }
        }
        if self.holes > HOLES_MIN.max(self.live.len() / 2) { self.join() } else { Ok(()) }
    }

    fn take_away_by_value(&mut self, gone: &RecordBatch) -> Result<(), String> {
        let mut counts: HashMap<OwnedRow, usize> = HashMap::new();
        for row in encoded(gone)? {
            *counts.entry(row).or_default() += 1;
        }
        self.join()?;
        for (_, part) in &self.parts {
            for (row, live) in encoded(part)?.iter().zip(&mut self.live) {
                if let Some(count) = counts.get_mut(row).filter(|count| **count > 0) {
                    (*count, *live) = (*count - 1, false);
                    self.holes += 1;
                }
            }
        }
        self.join()
    }

    /// All rows, in one batch.
    ///
    /// # Errors
    /// When they are not held, which is a defect.
    pub fn whole(&self) -> Result<RecordBatch, String> {
        if !self.is_held {
            return Err("rows of a table are looked at that are not held, which is a defect of the engine".into());
        }
        if let ([(_, one)], 0) = (self.parts.as_slice(), self.holes) {
            return Ok(one.clone());
        }
        looked_at(self.live.len());
        let all = concat_batches(&self.schema, self.parts.iter().map(|(_, rows)| rows)).map_err(|e| e.to_string())?;
        if self.holes == 0 {
            return Ok(all);
        }
        filter_record_batch(&all, &BooleanArray::from(self.live.clone())).map_err(|e| e.to_string())
    }

    /// Makes them one batch without holes, so that looking at all of them copies nothing.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn join(&mut self) -> Result<(), String> {
        if self.parts.len() < 2 && self.holes == 0 {
            return Ok(());
        }
        let all = self.whole()?;
        if self.holes > 0 && !self.key.is_empty() {
            looked_at(all.num_rows());
            self.by_key = self.keys_of(&all)?.into_iter().zip(0..).collect();
        }
        (self.live, self.holes, self.parts) = (vec![true; all.num_rows()], 0, vec![(0, all)]);
        Ok(())
    }

    /// Rows that have a key of some others, in the order in which they came.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn with_keys_of(&self, others: &RecordBatch) -> Result<RecordBatch, String> {
        let mut numbers: Vec<usize> = self.keys_of(others)?.iter().filter_map(|key| self.by_key.get(key)).copied().collect();
        looked_at(others.num_rows() + numbers.len());
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.is_empty() {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        }
        let (mut parts, mut places, mut last): (Vec<&RecordBatch>, Vec<(usize, usize)>, _) = (Vec::new(), Vec::new(), None);
        for number in numbers {
            let Some(at) = self.parts.partition_point(|(first, _)| *first <= number).checked_sub(1) else { continue };
            let Some((first, part)) = self.parts.get(at) else { continue };
            if last != Some(at) {
                (last, _) = (Some(at), parts.push(part));
            }
            places.push((parts.len() - 1, number - first));
        }
        interleave_record_batch(&parts, &places).map_err(|e| e.to_string())
    }

    /// Whether there is a row of a key.
    pub fn has(&self, key: &OwnedRow) -> bool {
        self.by_key.contains_key(key)
    }

    /// Whether each key is there once when some rows have gone and others have come.
    ///
    /// # Errors
    /// When a key cannot be encoded.
    pub fn keys_stay(&self, gone: &RecordBatch, come: &RecordBatch) -> Result<bool, String> {
        if self.key.is_empty() {
            return Ok(true);
        }
        let gone: HashSet<OwnedRow> = self.keys_of(gone)?.into_iter().collect();
        let mut seen = HashSet::new();
        Ok(self.keys_of(come)?.into_iter().all(|key| (gone.contains(&key) || !self.has(&key)) && seen.insert(key)))
    }

    /// The key of each row.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn keys_of(&self, rows: &RecordBatch) -> Result<Vec<OwnedRow>, String> {
        encoded(&rows.project(&self.key).map_err(|e| e.to_string())?)
    }
}

/// Counts rows that are looked at, for tests.
fn looked_at(rows: usize) {
    #[cfg(test)]
    tests::LOOKED_AT.with(|all| all.set(all.get() + rows));
    let _ = rows;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::sql::sqlparser::parser::Parser;

    use super::super::Tables;
    use crate::sql::Functions;
    use crate::sql::dialect::Sql;

    thread_local! {
        pub static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    fn tables(key: Vec<usize>, held: bool) -> Tables {
        let mut tables = Tables::new(None, Functions::default());
        let column = |name: &str| Field::new(name, DataType::Int64, true);
        tables.add("t", Arc::new(Schema::new(vec![column("k"), column("v")])), key, None, held);
        tables
    }

    fn change(tables: &mut Tables, text: &str) {
        for statement in Parser::parse_sql(&Sql, text).unwrap() {
            tables.change(&statement, &[]).unwrap();
            tables.seal().unwrap();
        }
    }

    fn shown(tables: &Tables) -> String {
        let rows = tables.read("SELECT * FROM t ORDER BY k, v", &[]).unwrap();
        let column = |at: usize| rows.column(at).as_primitive::<Int64Type>().values();
        let pairs = column(0).iter().zip(column(1)).map(|(k, v)| format!("{k},{v}"));
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// Rows that are looked at while some rows are put in, one a statement; every second takes another's place where there are keys.
    fn looked_at(key: Vec<usize>, held: bool, inserts: usize) -> usize {
        let (mut tables, before) = (tables(key, held), LOOKED_AT.get());
        (0..inserts).for_each(|i| change(&mut tables, &format!("INSERT INTO t VALUES ({}, {i})", i / 2)));
        LOOKED_AT.get() - before
    }

    #[test]
    fn inserts_cost_what_they_put_in() {
        for (key, held, each) in [(vec![], false, 0), (vec![], true, 1), (vec![0], true, 4)] {
            for inserts in [40, 160] {
                let work = looked_at(key.clone(), held, inserts);
                assert!(work <= each * inserts, "{inserts} inserts, key {key:?}: {work} rows were looked at");
            }
        }
    }

    #[test]
    fn rows_come_and_go_by_key_and_by_value() {
        let mut keyed = tables(vec![0], true);
        change(&mut keyed, "INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO t VALUES (3, 3); INSERT INTO t VALUES (2, 5), (4, 4)");
        assert_eq!(shown(&keyed), "1,1 2,5 3,3 4,4");
        change(&mut keyed, "UPDATE t SET k = k + 1 WHERE k > 2; DELETE FROM t WHERE k = 1; INSERT INTO t VALUES (5, 9)");
        assert_eq!(shown(&keyed), "2,5 4,3 5,9");
        let twice = &Parser::parse_sql(&Sql, "UPDATE t SET k = 4 WHERE k = 5").unwrap()[0];
        assert!(keyed.change(twice, &[]).unwrap_err().contains("two rows with one key"));
        let mut plain = tables(vec![], true);
        change(&mut plain, "INSERT INTO t VALUES (1, 1), (1, 1); INSERT INTO t VALUES (1, 1), (2, 2); DELETE FROM t WHERE k = 2");
        change(&mut plain, "UPDATE t SET v = 7 WHERE k = 1; INSERT INTO t VALUES (1, 1)");
        assert_eq!(shown(&plain), "1,1 1,7 1,7 1,7");
        assert!(tables(vec![], false).read("SELECT * FROM t", &[]).unwrap_err().contains("not held"));
    }

    /// Holes are closed once there are as many as rows; a key is found behind that.
    #[test]
    fn holes_are_closed() {
        let mut keyed = tables(vec![0], true);
        change(&mut keyed, "INSERT INTO t SELECT value, 0 FROM generate_series(1, 3000)");
        change(&mut keyed, "INSERT INTO t SELECT value, 1 FROM generate_series(1, 2000); INSERT INTO t VALUES (1, 2), (2999, 3)");
        let found = |text: &str| keyed.read(text, &[]).unwrap().num_rows();
        assert_eq!(found("SELECT * FROM t"), 3_000);
        assert_eq!((found("SELECT * FROM t WHERE v = 1"), found("SELECT * FROM t WHERE v = 0")), (1_999, 999));
    }
}
