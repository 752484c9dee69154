//! Bodies that a client does not send as announced: the client's fault alone.

use crate::support::wire::{raw, statuses};
use crate::support::world::World;

#[tokio::test]
async fn a_body_that_breaks_off_is_answered_with_400_and_never_called_an_outage_of_coder() {
    let world = World::start().await;
    let head = format!(
        "POST /api/v2/csp/reports HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.host
    );
    for body in ["no size\r\n", "5\r\nhelloX\r\n", "-1\r\n\r\n"] {
        let answer = raw(&world.host, format!("{head}{body}")).await;
        assert_eq!(statuses(&answer), [400], "{body:?}: {answer}");
        assert!(answer.contains("body"), "{answer}");
        assert!(!answer.contains("Coder does not answer"), "{answer}");
    }
}
