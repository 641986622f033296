//! Who asks.

/// Who asks. Every call takes it: nothing is found or changed without saying whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The tenant's channel; empty where there are no tenants.
    pub channel: String,
    /// Who it is, for logs: a name of a certificate or the subject of a token; empty where the proof names nobody.
    pub actor: String,
    /// What shows that.
    pub proof: Proof,
}

/// What shows who a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Being able to use a socket of this machine.
    Socket,
    /// A certificate that an authority signed.
    Certificate,
    /// A token that an issuer signed; a certificate besides it, if the listener asks for one.
    Token,
}

impl Caller {
    /// Who has the unix socket of this machine.
    #[must_use]
    pub fn local() -> Self {
        Self {
            channel: String::new(),
            actor: String::new(),
            proof: Proof::Socket,
        }
    }
}
