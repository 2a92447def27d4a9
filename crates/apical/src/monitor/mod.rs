//! What is recorded while a learner runs: any named quantity, every so many steps, box-filtered.

mod recorder;

pub use crate::health::Health;
pub use crate::learner::{Monitor, Quantity, Summary};
pub use crate::warning::Warning;
pub use recorder::{Channel, MonitorSpec, Recorder};
