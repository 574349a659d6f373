-- Which supplier had the highest revenue in the first quarter of 1996?
CREATE VIEW q15_revenue AS
SELECT l_suppkey AS supplier_no, sum(l_extendedprice * (1 - l_discount)) AS total_revenue
FROM lineitem
WHERE l_shipdate >= DATE '1996-01-01'
    AND l_shipdate < DATE '1996-01-01' + INTERVAL '3 months'
GROUP BY l_suppkey;

CREATE VIEW q15 AS
SELECT s_suppkey, s_name, s_address, s_phone, total_revenue
FROM supplier, q15_revenue
WHERE s_suppkey = supplier_no
    AND total_revenue = (SELECT max(total_revenue) FROM q15_revenue);
