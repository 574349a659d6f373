//! The states of one worker's dataflow: every operator that keeps rows announces itself here, is told whether it goes on
//! from a snapshot, and can be asked to write what it keeps.
//!
//! A run that goes on begins at the snapshot's epoch. States that are kept are filled there in silence; a node whose plan is
//! new reads what it stands on as it was at that epoch, all at once. So a stream carries at that epoch either everything or
//! nothing, and `Place` says which.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::manifest::Part;
use super::{Handover, Restored, SnapshotError};
use crate::flow::defect::end_run;

/// How much a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rows, groups or values.
    pub rows: u64,
    /// Bytes of memory, or of the disk where rows are spilled.
    pub bytes: u64,
}

/// What the states of a node, known by its fingerprint, hold together.
pub fn size_of(node: &str, sizes: &BTreeMap<String, Size>) -> Size {
    let own = format!("{node}-");
    let states = sizes.range(own.clone()..).take_while(|(key, _)| key.starts_with(&own)).map(|(_, size)| *size);
    states.fold(Size::default(), |a, b| Size { rows: a.rows + b.rows, bytes: a.bytes + b.bytes })
}

/// What an operator keeps.
pub trait State {
    /// Whether all rows of a sealed epoch are in it. Of a state on the way to the view they are; one beside that way may be behind.
    fn is_at(&mut self, _epoch: u64) -> bool {
        true
    }

    /// Hands over all it holds at a sealed epoch.
    ///
    /// # Errors
    /// When it cannot be made rows.
    fn save(&mut self, epoch: u64, out: &mut Handover) -> Result<(), SnapshotError>;

    /// Says that nothing before an epoch is asked for any more.
    fn settle(&mut self, epoch: u64);

    /// How much it holds.
    fn size(&self) -> Size;
}

/// The states of a worker.
#[derive(Clone, Default)]
pub struct States(Option<Rc<Inner>>);

struct Inner {
    restored: Option<Arc<Restored>>,
    kept: RefCell<BTreeMap<String, Box<dyn State>>>,
}

/// Where one state of a node belongs.
#[derive(Clone)]
pub struct Place {
    states: States,
    key: String,
    /// Whether it goes on with what was saved.
    pub kept: bool,
    /// Whether its operator is to give all it holds at the epoch that the run begins with.
    pub gives: bool,
}

impl States {
    /// States that are kept track of, for snapshots or sizes, and perhaps go on from a snapshot.
    pub fn tracked(restored: Option<Arc<Restored>>) -> Self {
        States(Some(Rc::new(Inner { restored, kept: RefCell::default() })))
    }

    /// Whether anybody asks for states.
    pub fn is_tracked(&self) -> bool {
        self.0.is_some()
    }

    /// The epoch that the run begins with, when it goes on from a snapshot.
    pub fn begins_at(&self) -> Option<u64> {
        self.restored().map(|r| r.manifest().epoch)
    }

    /// Whether the snapshot has the state of a node.
    pub fn has(&self, fingerprint: &str) -> bool {
        self.restored().is_some_and(|r| r.has(fingerprint))
    }

    fn restored(&self) -> Option<&Arc<Restored>> {
        self.0.as_ref().and_then(|i| i.restored.as_ref())
    }

    /// The place of a state.
    pub fn place(&self, key: String, kept: bool, gives: bool) -> Place {
        Place { states: self.clone(), key, kept, gives: gives && kept }
    }

    /// Says that nothing before an epoch is asked for any more.
    pub fn settle(&self, epoch: u64) {
        if let Some(inner) = &self.0 {
            inner.kept.borrow_mut().values_mut().for_each(|s| s.settle(epoch));
        }
    }

    /// Sizes by key.
    pub fn sizes(&self) -> BTreeMap<String, Size> {
        self.0.as_ref().map(|i| i.kept.borrow().iter().map(|(k, s)| (k.clone(), s.size())).collect()).unwrap_or_default()
    }

    /// Whether every state can be handed over at a sealed epoch.
    pub fn are_at(&self, epoch: u64) -> bool {
        self.0.as_ref().is_none_or(|i| i.kept.borrow_mut().values_mut().all(|s| s.is_at(epoch)))
    }

    /// Hands over every state at a sealed epoch, which all of them are at.
    ///
    /// # Errors
    /// With the first state that cannot be made rows.
    pub fn hand_over(&self, epoch: u64, to: &mut Handover) -> Result<(), SnapshotError> {
        let Some(inner) = &self.0 else { return Ok(()) };
        for (key, state) in inner.kept.borrow_mut().iter_mut() {
            to.begin(key);
            state.save(epoch, to)?;
        }
        Ok(())
    }
}

impl Place {
    /// The place of what holds nothing between epochs.
    pub fn nowhere() -> Self {
        States::default().place(String::new(), false, false)
    }

    /// Whether states are kept track of at all.
    pub fn is_tracked(&self) -> bool {
        self.states.is_tracked()
    }

    /// The epoch at which what was saved comes in.
    pub fn begins_at(&self) -> Option<u64> {
        self.states.begins_at()
    }

    /// Announces a state. Equal plans have equal states: one of them is enough.
    pub fn announce(&self, state: impl State + 'static) {
        if let Some(inner) = &self.states.0 {
            inner.kept.borrow_mut().entry(self.key.clone()).or_insert_with(|| Box::new(state));
        }
    }

    /// The parts of what was saved here, by number.
    pub fn parts(&self) -> Vec<(usize, Part)> {
        let restored = self.states.restored().filter(|_| self.kept);
        restored.map(|r| r.parts(&self.key).iter().cloned().enumerate().collect()).unwrap_or_default()
    }

    /// The rows of a part. What cannot be read stops the run.
    pub fn read(&self, part: &Part) -> Vec<RecordBatch> {
        let Some(restored) = self.states.restored() else { return Vec::new() };
        restored.read(part).unwrap_or_else(|error| {
            self.failed(&error);
            Vec::new()
        })
    }

    /// Says that a state cannot be filled, which stops the run.
    pub fn failed(&self, error: &SnapshotError) {
        end_run(&error.to_string());
    }
}
