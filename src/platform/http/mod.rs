//! HTTP: one request, each time on a connection of its own, so that every phase of it is measured and every failure named.
//! Nothing here reads the environment; there is no pool and no cookie jar.

mod body;
mod clock;
mod error;
mod exchange;
mod follow;
mod head;
mod message;
mod no_proxy;
mod proxy;
mod redirect;
mod remedy;
mod server_timing;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;

pub use error::{Blame, HttpCause, HttpError};
pub use follow::send;
pub use message::{Request, Response};
pub use proxy::Proxies;
pub use server_timing::ServerTiming;
pub use trace::{Phase, Timing};
