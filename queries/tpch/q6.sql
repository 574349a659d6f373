-- How much more would have been earned in 1994 without the discounts of 5 to 7 percent on small quantities?
CREATE VIEW q6 AS
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM lineitem
WHERE l_shipdate >= DATE '1994-01-01'
    AND l_shipdate < DATE '1994-01-01' + INTERVAL '1 year'
    AND l_discount BETWEEN CAST(0.05 AS DECIMAL(15, 2)) AND CAST(0.07 AS DECIMAL(15, 2))
    AND l_quantity < 24;
