//! The events of the NEXMark benchmark, made from a seed: persons, auctions and bids as flat tables.
//!
//! Of every 50 events 1 is a person, 3 are auctions and 46 are bids; keys, prices, skew and lengths of text follow the published
//! benchmark. Each event is drawn from the seed and its own number, so how the events are cut into batches changes nothing.
//! Event times rise and have whole milliseconds, as published. Not here: late events, changing rates, the queries.

#[path = "draw.rs"]
mod draw;
#[path = "rows.rs"]
mod rows;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use draw::Draw;
use rows::{AuctionRows, BidRows, PersonRows};

/// Events of a second of event time where nothing else is said.
pub const EVENTS_PER_SECOND: u64 = 10_000;
/// Event time of the first event: 2015-07-15T00:00:00Z in microseconds.
pub const BASE_TIME_US: i64 = 1_436_918_400_000_000;

/// Of `CYCLE` events the first `PERSONS` are persons, the next `AUCTIONS` auctions, the others bids.
const CYCLE: u64 = 50;
const PERSONS: u64 = 1;
const AUCTIONS: u64 = 3;
/// Auctions open at a time, and persons that still act.
const OPEN_AUCTIONS: u64 = 100;
const ACTIVE_PERSONS: u64 = 1000;
/// Ids a reference may be ahead of what exists.
const LEAD: u64 = 10;

/// Rows of the three tables; each in the order of its events.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `id, name, email_address, credit_card, city, state, date_time, extra`.
    pub person: RecordBatch,
    /// `id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra`.
    pub auction: RecordBatch,
    /// `auction, bidder, price, channel, url, date_time, extra`.
    pub bid: RecordBatch,
}

/// The first `count` events of `seed` at the usual rate.
///
/// # Errors
/// When Arrow refuses to build the tables.
pub fn events(seed: u64, count: usize) -> Result<Batch, ArrowError> {
    Generator::new(seed, EVENTS_PER_SECOND).next_batch(count)
}

/// A stream of events without end.
#[derive(Clone, Debug)]
pub struct Generator {
    seed: u64,
    events_per_second: u64,
    next: u64,
}

impl Generator {
    /// Starts at the first event of `seed`. A rate of 0 is taken as 1.
    pub fn new(seed: u64, events_per_second: u64) -> Self {
        Self { seed, events_per_second: events_per_second.max(1), next: 0 }
    }

    /// The next `events` events.
    ///
    /// # Errors
    /// When Arrow refuses to build the tables; the events are passed over then.
    pub fn next_batch(&mut self, events: usize) -> Result<Batch, ArrowError> {
        let (mut person, mut auction, mut bid) = (PersonRows::default(), AuctionRows::default(), BidRows::default());
        for _ in 0..events {
            let number = self.next;
            self.next += 1;
            let draw = &mut Draw::new(self.seed ^ Draw::new(number).next());
            match number % CYCLE {
                place if place < PERSONS => person.push(draw, number, self.time_us(number)),
                place if place < PERSONS + AUCTIONS => {
                    let horizon = self.time_us(number + OPEN_AUCTIONS * CYCLE / AUCTIONS) - self.time_us(number);
                    auction.push(draw, number, self.time_us(number), horizon);
                }
                _ => bid.push(draw, number, self.time_us(number)),
            }
        }
        Ok(Batch { person: person.finish()?, auction: auction.finish()?, bid: bid.finish()? })
    }

    fn time_us(&self, number: u64) -> i64 {
        let (seconds, rest) = (number / self.events_per_second, number % self.events_per_second);
        BASE_TIME_US + (seconds * 1000 + rest * 1000 / self.events_per_second) as i64 * 1000
    }
}

/// The last person's number, counted from 0, when event `number` is out: a cycle begins with its one person.
fn last_person(number: u64) -> u64 {
    number / CYCLE * PERSONS + PERSONS - 1
}

/// The last auction's number, counted from 0; 0 as long as there is none.
fn last_auction(number: u64) -> u64 {
    (number / CYCLE * AUCTIONS + (number % CYCLE + 1).saturating_sub(PERSONS).min(AUCTIONS)).saturating_sub(1)
}

