-- NOT IN with nulls on either side, correlated and not: what DuckDB 1.x gives for each.
CREATE TABLE t (s VARCHAR, v INT); CREATE TABLE u (s VARCHAR, v INT);
INSERT INTO t VALUES ('z', 46), (NULL, 46), ('z', NULL), ('b', 5), ('c', 7); INSERT INTO u VALUES ('a', NULL), ('b', 4), ('c', 7), (NULL, 1);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.s = t.s);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.s > t.s);
SELECT * FROM t WHERE 46 NOT IN (SELECT v FROM u WHERE u.s = t.s);
SELECT * FROM t WHERE 46 NOT IN (SELECT v FROM u);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE v IS NOT NULL);
SELECT * FROM t WHERE v + 1 NOT IN (SELECT v + 1 FROM u WHERE u.s = t.s AND u.v < t.v + 1);
SELECT * FROM t WHERE v NOT IN (SELECT v FROM u WHERE u.v = t.v);
SELECT * FROM t WHERE s NOT IN (SELECT s FROM u WHERE u.s IS NOT NULL AND u.v = t.v);
-- Subqueries that have one row whatever there is, and values that are computed; DuckDB's answers.
CREATE TABLE aa (id INT, k INT, v INT);
CREATE TABLE bb (k INT, w INT);
INSERT INTO aa VALUES (1, NULL, 2), (2, 1, 2), (3, 5, NULL), (4, 7, 9);
INSERT INTO bb VALUES (2, NULL), (9, 7), (3, 3);
SELECT id FROM aa WHERE k NOT IN (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE k > ALL (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE 0 IN (SELECT count(*) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE NOT EXISTS (SELECT max(w) FROM bb WHERE bb.k = aa.v);
SELECT id FROM aa WHERE k NOT IN (SELECT max(w) FROM bb WHERE bb.k = aa.v HAVING count(*) > 0);
SELECT id FROM aa WHERE k + 0 NOT IN (SELECT k FROM bb WHERE bb.k = aa.v);
SELECT id, 1 NOT IN (SELECT count(*) FROM bb) AS f FROM aa;
-- The list of a subquery is cast, and its column correlates it too.
CREATE TABLE wide (k VARCHAR, s DECIMAL(5,0)); CREATE TABLE narrow (k INT, s DECIMAL(5,0));
INSERT INTO wide VALUES ('3', 4), ('5', 2), ('7', NULL), (NULL, 9); INSERT INTO narrow VALUES (1, 3), (2, 5), (3, NULL);
SELECT a.k FROM wide AS a WHERE CAST(3.00 AS DECIMAL(9,2)) IN (SELECT b.s FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE CAST(3.00 AS DECIMAL(9,2)) NOT IN (SELECT b.s FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE a.k IN (SELECT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE a.k NOT IN (SELECT CAST(b.s AS VARCHAR) AS s FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE CAST(4.50 AS DECIMAL(9,2)) > ANY (SELECT b.s FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE CAST(3.00 AS DECIMAL(9,2)) IN (SELECT DISTINCT b.s FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT b.k FROM narrow AS b WHERE b.s + 1 IN (SELECT a.s FROM wide AS a WHERE a.s > b.s) ORDER BY k;
-- NOT IN that only NOT of an OR makes.
SELECT a.k FROM wide AS a WHERE NOT (a.s IN (SELECT b.s FROM narrow AS b WHERE b.s = a.s) OR nullif(a.s, 2) IN (SELECT b.s FROM narrow AS b WHERE b.k > a.s)) ORDER BY k;
SELECT a.k FROM wide AS a WHERE NOT (a.k = '5' OR NOT (NOT (a.s IN (SELECT b.s FROM narrow AS b WHERE b.s = a.s)))) ORDER BY k;
SELECT a.k FROM wide AS a WHERE nullif(a.k, '5') NOT IN (SELECT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.k FROM wide AS a WHERE a.k NOT IN (SELECT DISTINCT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s < a.s AND b.k = a.s - 3) ORDER BY k;
SELECT a.k FROM wide AS a WHERE NOT (a.k NOT IN (SELECT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s = a.s - 1) AND NOT false) ORDER BY k;
SELECT a.k FROM wide AS a WHERE a.s = 2 OR a.k NOT IN (SELECT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s < a.s) ORDER BY k;
SELECT a.s, a.k IN (SELECT CAST(b.s AS VARCHAR) FROM narrow AS b WHERE b.s < a.s) AS f FROM wide AS a ORDER BY s;
-- What is asked twice is computed once, and tells its errors once.
CREATE TABLE texts (t TEXT);
CREATE TABLE few (k INT);
CREATE VIEW following AS WITH n AS (SELECT CAST(t AS INT) AS i FROM texts) SELECT a.i FROM n AS a JOIN n AS b ON a.i = b.i + 1;
CREATE VIEW without_few AS SELECT i FROM (SELECT CAST(t AS INT) AS i FROM texts) AS n WHERE i NOT IN (SELECT k FROM few);
CREATE VIEW without_texts AS SELECT k FROM few WHERE k NOT IN (SELECT CAST(t AS INT) FROM texts);
INSERT INTO texts VALUES ('1'), ('2'), ('3'), ('x');
INSERT INTO few VALUES (2), (9);
SELECT * FROM following;
SELECT * FROM without_few;
SELECT * FROM without_texts;
SELECT * FROM row_errors;
-- A value that is no column's, in a list that is correlated: a row without a partner is in it whatever the list has.
CREATE TABLE ax (k INT, s INT);
CREATE TABLE bx (k INT, v BIGINT);
INSERT INTO ax VALUES (1, 6), (2, 7), (3, 8), (4, NULL), (5, 9);
INSERT INTO bx VALUES (6, 5), (7, 1), (8, NULL), (NULL, 5), (NULL, NULL);
SELECT a.k FROM ax AS a WHERE NOT (CAST(5 AS BIGINT) IN (SELECT nullif(b.v, CAST(12 AS BIGINT)) FROM bx AS b WHERE b.k = a.s) AND true) ORDER BY k;
SELECT a.k FROM ax AS a WHERE 5 NOT IN (SELECT b.v FROM bx AS b WHERE b.k = a.s) ORDER BY k;
SELECT a.k FROM ax AS a WHERE 5 NOT IN (SELECT b.v FROM bx AS b WHERE b.k = 6);
SELECT a.k FROM ax AS a WHERE 4 NOT IN (SELECT b.v FROM bx AS b WHERE b.k < 8) ORDER BY k;
