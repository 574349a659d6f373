//! What an epoch costs, by how much it changes and by how much the view holds.

use crate::engine::littoral;
use crate::hand::joined_by_hand;
use crate::workload::{Workload, changelog, pairs};

/// What an epoch costs, by how much it changes and by how much the view holds.
pub fn slope(small: bool) {
    let sql = "SELECT a.k, count(*) AS n, sum(b.v) AS s FROM a JOIN b ON a.k = b.k GROUP BY a.k";
    let (sizes, epochs, rounds) = if small { ([500u64, 1_000], 3, 1) } else { ([100_000, 1_000_000], 30, 3) };
    println!("epochs of a join, grouped, by changes on each side; outputs as by hand:");
    for keys in sizes {
        for changes in if small { [10, 20, 40] } else { [1_000, 2_000, 4_000] } {
            let (a, b) = (changelog(5, keys, keys as usize, epochs, changes), changelog(6, keys, keys as usize, epochs, changes));
            let schema = pairs(&[]).schema();
            let epochs_of = a.into_iter().zip(b).map(|(a, b)| vec![(0, a), (1, b)]).collect();
            let tables = vec![("a", schema.clone(), false), ("b", schema, false)];
            let workload =
                Workload { name: "slope", sql, tables, epochs: epochs_of, filling: 1, rows: epochs * changes * 2, closes: false };
            let by_hand = joined_by_hand(&workload);
            let mut times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let run = littoral(&workload);
                    assert_eq!(run.sum, by_hand, "slope: outputs differ");
                    run.time.as_secs_f64() * 1e3 / epochs as f64
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            println!("  {keys:>9} keys, {changes:>5} changes: {median:8.2} ms an epoch ({:.2} to {most:.2})", times[0]);
        }
    }
}
