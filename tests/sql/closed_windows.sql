-- Windows of grouping sets and windows of windows' last moments are closed by the watermark of the table beneath.
CREATE TABLE t (ts TIMESTAMP, size INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE VIEW minutes AS SELECT tumble_rowtime(ts, INTERVAL '1' MINUTE) AS r, sum(size) AS s FROM t GROUP BY tumble(ts, INTERVAL '1' MINUTE);
CREATE VIEW fives AS SELECT tumble_start(r, INTERVAL '5' MINUTE) AS w, sum(s) AS s FROM minutes GROUP BY tumble(r, INTERVAL '5' MINUTE) EMIT FINAL;
CREATE VIEW sizes AS
SELECT window_start, size, count(*) AS c
FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, ROLLUP (size)
EMIT FINAL;
INSERT INTO t VALUES ('2024-01-01 00:00:10', 1), ('2024-01-01 00:01:10', 2), ('2024-01-01 00:04:59.9995', 3);
INSERT INTO t VALUES ('2024-01-01 00:05:00.9995', 5), ('2024-01-01 00:03:10', 4);
INSERT INTO t VALUES ('2024-01-01 00:05:01.5', 5), ('2024-01-01 00:04:00', 4);
INSERT INTO t VALUES ('2024-01-01 00:11:00', 5), ('2024-01-01 00:04:00', 4);
SELECT * FROM fives;
SELECT * FROM sizes;
SELECT view, row FROM late_rows WHERE view = 'sizes';
EXPLAIN sizes;
EXPLAIN fives;
