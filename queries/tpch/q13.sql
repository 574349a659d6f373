-- How many customers have each number of orders, those with special requests not counted?
CREATE VIEW q13_orders AS
SELECT c_custkey, count(o_orderkey) AS c_count
FROM customer
LEFT OUTER JOIN orders ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%'
GROUP BY c_custkey;

CREATE VIEW q13 AS
SELECT c_count, count(*) AS custdist
FROM q13_orders
GROUP BY c_count;
