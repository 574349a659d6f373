-- Spellings of other engines.
CREATE TABLE t (a INT, name VARCHAR, ts TIMESTAMP);
INSERT INTO t VALUES (1, 'a!b', '2024-01-01 00:00:00'), (2, 'a%c', '2024-01-01 00:00:50'), (3, 'abc', '2024-01-01 00:02:00');
SELECT a, name LIKE 'a!%%' ESCAPE '!' AS percent, name LIKE 'a#!b' ESCAPE '#' AS mark, name ILIKE 'A!%C' ESCAPE '!' AS any_case FROM t ORDER BY a;
SELECT a, name SIMILAR TO 'a%' AS begins, name SIMILAR TO 'b' AS whole, name SIMILAR TO 'a(b|x)_' AS either, name NOT SIMILAR TO '[a-c]{3}' AS other, name SIMILAR TO 'a.c' AS dot FROM t ORDER BY a;
SELECT a, sum(a) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND CURRENT ROW) AS last_minute FROM t ORDER BY a;
SELECT count_if(a > 1) AS n, countif(name LIKE '%b%') AS b, count_if(a > 7) AS none FROM t;
SELECT timestamp_trunc(ts, MINUTE) AS minute, date_trunc(ts, HOUR) AS hour, unix_timestamp('2020-01-01 00:00:00', 'yyyy-MM-dd HH:mm:ss') AS seconds, from_base64('aGk=') AS text, split('a,b', ',') AS parts FROM t WHERE a = 3;
SELECT CAST('1.25' AS DEC(5,1)) AS d;
SET now = TIMESTAMP '2024-01-01 00:01:00';
SELECT a FROM t WHERE mz_now() > ts ORDER BY a;
-- Times that nanoseconds do not reach.
CREATE TABLE valid (id INT, since TIMESTAMP, until TIMESTAMP, day DATE);
INSERT INTO valid VALUES (1, '2020-01-01 00:00:00', NULL, '9999-12-31'), (2, '9999-12-31 00:00:00', '2021-01-01 00:00:00.123456', '2020-01-01');
SELECT id, coalesce(until, TIMESTAMP '9999-12-31 00:00:00') AS until FROM valid WHERE since < '9999-12-31' OR day < TIMESTAMP '9999-12-31 12:00:00' ORDER BY id;
SELECT a.id, b.id AS other FROM valid a JOIN valid b ON a.day = b.since WHERE a.since BETWEEN '2000-01-01' AND '9999-01-01';
SELECT id FROM valid WHERE since IN ('9999-12-31', '2021-01-01');
SELECT id FROM valid WHERE now() BETWEEN since AND coalesce(until, TIMESTAMP '9999-12-31 00:00:00');
-- Sets of groups by what is computed; a length below nought.
SELECT a % 2 AS odd, count(*) AS n, grouping(a % 2) AS all_of_them FROM t GROUP BY ROLLUP (a % 2) ORDER BY all_of_them, odd;
SELECT a, lpad(name, a - 2, '*') AS l, rpad(name, a + 2, '*') AS r FROM t ORDER BY a;
SELECT 'aa' SIMILAR TO 'a{1,2}' AS times, 'a1' SIMILAR TO '[[:alnum:]]+' AS class, ']x' SIMILAR TO '[]a]%' AS bracket, 'b' SIMILAR TO '[^a-c]' AS none, 'a-' SIMILAR TO '[a\-]*' AS escaped;
CREATE TABLE named (map BIGINT[], day TIMESTAMP);
INSERT INTO named VALUES ([4, 5], '2024-01-01');
SELECT map[1] AS first FROM named;
SELECT x.map[2] AS second FROM named x, named y WHERE timestampdiff(DAY, x.day, y.day) < 1;
