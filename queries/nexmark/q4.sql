-- What is the average of each category's closing prices, an auction's closing price being its highest bid in time?
CREATE VIEW q4_closing AS
SELECT a.id, a.category, max(b.price) AS closing_price
FROM auction AS a
INNER JOIN bid AS b ON a.id = b.auction
WHERE b.date_time BETWEEN a.date_time AND a.expires
GROUP BY a.id, a.category;

CREATE VIEW q4 AS
SELECT category, avg(closing_price) AS average_price
FROM q4_closing
GROUP BY category;
