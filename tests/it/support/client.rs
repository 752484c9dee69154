//! HTTP clients for tests: one request over a fresh connection, and a browser with a cookie jar
//! that follows no redirect by itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

use super::within::within;

/// A complete response.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The target of a redirect.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.text()))
    }

    pub fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect()
    }
}

/// Sends one request to the host of its absolute URI, over a fresh connection.
pub async fn send(request: Request<Bytes>) -> std::io::Result<Answer> {
    let authority = request.uri().authority().unwrap().to_string();
    send_to(&authority, request).await
}

/// Sends one request to `address`, whatever host it names.
pub async fn send_to(address: &str, request: Request<Bytes>) -> std::io::Result<Answer> {
    read_whole(open(address, request).await?).await
}

async fn read_whole(answer: Response<hyper::body::Incoming>) -> std::io::Result<Answer> {
    let (parts, body) = answer.into_parts();
    let body = within(body.collect()).await.map_err(std::io::Error::other)?.to_bytes();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Sends one request and returns the response while its body is still arriving.
pub async fn open(
    address: &str,
    request: Request<Bytes>,
) -> std::io::Result<Response<hyper::body::Incoming>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key(header::HOST) {
        let host = parts.uri.authority().map_or(address, http::uri::Authority::as_str).parse().unwrap();
        parts.headers.insert(header::HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri = path.parse().unwrap();
    let answer = within(sender.send_request(Request::from_parts(parts, Full::new(body)))).await;
    answer.map_err(std::io::Error::other)
}

/// A client that reuses its connections, as Go's does.
#[derive(Debug)]
pub struct Kept(Pooled<HttpConnector, Full<Bytes>>);

impl Kept {
    pub fn new() -> Self {
        Self(Pooled::builder(TokioExecutor::new()).build_http())
    }

    /// Sends one request to the host of its absolute URI.
    pub async fn send(&self, request: Request<Bytes>) -> std::io::Result<Answer> {
        let answer = within(self.0.request(request.map(Full::new))).await;
        read_whole(answer.map_err(std::io::Error::other)?).await
    }
}

/// A browser: keeps cookies by host and port, sends a navigation's headers, follows no redirect by itself.
#[derive(Debug, Default)]
pub struct Browser {
    jar: Mutex<BTreeMap<(String, String), String>>,
}

impl Browser {
    pub fn new() -> Self {
        Self::default()
    }

    /// Navigates to `url` as a click on a link does.
    pub async fn get(&self, url: &str) -> Answer {
        let request = Request::get(url)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("user-agent", "Mozilla/5.0 (test)");
        self.send(request.body(Bytes::new()).unwrap()).await
    }

    /// Fetches as a script on the page does.
    pub async fn fetch(&self, method: Method, url: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("accept", "application/json, text/plain, */*")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Posts a form as its button does.
    pub async fn post_form(&self, url: &str, origin: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(url)
            .header("accept", "text/html,*/*;q=0.8")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", "same-origin")
            .header("origin", origin);
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    /// Sends `request` with the jar's cookies and keeps those of the response.
    pub async fn send(&self, mut request: Request<Bytes>) -> Answer {
        let host = request.uri().authority().unwrap().to_string();
        let cookies = self.cookie_line(&host);
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.parse().unwrap());
        }
        let answer = send(request).await.unwrap();
        self.keep(&host, &answer);
        answer
    }

    /// Follows redirects from `url` to the first other response, at most ten times.
    pub async fn follow(&self, url: &str) -> (String, Answer) {
        let mut url = url::Url::parse(url).unwrap();
        for _ in 0..10 {
            let answer = self.get(url.as_str()).await;
            if !(300..400).contains(&answer.status) {
                return (url.to_string(), answer);
            }
            url = url.join(answer.location()).unwrap();
        }
        panic!("redirected for ever, last to {url}");
    }

    fn keep(&self, host: &str, answer: &Answer) {
        let mut jar = self.jar.lock().unwrap();
        for line in answer.set_cookies() {
            let (pair, attributes) = line.split_once(';').unwrap_or((&line, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let key = (host.to_owned(), name.to_owned());
            let gone = attributes.to_ascii_lowercase().contains("max-age=0");
            if gone {
                jar.remove(&key)
            } else {
                jar.insert(key, value.to_owned())
            };
        }
    }

    fn cookie_line(&self, host: &str) -> String {
        let jar = self.jar.lock().unwrap();
        let own = jar.iter().filter(|((of, _), _)| of == host);
        own.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The value of a cookie of `host`.
    pub fn cookie(&self, host: &str, name: &str) -> Option<String> {
        self.jar.lock().unwrap().get(&(host.to_owned(), name.to_owned())).cloned()
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&self, host: &str, name: &str, value: &str) {
        self.jar.lock().unwrap().insert((host.to_owned(), name.to_owned()), value.to_owned());
    }

    /// The names of all cookies of `host`.
    pub fn cookie_names(&self, host: &str) -> Vec<String> {
        self.jar.lock().unwrap().keys().filter(|(of, _)| of == host).map(|(_, name)| name.clone()).collect()
    }
}
