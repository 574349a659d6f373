-- What a join gives is closed once both of its tables are: a row without a partner may find one until then.
CREATE TABLE a (k BIGINT, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts);
CREATE TABLE b (k BIGINT, ts TIMESTAMP, w BIGINT, WATERMARK FOR ts);
CREATE VIEW x AS SELECT k, window_start AS s, v FROM tumble(a, ts, INTERVAL '10' SECOND);
CREATE VIEW y AS SELECT k, window_start AS s, w FROM tumble(b, ts, INTERVAL '10' SECOND);
CREATE VIEW has AS SELECT * FROM x WHERE EXISTS (SELECT 1 FROM y WHERE y.k = x.k AND y.s = x.s) EMIT FINAL;
CREATE VIEW has_not AS SELECT * FROM x WHERE NOT EXISTS (SELECT 1 FROM y WHERE y.k = x.k AND y.s = x.s) EMIT FINAL;
CREATE VIEW pairs AS SELECT x.k, x.s, v, w FROM x LEFT JOIN y ON x.k = y.k AND x.s = y.s;
CREATE VIEW counted AS SELECT s, count(*) AS n, count(w) AS m FROM pairs GROUP BY s EMIT FINAL;
INSERT INTO a VALUES (1, '2024-01-01 00:00:01', 1);
INSERT INTO b VALUES (1, '2024-01-01 00:00:02', 1);
INSERT INTO a VALUES (1, '2024-01-01 00:00:25', 2), (2, '2024-01-01 00:00:05', 3);
INSERT INTO b VALUES (1, '2024-01-01 00:00:03', 2), (2, '2024-01-01 00:00:04', 5);
INSERT INTO b VALUES (1, '2024-01-01 00:00:36', 3);
SELECT * FROM has ORDER BY k, s;
SELECT * FROM has_not ORDER BY k, s;
SELECT * FROM counted ORDER BY s;
SELECT * FROM late_rows;

-- By the times of both tables, though only one of them is selected: a row of the other may still come.
CREATE TABLE ta (k INT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE TABLE tb (k INT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
INSERT INTO tb VALUES (3, 4, TIMESTAMP '2023-12-31 23:59:51'), (3, 3, TIMESTAMP '2023-12-31 23:59:58');
INSERT INTO ta VALUES (3, 3, TIMESTAMP '2024-01-01 00:00:16');
EXPLAIN SELECT x.ts AS w, x.k, y.v FROM tb AS x JOIN ta AS y ON x.k = y.k EMIT FINAL;
SELECT x.ts AS w, x.k, y.v FROM tb AS x JOIN ta AS y ON x.k = y.k EMIT FINAL;
