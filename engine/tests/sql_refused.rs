//! What is not supported is an error that names it: each script with the words that its error must have.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use littoral_engine::sql::script::{ScriptOptions, run};

const TABLES: &str = "CREATE TABLE t (id BIGINT, g VARCHAR, v BIGINT, ts TIMESTAMP, l BIGINT[]); CREATE TABLE u (k BIGINT, w VARCHAR);";

/// Queries, and what the error says.
const QUERIES: &[(&str, &str)] = &[
    ("SELECT id FROM t ORDER BY id FETCH FIRST 2 ROWS WITH TIES", "FETCH … WITH TIES is not supported yet"),
    ("SELECT id FROM t ORDER BY id FETCH FIRST 50 PERCENT ROWS ONLY", "FETCH … PERCENT is not supported yet"),
    ("SELECT id FROM t LIMIT 2 FETCH FIRST 1 ROWS ONLY", "FETCH beside LIMIT"),
    ("SELECT TOP 5 PERCENT id FROM t", "TOP … PERCENT is not supported yet"),
    ("SELECT id FROM t TABLESAMPLE (10)", "TABLESAMPLE is not supported yet"),
    ("SELECT * FROM t PIVOT (sum(v) FOR g IN ('a', 'b'))", "PIVOT (write aggregates with FILTER) is not supported yet"),
    ("SELECT * FROM t UNPIVOT (x FOR n IN (id, v))", "UNPIVOT (write UNION ALL) is not supported yet"),
    (
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY g ORDER BY ts MEASURES A.id AS i PATTERN (A) DEFINE A AS v > 1)",
        "MATCH_RECOGNIZE is not supported yet",
    ),
    ("SELECT * FROM t WITH (NOLOCK)", "a hint on a table is not supported yet"),
    ("SELECT * FROM t PARTITION (p)", "PARTITION of a table is not supported yet"),
    ("SELECT * FROM t WITH ORDINALITY", "WITH ORDINALITY of this table is not supported yet"),
    ("SELECT * FROM nothing_known(1, 2)", "nothing_known(…) as a table is not supported yet"),
    ("SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00'", "FOR SYSTEM_TIME AS OF"),
    ("SELECT id FROM t LATERAL VIEW explode(l) q AS e", "LATERAL VIEW (write CROSS JOIN UNNEST (…)) is not supported yet"),
    ("SELECT id FROM t ORDER BY g COLLATE \"C\"", "COLLATE is not supported yet"),
    ("SELECT CONVERT('1', SIGNED)", "CONVERT (write CAST) is not supported yet"),
    ("SELECT id FROM t WHERE (id, g) IN (SELECT k, w FROM u)", "(a, b) IN (SELECT …) (write EXISTS) is not supported yet"),
    ("SELECT ARRAY(SELECT k FROM u)", "ARRAY (SELECT …) (write array_agg) is not supported yet"),
    ("SELECT * RENAME (v AS w) FROM t", "SELECT * RENAME (write * EXCEPT (…), a AS b) is not supported yet"),
    ("SELECT id FROM t FOR UPDATE", "FOR UPDATE or FOR SHARE is not supported yet"),
    ("SELECT id INTO n FROM t", "SELECT INTO (make a view) is not supported yet"),
    ("SELECT id FROM t DISTRIBUTE BY id", "CLUSTER, DISTRIBUTE or SORT BY is not supported yet"),
    ("SELECT id FROM t GROUP BY id WITH ROLLUP", "GROUP BY … WITH (write GROUP BY ROLLUP (…), CUBE or GROUPING SETS) is not supported yet"),
    ("SELECT id FROM t LIMIT 1 BY g", "LIMIT … BY is not supported yet"),
    ("SELECT g LIKE ANY (SELECT w FROM u) FROM t", "LIKE ANY other than of a list"),
    ("SELECT to_char(ts, 'Month') FROM t", "\"MONTH\" in the pattern 'Month' is not supported yet"),
    ("SELECT date_format(ts, 'YYYY') FROM t", "\"YYYY\" in the pattern 'YYYY' is not supported yet"),
    ("SELECT max_by(id, v) OVER (ORDER BY id) FROM t", "max_by OVER (…) is not supported yet"),
    ("SELECT json_get(v, 'a') FROM t", "json_get is json_get(json [, key or number …]), and JSON is text"),
    ("SELECT timestampadd(DAY, 1.5, ts) FROM t", "it is timestampadd(unit, whole number, time)"),
    ("SELECT CAST(g AS UUID) FROM t", "type UUID is not supported yet (write VARCHAR)"),
    ("SELECT CAST(id AS SERIAL) FROM t", "type SERIAL is not supported yet: nothing numbers rows"),
    ("SELECT upper(g) FILTER (WHERE v > 1) FROM t", "FILTER, DISTINCT or an order in upper, which is no aggregate, is not supported yet"),
    ("SELECT upper(DISTINCT g) FROM t", "FILTER, DISTINCT or an order in upper, which is no aggregate, is not supported yet"),
    ("SELECT random() FROM t", "function random, whose value depends on when it is called, is not supported yet"),
    ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY v) FROM t", "Invalid function 'percentile_disc'"),
    (
        "SELECT id, (SELECT max(k) FROM t b FULL JOIN u ON k = b.id AND k = t.v) FROM t",
        "a Full JOIN in a subquery that reads the query around it is not supported yet",
    ),
];

#[test]
fn each_query_is_refused_by_name() {
    let mut wrong = Vec::new();
    for (query, words) in QUERIES {
        match run("refused.sql", &format!("{TABLES}\n{query};"), &ScriptOptions::default()) {
            Ok(_) => wrong.push(format!("{query}\n  was taken")),
            Err(error) if error.to_string().contains(words) && !error.to_string().contains("Span(") => {}
            Err(error) => wrong.push(format!("{query}\n  {error}\n  instead of {words}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), QUERIES.len(), wrong.join("\n"));
}
