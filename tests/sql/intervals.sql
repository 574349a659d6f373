-- Intervals are compared by their length: a day has 24 hours, a month 30 days.
CREATE TABLE t (s TIMESTAMP, e TIMESTAMP, i INTERVAL, j INTERVAL);
INSERT INTO t VALUES ('2024-01-01 00:00:00', '2024-01-03 00:00:00', INTERVAL '1' DAY, INTERVAL '24' HOUR);
INSERT INTO t VALUES ('2024-01-01 00:00:00', '2024-01-01 23:59:59', INTERVAL '1' MONTH, INTERVAL '31' DAY), (NULL, NULL, NULL, NULL);
SELECT
    e - s < INTERVAL '1' DAY AS short,
    e - s = INTERVAL '2' DAY AS two,
    e - s BETWEEN INTERVAL '1' DAY AND INTERVAL '1' MONTH AS around,
    e - s NOT BETWEEN INTERVAL '1' DAY AND INTERVAL '50' HOUR AS outside,
    i = j AS same,
    i < j AS less,
    i IS DISTINCT FROM j AS other
FROM t
ORDER BY e DESC;
SELECT max(e) - min(s) > INTERVAL '1' DAY AS long FROM t;
-- Days between two times bound a join.
CREATE TABLE a (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE TABLE b (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
CREATE VIEW near AS SELECT a.k, a.ts AS x, b.ts AS y FROM a JOIN b ON a.k = b.k AND a.ts - b.ts BETWEEN INTERVAL '-1' DAY AND INTERVAL '2' DAY;
INSERT INTO a VALUES (1, '2024-01-02 00:00:00');
INSERT INTO b VALUES (1, '2024-01-03 00:00:00'), (1, '2024-01-03 00:00:01'), (1, '2024-01-04 00:00:00');
SELECT * FROM near;
EXPLAIN near;
SELECT e - s IN (INTERVAL '1 day', INTERVAL '2 days') AS listed, i NOT IN (j) AS unlisted FROM t ORDER BY e DESC;
