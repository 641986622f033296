//! Gates: one for each listener.
use super::Peer;
use crate::service::Caller;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;

/// What a listener asks of those who come.
#[derive(Clone, Debug)]
pub enum Gate {
    /// Nothing: who can use the socket may come in.
    Local,
}

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It is not shown who it is.
    Unknown,
    /// It is known who it is, and that one may not.
    Forbidden,
    /// It is not shown for which tenant.
    NoTenant,
}

impl Gate {
    async fn admit(&self, peer: Option<&Peer>, _: &HeaderMap) -> Result<Caller, Denied> {
        match (self, peer) {
            (Self::Local, Some(Peer::Socket)) => Ok(Caller::local()),
            (Self::Local, None) => Err(Denied::Unknown),
        }
    }
}

/// A router that only those reach whom the gate lets in. The others get a refusal in the words of the router's interface.
pub fn guarded<R>(router: Router, gate: Gate) -> Router
where
    R: From<Denied> + IntoResponse,
{
    let guard = move |mut request: Request, next: Next| {
        let gate = gate.clone();
        async move {
            let peer = request.extensions().get::<Peer>();
            match gate.admit(peer, request.headers()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    next.run(request).await
                }
                Err(denied) => R::from(denied).into_response(),
            }
        }
    };
    router.layer(from_fn(guard))
}
