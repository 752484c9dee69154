//! The listener over real sockets.

mod hostile;
mod http1;
mod places;
mod stop;
mod support;
mod tls;
mod unread;
