//! The parts of the random oracle: how cases are made, run, compared and made smaller. The tests themselves are in `sql_random.rs`.

pub mod answers;
pub mod by_time;
pub mod check;
pub mod condition;
pub mod correlated;
pub mod derived;
pub mod dice;
pub mod expression;
pub mod floats;
pub mod grouped;
pub mod history;
pub mod intervals;
pub mod kept;
pub mod large;
pub mod merged;
pub mod modelled;
pub mod over;
pub mod query;
pub mod sessions;
pub mod shrink;
pub mod taken;
pub mod tree;
pub mod watermark;
