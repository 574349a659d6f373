-- A field of a struct is read where it stands: a column that is computed under the name of another stays what it is.
CREATE TABLE t (a INT, s STRUCT<b VARCHAR>); CREATE TABLE g (a INT, b VARCHAR);
INSERT INTO t VALUES (1, {b: 'x'}), (2, {b: 'y'});
INSERT INTO g SELECT a, s['b'] FROM (SELECT -a AS a, s FROM t WHERE a > 0);
SELECT * FROM g ORDER BY a;
