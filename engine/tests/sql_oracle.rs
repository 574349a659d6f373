//! Every view at every epoch equals DataFusion's batch answer over the same input: random tables, changes and queries.
//!
//! `LITTORAL_ORACLE_CASES` sets the number of cases; the seed of a failing one is kept by proptest.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use littoral_engine::sql::script::{Every, RestoreOptions, ScriptOptions, SnapshotOptions, run};
use proptest::prelude::*;

#[path = "compare/mod.rs"]
mod compare;
use compare::text;

/// Least and greatest leave NaN out: DataFusion's answer then depends on the order of the rows.
const QUERIES: &[&str] = &[
    "SELECT id, g, v FROM t WHERE v > 3 OR g IS NULL",
    "SELECT id, v * 2 + 1 AS w, upper(g) AS u FROM t",
    "SELECT g, count(*) AS n, count(v) AS nv, sum(v) AS s, min(v) AS lo, max(v) AS hi FROM t GROUP BY g",
    "SELECT g, avg(v) AS m, avg(x) AS mx, sum(x) AS sx, min(nanvl(x, 0)) AS lx, max(nanvl(x, 0)) AS hx FROM t GROUP BY g",
    "SELECT count(*) AS n, sum(v) AS s, max(g) AS g FROM t",
    "SELECT g, count(DISTINCT v) AS d, sum(DISTINCT v) AS sd FROM t GROUP BY g",
    "SELECT g, count(*) FILTER (WHERE v > 2) AS n, sum(v) FILTER (WHERE g = 'a') AS s FROM t GROUP BY g",
    "SELECT DISTINCT g, v % 2 AS odd FROM t",
    "SELECT t.id, u.w FROM t JOIN u ON t.v = u.k",
    "SELECT t.g, count(*) AS n, max(u.w) AS w FROM t JOIN u ON t.v = u.k AND t.id > u.w GROUP BY t.g",
    "SELECT a.id AS a, b.id AS b FROM t a JOIN t b ON a.v = b.v WHERE a.id < b.id",
    "SELECT g FROM t UNION ALL SELECT g FROM t WHERE v > 2",
    "SELECT n, count(*) AS groups FROM (SELECT g, count(*) AS n FROM t GROUP BY g) GROUP BY n",
    "SELECT g, sum(v) AS s FROM t GROUP BY g HAVING sum(v) > 4",
    "WITH big AS (SELECT * FROM t WHERE v >= 2) SELECT b.g, count(*) AS n FROM big b JOIN u ON b.v = u.k GROUP BY b.g",
    "SELECT tumble_start(at, INTERVAL '10' SECOND) AS w, count(*) AS n, sum(x) AS s FROM t GROUP BY tumble_start(at, INTERVAL '10' SECOND)",
    "SELECT x, count(*) AS n, min(at) AS a, max(CAST(at AS DATE)) AS b FROM t GROUP BY x",
    "SELECT v % 3 AS m, min(DISTINCT g) AS a, max(v > 2) AS b, avg(DISTINCT v) AS c, sum(CAST(v AS DECIMAL(9,2))) AS d, avg(CAST(v AS DECIMAL(9,2))) AS e FROM t GROUP BY v % 3",
    // Joins that keep rows without a partner.
    "SELECT t.id, t.g, u.w FROM t LEFT JOIN u ON t.v = u.k",
    "SELECT t.id, u.k, u.w FROM t RIGHT JOIN u ON t.v = u.k",
    "SELECT t.id, t.v, u.k, u.w FROM t FULL JOIN u ON t.v = u.k",
    "SELECT t.id, u.w FROM t LEFT JOIN u ON t.v = u.k AND u.w > t.id",
    "SELECT t.id, t.g, u.k, u.w FROM t FULL JOIN u ON t.v = u.k AND u.w > 4 AND t.id < 6",
    "SELECT t.id, u.w FROM t LEFT JOIN u ON t.id < u.w",
    "SELECT t.id, u.w FROM t CROSS JOIN u WHERE t.v IS NOT NULL",
    "SELECT count(*) AS n FROM t, u",
    "SELECT a.g, b.g AS h FROM t a LEFT JOIN (SELECT g, count(*) AS n FROM t GROUP BY g) b ON a.v = b.n",
    "SELECT t.id FROM t LEFT SEMI JOIN u ON t.v = u.k",
    "SELECT t.id, t.v FROM t LEFT ANTI JOIN u ON t.v = u.k",
    "SELECT t.id FROM t LEFT ANTI JOIN u ON t.v = u.k AND t.id > u.w",
    // Subqueries.
    "SELECT id, v FROM t WHERE v IN (SELECT k FROM u)",
    "SELECT id, v FROM t WHERE v NOT IN (SELECT k FROM u)",
    "SELECT k, w FROM u WHERE k NOT IN (SELECT v FROM t)",
    "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.v AND u.w > t.id)",
    "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.v)",
    "SELECT id, v FROM t WHERE v = (SELECT max(k) FROM u)",
    "SELECT id, (SELECT sum(w) FROM u WHERE u.k = t.v) AS s FROM t",
    "SELECT id FROM t WHERE v IN (SELECT k FROM u) OR id > 8",
    "SELECT id, v > (SELECT avg(k) FROM u) AS above FROM t",
    "SELECT g FROM t GROUP BY g HAVING count(*) > (SELECT count(*) FROM u)",
    // Set operations.
    "SELECT v FROM t UNION SELECT k FROM u",
    "SELECT v FROM t INTERSECT SELECT k FROM u",
    "SELECT v FROM t EXCEPT SELECT k FROM u",
    "SELECT v, g FROM t EXCEPT ALL SELECT k, 'a' FROM u",
    "SELECT v FROM t INTERSECT ALL SELECT k FROM u",
    "VALUES (1, 'a'), (2, NULL)",
    "SELECT 1 AS one, t.id FROM t UNION ALL SELECT 2, column1 FROM (VALUES (5), (6))",
    // First rows. Orders are complete, or ties are rows that are equal.
    "SELECT id, g, v FROM t ORDER BY v DESC NULLS LAST, id, g, x, at LIMIT 3",
    "SELECT v FROM t ORDER BY v LIMIT 2 OFFSET 1",
    "SELECT g, v FROM (SELECT g, v, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v DESC, id, x, at) AS n FROM t) WHERE n <= 2",
    "SELECT g, v, n FROM (SELECT g, v, ROW_NUMBER() OVER (PARTITION BY g ORDER BY v) AS n FROM t) WHERE n = 1",
    "SELECT DISTINCT ON (g) g, v FROM t ORDER BY g, v DESC",
    // Windows over changing input.
    "SELECT id, g, v, rank() OVER (PARTITION BY g ORDER BY v) AS r, dense_rank() OVER (PARTITION BY g ORDER BY v) AS d FROM t",
    "SELECT id, v, sum(v) OVER (ORDER BY id, v, g, x, at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM t",
    "SELECT g, v, lag(v) OVER (PARTITION BY g ORDER BY v, id) AS p, lead(v) OVER (PARTITION BY g ORDER BY v, id) AS q FROM t",
    "SELECT id, count(*) OVER (PARTITION BY g) AS n, max(v) OVER () AS top FROM t",
    "SELECT id, avg(v) OVER (PARTITION BY g ORDER BY v RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS m FROM t",
    "SELECT g, v, first_value(v) OVER (PARTITION BY g ORDER BY v) AS f, ntile(2) OVER (PARTITION BY g ORDER BY v, id, x, at) AS h FROM t",
    // Aggregates that DataFusion computes from the group.
    "SELECT g, stddev(v) AS sd, var_pop(v) AS vp, median(v) AS md FROM t GROUP BY g",
    "SELECT median(v) AS md, bit_xor(v) AS b FROM t",
    "SELECT g, bool_and(v > 2) AS every, bool_or(v IS NULL) AS any, count(DISTINCT v) AS d FROM t GROUP BY g",
    "SELECT g, array_agg(v ORDER BY v, id) AS vs FROM t GROUP BY g",
    "SELECT g, string_agg(CAST(v AS VARCHAR), ',' ORDER BY v) AS vs, corr(v, id) AS c FROM t GROUP BY g",
    "SELECT g, first_value(id ORDER BY v DESC NULLS LAST, id) AS f, last_value(v ORDER BY v NULLS FIRST) AS l FROM t GROUP BY g",
    "SELECT approx_distinct(v) AS d FROM t",
    "SELECT g, v % 2 AS odd, count(*) AS n, sum(v) AS s FROM t GROUP BY GROUPING SETS ((g), (v % 2), (g, v % 2))",
    "SELECT g, v % 2 AS odd, count(*) AS n, grouping(g) AS gg FROM t GROUP BY ROLLUP (g, v % 2)",
    "SELECT g, v % 2 AS odd, max(id) AS m FROM t GROUP BY CUBE (g, v % 2)",
    // Taking lists apart.
    "SELECT id, unnest(make_array(v, v + 1)) AS e FROM t",
    "SELECT id, e FROM (SELECT id, unnest(range(0, v)) AS e FROM t)",
    "SELECT g, unnest(array_agg(v ORDER BY v)) AS e FROM t GROUP BY g",
    // Recursion over what changes.
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
    "WITH RECURSIVE reach(a, b) AS (SELECT k, w FROM u UNION SELECT reach.a, u.w FROM reach JOIN u ON reach.b = u.k) SELECT a, b FROM reach",
    "WITH RECURSIVE reach(a, n) AS (SELECT k, 0 FROM u UNION ALL SELECT w, n + 1 FROM reach LEFT JOIN u ON u.k = a AND w > 2 WHERE n < 3) SELECT a, n FROM reach",
    "WITH RECURSIVE reach(a, n) AS (SELECT k, 0 FROM u UNION ALL SELECT w, n + 1 FROM reach JOIN u ON k = a WHERE n < 3 AND w NOT IN (SELECT v FROM t)) SELECT a, n FROM reach",
    "WITH RECURSIVE reach(a, n) AS (SELECT v, 0 FROM t UNION ALL SELECT a + 1, n + 1 FROM reach WHERE n < 3 AND EXISTS (SELECT 1 FROM u WHERE w > a)) SELECT a, n FROM reach",
    "WITH RECURSIVE reach(a) AS (SELECT v FROM t UNION (SELECT a + 1 FROM reach WHERE a < 9 INTERSECT SELECT w FROM u)) SELECT a FROM reach",
    "WITH RECURSIVE up(v) AS (SELECT v FROM t UNION SELECT v + 1 FROM up WHERE v < 8) SELECT up.v, count(*) AS n FROM up GROUP BY up.v",
    // Windows of event time.
    "SELECT hop(at, INTERVAL '4' SECOND, INTERVAL '10' SECOND) AS w, count(*) AS n, sum(v) AS s FROM t GROUP BY hop(at, INTERVAL '4' SECOND, INTERVAL '10' SECOND)",
    "SELECT g, hop_start(at, INTERVAL '10' SECOND, INTERVAL '4' SECOND) AS w, count(*) AS n FROM t GROUP BY g, hop(at, INTERVAL '10' SECOND, INTERVAL '4' SECOND)",
    "SELECT id, window_start, window_end FROM hop(t, at, INTERVAL '6' SECOND, INTERVAL '12' SECOND)",
    "SELECT window_start, window_end, count(*) AS n, max(v) AS m FROM cumulate(t, at, INTERVAL '5' SECOND, INTERVAL '15' SECOND) GROUP BY window_start, window_end",
    "SELECT g, window_start, window_end, count(*) AS n FROM session(t, at, INTERVAL '7' SECOND, g) GROUP BY g, window_start, window_end",
    "SELECT session(at, INTERVAL '5' SECOND) AS s, count(*) AS n, sum(v) AS v FROM t GROUP BY session(at, INTERVAL '5' SECOND)",
    "SELECT a.window_start, a.g, b.id FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '10' SECOND)) a JOIN tumble(t, at, INTERVAL '10' SECOND) b ON a.window_start = b.window_start AND a.v < b.v",
    "SELECT tumble_start(at, INTERVAL '8' SECOND) AS a, tumble_end(at, INTERVAL '8' SECOND) AS e, count(*) AS n FROM t GROUP BY tumble(at, INTERVAL '8' SECOND)",
    "SELECT tumble(at, INTERVAL '10' SECOND, INTERVAL '3' SECOND)['start'] AS w, count(*) AS n FROM t GROUP BY tumble(at, INTERVAL '10' SECOND, INTERVAL '3' SECOND)",
    "SELECT tumble_start(at, '3 months', 'Europe/Berlin') AS a, tumble_end(at, '8 seconds', '+05:30') AS e, count(*) AS n FROM t GROUP BY 1, 2",
    "SELECT window_start, window_end, count(*) AS n FROM hop(t, at, '1 day', '3 days', 'America/New_York') GROUP BY window_start, window_end",
    "SELECT window_start, window_end, sum(v) AS s FROM cumulate(t, at, '6 hours', '1 day', 'Asia/Kolkata') GROUP BY window_start, window_end",
    // Subqueries that read the query around them.
    "SELECT t.id, l.w FROM t, LATERAL (SELECT w FROM u WHERE u.k = t.v ORDER BY w DESC LIMIT 2) l",
    "SELECT t.id, l.w FROM t LEFT JOIN LATERAL (SELECT w FROM u WHERE u.k <= t.v ORDER BY w LIMIT 2 OFFSET 1) l ON l.w > t.id",
    "SELECT t.id, l.c, l.m FROM t, LATERAL (SELECT count(*) AS c, max(w) AS m FROM u WHERE u.k < t.v) l",
    "SELECT t.id, l.k, l.r FROM t, LATERAL (SELECT k, rank() OVER (ORDER BY w) AS r FROM u WHERE u.k <= t.v) l",
    "SELECT t.id, l.e FROM t LEFT JOIN LATERAL (SELECT DISTINCT k AS e FROM u WHERE u.w > t.v UNION ALL SELECT t.id) l ON true",
    "SELECT id, name, val FROM t CROSS JOIN LATERAL (VALUES ('v', v), ('id', id)) AS l(name, val)",
    "SELECT t.id, q.e FROM t CROSS JOIN UNNEST(make_array(v, id)) AS q(e) WHERE q.e > 2",
    "SELECT t.id, q.e, q.n FROM t LEFT JOIN UNNEST(range(0, v)) WITH ORDINALITY AS q(e, n) ON true",
    "SELECT id, i FROM t, generate_series(1, t.v) AS s(i)",
    "SELECT id, (SELECT w FROM u WHERE k = v ORDER BY w LIMIT 1) AS w, (SELECT count(*) FROM u WHERE k <= v) AS n FROM t",
    "SELECT id, v IN (SELECT e FROM UNNEST(make_array(id, NULL, 3)) AS q(e) WHERE e > 2) AS found FROM t",
    "SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE k = v ORDER BY w LIMIT 1)",
    "SELECT g, sum((SELECT count(*) FROM u WHERE k = v)) AS s FROM t GROUP BY g",
    "SELECT id, v >= ALL (SELECT k FROM u) AS a, v > ANY (SELECT w FROM u) AS b FROM t",
    // What other engines write.
    "SELECT g, max_by(id, v) AS a, min_by(id, v) AS b, count(DISTINCT g, v) AS d, listagg(CAST(v AS VARCHAR), '-') WITHIN GROUP (ORDER BY v) AS l FROM t GROUP BY g",
    "SELECT * EXCEPT (x, at) REPLACE (v * 2 AS v) FROM t QUALIFY row_number() OVER (PARTITION BY g ORDER BY v, id, x, at) = 1",
    "SELECT id, g, v FROM t ORDER BY id, g, v, x, at OFFSET 1 ROWS FETCH NEXT 3 ROWS ONLY",
    "SELECT v, count(*) AS n FROM t WHERE g IS DISTINCT FROM 'a' GROUP BY ALL",
    "SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS p, every(v > 1) AS e, sum(v) FILTER (WHERE v > 2) AS s FROM t GROUP BY g",
    "SELECT id, percent_rank() OVER w AS p, cume_dist() OVER w AS c, sum(v) OVER (PARTITION BY g ORDER BY v GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM t WINDOW w AS (PARTITION BY g ORDER BY v)",
    "SELECT id, lag(v, 1, 0) IGNORE NULLS OVER w AS l, nth_value(v, 2) OVER w AS n, sum(v) OVER (ORDER BY at RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW) AS s FROM t WINDOW w AS (ORDER BY id, v, g, x, at)",
    "SELECT id, json_build_object('g', g, 'l', make_array(v, 1)) ->> 'g' AS g, json_value(to_json(named_struct('v', v)), '$.v' RETURNING BIGINT) AS v FROM t",
    "SELECT if(v > 2, date_diff('minute', at, timestampadd(MONTH, v, at)), id) AS d, floor(at TO MINUTE) AS f, at + v * INTERVAL '1 hour' AS h FROM t",
    // What stands on top of what.
    "SELECT g, n, rank() OVER (ORDER BY n DESC) AS r FROM (SELECT g, count(*) AS n FROM t GROUP BY g)",
    "SELECT a.g, a.n, b.w FROM (SELECT g, count(*) AS n FROM t GROUP BY g) a FULL JOIN (SELECT k, sum(w) AS w FROM u GROUP BY k) b ON a.n = b.k",
    "SELECT count(*) AS n, max(c) AS c FROM (SELECT t.v, count(u.w) AS c FROM t LEFT JOIN u ON t.v = u.k GROUP BY t.v)",
    "SELECT g, max(s) AS s FROM (SELECT g, date_bin(INTERVAL '15 seconds', at) AS w, sum(v) AS s FROM t GROUP BY g, date_bin(INTERVAL '15 seconds', at)) GROUP BY g",
];

