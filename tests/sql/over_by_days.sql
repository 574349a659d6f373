-- A day of a zone may have 25 hours: what is that far away is looked at too, in whichever epoch it comes.
CREATE TABLE t (id BIGINT, ts TIMESTAMP, v BIGINT);
INSERT INTO t VALUES (1, '2024-11-03T04:30:00', 1), (2, '2024-11-04T05:20:00', 10);
INSERT INTO t VALUES (3, '2024-11-03T05:25:00', 100);
CREATE VIEW w AS SELECT id, v, sum(v) OVER (ORDER BY z RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) AS a
FROM (SELECT id, v, arrow_cast(arrow_cast(ts, 'Timestamp(Microsecond, Some("UTC"))'), 'Timestamp(Microsecond, Some("America/New_York"))') AS z FROM t) AS q;
SELECT * FROM w ORDER BY id;
-- A row is late for its time alone, though the frame of its key is open for ten minutes more.
CREATE TABLE u (k BIGINT, ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts);
INSERT INTO u VALUES (1, '2024-01-01T00:00:00', 1);
INSERT INTO u VALUES (2, '2024-01-01T00:01:00', 1), (2, '2024-01-01T00:01:00', 1);
INSERT INTO u VALUES (3, '2025-01-01T00:00:00', 1);
INSERT INTO u VALUES (1, '2024-12-31T23:59:00', 1), (4, '2025-01-01T00:00:00', 1);
SELECT k, sum(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '10 minute' PRECEDING AND CURRENT ROW) AS s FROM u ORDER BY k, s;
