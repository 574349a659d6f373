//! Cases that were wrong once: what the random oracle found, made small, and run every time.
//!
//! Each has tables with what happens to them, and a query; where the batch cannot tell, as for sessions, whose windows it takes from
//! the engine, also the rows at the end.

/// A case.
pub struct Kept {
    /// What was wrong.
    pub what: &'static str,
    /// The tables.
    pub tables: &'static [&'static str],
    /// Their definitions and changes.
    pub history: &'static str,
    /// The query.
    pub query: &'static str,
    /// Its rows at the end, when the batch alone does not tell.
    pub rows: Option<&'static [&'static str]>,
}

/// All of them.
pub const KEPT: &[Kept] = &[
    Kept {
        what: "a row with minus zero as its key had no partner in an anti join",
        tables: &["t"],
        history: "CREATE TABLE t (x DOUBLE, y BIGINT);
            INSERT INTO t VALUES (CAST('-0.0' AS DOUBLE), 1), (1.5, 2);",
        query: "SELECT a.y FROM t AS a LEFT ANTI JOIN t AS b ON a.x = b.x",
        rows: None,
    },
    Kept {
        what: "a row with minus zero anywhere had no partner in an outer join with a further condition",
        tables: &["t"],
        history: "CREATE TABLE t (x DOUBLE, y BIGINT);
            INSERT INTO t VALUES (CAST('-0.0' AS DOUBLE), 1), (1.5, 2);
            DELETE FROM t WHERE y = 2;",
        query: "SELECT a.x, a.y, b.y AS z FROM t AS a FULL JOIN t AS b ON a.y = b.y AND a.y + b.y > 1",
        rows: None,
    },
    Kept {
        what: "a group by a column and a cast of it had no plan",
        tables: &["t"],
        history: "CREATE TABLE t (x BIGINT);
            INSERT INTO t VALUES (1), (2), (1);
            DELETE FROM t WHERE x = 2;",
        query: "SELECT x, count(*) AS n FROM t GROUP BY CAST(x AS DOUBLE), x, 'constant'",
        rows: Some(&["1 | 2"]),
    },
    Kept {
        what: "sessions of a key never ended",
        tables: &["t"],
        history: "CREATE TABLE t (k VARCHAR, at TIMESTAMP);
            INSERT INTO t VALUES ('a', '2024-01-01 00:00:00'), ('b', '2024-01-01 00:00:03'), ('a', '2024-01-01 00:00:18');
            INSERT INTO t VALUES ('a', '2024-01-01 00:00:04'), ('a', '2024-01-01 00:00:09'), ('b', NULL);",
        query: "SELECT k, at, window_start, window_end FROM session(t, at, INTERVAL '5' SECOND, k)",
        rows: Some(&[
            "\"a\" | 2024-01-01T00:00:00 | 2024-01-01T00:00:00 | 2024-01-01T00:00:09",
            "\"a\" | 2024-01-01T00:00:04 | 2024-01-01T00:00:00 | 2024-01-01T00:00:09",
            "\"a\" | 2024-01-01T00:00:09 | 2024-01-01T00:00:09 | 2024-01-01T00:00:14",
            "\"a\" | 2024-01-01T00:00:18 | 2024-01-01T00:00:18 | 2024-01-01T00:00:23",
            "\"b\" | 2024-01-01T00:00:03 | 2024-01-01T00:00:03 | 2024-01-01T00:00:08",
        ]),
    },
    Kept {
        what: "events of one time fell into two sessions",
        tables: &["t"],
        history: "CREATE TABLE t (x INT, at TIMESTAMP);
            INSERT INTO t VALUES (1, '2024-01-01 00:00:09'), (2, '2024-01-01 00:00:09'), (3, '2024-01-01 00:00:11');
            INSERT INTO t VALUES (4, '2024-01-01 00:00:09'), (0, '2024-01-01 00:00:02');",
        query: "SELECT window_start, window_end, count(*), sum(x) FROM session(t, at, INTERVAL '5' SECOND)
            GROUP BY window_start, window_end",
        rows: Some(&["2024-01-01T00:00:02 | 2024-01-01T00:00:07 | 1 | 0", "2024-01-01T00:00:09 | 2024-01-01T00:00:16 | 4 | 10"]),
    },
    Kept {
        what: "a filter was pushed below DISTINCT ON, which then chose among other rows",
        tables: &["t"],
        history: "CREATE TABLE t (k INT, v INT);
            INSERT INTO t VALUES (0, 0), (0, NULL), (1, 3);",
        query: "SELECT k, v FROM (SELECT DISTINCT ON (k) k, v FROM t ORDER BY k, v NULLS FIRST) WHERE v >= 0",
        rows: Some(&["1 | 3"]),
    },
    Kept {
        what: "a kernel overflowed on what the decoded null of an outer join hid",
        tables: &["t"],
        history: "CREATE TABLE t (at TIMESTAMP, v INT);
            INSERT INTO t VALUES (NULL, 1), ('2024-01-01 10:20:00', 2);",
        query: "SELECT date_trunc('hour', at) AS h FROM (SELECT at, v, ROW_NUMBER() OVER (ORDER BY v, at) AS n FROM t) WHERE n <= 3",
        rows: Some(&["2024-01-01T10:00:00", "NULL"]),
    },
    Kept {
        what: "a sum of floats was taken for empty when its count was 0 in the middle of an epoch",
        tables: &["t"],
        history: "CREATE TABLE t (id INT, k INT, x DOUBLE);
            INSERT INTO t VALUES (1, 1, 2.5), (2, 2, 4.25), (3, 1, 8.125);
            UPDATE t SET x = x + 1, k = 3 - k WHERE id > 0;
            UPDATE t SET x = x * 2 WHERE true;
            DELETE FROM t WHERE id = 1;",
        query: "SELECT b.k, sum(b.x) AS s FROM t a RIGHT JOIN t b ON a.k = b.k AND a.x > b.x GROUP BY b.k",
        rows: None,
    },
    Kept {
        what: "two aggregates of one name, but for the casts in them, had no plan",
        tables: &["t"],
        history: "CREATE TABLE t (k INT, v INT);
            INSERT INTO t VALUES (1, 3), (1, 4), (2, 5);
            DELETE FROM t WHERE v = 4;",
        query: "SELECT k, sum(v) / 2 AS a, sum(CAST(v AS DOUBLE)) / 2 AS b, sum(CAST(1 AS INT)) AS c, sum(1) AS d, stddev_pop(CAST(v AS DOUBLE)) AS e,
            stddev_pop(v) AS f FROM t GROUP BY k HAVING sum(CAST(v AS SMALLINT)) > 1",
        rows: Some(&["1 | 1 | 1.500000000e0 | 1 | 1 | 0 | 0", "2 | 2 | 2.500000000e0 | 1 | 1 | 0 | 0"]),
    },
    Kept {
        what: "two aggregates of windows had one name when their constants were cast otherwise",
        tables: &["t"],
        history: "CREATE TABLE t (at TIMESTAMP, v INT);
            INSERT INTO t VALUES ('2024-01-01 00:00:01', 3), ('2024-01-01 00:00:02', 4), ('2024-01-01 00:00:09', 5);
            DELETE FROM t WHERE v = 4;",
        query: "SELECT window_start, avg(CAST((CAST(0 AS BIGINT) % 100 + 3) AS INT)) AS a, avg(CAST((CAST(0 AS INT) % 100 + 3) AS INT)) AS b,
            sum(1 + 1) AS c, sum(2) AS d FROM hop(t, at, INTERVAL '5' SECOND, INTERVAL '10' SECOND) GROUP BY window_start, window_end",
        rows: Some(&[
            "2023-12-31T23:59:55 | 3.000000000e0 | 3.000000000e0 | 2 | 2",
            "2024-01-01T00:00:00 | 3.000000000e0 | 3.000000000e0 | 4 | 4",
            "2024-01-01T00:00:05 | 3.000000000e0 | 3.000000000e0 | 2 | 2",
        ]),
    },
    Kept {
        what: "two calls OVER a partition had one name once their constants were computed",
        tables: &["t"],
        history: "CREATE TABLE t (k INT, v INT);
            INSERT INTO t VALUES (1, 3), (1, 4), (2, 5);
            DELETE FROM t WHERE v = 4;",
        query: "SELECT v, sum(1 + 1) OVER (PARTITION BY k) AS a, sum(2) OVER (PARTITION BY k) AS b, sum(v) OVER (PARTITION BY k) AS c,
            sum(CAST(v AS DOUBLE)) OVER (PARTITION BY k) AS d, stddev_pop(1 + 1) OVER (PARTITION BY k) AS e FROM t",
        rows: Some(&["3 | 2 | 2 | 3 | 3.000000000e0 | 0", "5 | 2 | 2 | 5 | 5.000000000e0 | 0"]),
    },
    Kept {
        what: "IN (SELECT …) in the ON of an inner join had no plan",
        tables: &["t", "u"],
        history: "CREATE TABLE t (k INT, v INT); CREATE TABLE u (k INT, w INT);
            INSERT INTO t VALUES (1, 3), (1, 4), (2, 5), (3, NULL);
            INSERT INTO u VALUES (1, 4), (2, 5), (3, 6);
            DELETE FROM u WHERE w = 5;",
        query: "SELECT t.k, v, w FROM t JOIN u ON t.k = u.k AND t.v IN (SELECT w FROM u) AND u.w >= (SELECT min(w) FROM u x WHERE x.k = t.k)",
        rows: Some(&["1 | 4 | 4"]),
    },
    Kept {
        what: "of a large group, the rows that go are those that were to go: it is seen when the other side of a join changes later",
        tables: &["t", "u"],
        history: "CREATE TABLE t (k INT, v INT); CREATE TABLE u (k INT, w INT);
            INSERT INTO t SELECT x % 2, x FROM (SELECT unnest(range(1, 81)) AS x);
            INSERT INTO u VALUES (0, 1);
            DELETE FROM t WHERE v % 7 = 3;
            UPDATE t SET v = v + 100 WHERE v % 5 = 0;
            INSERT INTO u VALUES (1, 2), (0, 3);
            DELETE FROM u WHERE w = 1;",
        query: "SELECT t.k, v, w FROM t LEFT JOIN u ON t.k = u.k",
        rows: None,
    },
];
