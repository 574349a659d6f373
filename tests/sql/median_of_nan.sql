-- A NaN has no sign, and is above all else.
CREATE TABLE t (x DOUBLE, r REAL);
INSERT INTO t VALUES ('NaN', 'NaN'), (1, 1), (3, 3), (2, 2), (-4, -4), (5, 5);
SELECT median(-x) AS m, median(x) AS n, median(-r) AS s, percentile_cont(-x, 0.5) AS p, percentile_cont(0.25) WITHIN GROUP (ORDER BY -r) AS q FROM t;
INSERT INTO t VALUES ('NaN', 'NaN'), (-7, -7);
SELECT median(-x) AS m, median(x) AS n, median(-r) AS s, percentile_cont(-x, 0.5) AS p, percentile_cont(0.25) WITHIN GROUP (ORDER BY -r) AS q FROM t;
