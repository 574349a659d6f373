-- Arguments of windows by their names stand in any order.
CREATE TABLE t (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
INSERT INTO t VALUES (1, '2024-01-01 00:07:00'), (1, '2024-01-01 00:09:00');
SELECT window_start, window_end, count(*) AS n FROM TABLE(HOP(SIZE => INTERVAL '10' MINUTE, DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '5' MINUTE)) GROUP BY window_start, window_end ORDER BY 1;
SELECT window_start, window_end, k FROM TABLE(SESSION(DATA => TABLE t PARTITION BY k, TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, k;
SELECT window_start FROM TABLE(CUMULATE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '2' MINUTE, SIZE => INTERVAL '10' MINUTE, OFFSET => INTERVAL '1' MINUTE)) GROUP BY window_start, window_end ORDER BY window_end;
SELECT window_start, window_end, k FROM TABLE(SESSION(TIMECOL => DESCRIPTOR(ts), DATA => TABLE t PARTITION BY k, GAP => INTERVAL '5' MINUTE)) GROUP BY window_start, window_end, k;
SELECT window_start, window_end, k FROM TABLE(SESSION(GAP => INTERVAL '5' MINUTE, TIMECOL => DESCRIPTOR(ts), DATA => TABLE t PARTITION BY (k))) GROUP BY window_start, window_end, k;
