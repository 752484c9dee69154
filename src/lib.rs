//! Vestibule: the sign-in gateway for Coder.
//!
//! A reverse proxy in front of a Coder deployment. It signs people in with
//! authentik or another OpenID provider, and forwards only requests of users who
//! may still sign in there. The security argument reads left to right: [`oidc`]
//! makes a `VerifiedIdentity`, [`grant`] accepts only that and makes an
//! `Authorization`, [`policy`] makes a `Permit` from it, and [`proxy`] forwards
//! only with a `Permit` and a `Sanitized` request.
//!
//! `ARCHITECTURE.md` maps every step of a sign-in and of a request to its file.

pub mod types;

pub mod pages;
pub mod telemetry;
pub mod web;

pub mod oidc;

pub mod grant;

pub mod policy;

pub mod coder;
pub mod issuer;
pub mod listen;
pub mod proxy;

pub mod gateway;

pub mod config;

pub mod app;
pub mod cli;
