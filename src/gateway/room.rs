//! Room for a request among the connections, depending on its caller.

use http::StatusCode;

use crate::listen::{ConnectionPlace, ForwardPlace, NoForwardPlace, UnprovenCaller};
use crate::policy::{Caller, Permit};
use crate::web::{GuardedBody, Response};

/// The room that a forwarded request occupies until its response has ended.
pub(super) struct RequestRoom<'a> {
    connection: &'a ConnectionPlace,
    caller: Caller,
    forward: Option<ForwardPlace>,
}

impl<'a> RequestRoom<'a> {
    /// Takes room for a request forwarded with `permit`. A person's request proves the connection and needs no
    /// room of its own. `upgrade` says whether the request asks for a tunnel.
    ///
    /// # Errors
    /// [`NoForwardPlace`] when too many requests without an authorization are open.
    pub(super) fn take(
        connection: &'a ConnectionPlace,
        permit: &Permit,
        upgrade: bool,
    ) -> Result<Self, NoForwardPlace> {
        let caller = permit.caller();
        let forward = match caller {
            Caller::Person => {
                connection.prove();
                None
            }
            Caller::Machine => Some(connection.forward(UnprovenCaller::Machine, upgrade)?),
            Caller::Anybody => Some(connection.forward(UnprovenCaller::Anybody, upgrade)?),
        };
        Ok(Self { connection, caller, forward })
    }

    /// Coder's response, which keeps the room until it ends. A success for a machine shows that Coder has accepted its
    /// credential, which proves the connection.
    pub(super) fn hold(self, response: Response) -> Response {
        let Some(forward) = self.forward else { return response };
        let status = response.status();
        if self.caller == Caller::Machine
            && (status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS)
        {
            self.connection.prove();
            return response;
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            self.connection.keep(forward);
            return response;
        }
        response.map(|body| GuardedBody::while_it_comes(body, forward))
    }
}
