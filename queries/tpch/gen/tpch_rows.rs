//! The rows of the TPC-H tables about parts and orders.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::tpch_words::{
    CONTAINER_KINDS, CONTAINER_SIZES, Draw, INSTRUCTIONS, MODES, PRIORITIES, TYPE_CLASSES, TYPE_FINISHES, TYPE_METALS,
};
use super::{Counts, days, ints, money, table, texts};

/// Days since 1970: 1992-01-01, 1998-08-02, and the day 1995-06-17 that divides what is done from what is open.
const FIRST_ORDER: i64 = 8035;
const LAST_ORDER: i64 = 10_440;
const TODAY: i32 = 9298;
/// One part of this many is of a kind that a query asks for, beside those that are by chance.
const ASKED_FOR: u64 = 10;
/// One order of this many has seven lines of 38 to 50 pieces.
const BULK: u64 = 100;
/// One order of this many has "special", then "requests" in its comment, beside those that have by chance.
const SPECIAL: u64 = 20;
/// One supply of this many has 40 pieces at most.
const SHORT: u64 = 8;

/// What queries select parts by.
struct Kind {
    brand: (i64, i64),
    class: String,
    size: i64,
    container: String,
}

impl Kind {
    fn any(draw: &mut Draw) -> Self {
        Self {
            brand: (draw.between(1, 5), draw.between(1, 5)),
            class: format!("{} {} {}", draw.pick(&TYPE_CLASSES), draw.pick(&TYPE_FINISHES), draw.pick(&TYPE_METALS)),
            size: draw.between(1, 50),
            container: format!("{} {}", draw.pick(&CONTAINER_SIZES), draw.pick(&CONTAINER_KINDS)),
        }
    }

    /// Of the type of Q8, of the type and size of Q2, or of a brand, container and size of Q17 and Q19.
    fn asked_for(draw: &mut Draw) -> Self {
        let any = Self::any(draw);
        match draw.between(0, 5) {
            0 => Self { class: "ECONOMY ANODIZED STEEL".into(), ..any },
            1 => Self { class: format!("{} {} BRASS", draw.pick(&TYPE_CLASSES), draw.pick(&TYPE_FINISHES)), size: 15, ..any },
            2 => Self { brand: (2, 3), container: "MED BOX".into(), size: draw.between(1, 20), ..any },
            3 => Self { brand: (1, 2), container: packed(draw, "SM", "CASE"), size: draw.between(1, 6), ..any },
            4 => Self { brand: (2, 3), container: packed(draw, "MED", "BAG"), size: draw.between(1, 12), ..any },
            _ => Self { brand: (3, 4), container: packed(draw, "LG", "CASE"), size: draw.between(1, 18), ..any },
        }
    }
}

fn packed(draw: &mut Draw, size: &str, or: &str) -> String {
    format!("{size} {}", draw.pick(&[or, "BOX", "PACK", "PKG"]))
}

/// Cents that one piece of the part costs.
fn retail_price(part: i64) -> i64 {
    90_000 + (part / 10) % 20_001 + 100 * (part % 1000)
}

pub(super) fn part(draw: &mut Draw, count: i64) -> Result<RecordBatch, ArrowError> {
    let (mut names, mut makers, mut brands, mut classes) = (vec![], vec![], vec![], vec![]);
    let (mut sizes, mut containers, mut comments) = (vec![], vec![], vec![]);
    for _ in 0..count {
        let kind = if draw.once_in(ASKED_FOR) { Kind::asked_for(draw) } else { Kind::any(draw) };
        names.push(draw.part_name());
        makers.push(format!("Manufacturer#{}", kind.brand.0));
        brands.push(format!("Brand#{}{}", kind.brand.0, kind.brand.1));
        classes.push(kind.class);
        sizes.push(kind.size);
        containers.push(kind.container);
        comments.push(draw.text(5, 22));
    }
    table([
        ("p_partkey", ints((1..=count).collect())),
        ("p_name", texts(names)),
        ("p_mfgr", texts(makers)),
        ("p_brand", texts(brands)),
        ("p_type", texts(classes)),
        ("p_size", ints(sizes)),
        ("p_container", texts(containers)),
        ("p_retailprice", money((1..=count).map(retail_price).collect())?),
        ("p_comment", texts(comments)),
    ])
}

pub(super) fn partsupp(draw: &mut Draw, counts: Counts) -> Result<RecordBatch, ArrowError> {
    let (mut parts, mut suppliers, mut available, mut costs, mut comments) = (vec![], vec![], vec![], vec![], vec![]);
    for part in 1..=counts.parts {
        for which in 0..4 {
            parts.push(part);
            suppliers.push(counts.supplier(part, which));
            available.push(if draw.once_in(SHORT) { draw.between(1, 40) } else { draw.between(1, 9999) });
            costs.push(draw.between(100, 100_000));
            comments.push(draw.text(49, 198));
        }
    }
    table([
        ("ps_partkey", ints(parts)),
        ("ps_suppkey", ints(suppliers)),
        ("ps_availqty", ints(available)),
        ("ps_supplycost", money(costs)?),
        ("ps_comment", texts(comments)),
    ])
}

