SELECT auction, bidder, 0.908E0 * price, date_time, extra FROM bid
