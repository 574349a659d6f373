//! Rows by whether they have a partner: what outer joins give padded, semi joins and anti joins give or leave out, and mark
//! joins mark.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::error::ArrowError;

use super::pairs::{PAIRS, changes};
use super::state::{Given, JoinState, Work, of};
use crate::flow::pick::take_rows;
use crate::sql::plan::JoinKind;

/// How a row is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With nulls in place of the other side.
    Padded,
    /// As it is.
    Own,
    /// With a last column that says whether it has a partner.
    Marked(bool),
}

/// How a row of a side is given, if it is.
fn form(kind: JoinKind, side: usize, matched: bool) -> Option<Form> {
    match (kind, side, matched) {
        (JoinKind::Left, 0, false) | (JoinKind::Full, _, false) => Some(Form::Padded),
        (JoinKind::Semi, 0, true) | (JoinKind::Anti, 0, false) => Some(Form::Own),
        (JoinKind::Mark, 0, matched) => Some(Form::Marked(matched)),
        _ => None,
    }
}

/// Rows of a side by slot, with diffs, and whether they have a partner.
#[derive(Default)]
struct Slots {
    slots: Vec<u32>,
    diffs: Vec<i64>,
}

impl JoinState {
    /// Gives the rows of groups that turn: as they were, taken away, or as they are.
    pub(super) fn give_turning(&self, work: &Work, after: bool, out: &mut Given) -> Result<(), ArrowError> {
        for side in 0..2 {
            for had in [false, true] {
                let Some(form) = form(self.shape.kind, side, had != after) else { continue };
                let Some(rows) = &of(&self.sides, side).rows else { continue };
                let mut slots = Slots::default();
                for (group, _) in of(&work.turning, side).iter().filter(|(_, h)| *h == had) {
                    for stored in rows.from(rows.first(*group)).filter(|s| s.weight != 0) {
                        self.add((side, form), &mut slots, stored.slot, if after { stored.weight } else { -stored.weight }, out)?;
                    }
                }
                self.give_slots((side, form), &mut slots, out)?;
            }
        }
        Ok(())
    }

    /// Gives rows of the epoch whose groups do not turn, and rows with null keys.
    pub(super) fn give_others(&self, work: &Work, out: &mut Given) -> Result<(), ArrowError> {
        for side in 0..2 {
            if let Some(form) = form(self.shape.kind, side, false) {
                for updates in of(&work.loose, side) {
                    let own: Vec<usize> = (self.shape.keys..updates.rows.num_columns()).collect();
                    let diffs: Vec<i64> = (0..updates.rows.num_rows()).map(|row| updates.diff(row)).collect();
                    self.give(side, form, updates.rows.project(&own)?.columns().to_vec(), &diffs, out)?;
                }
            }
            if !self.shape.asks_for_partners(side) || self.shape.residual.is_some() {
                continue;
            }
            for taken in of(&work.taken, side) {
                let stays = |group: u32| of(&self.turned, side).get(group as usize) != Some(&self.round);
                for matched in [false, true] {
                    let Some(form) = form(self.shape.kind, side, matched) else { continue };
                    let wanted = |g: u32| stays(g) && (of(&self.sides, 1 - side).weight(g) > 0) == matched;
                    let rows: Vec<u32> = taken.groups.iter().zip(0..).filter(|(g, _)| wanted(**g)).map(|(_, row)| row).collect();
                    let diffs: Vec<i64> = rows.iter().map(|row| taken.diff(*row as usize)).collect();
                    let whole = rows.len() == taken.groups.len();
                    let picked = if whole { taken.rows.clone() } else { take_rows(&taken.rows, &UInt32Array::from(rows))? };
                    self.give(side, form, picked.columns().to_vec(), &diffs, out)?;
                }
            }
        }
        Ok(())
    }

