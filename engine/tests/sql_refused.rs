//! What is not supported is an error that names it: each script with the words that its error must have.
#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use littoral_engine::sql::script::{ScriptOptions, run};

const TABLES: &str = "CREATE TABLE t (id BIGINT, g VARCHAR, v BIGINT, ts TIMESTAMP, l BIGINT[]); CREATE TABLE u (k BIGINT, w VARCHAR); CREATE TABLE k (a BIGINT PRIMARY KEY, b BIGINT); CREATE TABLE marked (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts);";

/// Queries, and what the error says.
const QUERIES: &[(&str, &str)] = &[
    ("SELECT id FROM t ORDER BY id FETCH FIRST 2 ROWS WITH TIES", "FETCH … WITH TIES is not supported yet"),
    (
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE marked, TIMECOL => DESCRIPTOR(ts), LENGTH => INTERVAL '2' MINUTE))",
        "tumble has no argument length: it has data, timecol, size, offset",
    ),
    (
        "SELECT * FROM TABLE(HOP(DATA => TABLE marked, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '2' MINUTE, SIZE => INTERVAL '1' MINUTE))",
        "hop has its argument size twice",
    ),
    (
        "SELECT * FROM TABLE(HOP(DATA => TABLE marked, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '2' MINUTE))",
        "hop lacks its argument slide",
    ),
    (
        "SELECT a.ts AS w FROM marked AS a FULL JOIN marked AS b ON a.ts = b.ts EMIT FINAL",
        "EMIT FINAL needs a column that a watermark closes",
    ),
    ("SELECT id, v FROM t GROUP BY id", "must appear in the GROUP BY clause"),
    ("SELECT a, b FROM k GROUP BY b", "must appear in the GROUP BY clause"),
    ("SELECT id FROM t ORDER BY id FETCH FIRST 50 PERCENT ROWS ONLY", "FETCH … PERCENT is not supported yet"),
    (
        "SELECT k, u.k AS of_u FROM u NATURAL FULL JOIN (SELECT id AS k FROM t) AS x",
        "column \"k\" of one table beside the merged one is not supported yet in a NATURAL FULL JOIN, in a join with an alias, with \"table.*\" or where HAVING reads the merged one (write USING (…)",
    ),
    ("SELECT *, x.k AS of_x FROM u NATURAL RIGHT JOIN (SELECT id AS k FROM t) AS x WHERE u.k = 1", "beside the merged one"),
    ("SELECT u.k, k AS m FROM u FULL JOIN (SELECT id AS k FROM t) AS x USING (k) GROUP BY u.k, k HAVING k > 3", "beside the merged one"),
    ("SELECT k, u.* FROM u RIGHT JOIN (SELECT id AS k FROM t) AS x USING (k)", "beside the merged one"),
    (
        "SELECT x.k FROM u NATURAL JOIN (SELECT id AS k FROM t) AS x NATURAL JOIN (SELECT id AS k FROM t) AS y",
        "column \"k\" of USING is ambiguous on the left of the join: write ON, or USING in place of a NATURAL before it",
    ),
    (
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.id AND EXISTS (SELECT 1 FROM k WHERE k.a = u.k AND k.b = t.v))",
        "a subquery that reads a column of a query two levels out is not supported yet (it reads \"t.v\"",
    ),
    (
        "SELECT id, (SELECT count(*) FROM u WHERE u.k > (SELECT max(a) FROM k WHERE b = v)) AS n FROM t",
        "two levels out is not supported yet (it reads \"t.v\"",
    ),
    (
        "SELECT l.k FROM t, LATERAL (SELECT u.k FROM u WHERE u.k IN (SELECT a FROM k WHERE b = t.v)) AS l",
        "two levels out is not supported yet",
    ),
    ("SELECT u.k FROM u JOIN LATERAL (SELECT id AS k FROM t WHERE t.v > u.k) AS x USING (k)", "USING or NATURAL with LATERAL (write ON)"),
    ("SELECT * FROM (u NATURAL LEFT JOIN LATERAL (SELECT id AS k FROM t) AS x)", "USING or NATURAL with LATERAL (write ON)"),
    ("SELECT * FROM u JOIN t USING (k)", "column \"k\" of USING is not on the right of the join"),
    (
        "SELECT 1 FROM u CROSS JOIN (SELECT 1 AS k) AS x JOIN (SELECT 1 AS k) AS y USING (k)",
        "column \"k\" of USING is ambiguous on the left",
    ),
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
    ("SELECT tumble(ts, '1 day', 'Mars/Base') FROM t", "\"Mars/Base\" is no time zone such as Europe/Berlin or +02:00"),
    ("SELECT tumble(ts, id) FROM t", "sizes of a window must be constant: tumble(time, size [, offset] [, zone])"),
    ("SELECT tumble(ts, INTERVAL '0' SECOND) FROM t", "sizes of a window are intervals above 0"),
    ("SELECT tumble(ts, INTERVAL '1 month 1 day') FROM t", "sizes of a window are intervals above 0, in months or without"),
    (
        "SELECT hop(ts, '1 hour', '1 day', 'Europe/Berlin') FROM t",
        "the slide of hop is whole days or months where a zone, or months, are given",
    ),
    ("SELECT hop(ts, '1 second', '1 day') FROM t", "a row would be in more than 10000 windows"),
    ("SELECT cumulate(ts, '1 hour', '90 minutes') FROM t", "the size of cumulate must be a multiple, up to 10000, of its step"),
    ("SELECT cumulate(ts, '1 hour', '36 hours', 'Europe/Berlin') FROM t", "the size of cumulate is whole days or months"),
    (
        "SELECT q.y FROM (SELECT CASE WHEN v > 0 THEN v ELSE 0.5 END AS x FROM t) AS s, LATERAL (VALUES (x), (x / 2.0)) AS q(y)",
        "VALUES that read a column of several types are not supported yet",
    ),
    ("SELECT v, count(*) FROM t GROUP BY ROLLUP (v, v IN (SELECT v FROM t))", "a subquery in GROUPING SETS, ROLLUP or CUBE"),
    ("SELECT session(ts, INTERVAL '1' MONTH) FROM t", "the gap of session is an interval without months"),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT max(n) + 1 FROM r) SELECT n FROM r",
        "WITH RECURSIVE whose step aggregates, or computes over, its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT row_number() OVER (ORDER BY n) FROM r) SELECT n FROM r",
        "WITH RECURSIVE whose step aggregates, or computes over, its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n FROM (SELECT n + 1 AS n FROM r ORDER BY n LIMIT 1)) SELECT n FROM r",
        "WITH RECURSIVE whose step orders or limits its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT k FROM u WHERE k NOT IN (SELECT n FROM r)) SELECT n FROM r",
        "WITH RECURSIVE whose step asks what is not in its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT r.n FROM u LEFT JOIN r ON k = n) SELECT n FROM r",
        "WITH RECURSIVE whose step asks what is not in its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT k FROM u WHERE k > 3 OR k IN (SELECT n FROM r)) SELECT n FROM r",
        "WITH RECURSIVE whose step asks, beside other conditions, what is in its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT x.n + y.n FROM r x, r y) SELECT n FROM r",
        "WITH RECURSIVE whose step (of UNION ALL) joins two readings of its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT k FROM u WHERE k IN (SELECT n FROM r)) SELECT n FROM r",
        "WITH RECURSIVE whose step (of UNION ALL) looks for partners in its own result is not supported yet",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 5) SELECT n FROM r",
        "WITH, ORDER BY or LIMIT beside the UNION of a WITH RECURSIVE is not supported yet (\"r\" reads its own result)",
    ),
    ("WITH RECURSIVE r(n) AS (SELECT n FROM r) SELECT n FROM r", "WITH RECURSIVE without a UNION of where it begins and a step"),
    ("WITH RECURSIVE r(n) AS (SELECT n FROM r UNION SELECT 1) SELECT n FROM r", "WITH RECURSIVE that does not begin with a part"),
    (
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION SELECT n FROM b), b(n) AS (SELECT 2 UNION SELECT n FROM a) SELECT n FROM a",
        "WITH RECURSIVE in which \"a\" reads \"b\", which is defined after it, is not supported yet",
    ),
    ("SELECT q.id FROM (SELECT t.id, w.id FROM t, t w) q", "column \"q.id\" is ambiguous: give one of its name another with AS"),
    ("SELECT id FROM t, t w", "column \"id\" is ambiguous: write its table in front"),
    ("SELECT x FROM (SELECT id AS x, v AS x FROM t) q", "two columns have the name \"x\"; give one another with AS"),
    ("SELECT *, id FROM t", "two columns have the name \"t.id\"; give one another with AS"),
    ("SELECT tumble('1 hour') FROM t", "tumble needs a time as its first argument, or rows with a column that has a WATERMARK FOR it"),
    (
        "SELECT tumble('1 hour') FROM marked AS a JOIN marked AS b ON a.v = b.v",
        "tumble without a time could mean a.ts or b.ts: give it the time first",
    ),
    ("SELECT tumble(g, '1 hour') FROM t", "a window needs a timestamp, but got Utf8"),
    ("SELECT random() FROM t", "function random, whose value depends on when it is called, is not supported yet"),
    ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY v) FROM t", "Invalid function 'percentile_disc'"),
    (
        "SELECT id FROM t ORDER BY (SELECT max(k) FROM u WHERE k = id)",
        "a subquery in ORDER BY (give it a name in SELECT, and order by that) is not supported yet",
    ),
    (
        "SELECT id FROM t ORDER BY id IN (SELECT k FROM u) LIMIT 1",
        "a subquery in ORDER BY (give it a name in SELECT, and order by that) is not supported yet",
    ),
    ("SELECT g, count(*) FROM t GROUP BY g ORDER BY (SELECT max(k) FROM u) LIMIT 1", "a subquery in ORDER BY"),
    (
        "SELECT id FROM t LEFT JOIN u ON id = k AND EXISTS (SELECT 1 FROM u x WHERE x.k = t.v)",
        "a subquery in the ON of a join other than an inner one is not supported yet",
    ),
    (
        "SELECT id FROM t LEFT JOIN u ON id = (SELECT min(k) FROM u)",
        "a subquery in the ON of a join other than an inner one is not supported yet",
    ),
    (
        "SELECT id, (SELECT max(k) FROM t b FULL JOIN u ON k = b.id AND k = t.v) FROM t",
        "a Full JOIN in a subquery that reads the query around it is not supported yet",
    ),
];

