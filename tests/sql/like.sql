-- Tables like others: Flink's takes rules and options along, Postgres's columns alone.
CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR NOT NULL, c INT AS (a * 2), ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE TABLE flink (d INT) LIKE t;
CREATE TABLE keyed LIKE t (EXCLUDING OPTIONS);
CREATE TABLE plain (z INT, LIKE t, d INT, PRIMARY KEY (z));
CREATE TABLE whole (LIKE t INCLUDING ALL);
INSERT INTO flink VALUES (1, 'x', '2024-01-01 00:00:00', 5), (1, 'y', '2024-01-01 00:00:01', 6);
INSERT INTO keyed (a, b) VALUES (1, 'x'), (1, 'y');
INSERT INTO plain VALUES (5, 1, 'x', 7, NULL, 3), (6, 1, 'y', 8, NULL, 4);
INSERT INTO whole (a, b) VALUES (2, 'x'), (2, 'z');
SELECT * FROM flink;
SELECT * FROM keyed;
SELECT * FROM plain ORDER BY d;
SELECT * FROM whole;
SELECT date_trunc('minute', ts) AS m, count(*) AS n FROM flink GROUP BY 1 EMIT FINAL;
