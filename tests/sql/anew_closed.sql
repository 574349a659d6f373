-- Groups that are computed anew let go of their rows once a watermark has closed them; what comes after that is late.
CREATE TABLE e (id INT, k TEXT, ts TIMESTAMP, x DOUBLE, s TEXT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
CREATE VIEW w AS SELECT k, window_start AS w, median(x) AS d, string_agg(k, '-' ORDER BY id) AS a
    FROM tumble(e, ts, INTERVAL '10' SECOND) GROUP BY k, window_start, window_end;
CREATE VIEW f AS SELECT window_start AS w, median(x) AS d, max(x) AS m FROM tumble(e, ts, INTERVAL '10' SECOND) GROUP BY window_start, window_end EMIT FINAL;
-- A group that fails stays told of once it is closed.
CREATE VIEW b AS SELECT window_end AS w, median(CAST(s AS INT)) AS d, median(1 / (id - 2)) AS q
    FROM tumble(e, ts, INTERVAL '10' SECOND) GROUP BY window_end;
EXPLAIN w;
INSERT INTO e VALUES (1, 'a', '2024-01-01 00:00:01', 1, '1'), (3, 'a', '2024-01-01 00:00:02', 3, '2'), (4, 'b', '2024-01-01 00:00:03', 4, '3');
INSERT INTO e VALUES (5, 'a', '2024-01-01 00:00:04', 8, '4'), (6, 'b', '2024-01-01 00:00:15', 5, '5');
-- The first window is closed since the epoch before.
INSERT INTO e VALUES (7, 'a', '2024-01-01 00:00:05', 100, '6'), (8, 'a', '2024-01-01 00:00:16', 6, '7'), (2, 'a', '2024-01-01 00:00:17', 7, '8');
UPDATE e SET x = 50 WHERE id IN (1, 6);
INSERT INTO e VALUES (9, 'b', '2024-01-01 00:00:35', 9, '9');
INSERT INTO e VALUES (10, 'b', '2024-01-01 00:00:17', 9, '9'), (11, 'b', '2024-01-01 00:00:36', 10, '10');
SELECT * FROM w;
SELECT * FROM f;
SELECT * FROM b;
SELECT * FROM late_rows;
SELECT * FROM row_errors;
