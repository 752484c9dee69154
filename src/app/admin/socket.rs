//! The local socket: bound so that nobody else can ever open it, and asked by the command line.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::net::UnixListener;

use crate::types::random_token;

/// How long the command line waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that the command line reads, in bytes.
const MAX_SOCKET_ANSWER: u64 = 64 << 20;

/// The gateway could not be asked.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Nobody answers at the socket.
    #[error(
        "no gateway answers at {path} ({source}): is it running, with the same `admin.socket`, and are you its user?"
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The answer broke off or makes no sense.
    #[error("the gateway's answer cannot be read: {0}")]
    Answer(String),
    /// The gateway says no.
    #[error("{0}")]
    Refused(String),
}

/// Binds the socket with mode 0600. It gets its name only when it has its mode, and takes the place of
/// one that a killed gateway left behind; anything else of that name is left alone.
pub(in crate::app) fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Ok(there) = fs::symlink_metadata(path)
        && !there.file_type().is_socket()
    {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of this name"));
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

/// Asks the running gateway. `target` is path and query, encoded.
pub fn ask(socket: &Path, method: &str, target: &str) -> Result<Value, AdminError> {
    // Whole: a path of the configuration may be relative, and this may be run elsewhere.
    let whole = || std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
    let connect = |source| AdminError::Connect { path: whole(), source };
    let broken = |error: io::Error| AdminError::Answer(error.to_string());
    let mut stream = UnixStream::connect(socket).map_err(connect)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(broken)?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(broken)?;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: vestibule\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(broken)?;
    let mut answer = String::new();
    stream.take(MAX_SOCKET_ANSWER).read_to_string(&mut answer).map_err(broken)?;
    read(&answer)
}

/// Our own server's answer: its status, and JSON after the head.
fn read(answer: &str) -> Result<Value, AdminError> {
    let nonsense = || AdminError::Answer("it is not of this program".to_owned());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(nonsense)?;
    let status = head.split(' ').nth(1).ok_or_else(nonsense)?;
    let body: Value = serde_json::from_str(body).map_err(|_| nonsense())?;
    if status == "200" {
        return Ok(body);
    }
    let error = body.get("error").and_then(Value::as_str).ok_or_else(nonsense)?;
    Err(AdminError::Refused(error.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_refusals_are_errors() {
        let ok = read("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        assert!(ok.is_object());
        let no = read("HTTP/1.1 404 Not Found\r\n\r\n{\"error\":\"nothing\"}").unwrap_err();
        assert_eq!(no.to_string(), "nothing");
        for odd in
            ["", "x", "HTTP/1.1 200 OK\r\n\r\nnot json", "HTTP/1.1\r\n\r\n{}", "HTTP/1.1 500 X\r\n\r\n{}"]
        {
            assert!(matches!(read(odd), Err(AdminError::Answer(_))), "{odd}");
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
        assert!(matches!(ask(&dir.path().join("none"), "GET", "/"), Err(AdminError::Connect { .. })));
    }
}
