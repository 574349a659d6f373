CREATE TABLE orders (id BIGINT, currency VARCHAR, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND);
CREATE TABLE rates (currency VARCHAR, rate DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND);
CREATE TABLE names (id BIGINT, name VARCHAR);
CREATE VIEW priced AS SELECT o.id, o.at, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency;
CREATE VIEW once AS SELECT o.id, o.at, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency EMIT FINAL;
CREATE VIEW windows AS SELECT tumble(at, INTERVAL '10' SECOND)['start'] AS start, count(*) AS orders, sum(rate) AS total FROM
    (SELECT o.at, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency) AS p
    GROUP BY tumble(at, INTERVAL '10' SECOND) EMIT FINAL;
-- Of several rates of one time the first in their order is taken; a null key or time goes with none.
INSERT INTO rates VALUES ('EUR', 1.0, '2024-01-01 00:00:00'), ('EUR', 3.0, '2024-01-01 00:00:10'), ('EUR', 2.0, '2024-01-01 00:00:10'), (NULL, 9.0, '2024-01-01 00:00:00');
INSERT INTO orders VALUES (1, 'EUR', '2024-01-01 00:00:08'), (2, 'EUR', '2024-01-01 00:00:10'), (3, 'USD', '2024-01-01 00:00:15'), (4, NULL, '2024-01-01 00:00:15'), (5, 'EUR', NULL);
INSERT INTO names VALUES (1, 'one'), (2, 'two'), (3, 'three');
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at > r.at) ON o.currency = r.currency ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at <= r.at) ON o.currency = r.currency ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (r.at > o.at) ON o.currency = r.currency ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON true ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at - INTERVAL '5' SECOND >= r.at + INTERVAL '1' SECOND) ON o.currency = r.currency ORDER BY 1;
SELECT o.id, r.rate, s.rate AS before FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency
    ASOF JOIN rates s MATCH_CONDITION (r.at > s.at) ON r.currency = s.currency ORDER BY 1;
-- What is asked of the rate that was found is not asked of those among which it is found; what stands in ON is.
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency WHERE r.rate < 1.5 ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency AND r.rate < 1.5 ORDER BY 1;
SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency AND o.id > 1 ORDER BY 1;
SELECT o.id, r.rate, n.name FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency JOIN names n ON n.id = o.id WHERE r.rate < 1.5;
EXPLAIN SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency;
EXPLAIN SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at < r.at) ON o.currency = r.currency;
-- A rate that comes late, but not too late, is that of the orders after it; one before the watermark of both is late, as is an order.
INSERT INTO rates VALUES ('EUR', 1.5, '2024-01-01 00:00:07');
INSERT INTO orders VALUES (6, 'EUR', '2024-01-01 00:00:30');
INSERT INTO rates VALUES ('EUR', 4.0, '2024-01-01 00:00:40');
INSERT INTO rates VALUES ('EUR', 7.0, '2024-01-01 00:00:08');
INSERT INTO orders VALUES (7, 'EUR', '2024-01-01 00:00:09'), (8, 'EUR', '2024-01-01 00:00:41');
DELETE FROM rates WHERE rate = 4.0;
SELECT * FROM priced;
SELECT * FROM once;
SELECT * FROM windows;
SELECT view, row, diff FROM late_rows ORDER BY 1, 2;
