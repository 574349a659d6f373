//! NEXMark queries as DBSP circuits, written by hand. Names of queries and columns are those of Littoral's `queries/nexmark`.

use dbsp::algebra::F64;
use dbsp::operator::{Max, Min};
use dbsp::trace::BatchReader as _;
use dbsp::typed_batch::IndexedZSetReader;
use dbsp::utils::{Tup2, Tup3, Tup4, Tup5, Tup6, Tup7};
use dbsp::{DBData, OrdZSet, RootCircuit, Stream, ZWeight};

use crate::model::{Auction, Bid, Person};

/// The three tables' streams.
pub struct Tables {
    pub persons: Stream<RootCircuit, OrdZSet<Person>>,
    pub auctions: Stream<RootCircuit, OrdZSet<Auction>>,
    pub bids: Stream<RootCircuit, OrdZSet<Bid>>,
}

/// Takes a step's changes: each row as a line with its weight, if lines are wanted; how many there were.
pub type Take = Box<dyn FnMut(Option<&mut dyn FnMut(String, ZWeight)>) -> usize + Send>;

const SECOND: i64 = 1_000_000;

fn output<K: DBData>(stream: &Stream<RootCircuit, OrdZSet<K>>, line: fn(&K) -> String) -> Take {
    let handle = stream.accumulate_output();
    Box::new(move |lines| {
        let batch = handle.concat().consolidate();
        if let Some(told) = lines {
            batch.iter().for_each(|(row, (), weight)| told(line(&row), weight));
        }
        batch.len()
    })
}

/// Start of the tumbling window of 10 seconds that a time is in.
fn ten(time: i64) -> i64 {
    time - time.rem_euclid(10 * SECOND)
}

/// Builds a query; none when it is not written here.
pub fn build(query: &str, t: &Tables) -> Option<Take> {
    Some(match query {
        "q0" => output(&t.bids.map(|b| Tup5(b.auction, b.bidder, b.price, b.date_time, b.extra.clone())), |r| {
            format!("{},{},{},{},{}", r.0, r.1, r.2, r.3, r.4)
        }),
        "q1" => {
            let euros = t.bids.map(|b| Tup5(b.auction, b.bidder, F64::new(0.908 * b.price as f64), b.date_time, b.extra.clone()));
            output(&euros, |r| format!("{},{},{:?},{},{}", r.0, r.1, r.2.into_inner(), r.3, r.4))
        }
        "q2" => {
            let some = t.bids.flat_map(|b| (b.auction % 123 == 0).then_some(Tup2(b.auction, b.price)));
            output(&some, |r| format!("{},{}", r.0, r.1))
        }
        "q3" => q3(t),
        "q4" => q4(t),
        "q5" => q5(t),
        "q7" => q7(t),
        "q8" => q8(t),
        "q9" => q9(t),
        "q12" => q12(t),
        "q17" => q17(t),
        "q18" => q18(t),
        "q20" => q20(t),
        "q22" => q22(t),
        _ => return None,
    })
}

fn q3(t: &Tables) -> Take {
    let sold = t.auctions.filter(|a| a.category == 10).map_index(|a| (a.seller, a.id));
    let sellers = t
        .persons
        .filter(|p| ["OR", "ID", "CA"].contains(&&*p.state.0))
        .map_index(|p| (p.id, Tup3(p.name.clone(), p.city.clone(), p.state.clone())));
    let joined = sold.join(&sellers, |_, id, p| Tup4(p.0.clone(), p.1.clone(), p.2.clone(), *id));
    output(&joined, |r| format!("{},{},{},{}", r.0, r.1, r.2, r.3))
}

fn q4(t: &Tables) -> Take {
    let auctions = t.auctions.map_index(|a| (a.id, Tup3(a.category, a.date_time, a.expires)));
    let bids = t.bids.map_index(|b| (b.auction, Tup2(b.date_time, b.price)));
    let in_time = auctions.join_index(&bids, |id, Tup3(category, from, to), Tup2(time, price)| {
        (from <= time && time <= to).then_some((Tup2(*id, *category), *price))
    });
    let closing = in_time.aggregate(Max);
    let sums = closing.map_index(|(Tup2(_, category), price)| (*category, *price)).aggregate_linear(|price| Tup2(*price, 1i64));
    let averages = sums.map(|(category, Tup2(sum, n))| Tup2(*category, F64::new(*sum as f64 / *n as f64)));
    output(&averages, |r| format!("{},{:?}", r.0, r.1.into_inner()))
}

fn q5(t: &Tables) -> Take {
    let hops = t.bids.flat_map(|b| {
        let (last, auction) = (b.date_time - b.date_time.rem_euclid(2 * SECOND), b.auction);
        (0..5).map(move |back| Tup2(last - back * 2 * SECOND, auction))
    });
    let counts = hops.weighted_count().map_index(|(Tup2(start, auction), n)| (*start, Tup2(*n, *auction)));
    let most = counts.map_index(|(start, Tup2(n, _))| (*start, *n)).aggregate(Max);
    let hot = counts
        .map_index(|(start, Tup2(n, auction))| (Tup2(*start, *n), *auction))
        .join(&most.map_index(|(start, n)| (Tup2(*start, *n), ())), |Tup2(start, n), auction, ()| {
            Tup4(*auction, *n, *start, *start + 10 * SECOND)
        });
    output(&hot, |r| format!("{},{},{},{}", r.0, r.1, r.2, r.3))
}

fn q7(t: &Tables) -> Take {
    let highest = t.bids.map_index(|b| (ten(b.date_time), b.price)).aggregate(Max);
    let bids = t.bids.map_index(|b| (Tup2(ten(b.date_time), b.price), Tup5(b.auction, b.price, b.bidder, b.date_time, b.extra.clone())));
    let best = bids.join(&highest.map_index(|(start, price)| (Tup2(*start, *price), ())), |_, bid, ()| bid.clone());
    output(&best, |r| format!("{},{},{},{},{}", r.0, r.1, r.2, r.3, r.4))
}

