//! The local socket: the gateway binds it so that no other user can open it, and the command line connects to it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::InvalidUri;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

use crate::types::random_token;
use crate::web::read_limited;

/// How long the command line waits for the head of a response.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest response that the command line reads, in bytes.
const MAX_ADMIN_ANSWER: usize = 64 << 20;

/// Why the command line got no result from the gateway.
#[derive(Debug, Error)]
pub enum AdminError {
    /// No gateway listens at the socket, or the user may not open it.
    #[error(
        "no gateway answers at {path} ({source}): is it running with the same `admin.socket`, and are you its user?"
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The response is incomplete or malformed.
    #[error("the gateway's answer cannot be read: {0}")]
    Answer(String),
    /// The gateway refused the request.
    #[error("{0}")]
    Refused(String),
}

/// Binds the socket with mode 0600. It gets its name only after its mode, and replaces a socket that a killed
/// gateway left behind; any other file of that name is kept.
///
/// # Errors
/// When the folder cannot be written, or when `path` is a file that is not a socket.
pub(in crate::app) fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = fs::symlink_metadata(path)
        && !there.file_type().is_socket()
    {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is not a socket has this name",
        ));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name: String = random_token().chars().take(8).collect();
    let unnamed = folder.join(format!(".{name}"));
    let listener = UnixListener::bind(&unnamed)?;
    let named = fs::set_permissions(&unnamed, Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&unnamed, path));
    if let Err(error) = named {
        let _ = fs::remove_file(&unnamed);
        return Err(error);
    }
    Ok(listener)
}

/// Sends a request to the running gateway. `target` is path and query, encoded. Do not call it within an async runtime:
/// it has its own.
///
/// # Errors
/// [`AdminError`]
pub fn ask(socket: &Path, method: &Method, target: &str) -> Result<Value, AdminError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| AdminError::Answer(error.to_string()))?.block_on(exchange(socket, method, target))
}

async fn exchange(socket: &Path, method: &Method, target: &str) -> Result<Value, AdminError> {
    // Absolute: a path of the configuration may be relative, and this may run in another folder.
    let whole = || std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
    let connect = |source| AdminError::Connect { path: whole(), source };
    let stream = UnixStream::connect(socket).await.map_err(connect)?;
    let broken = |error: hyper::Error| AdminError::Answer(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = method.clone();
    *request.uri_mut() = target.parse().map_err(|error: InvalidUri| AdminError::Answer(error.to_string()))?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("vestibule"));
    // Drives the exchange. The sender gets its errors as well.
    tokio::spawn(connection);
    let late = |_| AdminError::Answer("it takes too long".to_owned());
    let answer = tokio::time::timeout(ADMIN_TIMEOUT, sender.send_request(request)).await.map_err(late)?;
    let (head, body) = answer.map_err(broken)?.into_parts();
    let body = read_limited(body, MAX_ADMIN_ANSWER).await;
    read(head.status, &body.map_err(|error| AdminError::Answer(error.to_string()))?)
}

/// Our own server's response: its status, and JSON.
fn read(status: StatusCode, body: &[u8]) -> Result<Value, AdminError> {
    let nonsense = || AdminError::Answer("it is not of this program".to_owned());
    let body: Value = serde_json::from_slice(body).map_err(|_| nonsense())?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let error = body.get("error").and_then(Value::as_str).ok_or_else(nonsense)?;
    Err(AdminError::Refused(error.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// The result of `ask` when a server on the socket sends these bytes.
    fn answered(bytes: &'static str) -> Result<Value, AdminError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let answer = ask(&path, &Method::POST, "/sessions/revoke?user=a%40b");
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /sessions/revoke?user=a%40b HTTP/1.1\r\n"), "{request}");
        answer
    }

    #[test]
    fn answers_are_read_and_refusals_are_errors() {
        let ok = answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert!(ok.is_object());
        let no = answered("HTTP/1.1 404 Not Found\r\n\r\n{\"error\":\"nothing\"}").unwrap_err();
        assert_eq!(no.to_string(), "nothing");
        for odd in
            ["", "x", "HTTP/1.1 200 OK\r\n\r\nnot json", "HTTP/1.1\r\n\r\n{}", "HTTP/1.1 500 X\r\n\r\n{}"]
        {
            assert!(matches!(answered(odd), Err(AdminError::Answer(_))), "{odd}");
        }
    }

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_takes_the_place_of_a_dead_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        for _ in 0..2 {
            let listener = bind(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            drop(listener);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        let file = dir.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert_eq!(bind(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let nobody = exchange(&dir.path().join("none"), &Method::GET, "/").await;
        assert!(matches!(nobody, Err(AdminError::Connect { .. })));
    }
}
