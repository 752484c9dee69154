//! A sign-in, from the `state` of the provider's callback to the session, and Coder's requests during and after it.
//!
//! | what | file |
//! | --- | --- |
//! | begin, bind, abandon | `sign_ins.rs` |
//! | one-time states | `one_time_values.rs` |
//! | codes, handles, userinfo for Coder | `answers.rs`, `code.rs` |

mod answers;
mod code;
mod one_time_values;
mod sign_ins;

pub(in crate::grant) use answers::TokenAnswers;
pub use answers::{AnswerError, TokenReply};
pub(in crate::grant) use one_time_values::OneTimeValues;
pub use one_time_values::TakenState;
pub(in crate::grant) use sign_ins::SignIns;
pub use sign_ins::{BindError, BoundSession};
