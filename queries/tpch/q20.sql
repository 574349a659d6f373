-- Which Canadian suppliers have more of a forest part in stock than half of what they shipped of it in 1994?
CREATE VIEW q20 AS
SELECT s_name, s_address
FROM supplier, nation
WHERE s_suppkey IN (
        SELECT ps_suppkey
        FROM partsupp
        WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'forest%')
            AND ps_availqty > (
                SELECT CAST(0.5 AS DECIMAL(2, 1)) * sum(l_quantity)
                FROM lineitem
                WHERE l_partkey = ps_partkey
                    AND l_suppkey = ps_suppkey
                    AND l_shipdate >= DATE '1994-01-01'
                    AND l_shipdate < DATE '1994-01-01' + INTERVAL '1 year'
            )
    )
    AND s_nationkey = n_nationkey
    AND n_name = 'CANADA';
