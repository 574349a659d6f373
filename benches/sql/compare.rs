//! Systems take turns over one workload; their outputs are compared before a time is printed.

use crate::workload::{Run, Workload};

/// A name, and what runs a workload.
pub type System<'a> = (&'a str, &'a dyn Fn(&Workload) -> Run);

/// Runs systems in turns; prints medians, ranges, and ratios to the first; the median of the first, in seconds.
pub fn compare(workload: &Workload, rounds: usize, systems: &[System<'_>]) -> f64 {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); systems.len()];
    let mut sums: Vec<i128> = Vec::new();
    for _ in 0..rounds {
        for (times, (_, system)) in times.iter_mut().zip(systems) {
            let run = system(workload);
            times.push(run.time.as_secs_f64());
            sums.push(run.sum);
        }
    }
    assert!(sums.iter().all(|s| *s == sums[0]), "{}: outputs differ: {sums:?}", workload.name);
    println!("{}: {} rows timed, outputs equal", workload.name, workload.rows);
    let mut first = None;
    for (times, (name, _)) in times.iter_mut().zip(systems) {
        times.sort_by(f64::total_cmp);
        let (median, n) = (times[times.len() / 2], workload.rows as f64 / 1e6);
        let ratio = *first.get_or_insert(median) / median;
        println!(
            "  {name:<30} {:8.2} M rows/s ({:.2} to {:.2}), {:.2} of the first",
            n / median,
            n / times[times.len() - 1],
            n / times[0],
            ratio
        );
    }
    first.unwrap_or_default()
}