fn cases() -> u32 {
    std::env::var("LITTORAL_ORACLE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

fn literal<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or("NULL".into(), ToString::to_string)
}

fn float() -> impl Strategy<Value = String> {
    prop_oneof![
        (-100i32..100).prop_map(|i| format!("{}.25", i)),
        Just("CAST('NaN' AS DOUBLE)".to_string()),
        Just("CAST('-0.0' AS DOUBLE)".to_string()),
        Just("1e300".to_string()),
        Just("NULL".to_string()),
    ]
}

/// One change of a table, as SQL.
fn change() -> impl Strategy<Value = String> {
    let group = prop::option::of(prop::sample::select(vec!["'a'", "'b'", "'b'", "'b'", "''"]));
    let insert = (0..12i64, group, prop::option::of(0..6i64), float(), 0..50i64).prop_map(|(id, g, v, x, s)| {
        format!("INSERT INTO t VALUES ({id}, {}, {}, {x}, TIMESTAMP '2024-01-01 00:00:{s:02}')", literal(&g), literal(&v))
    });
    prop_oneof![
        6 => insert,
        2 => (0..6i64, 0..9i64).prop_map(|(k, w)| format!("INSERT INTO u VALUES ({k}, {w})")),
        1 => (0..6i64).prop_map(|v| format!("DELETE FROM t WHERE v = {v}")),
        1 => (0..12i64).prop_map(|id| format!("DELETE FROM t WHERE id < {id} AND g = 'b'")),
        1 => (0..6i64).prop_map(|v| format!("UPDATE t SET v = v + 1, g = 'a' WHERE v >= {v}")),
        1 => (0..6i64).prop_map(|k| format!("DELETE FROM u WHERE k = {k}")),
    ]
}

const TABLES: &str = "CREATE TABLE t (id BIGINT, g VARCHAR, v BIGINT, x DOUBLE, at TIMESTAMP);\nCREATE TABLE u (k BIGINT, w BIGINT);\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_view_equals_the_batch_answer_at_every_epoch(changes in prop::collection::vec(change(), 1..14), query in prop::sample::select(QUERIES.to_vec()), workers in 1usize..4) {
        // The script asks for the view, and for the tables that it is held against, after every epoch.
        let mut script = TABLES.to_string();
        for change in &changes {
            script += &format!("{change};\n{query};\nSELECT * FROM t;\nSELECT * FROM u;\n");
        }
        let options = ScriptOptions { workers, ..ScriptOptions::default() };
        let answers = run("oracle.sql", &script, &options).unwrap();
        for (epoch, three) in answers.chunks(3).enumerate() {
            let tables = [("t".to_string(), three[1].rows.clone()), ("u".to_string(), three[2].rows.clone())];
            let expected = littoral_engine::sql::script::batch_answer(query, &tables).unwrap();
            prop_assert_eq!(text(&three[0].rows), text(&expected), "epoch {} of {}", epoch + 1, query);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 3 + 1, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// A run is stopped after some of the changes; another, with another number of workers, goes on from its last snapshot.
    /// A script with a DELETE plans tables otherwise than one without: what differs is filled anew, which must be as exact.
    #[test]
    fn a_restored_view_equals_one_that_never_stopped(changes in prop::collection::vec(change(), 2..14), at in 1usize..12, query in prop::sample::select(QUERIES.to_vec()), from in 1usize..4, to in 1usize..4) {
        let script = |changes: &[String]| format!("{TABLES}{};\n{query};\nSELECT * FROM t;\nSELECT * FROM u;\n", changes.join(";\n"));
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_path_buf();
        let first = &changes[..at.min(changes.len() - 1)];
        let snapshots = Some(SnapshotOptions { folder: folder.clone(), every: Every::Epochs(2) });
        run("stopped.sql", &script(first), &ScriptOptions { workers: from, snapshots, ..ScriptOptions::default() }).unwrap();
        let restore = Some(RestoreOptions { folder, changed_plan: true });
        let answers = run("restored.sql", &script(&changes), &ScriptOptions { workers: to, restore, ..ScriptOptions::default() }).unwrap();
        let tables = [("t".to_string(), answers[1].rows.clone()), ("u".to_string(), answers[2].rows.clone())];
        let expected = littoral_engine::sql::script::batch_answer(query, &tables).unwrap();
        prop_assert_eq!(text(&answers[0].rows), text(&expected), "{} restored after {} of {:?}", query, first.len(), changes);
    }
}

/// Queries that ask for the clock, and columns `id`, `at` of a table.
const CLOCKS: &[&str] = &[
    "SELECT id FROM t WHERE at > now() - INTERVAL '10 seconds'",
    "SELECT id, g FROM t WHERE at >= now() - INTERVAL '10 seconds' AND at < now() AND v > 1",
    "SELECT id FROM t WHERE now() BETWEEN at AND at + INTERVAL '7 seconds'",
    "SELECT g, count(*) AS n, sum(v) AS s FROM t WHERE at + INTERVAL '5 seconds' <= now() GROUP BY g",
    "SELECT a.id, b.id AS other FROM t a JOIN t b ON a.g = b.g WHERE a.at > now() - INTERVAL '10 seconds' AND b.at <= now()",
    "SELECT id FROM t WHERE id NOT IN (SELECT id FROM t WHERE now() - INTERVAL '12 seconds' < at)",
    "SELECT n FROM (SELECT count(*) AS n FROM t) q WHERE now() >= TIMESTAMP '2024-01-01 00:00:09'",
    "SELECT g, count(*) AS n FROM t WHERE v > 1 GROUP BY g HAVING now() < TIMESTAMP '2024-01-01 00:00:09' AND g <> 'a'",
    "SELECT n, id FROM (SELECT count(*) AS n FROM t) q LEFT JOIN t ON id < n AND now() > TIMESTAMP '2024-01-01 00:00:05'",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 2 + 1, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Rows come and go as the clock moves; at every epoch the view is what a batch at that moment gives.
    #[test]
    fn a_condition_on_the_clock_equals_the_batch_answer_at_every_moment(
        steps in prop::collection::vec(prop_oneof![3 => change().prop_map(Ok), 2 => (0..9i64).prop_map(Err)], 2..14),
        query in prop::sample::select(CLOCKS.to_vec()),
        workers in 1usize..4,
    ) {
        let (mut script, mut now, mut moments) = (format!("{TABLES}SET now = TIMESTAMP '2024-01-01 00:00:00';\n"), 0, Vec::new());
        for step in &steps {
            match step {
                Ok(change) => script += &format!("{change};\n"),
                Err(seconds) => {
                    now += seconds;
                    script += &format!("SET now = TIMESTAMP '2024-01-01 00:{:02}:{:02}';\n", now / 60, now % 60);
                }
            }
            script += &format!("{query};\nSELECT * FROM t;\n");
            moments.push(format!("TIMESTAMP '2024-01-01 00:{:02}:{:02}'", now / 60, now % 60));
        }
        let answers = run("clock.sql", &script, &ScriptOptions { workers, ..ScriptOptions::default() }).unwrap();
        for (both, moment) in answers.chunks(2).zip(moments) {
            let tables = [("t".to_string(), both[1].rows.clone())];
            let expected = littoral_engine::sql::script::batch_answer(&query.replace("now()", &moment), &tables).unwrap();
            prop_assert_eq!(text(&both[0].rows), text(&expected), "{} at {} of {:?}", query, moment, steps);
        }
    }
}

/// Every query of the list once, over a fixed history, so that none is left out by chance.
#[test]
fn every_query_equals_the_batch_answer_over_a_fixed_history() {
    let history = [
        "INSERT INTO t VALUES (1, 'a', 3, 1.5, TIMESTAMP '2024-01-01 00:00:01'), (2, 'b', 3, NULL, TIMESTAMP '2024-01-01 00:00:12'), (3, NULL, NULL, 2.5, TIMESTAMP '2024-01-01 00:00:21')",
        "INSERT INTO u VALUES (3, 5), (5, 3), (4, 4)",
        "INSERT INTO t VALUES (4, 'b', 4, 0.5, TIMESTAMP '2024-01-01 00:00:02'), (4, 'b', 4, 0.5, TIMESTAMP '2024-01-01 00:00:02')",
        "DELETE FROM u WHERE k = 3",
        "UPDATE t SET v = v + 1, g = 'a' WHERE v >= 4",
        "INSERT INTO u VALUES (NULL, 1)",
        "DELETE FROM t WHERE id < 4",
        "DELETE FROM u WHERE w > 0",
        "DELETE FROM t WHERE id >= 0",
    ];
    let mut wrong = Vec::new();
    for query in QUERIES {
        let mut script = TABLES.to_string();
        for change in history {
            script += &format!("{change};\n{query};\nSELECT * FROM t;\nSELECT * FROM u;\n");
        }
        let answers = match run("oracle.sql", &script, &ScriptOptions::default()) {
            Ok(answers) => answers,
            Err(error) => {
                wrong.push(format!("{query}\n  {error}"));
                continue;
            }
        };
        for (epoch, three) in answers.chunks(3).enumerate() {
            let tables = [("t".to_string(), three[1].rows.clone()), ("u".to_string(), three[2].rows.clone())];
            let expected = match littoral_engine::sql::script::batch_answer(query, &tables) {
                Ok(rows) => text(&rows),
                Err(error) => vec![format!("batch: {error}")],
            };
            if text(&three[0].rows) != expected {
                wrong.push(format!("{query}\n  epoch {}: {:?}\n  batch {expected:?}", epoch + 1, text(&three[0].rows)));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} queries:\n{}", wrong.len(), QUERIES.len(), wrong.join("\n"));
}
