-- Functions that Spark and Flink have, from DataFusion's collection of them.
CREATE TABLE t (d DATE, ts TIMESTAMP, n INT, s VARCHAR);
INSERT INTO t VALUES ('2020-01-31', '2020-02-28 12:34:56.789', 3, 'a b&c'), (NULL, NULL, NULL, NULL);
SELECT date_add(d, n) AS later, date_add(d, INTERVAL '1 month') AS month, date_sub(d, 31) AS before, add_months(d, 1) AS added, last_day(d) AS last FROM t ORDER BY d;
SELECT from_unixtime(44 + n, 'yyyy-MM-dd HH:mm:ss') AS at, unix_millis(ts) AS millis, datediff('2020-01-05', d) AS days, timestamp_millis(n) AS ms FROM t ORDER BY d;
SELECT url_encode(s) AS url, url_decode('a%20b') AS plain, parse_url('http://a.b/c?x=1', 'HOST') AS host, to_base64(s) AS base, hex(n) AS hex, hex(s) AS hexes, bin(n) AS bin FROM t ORDER BY s;
SELECT sha1(s) AS sha1, crc32(s) AS crc, bit_count(n) AS bits, '[' || space(n) || ']' AS blank, width_bucket(n, 0, 10, 5) AS bucket, isnull(n) AS none FROM t ORDER BY s;
SELECT unix_seconds(TIMESTAMP '1969-12-31 23:59:59.5') AS s, unix_millis(TIMESTAMP '1969-12-31 23:59:59.9995') AS ms, timestamp_seconds(1.75) AS at, from_unixtime(44, 'HH:mm:ss') AS clock, date_sub(DATE '2020-01-01', -1) AS d;
CREATE TABLE b (b BOOLEAN);
INSERT INTO b VALUES (NULL), (true);
SELECT b, isnull(NOT b) AS n, isnotnull(b OR false) AS m FROM b ORDER BY b;
SELECT space(2) || 'x' AS l, date_add(d, n) AS d FROM (VALUES (2147483647, DATE '2020-01-01'), (2, DATE '2020-01-01')) AS x (n, d);