/// Statements, and what the error says. `k` has a key.
const STATEMENTS: &[(&str, &str)] = &[
    ("CREATE TABLE n (a BIGINT, UNIQUE (a))", "constraint UNIQUE (a) is not supported yet"),
    ("CREATE TABLE n (a BIGINT CHECK (a > 1))", "\"CHECK (a > 1)\" of column \"a\" is not supported yet"),
    ("CREATE TABLE n (a BIGINT GENERATED ALWAYS AS IDENTITY)", "of column \"a\" is not supported yet"),
    ("CREATE TABLE n (a BIGINT METADATA FROM 'offset')", "a METADATA column is not supported yet"),
    ("CREATE TABLE n (a BIGINT, p AS PROCTIME() + INTERVAL '1' DAY)", "PROCTIME() is known as a column of a table alone"),
    ("CREATE TABLE n (a BIGINT, p AS now() + INTERVAL '1' DAY)", "now() within a computed column is not supported yet"),
    ("CREATE TABLE n (a BIGINT, p AS random())", "function random, whose value depends on when it is called"),
    ("CREATE TABLE n (m MULTISET<VARCHAR>)", "type MULTISET is not supported yet"),
    ("CREATE TABLE n (m MAP<VARCHAR, ARRAY<INT>)", "write MAP<key, value>"),
    ("CREATE TABLE n (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts, WATERMARK FOR ts)", "a table has one WATERMARK"),
    ("CREATE TABLE n (a BIGINT, WATERMARK FOR a)", "the watermark's column \"a\" is no TIMESTAMP"),
    (
        "CREATE TABLE n (ts TIMESTAMP, WATERMARK FOR ts AS ts + INTERVAL '1' DAY)",
        "a watermark is its column, or its column less an interval",
    ),
    ("CREATE TABLE n (a BIGINT) PARTITIONED BY (a)", "PARTITIONED BY is not supported yet"),
    ("CREATE TABLE n (a BIGINT) WITH (connector = 'kafka', topic = 'x')", "connector = 'kafka' is not supported yet in CREATE TABLE"),
    (
        "CREATE TABLE n (a BIGINT) WITH (path = 'n.csv', format = 'cvs')",
        "format = 'cvs' is not supported yet in CREATE TABLE; did you mean 'csv'?",
    ),
    (
        "CREATE TABLE n (a BIGINT) WITH (path = 'n.csv', type = 'sorce')",
        "type = 'sorce' is not supported yet in CREATE TABLE; did you mean 'source'?",
    ),
    ("CREATE TABLE n (a BIGINT) WITH (path = 'n.csv', append_only = 'x')", "in CREATE TABLE; known are 'true', 'false'"),
    (
        "CREATE SINK n AS SELECT id FROM t WITH (path = 'n.csv', format = 'jsn')",
        "format = 'jsn' is not supported yet in CREATE SINK; did you mean 'json'?",
    ),
    ("CREATE SINK n FROM t WITH (pat = 'n.csv')", "unknown option \"pat\" of CREATE SINK; did you mean \"path\"?"),
    ("CREATE SINK n FROM t WITH (type = 'sink')", "CREATE SINK with a connector needs path = '…'"),
    ("CREATE TABLE n (a BIGINT) WITH (conector = 'file')", "unknown option \"conector\" of CREATE TABLE; did you mean \"connector\"?"),
    ("CREATE TABLE n (a BIGINT) WITH ('watermark.idle' = '3 epochs')", "option watermark.idle needs WATERMARK FOR"),
    ("CREATE TABLE n (a BIGINT) FORMAT UPSERT ENCODE JSON", "FORMAT UPSERT ENCODE JSON is not supported yet"),
    ("CREATE TABLE n (LIKE nothing)", "LIKE \"nothing\": the script makes no table of this name with columns before"),
    ("CREATE TABLE s AS SELECT 1 AS a; CREATE TABLE n (z INT) LIKE s", "the script makes no table of this name with columns before"),
    ("CREATE TABLE d (a INT); DROP TABLE d; CREATE TABLE n LIKE d", "the script makes no table of this name with columns before"),
    ("CREATE TABLE n (LIKE t INCLUDING INDEXES)", "LIKE … INCLUDING INDEXES is not supported yet"),
    ("CREATE TABLE n (LIKE t) LIKE u", "a table is LIKE one other"),
    ("CREATE TABLE c (a INT, b AS a + 1); CREATE TABLE n (LIKE c)", "its computed column \"b\" says no type"),
    ("CREATE TABLE n (a BIGINT) STRICT", "this clause of CREATE TABLE is not supported yet"),
    (
        "CREATE VIEW n WITH (emit_final = 'ts') AS SELECT 1 AS a",
        "WITH (…) of a view (for emit_final write EMIT FINAL) is not supported yet",
    ),
    (
        "CREATE VIEW v AS SELECT id FROM t; CREATE VIEW w AS SELECT id FROM v; CREATE OR REPLACE VIEW v AS SELECT g FROM t",
        "view \"v\" cannot be replaced by one with other columns: view \"w\" reads it",
    ),
    ("CREATE VIEW v AS SELECT id FROM t; CREATE OR REPLACE TABLE t (a BIGINT)", "table \"t\" cannot be dropped: view \"v\" reads it"),
    ("CREATE VIEW v AS SELECT id FROM t EMIT AFTER WATERMARK", "EMIT is only known as"),
    ("CREATE FUNCTION f(a BIGINT) RETURNS BIGINT AS 'a + 1'", "CREATE FUNCTION is not supported yet"),
    ("CREATE FUNCTION twice(a INT) RETURNS INT AS a * 2", "CREATE FUNCTION is not supported yet"),
    ("CREATE TEMPORARY FUNCTION f AS 'com.example.F' LANGUAGE JAVA", "CREATE FUNCTION is not supported yet"),
    ("SUBSCRIBE TO t", "SUBSCRIBE is not supported yet"),
    (
        "CREATE SOURCE a FROM LOAD GENERATOR AUCTION FOR ALL TABLES",
        "CREATE SOURCE or TABLE … FROM a source of several is not supported yet",
    ),
    ("CREATE TABLE n (a INT) FROM pg TABLE 'public.n'", "CREATE SOURCE or TABLE … FROM a source of several is not supported yet"),
    ("CREATE TABLE n (a INT) WITH (connector = 'kafka', properties.bootstrap.server = 'b')", "connector = 'kafka' is not supported yet"),
    ("CREATE TABLE n (a INT) WITH (path = 'not/there.csv')", "could not read \"not/there.csv\""),
    (
        "CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); DELETE FROM n; SELECT * FROM t JOIN n FOR SYSTEM_TIME AS OF t.ts ON n.a = t.id",
        "FOR SYSTEM_TIME AS OF \"n\" is not supported yet: it keeps only the newest version of a row",
    ),
    (
        "CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); SELECT * FROM t JOIN n FOR SYSTEM_TIME AS OF t.ts ON n.a > t.id",
        "FOR SYSTEM_TIME AS OF \"n\" needs ON with the equality of its key \"a\"",
    ),
    (
        "CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); SELECT * FROM t JOIN n FOR SYSTEM_TIME AS OF t.ts ON n.ts = t.ts AND n.a = n.a",
        "FOR SYSTEM_TIME AS OF \"n\" needs ON with the equality of its key \"a\"",
    ),
    (
        "CREATE TABLE n (a BIGINT, v INT, ts TIMESTAMP, WATERMARK FOR ts); CREATE VIEW nv AS SELECT a, v, ts FROM (SELECT *, \
         row_number() OVER (PARTITION BY a ORDER BY v DESC) AS x FROM n) WHERE x = 1; SELECT * FROM t JOIN nv FOR SYSTEM_TIME AS OF t.ts ON nv.a = t.id",
        "FOR SYSTEM_TIME AS OF \"nv\" is not supported yet: it keeps only the newest version of a row",
    ),
    (
        "CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); CREATE VIEW nv AS SELECT * FROM n; \
         SELECT * FROM t JOIN nv FOR SYSTEM_TIME AS OF t.ts ON nv.a = t.id",
        "FOR SYSTEM_TIME AS OF \"nv\" is not supported yet: it keeps only the newest version of a row",
    ),
    (
        "CREATE TABLE n (a BIGINT); INSERT INTO n SELECT t.id FROM t ASOF JOIN u MATCH_CONDITION (t.id >= u.k) ON t.g = u.w",
        "a join by time in a statement that changes a table is not supported yet: make a view of it, and read that",
    ),
    (
        "SELECT * FROM t ASOF JOIN u MATCH_CONDITION (t.id >= u.k) USING (id)",
        "ASOF JOIN with USING or NATURAL is not supported yet: write ON",
    ),
    (
        "SELECT * FROM t ASOF JOIN u MATCH_CONDITION (t.id >= 3) ON t.g = u.w",
        "a join by time whose condition does not compare a time of each side",
    ),
    (
        "CREATE TABLE n (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts); \
         SELECT l.ts FROM n AS l ASOF JOIN n AS r MATCH_CONDITION (l.ts <= r.ts) ON l.a = r.a EMIT FINAL",
        "EMIT FINAL needs a column that a watermark closes",
    ),
    (
        "SELECT * FROM t JOIN u FOR SYSTEM_TIME AS OF PROCTIME() ON t.id = u.k",
        "FOR SYSTEM_TIME AS OF PROCTIME() is not supported yet: times are given by rows",
    ),
    (
        "SELECT * FROM TABLE(TUMBLE(TABLE t PARTITION BY id, DESCRIPTOR(ts), INTERVAL '1' HOUR))",
        "PARTITION BY in a window is known as SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), gap)",
    ),
    ("CREATE TABLE n (a INT, b INT, A INT)", "the table has two columns \"a\""),
    ("CREATE TABLE n (a INT, a AS 1)", "the table has two columns \"a\""),
    ("CREATE TABLE n (a INT, PRIMARY KEY (a, a))", "column \"a\" is in the PRIMARY KEY twice"),
    ("CREATE TABLE n (a INT PRIMARY KEY, b INT PRIMARY KEY)", "a table has one PRIMARY KEY; write PRIMARY KEY (a, b)"),
    ("INSERT INTO k VALUES (NULL, 1)", "column \"a\" of the PRIMARY KEY of table \"k\" cannot be NULL"),
    ("INSERT INTO k (b) VALUES (1)", "column \"a\" of the PRIMARY KEY of table \"k\" cannot be NULL"),
    ("INSERT INTO k VALUES (1, 1); UPDATE k SET a = NULL", "column \"a\" of the PRIMARY KEY of table \"k\" cannot be NULL"),
    ("CREATE TYPE p AS (a INT)", "CREATE TYPE is not supported yet"),
    ("CREATE DATABASE d", "CREATE DATABASE is not supported yet"),
    ("USE CATALOG c", "USE is not supported yet"),
    ("DECLARE RECURSIVE VIEW r (a INT)", "DECLARE is not supported yet"),
    ("ALTER TABLE t ADD COLUMN z BIGINT", "ALTER TABLE is not supported yet"),
    ("SET updating_ttl = '5 seconds'", "SET updating_ttl is not supported yet: state is let go by watermarks, not by age"),
    ("SET 'table.local-time-zone' = 'Europe/Berlin'", "times are kept in UTC; give a window its zone as an argument"),
    ("SET nothing_known = 1", "SET nothing_known is not supported yet; SET now = TIMESTAMP '…' is"),
    ("EXPLAIN VERBOSE SELECT 1", "this kind of EXPLAIN is not supported yet"),
    ("EXPLAIN (FORMAT JSON) SELECT 1", "EXPLAIN with options is not supported yet"),
    ("EXPLAIN UPDATE t SET v = 1", "EXPLAIN UPDATE t is not supported yet"),
    ("SHOW TABLES LIKE 'a%'", "SHOW with conditions is not supported yet"),
    ("SELECT id FROM t WHERE id BETWEEN SYMMETRIC 3 AND 1", "BETWEEN SYMMETRIC is not supported yet"),
    ("SELECT * FROM other.t", "there is no schema \"other\": tables have plain names"),
    ("WITH MUTUALLY RECURSIVE r (n int) AS (SELECT 1) SELECT * FROM r", "WITH MUTUALLY RECURSIVE is not supported yet"),
    ("INSERT OVERWRITE t SELECT 1, 'a', 2, NULL, NULL", "INSERT OVERWRITE is not supported yet"),
    ("INSERT INTO t (id) VALUES (1) RETURNING id", "RETURNING is not supported yet"),
    ("INSERT INTO t (id, id) VALUES (1, 2)", "column \"id\" is given twice"),
    ("CREATE TABLE s (a INT, b INT) WITH (connector = 'blackhole'); INSERT INTO s (a, a) SELECT 1, 2", "column \"a\" is given twice"),
    ("CREATE TABLE s (a INT, b INT) WITH (connector = 'blackhole'); INSERT INTO s SELECT 1", "1 columns are given, but the table has 2"),
    (
        "CREATE TABLE \"n by version\" (a INT); CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); \
         SELECT * FROM t JOIN n FOR SYSTEM_TIME AS OF t.ts ON n.a = t.id",
        "\"n by version\" is what FOR SYSTEM_TIME AS OF names a table of versions: give yours another name",
    ),
    (
        "CREATE TABLE n (a BIGINT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts); INSERT OR IGNORE INTO n VALUES (1, NULL); \
         SELECT * FROM t JOIN n FOR SYSTEM_TIME AS OF t.ts ON n.a = t.id",
        "FOR SYSTEM_TIME AS OF \"n\" is not supported yet: it keeps only the newest version of a row",
    ),
    ("UPDATE t SET u.id = 2", "\"u.id\" is set, which is no column of table \"t\""),
    ("MERGE INTO t USING u ON t.id = u.k WHEN MATCHED THEN UPDATE SET u.id = 2", "\"u.id\" is set, which is no column of table \"t\""),
    ("MERGE INTO t USING u ON t.id = u.k WHEN NOT MATCHED THEN INSERT (id, id) VALUES (1, 2)", "column \"id\" is given twice"),
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT needs a PRIMARY KEY of table \"t\""),
    ("INSERT INTO k VALUES (1, 1) ON CONFLICT (b) DO NOTHING", "ON CONFLICT (b) is not the PRIMARY KEY of table \"k\""),
    ("INSERT INTO k VALUES (1, 1), (1, 2) ON CONFLICT (a) DO UPDATE SET b = 0", "ON CONFLICT DO UPDATE would change a row twice"),
    ("INSERT INTO k VALUES (1, 1) ON DUPLICATE KEY UPDATE b = 2", "ON DUPLICATE KEY UPDATE is not supported yet (write ON CONFLICT)"),
    ("INSERT INTO k (b, z) VALUES (1, 2)", "the table has no column \"z\""),
    ("INSERT INTO k VALUES (1, 1), (2, 2); UPDATE k SET a = 1", "UPDATE would give the table two rows with one key"),
    (
        "INSERT INTO k VALUES (1, 1); UPDATE k SET b = s.b FROM (VALUES (1, 5), (1, 6)) AS s(a, b) WHERE k.a = s.a",
        "UPDATE … FROM would change a row twice",
    ),
    (
        "INSERT INTO k VALUES (1, 1); MERGE INTO k USING (VALUES (1), (1)) AS s(a) ON k.a = s.a WHEN MATCHED THEN UPDATE SET b = 2",
        "MERGE would change a row twice",
    ),
    (
        "MERGE INTO k USING (VALUES (1), (1)) AS s(a) ON k.a = s.a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, 2)",
        "MERGE would give the table two rows with one key",
    ),
    ("CREATE TABLE c (a BIGINT, d AS a + 1); INSERT INTO c (a, d) VALUES (1, 2)", "column \"d\" is computed, and cannot be given"),
    ("CREATE TABLE c (a BIGINT, d AS a + 1); UPDATE c SET d = 2", "column \"d\" is computed, and cannot be given"),
    ("CREATE TABLE c (a BIGINT) APPEND ONLY; DELETE FROM c", "rows of table \"c\" only come: it is APPEND ONLY"),
];

#[test]
fn each_statement_is_refused_by_name() {
    refused(STATEMENTS);
}

#[test]
fn each_query_is_refused_by_name() {
    refused(QUERIES);
}

fn refused(all: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (query, words) in all {
        match run("refused.sql", &format!("{TABLES}\n{query};"), &ScriptOptions::default()) {
            Ok(_) => wrong.push(format!("{query}\n  was taken")),
            Err(error) if error.to_string().contains(words) && !error.to_string().contains("Span(") => {}
            Err(error) => wrong.push(format!("{query}\n  {error}\n  instead of {words}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
