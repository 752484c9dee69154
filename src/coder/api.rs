//! Questions to Coder: whose a token is, whether it is alive, which version it is.

use std::net::IpAddr;

use ::http::{Request, StatusCode, header};
use bytes::Bytes;
use serde::Deserialize;
use url::Url;

use super::names::{BUILD_INFO, HEALTH, ME};
use crate::http::Client;
use crate::types::{CoderUserId, LoginType, Secret};

/// Asks Coder.
#[derive(Clone, Debug)]
pub struct Api {
    url: Url,
    host: String,
    client: Client,
}

/// Who owns a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub user: CoderUserId,
    /// How the user signs in.
    pub login_type: LoginType,
}

/// What Coder says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// This user's.
    Owner(Owner),
    /// Valid, but of a scope that may not ask who it is (Coder answers 404, or 403).
    Scoped,
    /// Not valid, or no longer.
    Garbage,
    /// Coder does not answer, or not in a way that says anything about the token.
    Unreachable,
}

#[derive(Deserialize)]
struct Me {
    id: String,
    #[serde(default)]
    login_type: String,
}

/// What `/api/v2/buildinfo` says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct BuildInfo {
    /// Coder's version, for example `v2.31.0`.
    pub version: String,
    /// The access URL that Coder believes to have.
    #[serde(default)]
    pub dashboard_url: String,
}

impl Api {
    /// Asks the Coder at `url`, which is told that it was reached by `access_url`.
    pub fn new(url: &Url, access_url: &Url, client: Client) -> Self {
        let host = access_url.host_str().unwrap_or_default();
        let host = access_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { url: url.clone(), host, client }
    }

    /// Whose a token is. `client` is told to Coder, whose rate limit is by address and user.
    pub async fn who(&self, token: &Secret, client: IpAddr) -> Who {
        let Some(request) = self.request(ME, Some((token, client))) else { return Who::Garbage };
        let Ok(answer) = self.client.send(request).await else { return Who::Unreachable };
        match answer.status() {
            StatusCode::OK => read_owner(answer.body()).map_or(Who::Unreachable, Who::Owner),
            StatusCode::UNAUTHORIZED => Who::Garbage,
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => Who::Scoped,
            _ => Who::Unreachable,
        }
    }

    /// Whether Coder is alive.
    pub async fn healthy(&self) -> bool {
        let Some(request) = self.request(HEALTH, None) else { return false };
        self.client.send(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Coder's version; `None` when it does not say.
    pub async fn build_info(&self) -> Option<BuildInfo> {
        let answer = self.client.send(self.request(BUILD_INFO, None)?).await.ok()?;
        serde_json::from_slice(answer.body()).ok()
    }

    /// A request under the access URL's host: Coder redirects others to it. `None` when the token is no
    /// header value, so that it is no token either.
    fn request(&self, path: &str, who: Option<(&Secret, IpAddr)>) -> Option<Request<Bytes>> {
        let url = self.url.join(path).ok()?;
        let mut request = Request::get(url.as_str())
            .header(header::HOST, &self.host)
            .header("x-forwarded-host", &self.host)
            .header(header::ACCEPT, "application/json");
        if let Some((token, client)) = who {
            request = request
                .header("coder-session-token", token.expose())
                .header("x-forwarded-for", client.to_string());
        }
        request.body(Bytes::new()).ok()
    }
}

fn read_owner(body: &[u8]) -> Option<Owner> {
    let me: Me = serde_json::from_slice(body).ok()?;
    Some(Owner { user: me.id.parse().ok()?, login_type: LoginType::from_word(&me.login_type) })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::ClientSettings;

    async fn who(answer: &'static str) -> Who {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
            assert!(head.contains("host: coder.company\r\n") && head.contains("x-forwarded-for: 192.0.2.1"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let client = Client::new(&ClientSettings::default()).unwrap();
        let api = Api::new(&url, &Url::parse("https://coder.company/").unwrap(), client);
        api.who(&Secret::new("token"), "192.0.2.1".parse().unwrap()).await
    }

    #[tokio::test]
    async fn what_coder_says_of_a_token_is_told_apart() {
        let me = r#"{"id":"f7abef6a-f5e2-444c-82e8-228c4a7d8bf4","username":"bob","login_type":"oidc"}"#;
        let ok = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{me}", me.len());
        let owner = Owner {
            user: "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4".parse().unwrap(),
            login_type: LoginType::Oidc,
        };
        assert_eq!(who(ok.leak()).await, Who::Owner(owner));
        for (status, said) in [
            ("401 Unauthorized", Who::Garbage),
            ("404 Not Found", Who::Scoped),
            ("403 Forbidden", Who::Scoped),
            ("500 Oops", Who::Unreachable),
            ("429 Slow", Who::Unreachable),
            ("307 Elsewhere", Who::Unreachable),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(who(answer.leak()).await, said, "{status}");
        }
        assert_eq!(who("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await, Who::Unreachable);
    }
}
