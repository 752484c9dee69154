//! Tests of the grants with a scripted provider, clock and store.

mod answers;
mod background;
mod clock;
mod declined;
mod ending;
mod fake_provider;
mod faults;
mod kill;
mod outage;
mod refresh;
mod scripted;
mod sign_in;
mod states;
mod support;
mod tokens;
