CREATE TABLE orders (id BIGINT, currency VARCHAR, at TIMESTAMP, WATERMARK FOR at AS at);
CREATE TABLE rates (currency VARCHAR, rate DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at);
CREATE VIEW priced AS SELECT o.id, r.rate FROM orders o ASOF JOIN rates r MATCH_CONDITION (o.at >= r.at) ON o.currency = r.currency;
CREATE VIEW versioned AS SELECT o.id, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.at r ON o.currency = r.currency;
INSERT INTO rates VALUES ('EUR', 1.0, '2024-01-01 00:00:00'), ('EUR', 2.0, '2024-01-01 00:00:10');
INSERT INTO orders VALUES (1, 'EUR', '2024-01-01 00:00:05'), (2, 'EUR', '2024-01-01 00:00:15'), (3, 'USD', '2024-01-01 00:00:15');
INSERT INTO rates VALUES ('EUR', 1.5, '2024-01-01 00:00:04');
SELECT * FROM priced;
SELECT * FROM versioned;
