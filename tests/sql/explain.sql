CREATE TABLE r (device VARCHAR, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
CREATE TABLE owners (device VARCHAR PRIMARY KEY, owner VARCHAR);
CREATE VIEW w AS SELECT device, tumble_end(ts, INTERVAL '10' SECOND) AS until, count(*) AS n FROM r GROUP BY device, tumble_end(ts, INTERVAL '10' SECOND);
EXPLAIN SELECT o.owner, w.until, w.n FROM w LEFT JOIN owners o ON w.device = o.device;
EXPLAIN w;
EXPLAIN SELECT * FROM w EMIT FINAL;
EXPLAIN SELECT owner, stddev(n) AS s FROM w JOIN owners o ON w.device = o.device GROUP BY owner;
