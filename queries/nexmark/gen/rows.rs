//! The rows of the NEXMark tables: what each event draws, and the columns it is pushed into.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray};
use arrow::error::ArrowError;

use super::draw::Draw;
use super::{LEAD, OPEN_AUCTIONS, last_auction, last_person, some_person};

const FIRST_ID: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// One id of this many is hot at a time.
const HOT_SPAN: u64 = 100;
const CHANNELS: u64 = 10_000;

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];

/// Columns of `person`.
#[derive(Default)]
pub(super) struct PersonRows {
    id: Vec<i64>,
    name: StringBuilder,
    email_address: StringBuilder,
    credit_card: StringBuilder,
    city: StringBuilder,
    state: StringBuilder,
    date_time: Vec<i64>,
    extra: StringBuilder,
}

impl PersonRows {
    pub(super) fn push(&mut self, draw: &mut Draw, number: u64, time_us: i64) {
        let name = format!("{} {}", draw.pick(&FIRST_NAMES), draw.pick(&LAST_NAMES));
        let email = format!("{}@{}.com", draw.text(7, '_'), draw.text(5, '_'));
        let [a, b, c, d] = [(); 4].map(|()| draw.below(10_000));
        let card = format!("{a:04} {b:04} {c:04} {d:04}");
        let (city, state) = (draw.pick(&CITIES), draw.pick(&STATES));
        let size = 16 + name.len() + email.len() + card.len() + city.len() + state.len();
        self.id.push(key(last_person(number)));
        self.name.append_value(name);
        self.email_address.append_value(email);
        self.credit_card.append_value(card);
        self.city.append_value(city);
        self.state.append_value(state);
        self.date_time.push(time_us);
        self.extra.append_value(draw.extra(size, 200));
    }

    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        table([
            ("id", ints(self.id)),
            ("name", texts(self.name)),
            ("email_address", texts(self.email_address)),
            ("credit_card", texts(self.credit_card)),
            ("city", texts(self.city)),
            ("state", texts(self.state)),
            ("date_time", times(self.date_time)),
            ("extra", texts(self.extra)),
        ])
    }
}

/// Columns of `auction`.
#[derive(Default)]
pub(super) struct AuctionRows {
    id: Vec<i64>,
    item_name: StringBuilder,
    description: StringBuilder,
    initial_bid: Vec<i64>,
    reserve: Vec<i64>,
    date_time: Vec<i64>,
    expires: Vec<i64>,
    seller: Vec<i64>,
    category: Vec<i64>,
    extra: StringBuilder,
}

impl AuctionRows {
    /// `horizon_us` is how long as many auctions as are open at a time take to come; an auction is open for up to twice that.
    pub(super) fn push(&mut self, draw: &mut Draw, number: u64, time_us: i64, horizon_us: i64) {
        let seller = if draw.hot(4) { last_person(number) / HOT_SPAN * HOT_SPAN } else { some_person(draw, number) };
        let category = FIRST_CATEGORY + draw.below(CATEGORIES);
        let initial_bid = draw.price();
        let open_ms = 1 + draw.below((horizon_us / 1000 * 2).max(1) as u64) as i64;
        let (item, description) = (draw.text(20, ' '), draw.text(100, ' '));
        let reserve = initial_bid + draw.price();
        let size = 56 + item.len() + description.len();
        self.id.push(key(last_auction(number)));
        self.item_name.append_value(item);
        self.description.append_value(description);
        self.initial_bid.push(initial_bid);
        self.reserve.push(reserve);
        self.date_time.push(time_us);
        self.expires.push(time_us + open_ms * 1000);
        self.seller.push(key(seller));
        self.category.push(category as i64);
        self.extra.append_value(draw.extra(size, 500));
    }

    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        table([
            ("id", ints(self.id)),
            ("item_name", texts(self.item_name)),
            ("description", texts(self.description)),
            ("initial_bid", ints(self.initial_bid)),
            ("reserve", ints(self.reserve)),
            ("date_time", times(self.date_time)),
            ("expires", times(self.expires)),
            ("seller", ints(self.seller)),
            ("category", ints(self.category)),
            ("extra", texts(self.extra)),
        ])
    }
}

/// Columns of `bid`.
#[derive(Default)]
pub(super) struct BidRows {
    auction: Vec<i64>,
    bidder: Vec<i64>,
    price: Vec<i64>,
    channel: StringBuilder,
    url: StringBuilder,
    date_time: Vec<i64>,
    extra: StringBuilder,
}

impl BidRows {
    pub(super) fn push(&mut self, draw: &mut Draw, number: u64, time_us: i64) {
        let last = last_auction(number);
        let first_open = last.saturating_sub(OPEN_AUCTIONS);
        let auction = if draw.hot(2) { last / HOT_SPAN * HOT_SPAN } else { first_open + draw.below(last - first_open + 1 + LEAD) };
        let bidder = if draw.hot(4) { last_person(number) / HOT_SPAN * HOT_SPAN + 1 } else { some_person(draw, number) };
        let price = draw.price();
        let (channel, url) = channel(draw);
        self.auction.push(key(auction));
        self.bidder.push(key(bidder));
        self.price.push(price);
        self.channel.append_value(channel);
        self.url.append_value(url);
        self.date_time.push(time_us);
        self.extra.append_value(draw.extra(32, 100));
    }

    pub(super) fn finish(self) -> Result<RecordBatch, ArrowError> {
        table([
            ("auction", ints(self.auction)),
            ("bidder", ints(self.bidder)),
            ("price", ints(self.price)),
            ("channel", texts(self.channel)),
            ("url", texts(self.url)),
            ("date_time", times(self.date_time)),
            ("extra", texts(self.extra)),
        ])
    }
}

/// Channel and address of a bid; a channel's address is always the same.
fn channel(draw: &mut Draw) -> (String, String) {
    if draw.hot(2) {
        let index = draw.below(HOT_CHANNELS.len() as u64);
        let name = HOT_CHANNELS.get(index as usize).copied().unwrap_or_default();
        return (name.to_string(), address(&mut Draw::new(index)));
    }
    let number = draw.below(CHANNELS);
    let own = &mut Draw::new(CHANNELS + number);
    let mut url = address(own);
    if own.hot(10) {
        url += &format!("&channel_id={}", (number as i32).reverse_bits().unsigned_abs());
    }
    (format!("channel-{number}"), url)
}

fn address(draw: &mut Draw) -> String {
    let [a, b, c] = [(); 3].map(|()| draw.text(5, '_'));
    format!("https://www.nexmark.com/{a}/{b}/{c}/item.htm?query=1")
}

/// The id of what has this number.
fn key(number: u64) -> i64 {
    (FIRST_ID + number) as i64
}

fn ints(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values))
}

fn texts(mut values: StringBuilder) -> ArrayRef {
    Arc::new(values.finish())
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, false)))
}
