//! The one table of refusals: a row for each cause.
//!
//! | causes | file |
//! | --- | --- |
//! | requests, and the gateway itself | `requests.rs` |
//! | the policy's denials | `denials.rs` |
//! | sign-ins | `sign_ins.rs` |
//! | rows and texts of several causes | `shared.rs` |

mod denials;
mod requests;
mod shared;
mod sign_ins;

use super::cause::RefusalCause;
use super::row::RefusalRow;
use crate::proxy::ForwardError;

pub(super) use denials::CHALLENGE_DETAILS;

/// Looks a cause up.
pub(in crate::gateway) fn row_of(cause: &RefusalCause) -> RefusalRow {
    match cause {
        RefusalCause::Policy(denial) => denials::row_of_denial(*denial),
        RefusalCause::Answer(_) | RefusalCause::RepeatedParameter(_) => sign_ins::UNREADABLE,
        RefusalCause::Attempt => sign_ins::OVER,
        RefusalCause::Login(error) => sign_ins::row_of_login(error),
        RefusalCause::NotReady(_) => sign_ins::PROVIDER_NOT_READY,
        RefusalCause::Handoff(error) => sign_ins::row_of_handoff(error),
        RefusalCause::Bind(error) => sign_ins::row_of_bind(error),
        RefusalCause::Loop => sign_ins::LOOP,
        RefusalCause::Message(_) | RefusalCause::Target(_) => requests::AMBIGUOUS,
        RefusalCause::Host => requests::MISDIRECTED,
        RefusalCause::Contradiction(_) => requests::CONTRADICTION,
        RefusalCause::Forward(ForwardError::TooLarge) => requests::TOO_LARGE,
        RefusalCause::Forward(ForwardError::ClientBody) => requests::CLIENT_BODY,
        RefusalCause::Forward(ForwardError::Stalled) => requests::BODY_STALLED,
        RefusalCause::Forward(_) => requests::NO_RESPONSE,
        RefusalCause::Store(_) => shared::STORE,
        RefusalCause::CutOff => requests::CUT_OFF,
        RefusalCause::NotFound => requests::NOT_FOUND,
        RefusalCause::Method(_) => requests::METHOD,
        RefusalCause::Form => requests::STALE_FORM,
        RefusalCause::NoRoom(_) => requests::NO_ROOM,
        RefusalCause::TooMany(exceeded) => requests::TOO_MANY.retry(exceeded.retry_after),
    }
}
