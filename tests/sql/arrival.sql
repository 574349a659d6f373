-- A column that holds when a row came is event time without lateness, and others are computed from it.
CREATE TABLE clicks (page VARCHAR, p AS PROCTIME(), minute AS date_trunc('minute', p));
SET now = TIMESTAMP '2024-01-01 00:00:05';
INSERT INTO clicks VALUES ('a'), ('b');
SET now = TIMESTAMP '2024-01-01 00:01:15';
INSERT INTO clicks (page) VALUES ('a');
-- What is changed comes anew.
UPDATE clicks SET page = 'c' WHERE page = 'b';
SET now = TIMESTAMP '2024-01-01 00:01:25';
INSERT INTO clicks SELECT page FROM clicks WHERE page = 'c';
SELECT * FROM clicks;
CREATE VIEW closed AS SELECT page, window_start, count(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(p), INTERVAL '10' SECOND)) GROUP BY page, window_start EMIT FINAL;
SELECT * FROM closed;
SELECT * FROM late_rows;
-- Another watermark, and another spelling.
CREATE TABLE orders (id INT, ts TIMESTAMP, came TIMESTAMP AS CURRENT_TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
INSERT INTO orders VALUES (1, '2024-01-01 00:00:00');
SET now = TIMESTAMP '2024-01-01 00:02:00';
INSERT INTO orders VALUES (2, '2024-01-01 00:00:10');
SELECT id, ts, came - ts AS took FROM orders EMIT FINAL;
