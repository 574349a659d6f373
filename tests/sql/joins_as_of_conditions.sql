-- What is asked in ON of a join by time.
CREATE TABLE o (id BIGINT, k VARCHAR, t TIMESTAMP, WATERMARK FOR t AS t);
CREATE TABLE r (k VARCHAR, v BIGINT NOT NULL, w BIGINT, t TIMESTAMP, WATERMARK FOR t AS t);
CREATE TABLE p (k VARCHAR PRIMARY KEY, v BIGINT, t TIMESTAMP, WATERMARK FOR t AS t);
CREATE TABLE x (id BIGINT, v BIGINT);
CREATE VIEW pv AS SELECT * FROM p;
CREATE VIEW of_some AS SELECT o.id, r.v FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k AND o.id > 1;
CREATE VIEW priced AS SELECT o.id, r.v FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k;
EXPLAIN of_some;
INSERT INTO o VALUES (1, 'a', '2024-01-01 00:00:10'), (2, NULL, '2024-01-01 00:00:10'), (3, 'a', '2024-01-01 00:00:11');
INSERT INTO r VALUES ('a', 1, 2, '2024-01-01 00:00:05'), (NULL, 9, 1, '2024-01-01 00:00:01'), ('a', 1, 1, '2024-01-01 00:00:05');
INSERT INTO x SELECT id, v FROM priced;
SELECT * FROM x;
-- Never true.
SELECT o.id, r.v FROM o JOIN r FOR SYSTEM_TIME AS OF o.t ON o.k = r.k AND 1 = 0;
SELECT o.id, r.v FROM o JOIN r FOR SYSTEM_TIME AS OF o.t ON o.k = r.k AND r.v IS NULL;
SELECT o.id, r.v FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.t ON false ORDER BY 1;
-- Null is null.
SELECT o.id, r.v FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k IS NOT DISTINCT FROM r.k ORDER BY 1;
-- Which of two rows of a time it is does not hang on what is read of them.
WITH s AS (SELECT o.id, r.v, r.w FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k) SELECT a.v, b.w FROM s AS a JOIN s AS b ON a.id = b.id WHERE a.id = 1;
SELECT o.id, r.w FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k AND r.v > 0 ORDER BY 1;
SELECT q.id, q.v FROM (o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k) AS q ORDER BY 1;
SELECT o.id, r.v FROM o JOIN R FOR SYSTEM_TIME AS OF o.t ON o.k = r.k ORDER BY 1;
INSERT INTO o VALUES (4, 'a', '2024-01-01 00:01:00');
INSERT INTO r VALUES ('a', 7, 7, '2024-01-01 00:01:00');
INSERT INTO r VALUES ('a', 8, 8, '2024-01-01 00:00:10');
SELECT * FROM of_some;
SELECT * FROM priced;
SELECT view, row FROM late_rows ORDER BY 1;
