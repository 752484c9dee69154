//! Whether there is a user: Coder's answer to `GET /api/v2/users/first`, which its pages and its CLI ask for before a
//! sign-in.
//!
//! Without a user Coder's sign-in page goes to the page that creates the first one, whatever the list of sign-in
//! methods says, and the CLI asks for the first user's password (2.31.0, 2.36.0).

use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::answer;
use crate::web::Response;

/// The response where nobody may create the first user by password: as if there was a user, so that Coder's pages and
/// the CLI offer the sign-in, whose first person becomes the first user. Coder's headers stay.
pub fn first_user_by_sign_in(coders: Response) -> Response {
    if coders.status() != StatusCode::NOT_FOUND {
        return coders;
    }
    let said = "The first person who signs in with OpenID Connect becomes the first user.";
    let (mut parts, _) = coders.into_parts();
    let (own, body) = answer::message(StatusCode::OK, said, None).into_parts();
    parts.status = own.status;
    for of_coders_body in [CONTENT_ENCODING, CONTENT_LENGTH] {
        parts.headers.remove(of_coders_body);
    }
    parts.headers.extend(own.headers);
    Response::from_parts(parts, body)
}
