//! The three NEXMark tables as DBSP rows. A text is shared, not copied, when a row is: what Feldera's own rows do too.

use std::fmt::{Display, Formatter};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use dbsp::utils::{IsNone, SupportsRoaring};
use feldera_macros::IsNone;
use rkyv::ser::Serializer;
use rkyv::string::{ArchivedString, StringResolver};
use rkyv::{Archive, Deserialize, Fallible, Serialize};
use size_of::{Context, SizeOf};

use crate::nexmark::Batch;

/// A text.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Text(pub Arc<str>);

impl Default for Text {
    fn default() -> Self {
        Text(Arc::from(""))
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl SizeOf for Text {
    fn size_of_children(&self, context: &mut Context) {
        context.add(self.0.len());
    }
}

impl IsNone for Text {
    type Inner = Self;
    fn is_none(&self) -> bool {
        false
    }
    fn unwrap_or_self(&self) -> &Self {
        self
    }
    fn from_inner(inner: Self) -> Self {
        inner
    }
}

impl SupportsRoaring for Text {}

impl Archive for Text {
    type Archived = ArchivedString;
    type Resolver = StringResolver;
    unsafe fn resolve(&self, pos: usize, resolver: StringResolver, out: *mut ArchivedString) {
        // SAFETY: the caller keeps what `resolve` asks for; it is handed on as it is.
        unsafe { ArchivedString::resolve_from_str(&self.0, pos, resolver, out) }
    }
}

impl<S: Serializer + ?Sized> Serialize<S> for Text {
    fn serialize(&self, serializer: &mut S) -> Result<StringResolver, S::Error> {
        ArchivedString::serialize_from_str(&self.0, serializer)
    }
}

impl<D: Fallible + ?Sized> Deserialize<Text, D> for ArchivedString {
    fn deserialize(&self, _: &mut D) -> Result<Text, D::Error> {
        Ok(Text(Arc::from(self.as_str())))
    }
}

macro_rules! row {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Clone, Default, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, SizeOf, Archive, Serialize, Deserialize, IsNone)]
        #[archive_attr(derive(Ord, Eq, PartialEq, PartialOrd))]
        pub struct $name {
            $(pub $field: $type),*
        }
    };
}

row!(Person { id: i64, name: Text, email_address: Text, credit_card: Text, city: Text, state: Text, date_time: i64, extra: Text });

row!(Auction {
    id: i64,
    item_name: Text,
    description: Text,
    initial_bid: i64,
    reserve: i64,
    date_time: i64,
    expires: i64,
    seller: i64,
    category: i64,
    extra: Text,
});

row!(Bid { auction: i64, bidder: i64, price: i64, channel: Text, url: Text, date_time: i64, extra: Text });

/// Columns by their place.
struct Columns<'a>(&'a RecordBatch);

impl Columns<'_> {
    fn int(&self, column: usize, row: usize) -> i64 {
        let column = self.0.column(column);
        match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
            _ => column.as_primitive::<TimestampMicrosecondType>().value(row),
        }
    }
    fn text(&self, column: usize, row: usize) -> Text {
        Text(Arc::from(self.0.column(column).as_string::<i32>().value(row)))
    }
}

pub fn persons(batch: &Batch) -> Vec<Person> {
    let of = Columns(&batch.person);
    let person = |row| Person {
        id: of.int(0, row),
        name: of.text(1, row),
        email_address: of.text(2, row),
        credit_card: of.text(3, row),
        city: of.text(4, row),
        state: of.text(5, row),
        date_time: of.int(6, row),
        extra: of.text(7, row),
    };
    (0..batch.person.num_rows()).map(person).collect()
}

pub fn auctions(batch: &Batch) -> Vec<Auction> {
    let of = Columns(&batch.auction);
    let auction = |row| Auction {
        id: of.int(0, row),
        item_name: of.text(1, row),
        description: of.text(2, row),
        initial_bid: of.int(3, row),
        reserve: of.int(4, row),
        date_time: of.int(5, row),
        expires: of.int(6, row),
        seller: of.int(7, row),
        category: of.int(8, row),
        extra: of.text(9, row),
    };
    (0..batch.auction.num_rows()).map(auction).collect()
}

pub fn bids(batch: &Batch) -> Vec<Bid> {
    let of = Columns(&batch.bid);
    let bid = |row| Bid {
        auction: of.int(0, row),
        bidder: of.int(1, row),
        price: of.int(2, row),
        channel: of.text(3, row),
        url: of.text(4, row),
        date_time: of.int(5, row),
        extra: of.text(6, row),
    };
    (0..batch.bid.num_rows()).map(bid).collect()
}
