//! One worker: takes a request through every step and responds.

use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::counts::WorkerCounts;
use super::exchange::{AccessRecord, Exchange};
use super::refusals::{RefusalCause, row_of};
use super::services::Gateway;
use crate::listen::{ConnInfo, Service};
use crate::policy::ClassName;
use crate::proxy::Upstream;
use crate::telemetry::Access;
use crate::types::RequestId;
use crate::web::{Body, Request, Response, Target, request_kind};

/// A worker's half of the gateway: the shared services, and its own connections to Coder.
#[expect(missing_debug_implementations, reason = "its parts are services, not values")]
pub struct Worker {
    gateway: Arc<Gateway>,
    upstream: Upstream,
    counts: Arc<WorkerCounts>,
}

impl Worker {
    /// A worker with connections of its own.
    pub fn new(gateway: Arc<Gateway>, upstream: Upstream) -> Self {
        let counts = gateway.counts.new_worker();
        Self { gateway, upstream, counts }
    }

    async fn handle(&self, request: Box<Request>, connection: &ConnInfo) -> Response {
        let began = Instant::now();
        let id = RequestId::random();
        let method = request.method().clone();
        let client = self.gateway.heads.client(&request, connection);
        let mut record = AccessRecord { class: None, path: None, client, user: None, refused: None };
        let response = self.serve(request, connection, id, &mut record).await;
        let response = if method == Method::HEAD { without_body(response) } else { response };
        self.counts.count(record.class, response.status());
        Access {
            request: id,
            method: method.as_str(),
            path: record.path.as_ref().map_or("", Target::path),
            status: response.status().as_u16(),
            class: record.class.map_or("none", ClassName::label),
            refused: record.refused,
            user: record.user,
            client,
            took: began.elapsed(),
        }
        .log();
        response
    }

    /// Reads the head and responds to the request.
    async fn serve(
        &self,
        request: Box<Request>,
        connection: &ConnInfo,
        id: RequestId,
        record: &mut AccessRecord,
    ) -> Response {
        let gateway = &self.gateway;
        let kind = request_kind(&request);
        let context = match gateway.heads.read(&request, kind.clone(), connection, id, record.client) {
            Ok(context) => context,
            Err(cause) => {
                record.refused = Some(row_of(&cause).label);
                let mut response = gateway.refusals.answer_unread(&cause, &kind, id);
                if matches!(cause, RefusalCause::Message(_)) && request.version() != Version::HTTP_2 {
                    // A proxy in between may see the end of this message elsewhere, so nothing after it is read.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return response;
            }
        };
        record.path = Some(context.target.clone());
        let route = gateway.heads.route(request.method(), &context);
        record.class = Some(route.class_name());
        let exchange = Exchange {
            gateway,
            upstream: &self.upstream,
            connection,
            context: &context,
            class: route.class,
            record: &mut *record,
        };
        match exchange.answer(request).await {
            Ok(response) => response,
            Err(refusal) => {
                record.refused = Some(row_of(&refusal.cause).label);
                gateway.refusals.answer(&refusal, &context)
            }
        }
    }
}

/// A response to `HEAD`: the headers alone, with the length of what is left out (RFC 9110 §9.3.2). An HTTP/2 client
/// treats a body there as a stream error.
fn without_body(mut response: Response) -> Response {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    response.map(|_| Body::empty())
}

impl Service for Worker {
    /// The request and the work are boxed once: unboxed, both would be moved from step to step and on the way into
    /// hyper, some fifty times.
    fn call(&self, request: Request, connection: Arc<ConnInfo>) -> impl Future<Output = Response> + Send {
        let request = Box::new(request);
        Box::pin(async move { self.handle(request, &connection).await })
    }
}
