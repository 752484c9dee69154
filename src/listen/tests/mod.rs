//! The listener over real sockets.

mod http1;
mod stop;
mod support;
mod tls;
