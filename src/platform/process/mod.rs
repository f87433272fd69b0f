//! Runs programs: each in a process group of its own, of which nothing survives, not even opsbook's own death; output
//! bounded in memory.
//! Must not know what a program is run for.

mod capture;
mod error;
mod group;
mod keeper;
mod leftovers;
mod mark;
mod run;
mod stat;

pub use capture::Captured;
pub use error::ProcessError;
pub use keeper::{GRACE, KEEPER, Keeper, keep};
pub use leftovers::{RUN_VARIABLE, end_leftovers};
pub use mark::{liveness, own_mark};
pub use run::{Ended, Program, run};

#[cfg(test)]
mod tests;
