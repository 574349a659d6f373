-- What would be lost a year without orders of less than a fifth of the average quantity, of Brand#23 in medium boxes?
CREATE VIEW q17 AS
SELECT CAST(sum(l_extendedprice) AS DOUBLE) / 7.0 AS avg_yearly
FROM lineitem, part
WHERE p_partkey = l_partkey
    AND p_brand = 'Brand#23'
    AND p_container = 'MED BOX'
    AND l_quantity < (
        SELECT CAST(0.2 AS DECIMAL(2, 1)) * avg(l_quantity)
        FROM lineitem
        WHERE l_partkey = p_partkey
    );
