//! The processes of this machine, as the engine asks for them.

use std::future::Future;
use std::pin::Pin;

use crate::base::{Liveness, ProcessMark};
use crate::engine::Machine;

/// The processes of this machine.
pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    fn liveness(&self, _process: &ProcessMark) -> Liveness {
        Liveness::Unknown
    }

    fn end_leftovers<'a>(&'a self, _token: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
        Box::pin(async { 0 })
    }
}
