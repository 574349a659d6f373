//! Execution on timely: containers, exchange, sources with a frontier gate, the steps and drivers of both tiers.

#[cfg(feature = "sql")]
pub mod captured;
#[cfg(feature = "sql")]
pub mod channel;
#[cfg(feature = "sql")]
pub mod cloud;
pub mod defect;
#[cfg(feature = "sql")]
pub mod edge;
#[cfg(feature = "sql")]
pub mod effects;
pub mod exchange;
pub mod gather;
pub mod hash;
#[cfg(feature = "sql")]
pub mod held;
pub mod intake;
pub mod pick;
pub mod render;
pub mod shared;
pub mod stage;
pub mod stamp;
pub mod updates;
pub mod work;
