//! The rules of grants, by a provider, a clock and a store that do as they are told.

mod answers;
mod background;
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
