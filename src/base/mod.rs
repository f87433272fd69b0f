//! The words that every layer shares: how bad, what it may touch, how it ended, where it was written.
//! Nothing here knows a runbook, a terminal or a database.

mod clock;
pub mod csv;
mod diagnostic;
mod effect;
pub mod exit;
mod histogram;
mod ids;
pub mod json_text;
mod literal;
mod mask;
mod process_mark;
mod secret;
mod severity;
mod size;
mod source;
mod span;
mod status;
pub mod text;
mod tone;
mod verdict;

pub use clock::{Clock, FixedClock, SystemClock};
pub use diagnostic::{Diagnostic, Diagnostics, Place, nearest};
pub use effect::Effect;
pub use histogram::{Bucket, Histogram, InvalidHistogram};
pub use ids::{CommandPath, InvalidCommandPath, RunId, StepKey};
pub use literal::without_literals;
pub use mask::Masker;
pub use process_mark::{Liveness, ProcessMark};
pub use secret::Secret;
pub use severity::Severity;
pub use size::{InvalidSize, Size};
pub use source::SourceFile;
pub use span::{InvalidSpan, Span};
pub use status::Status;
pub use tone::Tone;
pub use verdict::Verdict;
