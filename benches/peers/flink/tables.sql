-- The NEXMark tables over NDJSON files; times are microseconds, of which milliseconds are Flink's event time.
CREATE TEMPORARY TABLE person (
    id BIGINT, name STRING, email_address STRING, credit_card STRING, city STRING, state STRING, date_time BIGINT, extra STRING,
    ts AS TO_TIMESTAMP_LTZ(date_time / 1000, 3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{folder}/person.ndjson', 'format' = 'json');
CREATE TEMPORARY TABLE auction (
    id BIGINT, item_name STRING, description STRING, initial_bid BIGINT, reserve BIGINT, date_time BIGINT, expires BIGINT,
    seller BIGINT, category BIGINT, extra STRING,
    ts AS TO_TIMESTAMP_LTZ(date_time / 1000, 3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{folder}/auction.ndjson', 'format' = 'json');
CREATE TEMPORARY TABLE bid (
    auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, date_time BIGINT, extra STRING,
    ts AS TO_TIMESTAMP_LTZ(date_time / 1000, 3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'file://{folder}/bid.ndjson', 'format' = 'json');
CREATE TEMPORARY TABLE side_input (key BIGINT, `value` STRING)
WITH ('connector' = 'filesystem', 'path' = 'file://{folder}/side_input.ndjson', 'format' = 'json');
