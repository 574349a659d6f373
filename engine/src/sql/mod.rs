//! SQL: files of views to a plan, the plan to operators on timely and differential.
//!
//! `statement` splits and checks text; `catalog` plans with DataFusion's parser, analyser and a chosen list of rules; `lower`
//! turns the logical plan into an own plan of few node kinds; `render` turns that into operators; `program` holds the views of
//! a pipeline; `script` runs a file statement by statement. Not here: expressions of edge steps (`expression`).

pub mod arrange;
mod casts;
pub mod catalog;
mod closing;
mod dialect;
mod evaluate;
mod explain;
mod frames;
mod functions;
mod in_list;
mod intervals;
mod lateral;
mod lower;
mod merged;
mod minutes;
mod nanoseconds;
mod nearest;
mod orders;
mod overflow;
mod plan;
mod problem;
mod program;
mod pushing;
mod render;
mod rewrite;
pub mod script;
pub mod snapshot;
pub(crate) mod stack;
mod statement;
mod store;
mod subqueries;
mod subscripts;
mod types;
mod watermark;
mod window;
mod windowing;
mod within;
mod zeros;

pub use catalog::Functions;
pub use closing::Closing;
pub use problem::SqlProblem;
pub use program::{InputTable, Program, Rendered};
pub use watermark::{END, NOW, Watermarks};
