-- A sink that prints is an answer with its own columns; one that drops all is computed and no more. Where queries were written
-- to sinks the last view is not shown.
CREATE TABLE r (k TEXT, v BIGINT);
CREATE VIEW totals AS SELECT k, sum(v) AS s, count(*) AS n FROM r GROUP BY k;
CREATE TABLE shown (name TEXT, total DECIMAL(20, 2), times BIGINT) WITH ('connector' = 'print');
CREATE TABLE dropped (name TEXT, total BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO r VALUES ('a', 1), ('b', 2);
INSERT INTO r VALUES ('a', 3);
INSERT INTO dropped SELECT k, s FROM totals;
INSERT INTO shown SELECT * FROM totals;
INSERT INTO shown (times, name) SELECT n, k FROM totals WHERE n > 1;
CREATE SINK last FROM totals WITH (connector = 'stdout');