/// The tables `orders` and `lineitem`.
pub(super) fn orders_and_lines(draw: &mut Draw, counts: Counts) -> Result<(RecordBatch, RecordBatch), ArrowError> {
    let (mut orders, mut lines) = (Orders::default(), Lines::default());
    for nth in 0..counts.orders {
        let key = nth / 8 * 32 + nth % 8 + 1;
        let date = draw.between(FIRST_ORDER, LAST_ORDER) as i32;
        let bulk = draw.once_in(BULK);
        let count = if bulk { 7 } else { draw.between(1, 7) };
        let mut sums = Sums::default();
        for number in 1..=count {
            let quantity = draw.between(if bulk { 38 } else { 1 }, 50);
            lines.push(draw, counts, (key, number), date, quantity, &mut sums);
        }
        orders.push(draw, counts, key, date, &sums);
    }
    Ok((orders.finish()?, lines.finish()?))
}

/// What an order takes from its lines.
#[derive(Default)]
struct Sums {
    /// Ten-thousandths of a cent: prices with discount and tax.
    price: i64,
    shipped: bool,
    open: bool,
}

#[derive(Default)]
struct Orders {
    keys: Vec<i64>,
    customers: Vec<i64>,
    statuses: Vec<String>,
    prices: Vec<i64>,
    dates: Vec<i32>,
    priorities: Vec<String>,
    clerks: Vec<String>,
    comments: Vec<String>,
}

impl Orders {
    fn push(&mut self, draw: &mut Draw, counts: Counts, key: i64, date: i32, sums: &Sums) {
        let status = match (sums.shipped, sums.open) {
            (true, true) => "P",
            (false, true) => "O",
            _ => "F",
        };
        self.keys.push(key);
        self.customers.push(counts.ordering_customer(draw));
        self.statuses.push(status.into());
        self.prices.push((sums.price + 5000) / 10_000);
        self.dates.push(date);
        self.priorities.push(draw.pick(&PRIORITIES).into());
        self.clerks.push(format!("Clerk#{:09}", draw.between(1, counts.clerks)));
        self.comments.push(if draw.once_in(SPECIAL) { draw.text_around("special", "requests") } else { draw.text(19, 78) });
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        let ship_priorities = vec![0; self.keys.len()];
        table([
            ("o_orderkey", ints(self.keys)),
            ("o_custkey", ints(self.customers)),
            ("o_orderstatus", texts(self.statuses)),
            ("o_totalprice", money(self.prices)?),
            ("o_orderdate", days(self.dates)),
            ("o_orderpriority", texts(self.priorities)),
            ("o_clerk", texts(self.clerks)),
            ("o_shippriority", ints(ship_priorities)),
            ("o_comment", texts(self.comments)),
        ])
    }
}

#[derive(Default)]
struct Lines {
    orders: Vec<i64>,
    parts: Vec<i64>,
    suppliers: Vec<i64>,
    numbers: Vec<i64>,
    quantities: Vec<i64>,
    prices: Vec<i64>,
    discounts: Vec<i64>,
    taxes: Vec<i64>,
    flags: Vec<String>,
    statuses: Vec<String>,
    shipped: Vec<i32>,
    committed: Vec<i32>,
    received: Vec<i32>,
    instructions: Vec<String>,
    modes: Vec<String>,
    comments: Vec<String>,
}

impl Lines {
    fn push(&mut self, draw: &mut Draw, counts: Counts, key: (i64, i64), ordered: i32, quantity: i64, sums: &mut Sums) {
        let part = draw.between(1, counts.parts);
        let price = quantity * retail_price(part);
        let (discount, tax) = (draw.between(0, 10), draw.between(0, 8));
        let shipped = ordered + draw.between(1, 121) as i32;
        let received = shipped + draw.between(1, 30) as i32;
        let returned = draw.pick(&["R", "A"]);
        sums.price += price * (100 - discount) * (100 + tax);
        sums.shipped |= shipped <= TODAY;
        sums.open |= shipped > TODAY;
        self.orders.push(key.0);
        self.parts.push(part);
        self.suppliers.push(counts.supplier(part, draw.between(0, 3)));
        self.numbers.push(key.1);
        self.quantities.push(quantity * 100);
        self.prices.push(price);
        self.discounts.push(discount);
        self.taxes.push(tax);
        self.flags.push(if received <= TODAY { returned } else { "N" }.into());
        self.statuses.push(if shipped > TODAY { "O" } else { "F" }.into());
        self.shipped.push(shipped);
        self.committed.push(ordered + draw.between(30, 90) as i32);
        self.received.push(received);
        self.instructions.push(draw.pick(&INSTRUCTIONS).into());
        self.modes.push(draw.pick(&MODES).into());
        self.comments.push(draw.text(10, 43));
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        table([
            ("l_orderkey", ints(self.orders)),
            ("l_partkey", ints(self.parts)),
            ("l_suppkey", ints(self.suppliers)),
            ("l_linenumber", ints(self.numbers)),
            ("l_quantity", money(self.quantities)?),
            ("l_extendedprice", money(self.prices)?),
            ("l_discount", money(self.discounts)?),
            ("l_tax", money(self.taxes)?),
            ("l_returnflag", texts(self.flags)),
            ("l_linestatus", texts(self.statuses)),
            ("l_shipdate", days(self.shipped)),
            ("l_commitdate", days(self.committed)),
            ("l_receiptdate", days(self.received)),
            ("l_shipinstruct", texts(self.instructions)),
            ("l_shipmode", texts(self.modes)),
            ("l_comment", texts(self.comments)),
        ])
    }
}
