//! Who presents a request: a look into memory, and for what that does not know, the store, authentik
//! and Coder, on the slow runtime.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;

use super::context::Context;
use super::sign_in::device;
use super::{Cause, Gateway};
use crate::coder::api::Who;
use crate::coder::credential::{Kind, Presented};
use crate::grant::{Check, Device, Judgement, MadeFor, Standing, TokenOwner};
use crate::policy::{Bearer, Judged, Judging, RouteClass};
use crate::types::{Secret, TokenHash};

/// When to ask again after Coder could not be asked.
const CODER_AGAIN: Duration = Duration::from_secs(5);

impl Gateway {
    /// The bearer of a request. One hash and one look-up when the standing is fresh.
    pub(super) async fn bearer(
        self: &Arc<Self>,
        presented: Option<&Presented<'_>>,
        class: RouteClass,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<Bearer, Cause> {
        let Some(presented) = presented else { return Ok(Bearer::Nobody) };
        if !presented.is_judged() || self.rules.judging(class) != Judging::Person {
            return Ok(presented.bearer(Judged::Unasked));
        }
        let hash = presented.hash();
        let judged = match self.grants.check(&hash) {
            Check::Served(standing) => Judged::Served(standing),
            Check::WithoutGrant(standing) => without_grant(standing),
            Check::Unattributed(standing) => Judged::Unattributed { standing },
            Check::Garbage => Judged::Garbage,
            Check::Ask => {
                // The encrypted hand-over to an app host is nothing that Coder could be asked about.
                let secret = (presented.kind() == Kind::Person).then(|| presented.secret());
                self.find_out(hash, secret, device(headers, context)).await?
            }
        };
        Ok(presented.bearer(judged))
    }

    /// Finds out on the slow runtime, to the end, whether or not the client waits for it.
    pub(super) async fn find_out(
        self: &Arc<Self>,
        hash: TokenHash,
        secret: Option<Secret>,
        from: Device,
    ) -> Result<Judged, Cause> {
        let gateway = Arc::clone(self);
        let work = async move {
            let judged = gateway.ask(hash, secret, from.address).await;
            gateway.grants.seen_from(&hash, from);
            judged
        };
        self.slow.spawn(work).await.unwrap_or(Err(Cause::Gone))
    }

    async fn ask(&self, hash: TokenHash, secret: Option<Secret>, client: IpAddr) -> Result<Judged, Cause> {
        let judgement = self.grants.judge(&hash).await?;
        let Judgement::Unknown = judgement else { return Ok(judged(judgement)) };
        let Some(secret) = secret else { return Ok(Judged::Garbage) };
        self.limits.bad_token(client)?;
        let judgement = match self.api.who(&secret, client).await {
            Who::Owner(owner) => {
                let owner = TokenOwner {
                    user: owner.user,
                    login_type: owner.login_type,
                    made_for: MadeFor::Presented,
                };
                self.grants.adopt(hash, owner).await?
            }
            Who::Scoped => self.grants.accept_unattributed(hash),
            Who::Garbage => {
                self.grants.remember_garbage(hash);
                return Ok(Judged::Garbage);
            }
            Who::Unreachable => return Ok(Judged::Unreachable { retry_after: CODER_AGAIN }),
        };
        Ok(judged(judgement))
    }
}

fn without_grant(standing: Standing) -> Judged {
    Judged::WithoutGrant { login_type: standing.login_type(), standing }
}

/// A judgement in the policy's words.
fn judged(judgement: Judgement) -> Judged {
    match judgement {
        Judgement::Served(standing) => Judged::Served(standing),
        Judgement::WithoutGrant(standing) => without_grant(standing),
        Judgement::Unattributed(standing) => Judged::Unattributed { standing },
        Judgement::Ended(_) => Judged::Ended,
        Judgement::Unreachable { retry_after } => Judged::Unreachable { retry_after },
        Judgement::Unknown => Judged::Garbage,
    }
}