    /// Gives what changed of rows that count their partners.
    pub(super) fn give_touched(&mut self, out: &mut Given) -> Result<(), ArrowError> {
        for side in 0..2 {
            let touched = super::state::of_mut(&mut self.sides, side).take_touched();
            let own = of(&self.sides, side);
            let Some(rows) = own.rows.as_ref().filter(|_| own.counts_hits()) else { continue };
            for matched in [false, true] {
                let Some(form) = form(self.shape.kind, side, matched) else { continue };
                let mut slots = Slots::default();
                for before in &touched {
                    let counts = |weight: i64, hits: i64| if (hits != 0) == matched { weight } else { 0 };
                    let now = counts(rows.weight_of(before.slot), own.hits_of(before.slot));
                    let diff = now - counts(before.weight, before.hits);
                    if diff != 0 {
                        self.add((side, form), &mut slots, before.slot, diff, out)?;
                    }
                }
                self.give_slots((side, form), &mut slots, out)?;
            }
        }
        Ok(())
    }

    /// Gives every row of a side as it stands.
    pub(super) fn give_all(&self, side: usize, out: &mut Given) -> Result<(), ArrowError> {
        let own = of(&self.sides, side);
        let Some(rows) = &own.rows else { return Ok(()) };
        for matched in [false, true] {
            let Some(form) = form(self.shape.kind, side, matched) else { continue };
            let mut slots = Slots::default();
            for stored in rows.all() {
                let has = match own.counts_hits() {
                    true => own.hits_of(stored.slot) != 0,
                    false => of(&self.sides, 1 - side).weight(rows.group_of(stored.slot)) > 0,
                };
                if has == matched {
                    self.add((side, form), &mut slots, stored.slot, stored.weight, out)?;
                }
            }
            self.give_slots((side, form), &mut slots, out)?;
        }
        Ok(())
    }

    fn add(&self, how: (usize, Form), slots: &mut Slots, slot: u32, diff: i64, out: &mut Given) -> Result<(), ArrowError> {
        slots.slots.push(slot);
        slots.diffs.push(diff);
        if slots.slots.len() >= PAIRS { self.give_slots(how, slots, out) } else { Ok(()) }
    }

    fn give_slots(&self, (side, form): (usize, Form), slots: &mut Slots, out: &mut Given) -> Result<(), ArrowError> {
        let Slots { slots, diffs } = std::mem::take(slots);
        self.give_some(side, form, (&slots, &diffs), out)
    }

    fn give_some(&self, side: usize, form: Form, (slots, diffs): (&[u32], &[i64]), out: &mut Given) -> Result<(), ArrowError> {
        let Some(rows) = of(&self.sides, side).rows.as_ref().filter(|_| !slots.is_empty()) else { return Ok(()) };
        match rows.take(slots) {
            // More than 2 GiB of text, which a column does not hold.
            Err(ArrowError::OffsetOverflowError(_)) if slots.len() > 1 => {
                let middle = slots.len() / 2;
                let (slots, diffs) = (slots.split_at(middle), diffs.split_at(middle));
                self.give_some(side, form, (slots.0, diffs.0), out)?;
                self.give_some(side, form, (slots.1, diffs.1), out)
            }
            own => self.give(side, form, own?, diffs, out),
        }
    }

    fn give(&self, side: usize, form: Form, own: Vec<ArrayRef>, diffs: &[i64], out: &mut Given) -> Result<(), ArrowError> {
        let (n, width) = (diffs.len(), own.len());
        if n == 0 {
            return Ok(());
        }
        let null = |i: usize| new_null_array(self.shape.schema.field(i).data_type(), n);
        let all = self.shape.schema.fields().len();
        let columns = match form {
            Form::Own => own,
            Form::Marked(mark) => own.into_iter().chain([Arc::new(BooleanArray::from(vec![mark; n])) as ArrayRef]).collect(),
            Form::Padded if side == 0 => own.into_iter().chain((width..all).map(null)).collect(),
            Form::Padded => (0..all - width).map(null).chain(own).collect(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(n));
        out.rows.extend(changes(RecordBatch::try_new_with_options(self.shape.schema.clone(), columns, &options)?, diffs, None)?);
        out.looked_at += n;
        Ok(())
    }
}
