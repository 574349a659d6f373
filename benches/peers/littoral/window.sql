-- Count, sum, least and greatest value of each key in each 10 seconds, from NDJSON to CSV; {input} and {output} are filled in.
CREATE TABLE readings (ts TIMESTAMP, "key" VARCHAR, value DOUBLE, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH (connector = 'file', path = '{input}', format = 'json', type = 'source');
CREATE TABLE windows ("key" VARCHAR, starts TIMESTAMP, n BIGINT, total DOUBLE, low DOUBLE, high DOUBLE)
WITH (connector = 'file', path = '{output}', format = 'csv', type = 'sink');
INSERT INTO windows
SELECT "key", tumble_start(ts, INTERVAL '10' SECOND), count(*), sum(value), min(value), max(value)
FROM readings
GROUP BY "key", tumble_start(ts, INTERVAL '10' SECOND) EMIT FINAL;
