//! Reseals the store of the running gateway: its side of `vestibule store reseal`.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use super::answer::{json, not_allowed};
use crate::grant::Grants;
use crate::grant::store::WatchedKeyFile;
use crate::web::Response;

/// The path of the request.
pub const RESEAL: &str = "/store/reseal";

/// Serves the requests about the store on the local socket.
pub(in crate::app) struct StoreAdmin {
    grants: Arc<Grants>,
    key_file: Arc<WatchedKeyFile>,
}

impl StoreAdmin {
    pub(in crate::app) fn new(grants: Arc<Grants>, key_file: Arc<WatchedKeyFile>) -> Self {
        Self { grants, key_file }
    }

    /// Reads the key file first, so that a key that was added just now is the one that seals.
    pub(super) async fn handle(&self, request: &Request<Incoming>) -> Response {
        if request.method() != Method::POST {
            return not_allowed("POST");
        }
        let key_file = Arc::clone(&self.key_file);
        let read = tokio::task::spawn_blocking(move || key_file.reload().map_err(|error| error.to_string()));
        if let Ok(Err(error)) = read.await {
            return json(StatusCode::CONFLICT, &json!({"error": error}));
        }
        match self.grants.reseal().await {
            Ok(done) => json(StatusCode::OK, &json!(done)),
            Err(error) => json(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": error.to_string()})),
        }
    }
}
