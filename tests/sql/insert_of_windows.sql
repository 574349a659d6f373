-- What a statement puts elsewhere may come of the windows of a table or view, which is looked at like any other.
CREATE TABLE t (k BIGINT, ts TIMESTAMP);
CREATE TABLE w (k BIGINT, ts TIMESTAMP);
CREATE TABLE x (k BIGINT, at TIMESTAMP);
CREATE VIEW odd AS SELECT k, ts FROM t WHERE k % 2 = 1;
INSERT INTO t VALUES (1, '2024-01-01 00:00:01'), (2, '2024-01-01 00:00:08'), (3, '2024-01-01 00:00:17');
INSERT INTO w VALUES (2, '2024-01-01 00:00:12');
INSERT INTO x SELECT k, window_start FROM hop(t, ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND);
SELECT * FROM x ORDER BY k, at;
INSERT INTO x SELECT k + 100, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND));
INSERT INTO x SELECT k + 200, window_end FROM tumble(odd, ts, INTERVAL '10' SECOND);
SELECT * FROM x WHERE k > 100 ORDER BY k, at;
DELETE FROM x WHERE k IN (SELECT k FROM tumble(w, ts, INTERVAL '10' SECOND));
SELECT count(*) AS n FROM x WHERE k = 2;
