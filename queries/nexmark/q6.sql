-- What is the moving average of each seller's last closing prices, the current and the 10 before it?
CREATE VIEW q6_winning AS
SELECT id, seller, price, date_time
FROM (
    SELECT a.id, a.seller, b.price, b.date_time,
        row_number() OVER (
            PARTITION BY a.id
            ORDER BY b.price DESC, b.date_time, b.bidder, b.channel, b.url, b.extra
        ) AS rownum
    FROM auction AS a
    INNER JOIN bid AS b ON a.id = b.auction
    WHERE b.date_time BETWEEN a.date_time AND a.expires
) AS ranked
WHERE rownum <= 1;

CREATE VIEW q6 AS
SELECT
    seller,
    avg(price) OVER (PARTITION BY seller ORDER BY date_time, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS average_price
FROM q6_winning;
