-- Which channel id has each bid: the known channel's number, else what its url says; bids with neither are left out?
CREATE VIEW q21 AS
SELECT
    auction, bidder, price, channel,
    CASE
        WHEN lower(channel) = 'apple' THEN '0'
        WHEN lower(channel) = 'google' THEN '1'
        WHEN lower(channel) = 'facebook' THEN '2'
        WHEN lower(channel) = 'baidu' THEN '3'
        ELSE regexp_replace(url, '^(?:.*?&)?channel_id=([^&]*).*$', '\1')
    END AS channel_id
FROM bid
WHERE regexp_like(url, '(&|^)channel_id=([^&]*)') OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu');
