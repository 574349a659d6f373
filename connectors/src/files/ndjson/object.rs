//! Objects: members by their keys. Rows mostly have the same keys in the same order, so each key is first compared with the
//! one that stood there in the row before.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::Fields;

use super::column::{Column, column};
use super::cursor::Cursor;
use super::nulls::Nulls;

/// Keys that no column has and that are known again; further ones are looked at anew in each row.
const OTHERS_MAX: usize = 256;

/// The members of objects.
pub struct Object {
    columns: Vec<Box<dyn Column>>,
    /// For each column one more than the row that has its newest value.
    filled: Vec<u32>,
    keys: Vec<Key>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The keys of the row before, in order.
    order: Vec<usize>,
    rows: u32,
    scratch: Vec<u8>,
}

/// A key as it is written.
struct Key {
    /// With its quotes and colon.
    text: Vec<u8>,
    /// The first eight bytes of that, and which of their bits count.
    word: u64,
    mask: u64,
    column: Option<usize>,
}

impl Key {
    fn new(name: &[u8], column: Option<usize>) -> Self {
        let text = [b"\"", name, b"\":"].concat();
        let mut word = [0; 8];
        word.iter_mut().zip(&text).for_each(|(to, from)| *to = *from);
        let mask = if text.len() >= 8 { u64::MAX } else { (1 << (8 * text.len())) - 1 };
        Key { text, word: u64::from_le_bytes(word), mask, column }
    }

    #[inline]
    fn stands_at(&self, cursor: &Cursor<'_>) -> bool {
        cursor.word(0) & self.mask == self.word && (self.text.len() <= 8 || cursor.rest().starts_with(&self.text))
    }
}

impl Object {
    /// Objects with some members; none when one is of a type that is left to arrow-json.
    pub fn new(fields: &Fields) -> Option<Self> {
        let columns: Vec<Box<dyn Column>> = fields.iter().map(|f| column(f.data_type())).collect::<Option<_>>()?;
        let keys: Vec<Key> = fields.iter().enumerate().map(|(i, f)| Key::new(f.name().as_bytes(), Some(i))).collect();
        let mut by_name = HashMap::new();
        for (i, field) in fields.iter().enumerate() {
            // Of columns of one name the first is meant.
            by_name.entry(field.name().as_bytes().to_vec()).or_insert(i);
        }
        let filled = vec![0; columns.len()];
        Some(Object { columns, filled, keys, by_name, order: Vec::new(), rows: 0, scratch: Vec::new() })
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Adds the object whose opening brace was passed by.
    pub fn row(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.rows = self.rows.checked_add(1)?;
        let (mut place, mut found) = (0, 0);
        cursor.space();
        if cursor.peek()? == b'}' {
            cursor.skip(1);
        } else {
            loop {
                let column = self.key(cursor, place)?;
                cursor.space();
                match column {
                    Some(at) => {
                        let filled = self.filled.get_mut(at)?;
                        // Of values with one key the last counts, which is left to arrow-json.
                        if std::mem::replace(filled, self.rows) == self.rows {
                            return None;
                        }
                        self.columns.get_mut(at)?.value(cursor)?;
                        found += 1;
                    }
                    None => cursor.value(&mut self.scratch)?,
                }
                place += 1;
                cursor.space();
                match cursor.take()? {
                    b',' => cursor.space(),
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        if found < self.columns.len() { self.fill() } else { Some(()) }
    }

    /// Adds a row that has no members.
    fn null(&mut self) -> Option<()> {
        self.rows = self.rows.checked_add(1)?;
        self.fill()
    }

    /// Nulls in all columns that the row has no value for.
    fn fill(&mut self) -> Option<()> {
        for (column, filled) in self.columns.iter_mut().zip(&mut self.filled) {
            if std::mem::replace(filled, self.rows) != self.rows {
                column.null()?;
            }
        }
        Some(())
    }

    /// The column of the key here, and past its colon; the inner one is none where there is no such column.
    #[inline]
    fn key(&mut self, cursor: &mut Cursor<'_>, place: usize) -> Option<Option<usize>> {
        if let Some(key) = self.order.get(place).and_then(|k| self.keys.get(*k))
            && key.stands_at(cursor)
        {
            cursor.skip(key.text.len());
            return Some(key.column);
        }
        self.other_key(cursor, place)
    }

    /// The same for a key that did not stand here in the row before.
    fn other_key(&mut self, cursor: &mut Cursor<'_>, place: usize) -> Option<Option<usize>> {
        let (name, escaped) = if cursor.take()? == b'"' { cursor.quoted()? } else { return None };
        cursor.space();
        if escaped || cursor.take()? != b':' {
            return None;
        }
        let known = self.by_name.get(name).copied();
        if known.is_none() && self.keys.len() >= self.columns.len() + OTHERS_MAX {
            return Some(None);
        }
        let number = known.unwrap_or_else(|| {
            self.by_name.insert(name.to_vec(), self.keys.len());
            self.keys.push(Key::new(name, None));
            self.keys.len() - 1
        });
        let length = self.order.len();
        match self.order.get_mut(place) {
            Some(key) => *key = number,
            None if place == length => self.order.push(number),
            None => {}
        }
        self.keys.get(number).map(|key| key.column)
    }

    /// The columns as arrays, after which there are no rows.
    pub fn finish(&mut self, rows_next: usize) -> Option<Vec<ArrayRef>> {
        self.rows = 0;
        self.filled.fill(0);
        self.columns.iter_mut().map(|c| c.finish(rows_next)).collect()
    }
}

/// A column of objects.
pub struct Structs {
    fields: Fields,
    object: Object,
    nulls: Nulls,
}

impl Structs {
    /// No objects yet; none when a member is of a type that is left to arrow-json, or there are none.
    pub fn new(fields: &Fields) -> Option<Self> {
        let object = Object::new(fields).filter(|_| !fields.is_empty())?;
        Some(Structs { fields: fields.clone(), object, nulls: Nulls::default() })
    }
}

impl Column for Structs {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        if cursor.peek()? != b'{' {
            cursor.literal(b"null")?;
            return self.null();
        }
        cursor.skip(1);
        self.object.row(cursor)
    }

    fn null(&mut self) -> Option<()> {
        self.nulls.add(self.object.rows());
        self.object.null()
    }

    fn finish(&mut self, rows_next: usize) -> Option<ArrayRef> {
        let rows = self.object.rows();
        let nulls = self.nulls.finish(rows);
        StructArray::try_new(self.fields.clone(), self.object.finish(rows_next)?, nulls).ok().map(|a| Arc::new(a) as ArrayRef)
    }
}
