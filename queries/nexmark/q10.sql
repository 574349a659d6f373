-- Every bid with its day and its minute, by which a log would be cut into files.
CREATE VIEW q10 AS
SELECT auction, bidder, price, date_time, extra, to_char(date_time, '%Y-%m-%d') AS dt, to_char(date_time, '%H:%M') AS hm
FROM bid;
