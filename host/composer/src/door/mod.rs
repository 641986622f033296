//! The door: who may come in, and as whom.
//!
//! A listener tells what it knows of the other side ([`Peer`]), a gate makes a [`Caller`] of that and of the request's token, and
//! every router behind a gate hands that to its handlers (`Extension<Caller>`); without a gate there is none, and they fail.
mod gate;

pub use gate::{Denied, Gate, guarded};

/// The other side of a connection, as its listener knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Who can use a socket of this machine.
    Socket,
}
