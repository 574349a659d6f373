-- A key with many rows keeps equal ones in one place.
CREATE TABLE o (id BIGINT, k BIGINT, t BIGINT);
CREATE TABLE r (k BIGINT, v BIGINT, t BIGINT);
CREATE VIEW priced AS SELECT o.id, r.v FROM o ASOF JOIN r MATCH_CONDITION (o.t >= r.t) ON o.k = r.k;
CREATE VIEW counted AS SELECT id, v, count(*) AS n FROM priced GROUP BY id, v;
INSERT INTO r VALUES (1, 10, 1);
INSERT INTO o SELECT value % 3, 1, 5 FROM generate_series(1, 90) AS g(value);
INSERT INTO r VALUES (1, 20, 4);
INSERT INTO o SELECT 1, 1, 5 FROM generate_series(1, 7) AS g(value);
DELETE FROM o WHERE id = 0;
DELETE FROM r WHERE v = 20;
SELECT * FROM counted ORDER BY 1, 2;
