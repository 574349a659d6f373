-- Rows that another row, the clock or a joined table can change after their time are not let go of by a watermark.
CREATE TABLE t (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE TABLE b (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE TABLE d (k BIGINT);
CREATE VIEW newest AS SELECT k, ts FROM (SELECT k, ts, row_number() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1;
CREATE VIEW near_newest AS SELECT l.k, l.ts, b.ts AS bts FROM newest l JOIN b ON l.k = b.k AND b.ts BETWEEN l.ts AND l.ts + INTERVAL '10' SECOND;
CREATE VIEW others AS SELECT t.k, b.ts AS bts FROM (SELECT * FROM t WHERE NOT EXISTS (SELECT 1 FROM d WHERE d.k = t.k)) t
  JOIN b ON t.k = b.k AND b.ts BETWEEN t.ts AND t.ts + INTERVAL '10' SECOND;
CREATE VIEW counted AS SELECT t.k, t.n, b.ts AS bts FROM (SELECT *, count(*) OVER (PARTITION BY k) AS n FROM t) t
  JOIN b ON t.k = b.k AND b.ts BETWEEN t.ts AND t.ts + INTERVAL '10' SECOND;
CREATE VIEW young AS SELECT t.k, b.ts AS bts FROM (SELECT * FROM t WHERE ts > now() - INTERVAL '1 minute') t
  JOIN b ON t.k = b.k AND b.ts BETWEEN t.ts AND t.ts + INTERVAL '10' SECOND;
CREATE VIEW enriched AS SELECT tumble_start(t.ts, INTERVAL '10' SECOND) AS w, count(*) AS n FROM t JOIN d ON t.k = d.k
  GROUP BY tumble_start(t.ts, INTERVAL '10' SECOND);
CREATE VIEW enriched_once AS SELECT tumble_start(t.ts, INTERVAL '10' SECOND) AS w, count(*) AS n FROM t JOIN d ON t.k = d.k
  GROUP BY tumble_start(t.ts, INTERVAL '10' SECOND) EMIT FINAL;
-- Pairs of one window come as long as the window is open, whatever time the first row of a pair has.
CREATE VIEW by_second AS SELECT tumble_start(x.ts, INTERVAL '1' SECOND) AS s, count(*) AS n
  FROM tumble(t, ts, INTERVAL '1' MINUTE) x JOIN tumble(b, ts, INTERVAL '1' MINUTE) y ON x.k = y.k AND x.window_end = y.window_end
  GROUP BY tumble_start(x.ts, INTERVAL '1' SECOND);
SET now = TIMESTAMP '2024-01-01 00:00:00';
INSERT INTO t VALUES (1, '2024-01-01 00:00:01');
INSERT INTO b VALUES (1, '2024-01-01 00:00:02');
INSERT INTO d VALUES (1), (5);
INSERT INTO t VALUES (2, '2024-01-01 00:00:40');
INSERT INTO b VALUES (1, '2024-01-01 00:00:45'), (2, '2024-01-01 00:00:46');
INSERT INTO t VALUES (1, '2024-01-01 00:00:50');
SET now = TIMESTAMP '2024-01-01 00:01:10';
INSERT INTO d VALUES (2);
DELETE FROM d WHERE k = 1;
SELECT * FROM near_newest ORDER BY k;
SELECT * FROM others ORDER BY k, bts;
SELECT * FROM counted ORDER BY k, bts;
SELECT * FROM young ORDER BY k, bts;
SELECT * FROM enriched ORDER BY w;
SELECT * FROM enriched_once ORDER BY w;
SELECT * FROM by_second ORDER BY s;
SELECT * FROM late_rows;
EXPLAIN SELECT tumble_start(t.ts, INTERVAL '10' SECOND) AS w, count(*) AS n FROM t JOIN d ON t.k = d.k
  GROUP BY tumble_start(t.ts, INTERVAL '10' SECOND);
