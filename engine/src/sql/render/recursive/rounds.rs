//! Rounds of an iteration: where they end for good, and rows that count once in each.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array};
use arrow::error::ArrowError;
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::super::rows;
use super::Round;
use crate::flow::defect::end_run;
use crate::flow::exchange::exchange_by;
use crate::flow::pick::take_rows;
use crate::flow::updates::Updates;
use crate::sql::arrange::{self, Evaluate};

/// Rounds of an iteration; a query that does not end by itself ends there, with a row in the error collection. Tests of this crate
/// have fewer, as each is a round of a debug build.
const ROUNDS_MAX: u64 = if cfg!(test) { 100 } else { 10_000 };

/// How often a row may be there: a row that is there twice as often with each round would soon be so too often to be counted.
const COPIES_MAX: u64 = 1 << 40;

/// Lets rows through up to the last round; beyond it they become an error, as long as there are any.
pub fn bounded<'i>(fed_back: Stream<'i, Round, Updates>, view: &str) -> rows::Split<'i, Round> {
    let view = view.to_string();
    let of = view.clone();
    let within = |time: Option<&Round>| time.is_some_and(|t| t.inner <= ROUNDS_MAX);
    let good = fed_back.clone().unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "round", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                if !within(cap.stamp().iter().next()) {
                    return;
                }
                let mut session = output.session_with_builder(&cap);
                for updates in data {
                    if (0..updates.rows.num_rows()).any(|row| updates.diff(row).unsigned_abs() > COPIES_MAX) {
                        end_run(&format!(
                            "the recursion of {of} does not end: a row of it is there more than {COPIES_MAX} times; UNION keeps each once"
                        ));
                        return;
                    }
                    session.give_container(updates);
                }
            });
        }
    });
    let bad = fed_back.unary::<NoopBuilder<Updates>, _, _, _>(Pipeline, "last round", move |_, _| {
        move |input, output| {
            input.for_each_stamp(|cap, data| {
                if within(cap.stamp().iter().next()) {
                    return;
                }
                // How many rows there are: none as soon as each that came has gone.
                let copies: i64 = data.map(|updates| (0..updates.rows.num_rows()).map(|row| updates.diff(row)).sum::<i64>()).sum();
                let text = format!("the recursion does not end: it was stopped after {ROUNDS_MAX} rounds");
                let columns: [Arc<dyn arrow::array::Array>; 2] =
                    [Arc::new(StringArray::from(vec![view.as_str()])), Arc::new(StringArray::from(vec![text]))];
                if let (Ok(error), true) = (RecordBatch::try_new(rows::error_schema(), columns.into()), copies != 0) {
                    output.session_with_builder(&cap).give_container(&mut Updates::changes(error, vec![copies].into()));
                }
            });
        }
    });
    let shared = if bad.scope().worker().peers() > 1 { exchange_by(bad, vec![0, 1]) } else { bad };
    let bad = arrange::reduce(arrange::arrange(shared, 2, "rounds"), "distinct", 2, Box::new(Once));
    (good, bad)
}

/// Each row once.
pub struct Once;

impl Evaluate for Once {
    fn evaluate(&mut self, rows: &RecordBatch, starts: &[usize]) -> Result<(RecordBatch, Vec<u32>), ArrowError> {
        let groups = starts.len().saturating_sub(1) as u32;
        let firsts = UInt32Array::from_iter_values(starts.iter().take(groups as usize).map(|s| *s as u32));
        Ok((take_rows(rows, &firsts)?, (0..groups).collect()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::sql::script::{ScriptOptions, run};

    /// The error of a recursion that does not end is there once, and goes with its cause, whatever of its rows comes and goes meanwhile.
    #[test]
    fn the_error_of_a_recursion_goes_with_its_cause() {
        let script = "CREATE TABLE e (a INT, b INT);
            CREATE VIEW r AS WITH RECURSIVE r(a) AS (SELECT 1 UNION ALL SELECT e.b FROM r JOIN e ON r.a = e.a) SELECT a FROM r;
            INSERT INTO e VALUES (1, 2), (2, 3);
            INSERT INTO e VALUES (3, 1);
            UPDATE e SET b = 4 WHERE b = 2;
            UPDATE e SET a = 4 WHERE a = 2;
            DELETE FROM e WHERE a = 3;
            SELECT a FROM r;
            SELECT * FROM row_errors;";
        for workers in [1, 2] {
            let answers = run("rounds.sql", script, &ScriptOptions { workers, ..ScriptOptions::default() }).unwrap();
            let told: Vec<(u64, i64)> = answers[1].changes.iter().map(|(epoch, updates)| (*epoch, updates.diff(0))).collect();
            // The cycle is closed, opened, closed, opened.
            assert_eq!(told, [(2, 1), (3, -1), (4, 1), (5, -1)], "{workers} workers");
            assert_eq!(answers[0].rows.num_rows(), 3);
        }
    }
}
