-- The greatest time of a partition changes as long as rows come: no watermark closes it.
CREATE TABLE t (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts);
SELECT k, max(ts) OVER (PARTITION BY k) AS m FROM t EMIT FINAL;
