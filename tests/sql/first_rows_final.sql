-- EMIT FINAL over first rows: a row as it is when its watermark passes; what changes it later is told as late.
CREATE TABLE e (ts TIMESTAMP, k INT, x INT, WATERMARK FOR ts AS ts);
CREATE VIEW newest AS SELECT x, ts FROM e ORDER BY ts DESC LIMIT 2 EMIT FINAL;
CREATE VIEW one_each AS SELECT DISTINCT ON (k) k, ts, x FROM e ORDER BY k, x DESC EMIT FINAL;
CREATE VIEW seconds AS SELECT date_bin(INTERVAL '2' SECOND, ts) AS w, count(*) AS n
    FROM (SELECT DISTINCT ON (k) k, ts FROM e ORDER BY k, x DESC) GROUP BY date_bin(INTERVAL '2' SECOND, ts) EMIT FINAL;
INSERT INTO e VALUES ('2024-01-01 00:00:01', 1, 10), ('2024-01-01 00:00:02', 2, 20), ('2024-01-01 00:00:03', 3, 30);
INSERT INTO e VALUES ('2024-01-01 00:00:04', 1, 40), ('2024-01-01 00:00:02', 3, 50);
INSERT INTO e VALUES ('2024-01-01 00:00:09', 2, 5);
SELECT * FROM newest;
SELECT * FROM one_each;
SELECT * FROM seconds;
SELECT * FROM late_rows;
