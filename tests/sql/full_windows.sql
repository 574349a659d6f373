-- Windows of two streams side by side, each also where the other has none: given once the watermarks of both have closed them.
CREATE TABLE a (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE TABLE b (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW x AS SELECT k, window_start, window_end, sum(v) AS v FROM tumble(a, ts, INTERVAL '5' MINUTE) GROUP BY k, window_start, window_end;
CREATE VIEW y AS SELECT k, window_start, window_end, sum(v) AS v FROM tumble(b, ts, INTERVAL '5' MINUTE) GROUP BY k, window_start, window_end;
CREATE VIEW beside AS SELECT coalesce(x.window_start, y.window_start) AS start, coalesce(x.k, y.k) AS k, x.v AS of_a, y.v AS of_b
    FROM x FULL JOIN y ON x.k = y.k AND x.window_start = y.window_start AND x.window_end = y.window_end EMIT FINAL;
CREATE VIEW named AS SELECT window_start, count(x.v) AS of_a, count(y.v) AS of_b FROM x FULL JOIN y USING (window_start, k) GROUP BY window_start;
EXPLAIN beside;
EXPLAIN named;
INSERT INTO a VALUES (1, 1, '2024-01-01 00:00:00'), (2, 2, '2024-01-01 00:00:10'), (2, 2, '2024-01-01 00:11:10');
INSERT INTO b VALUES (1, 1, '2024-01-01 00:01:00'), (3, 2, '2024-01-01 00:04:59');
INSERT INTO b VALUES (1, 5, '2024-01-01 00:05:00');
INSERT INTO b VALUES (1, 9, '2024-01-01 00:04:00'), (3, 1, '2024-01-01 00:11:10');
SELECT * FROM beside;
SELECT * FROM named ORDER BY window_start;
SELECT * FROM late_rows;
