-- Tables as other engines write them: computed columns, watermarks, comments, types, keys that are not enforced.
CREATE TEMPORARY TABLE flink (id INT, ts TIMESTAMP(3) NOT NULL COMMENT 'event time', amount BIGINT, twice AS amount * 2, day AS CAST(ts AS DATE),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED) COMMENT 'orders'
  WITH ('connector' = 'filesystem', 'path' = 'file://orders.csv', 'format' = 'csv');
SELECT id, twice, day FROM flink ORDER BY id;
CREATE TABLE arroyo (id INT, ts TIMESTAMP, amount BIGINT, mark TIMESTAMP GENERATED ALWAYS AS (ts - INTERVAL '1 second') STORED,)
  WITH (connector = 'single_file', path = 'orders.csv', format = 'csv', type = 'source', event_time_field = 'ts', watermark_field = 'mark');
SELECT tumble(ts, INTERVAL '5' SECOND)['end'] AS until, sum(amount) AS amount FROM arroyo GROUP BY tumble(ts, INTERVAL '5' SECOND) EMIT ON WINDOW CLOSE;
CREATE TABLE feldera (id BIGINT NOT NULL PRIMARY KEY, ts TIMESTAMP LATENESS INTERVAL '1' HOUR, of BIGINT FOREIGN KEY REFERENCES flink (id),
  tags VARCHAR ARRAY, place ROW<x DOUBLE, name STRING>, n INT DEFAULT 3) WITH ('materialized' = 'true');
DESCRIBE feldera;
CREATE TABLE risingwave (key VARCHAR, doc JSONB, at TIMESTAMPTZ DEFAULT TIMESTAMP '2024-01-01 00:00:00', WATERMARK FOR at) APPEND ONLY;
INSERT INTO public.risingwave (key, doc) VALUES ('k', '{"a": 1}'), ('l', '{"a": 2}');
INSERT INTO risingwave VALUES ('m', DEFAULT, DEFAULT);
SELECT key, doc ->> 'a' AS a, at FROM risingwave ORDER BY key;
CREATE TABLE docs (value JSON) WITH (connector = 'single_file', path = 'changes_with_key.json', format = 'json', 'json.unstructured' = 'true');
SELECT value ->> 'op' AS op, count(*) AS n FROM docs GROUP BY 1 ORDER BY op, n;
SET 'parallelism.default' = '4';
FLUSH;
CREATE INDEX i ON docs (value);
CREATE TABLE latest AS SELECT max(id) AS id FROM flink;
CREATE VIEW v IN CLUSTER c AS SELECT id + 1 AS id FROM latest;
CREATE VIEW w AS SELECT id * 10 AS id FROM v;
CREATE OR REPLACE VIEW v AS SELECT id + 5 AS id FROM latest;
SELECT * FROM w;
CREATE OR REPLACE TABLE docs (a INT);
CREATE RECURSIVE VIEW counted (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 3;
TABLE counted;
SHOW TABLES;
SHOW VIEWS;
EXPLAIN PLAN FOR WITH c AS MATERIALIZED (SELECT n FROM counted) SELECT n FROM c;
