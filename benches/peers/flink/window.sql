-- Count, sum, least and greatest value of each key in each 10 seconds, from NDJSON to CSV.
CREATE TEMPORARY TABLE readings (
    ts BIGINT, `key` STRING, `value` DOUBLE,
    event_time AS TO_TIMESTAMP_LTZ(ts / 1000, 3), WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{input}', 'format' = 'json');
CREATE TEMPORARY TABLE windows (`key` STRING, starts TIMESTAMP(3), n BIGINT, total DOUBLE, low DOUBLE, high DOUBLE)
WITH ('connector' = 'filesystem', 'path' = 'file://{output}', 'format' = 'csv');
INSERT INTO windows
SELECT `key`, window_start, COUNT(*), SUM(`value`), MIN(`value`), MAX(`value`)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
GROUP BY `key`, window_start, window_end;