/// A person who still acts, or soon will.
fn some_person(draw: &mut Draw, number: u64) -> u64 {
    let persons = last_person(number) + 1;
    let active = persons.min(ACTIVE_PERSONS);
    persons - active + draw.below(active + LEAD)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};

    use super::*;

    fn whole(batches: &[Batch]) -> Batch {
        let join = |of: fn(&Batch) -> &RecordBatch| concat_batches(&of(&batches[0]).schema(), batches.iter().map(of)).unwrap();
        Batch { person: join(|b| &b.person), auction: join(|b| &b.auction), bid: join(|b| &b.bid) }
    }

    fn column<'a>(table: &'a RecordBatch, name: &str) -> &'a [i64] {
        let column = table.column_by_name(name).unwrap();
        match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().values(),
            _ => column.as_primitive::<TimestampMicrosecondType>().values(),
        }
    }

    #[test]
    fn the_cut_into_batches_changes_nothing() {
        let at_once = events(7, 5000).unwrap();
        for size in [1, 7, 50, 999] {
            let mut generator = Generator::new(7, EVENTS_PER_SECOND);
            let cut = (0..5000).step_by(size).map(|at| generator.next_batch(size.min(5000 - at)).unwrap()).collect::<Vec<_>>();
            assert_eq!(whole(&cut), at_once, "batches of {size}");
        }
        assert_ne!(events(8, 5000).unwrap(), at_once);
    }

    #[test]
    fn of_50_events_1_is_a_person_3_are_auctions_46_bids() {
        let mut generator = Generator::new(1, EVENTS_PER_SECOND);
        for _ in 0..20 {
            let batch = generator.next_batch(50).unwrap();
            assert_eq!([batch.person.num_rows(), batch.auction.num_rows(), batch.bid.num_rows()], [1, 3, 46]);
        }
        let empty = generator.next_batch(0).unwrap();
        assert_eq!((empty.bid.num_rows(), empty.bid.num_columns()), (0, 7));
    }

    #[test]
    fn ids_count_up_and_times_keep_the_rate() {
        let batch = events(3, 100_000).unwrap();
        for table in [&batch.person, &batch.auction] {
            let rows = 1000..1000 + table.num_rows() as i64;
            assert!(column(table, "id").iter().copied().eq(rows));
        }
        let times = column(&batch.bid, "date_time");
        assert!(times.is_sorted());
        assert_eq!(times.last().unwrap() - BASE_TIME_US, 9_999_000);
        assert!(column(&batch.auction, "expires").iter().zip(column(&batch.auction, "date_time")).all(|(end, begin)| end > begin));
        assert_eq!(batch.bid.column(5).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(batch.bid.column(4).data_type(), &DataType::Utf8);
    }

    #[test]
    fn some_are_hot_and_what_is_drawn_stays_in_its_range() {
        let batch = events(3, 100_000).unwrap();
        let share = |table: &RecordBatch, name: &str, rest: i64| {
            let ids = column(table, name);
            ids.iter().filter(|id| *id % 100 == rest).count() as f64 / ids.len() as f64
        };
        assert!((0.50..0.52).contains(&share(&batch.bid, "auction", 0)));
        assert!((0.74..0.77).contains(&share(&batch.bid, "bidder", 1)));
        assert!((0.73..0.78).contains(&share(&batch.auction, "seller", 0)));
        assert!(column(&batch.auction, "category").iter().all(|c| (10..15).contains(c)));
        let prices = column(&batch.bid, "price");
        assert!(prices.iter().all(|p| (100..=100_000_000).contains(p)));
        let cheap = prices.iter().filter(|p| **p < 100_000).count() as f64 / prices.len() as f64;
        assert!((0.49..0.51).contains(&cheap), "the median price is the middle of the decades: {cheap}");
        let extra = batch.bid.column(6).as_string::<i32>();
        assert!(extra.iter().flatten().all(|e| (54..82).contains(&e.len())));
    }

    #[test]
    fn a_channel_has_one_address() {
        let bid = events(3, 100_000).unwrap().bid;
        let (channel, url) = (bid.column(3).as_string::<i32>(), bid.column(4).as_string::<i32>());
        let mut seen = std::collections::HashMap::new();
        assert!((0..bid.num_rows()).all(|row| *seen.entry(channel.value(row)).or_insert(url.value(row)) == url.value(row)));
        let with_id = url.iter().flatten().filter(|u| u.contains("&channel_id=")).count() as f64 / url.len() as f64;
        assert!((0.43..0.47).contains(&with_id), "{with_id}");
    }
}
