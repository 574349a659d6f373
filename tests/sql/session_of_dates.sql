-- A session of dates lasts as long as its gap says, in hours too.
CREATE TABLE t (d DATE);
INSERT INTO t VALUES ('2024-01-01'), ('2024-01-01'), ('2024-01-02'), ('2024-01-05');
DELETE FROM t WHERE d = '2024-01-01';
INSERT INTO t VALUES ('2024-01-03'), ('2024-01-03');
SELECT window_start, window_end, count(*) AS n FROM session(t, d, INTERVAL '36' HOUR) GROUP BY window_start, window_end;
SELECT window_start, window_end, count(*) AS n FROM session(t, d, INTERVAL '5' HOUR) GROUP BY window_start, window_end;
