//! The rules of grants, by a provider, a clock and a store that do as they are told.

mod refresh;
mod support;