fn q8(t: &Tables) -> Take {
    let came = t.persons.map(|p| Tup3(p.id, p.name.clone(), ten(p.date_time))).distinct();
    let sold = t.auctions.map(|a| Tup2(a.seller, ten(a.date_time))).distinct();
    let both = came
        .map_index(|Tup3(id, name, start)| (Tup2(*id, *start), name.clone()))
        .join(&sold.map_index(|key| (key.clone(), ())), |Tup2(id, start), name, ()| Tup3(*id, name.clone(), *start));
    output(&both, |r| format!("{},{},{}", r.0, r.1, r.2))
}

/// What orders the bids of an auction: the highest first, then the earliest.
type Order = Tup6<i64, i64, i64, crate::model::Text, crate::model::Text, crate::model::Text>;

fn q9(t: &Tables) -> Take {
    let auctions = t.auctions.map_index(|a| (a.id, a.clone()));
    let bids = t.bids.map_index(|b| -> (i64, Order) {
        (b.auction, Tup6(-b.price, b.date_time, b.bidder, b.channel.clone(), b.url.clone(), b.extra.clone()))
    });
    let in_time = auctions.join_index(&bids, |_, a, b| (a.date_time <= b.1 && b.1 <= a.expires).then(|| (a.clone(), b.clone())));
    let won = in_time.aggregate(Min).map(|(a, b)| Tup2(a.clone(), b.clone()));
    output(&won, |Tup2(a, b)| {
        let auction = format!(
            "{},{},{},{},{},{},{},{},{},{}",
            a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller, a.category, a.extra
        );
        format!("{auction},{},{},{},{},{}", a.id, b.2, -b.0, b.1, b.5)
    })
}

fn q12(t: &Tables) -> Take {
    let counts = t.bids.map(|b| Tup2(b.bidder, ten(b.date_time))).weighted_count();
    let rows = counts.map(|(Tup2(bidder, start), n)| Tup4(*bidder, *n, *start, *start + 10 * SECOND));
    output(&rows, |r| format!("{},{},{},{}", r.0, r.1, r.2, r.3))
}

fn q17(t: &Tables) -> Take {
    let prices = t.bids.map_index(|b| (Tup2(b.auction, b.date_time.div_euclid(86_400 * SECOND)), b.price));
    let sums = prices.aggregate_linear(|price| {
        let rank = |yes: bool| i64::from(yes);
        let p = *price;
        Tup5(1i64, rank(p < 10_000), rank((10_000..1_000_000).contains(&p)), rank(p >= 1_000_000), p)
    });
    let ends = prices.aggregate(Min).join_index(&prices.aggregate(Max), |key, low, high| Some((key.clone(), Tup2(*low, *high))));
    let rows = sums.join(&ends, |Tup2(auction, day), s, Tup2(low, high)| {
        Tup4(*auction, *day, Tup4(s.0, s.1, s.2, s.3), Tup4(*low, *high, F64::new(s.4 as f64 / s.0 as f64), s.4))
    });
    output(&rows, |Tup4(auction, day, n, p)| {
        let counts = format!("{},{},{},{}", n.0, n.1, n.2, n.3);
        format!("{auction},{},{counts},{},{},{:?},{}", date(*day), p.0, p.1, p.2.into_inner(), p.3)
    })
}

fn q18(t: &Tables) -> Take {
    let bids =
        t.bids.map_index(|b| (Tup2(b.bidder, b.auction), Tup5(-b.date_time, -b.price, b.channel.clone(), b.url.clone(), b.extra.clone())));
    let last = bids.aggregate(Min);
    let rows = last.map(|(Tup2(bidder, auction), b)| Tup7(*auction, *bidder, -b.1, b.2.clone(), b.3.clone(), -b.0, b.4.clone()));
    output(&rows, |r| format!("{},{},{},{},{},{},{}", r.0, r.1, r.2, r.3, r.4, r.5, r.6))
}

fn q20(t: &Tables) -> Take {
    let auctions = t.auctions.filter(|a| a.category == 10).map_index(|a| (a.id, a.clone()));
    let bids = t.bids.map_index(|b| (b.auction, b.clone()));
    let joined = bids.join(&auctions, |_, b, a| Tup2(b.clone(), a.clone()));
    output(&joined, |Tup2(b, a)| {
        let bid = format!("{},{},{},{},{},{},{}", b.auction, b.bidder, b.price, b.channel, b.url, b.date_time, b.extra);
        let auction = format!("{},{},{},{},{}", a.item_name, a.description, a.initial_bid, a.reserve, a.date_time);
        format!("{bid},{auction},{},{},{},{}", a.expires, a.seller, a.category, a.extra)
    })
}

fn q22(t: &Tables) -> Take {
    let rows = t.bids.map(|b| {
        let mut parts = b.url.0.split('/').skip(3);
        let mut part = || crate::model::Text(parts.next().unwrap_or_default().into());
        let (one, two, three) = (part(), part(), part());
        Tup7(b.auction, b.bidder, b.price, b.channel.clone(), one, two, three)
    });
    output(&rows, |r| format!("{},{},{},{},{},{},{}", r.0, r.1, r.2, r.3, r.4, r.5, r.6))
}

/// A day since 1970 as a date.
fn date(day: i64) -> String {
    // Days are counted from 1 March of year 0, so that a leap day is the last of its year.
    let days = day + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, day) = (if shifted < 10 { shifted + 3 } else { shifted - 9 }, of_year - (153 * shifted + 2) / 5 + 1);
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + i64::from(month <= 2))
}
