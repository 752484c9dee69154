//! Queries to Coder: who owns a token, whether Coder is alive, and its version.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::handoff::{HandoffError, Unexpected, is_refusal};
use super::hosts::authority;
use super::names::{BUILD_INFO, HEALTH, ME, RELAY, USERS};
use super::refusal::CoderRefusal;
use crate::types::{CoderUserId, LoginType, Secret};
use crate::web::{Client, ClientError};

/// A client of Coder's API.
#[derive(Clone, Debug)]
pub struct Api {
    url: Url,
    host: String,
    client: Client,
}

/// The owner of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoderUser {
    /// The user's id.
    pub user: CoderUserId,
    /// How the user signs in.
    pub login_type: LoginType,
}

/// What Coder reports about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenLookup {
    /// It belongs to this user.
    Owner(CoderUser),
    /// Valid, but its scope does not allow asking who it is (Coder responds with 404 or 403).
    Scoped,
    /// Not valid, or no longer.
    UnknownToken,
    /// Coder does not respond, or its response says nothing about the token.
    Unreachable,
}

#[derive(Deserialize)]
struct Me {
    id: String,
    #[serde(default)]
    login_type: String,
}

#[derive(Deserialize)]
struct ErrorMessage {
    message: String,
    #[serde(default)]
    detail: String,
}

/// The response of `/api/v2/buildinfo`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct BuildInfo {
    /// Coder's version, for example `v2.31.0`.
    pub version: String,
    /// The access URL that Coder is configured with.
    #[serde(default)]
    pub dashboard_url: String,
}

impl Api {
    /// Asks the Coder at `url`, naming `access_url` as the address that was reached.
    pub fn new(url: &Url, access_url: &Url, client: Client) -> Self {
        Self { url: url.clone(), host: authority(access_url), client }
    }

    /// Who owns a token. `client` is passed on to Coder, whose rate limit is by address and user.
    pub async fn who(&self, token: &Secret, client: IpAddr) -> TokenLookup {
        self.ask(ME, token, client).await
    }

    /// Which user has this name, as far as the bearer of `token` may see: [`TokenLookup::Scoped`] when it may not, or
    /// when the name is impossible in Coder (only letters, digits and hyphens are allowed).
    pub async fn user(&self, name: &str, token: &Secret, client: IpAddr) -> TokenLookup {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name {
            return TokenLookup::Scoped;
        }
        self.ask(&format!("{USERS}{name}"), token, client).await
    }

    /// Who owns a session that Coder has just issued.
    ///
    /// # Errors
    /// [`HandoffError::Refused`] when Coder rejects its own session: Coder before 2.35 issues one to a suspended user,
    /// and refuses it only when it is used; a user may be deleted and a rate limit reached in the meantime.
    /// [`HandoffError::Unreachable`] when Coder does not respond, [`HandoffError::Unexpected`] when its response names
    /// no user.
    pub async fn owner_of_new(&self, session: &Secret, client: IpAddr) -> Result<CoderUser, HandoffError> {
        let request = self.request(ME, Some((session, client))).ok_or(Unexpected::NoOwner)?;
        let answer = self.client.send(request).await?;
        if is_refusal(answer.status()) {
            return Err(CoderRefusal::read(answer).into());
        }
        let owner = read_owner(answer.body()).filter(|_| answer.status() == StatusCode::OK);
        Ok(owner.ok_or(Unexpected::NoOwner)?)
    }

    async fn ask(&self, path: &str, token: &Secret, client: IpAddr) -> TokenLookup {
        let Some(request) = self.request(path, Some((token, client))) else {
            return TokenLookup::UnknownToken;
        };
        let Ok(answer) = self.client.send(request).await else { return TokenLookup::Unreachable };
        match answer.status() {
            StatusCode::OK => read_owner(answer.body()).map_or(TokenLookup::Unreachable, TokenLookup::Owner),
            StatusCode::UNAUTHORIZED if is_definite(answer.body()) => TokenLookup::UnknownToken,
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN if is_definite(answer.body()) => {
                TokenLookup::Scoped
            }
            _ => TokenLookup::Unreachable,
        }
    }

    /// Whether Coder is alive.
    pub async fn healthy(&self) -> bool {
        let Some(request) = self.request(HEALTH, None) else { return false };
        self.client.send(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Coder's version; `None` when Coder does not report one.
    pub async fn build_info(&self) -> Option<BuildInfo> {
        let answer = self.client.send(self.request(BUILD_INFO, None)?).await.ok()?;
        serde_json::from_slice(answer.body()).ok()
    }

    /// The response of the relay to a websocket upgrade: 101 when everything on the way lets a websocket
    /// through. The relay is open to everybody. Nothing is sent over it.
    ///
    /// # Errors
    /// [`ClientError`]: there is no response.
    pub async fn websocket(&self) -> Result<StatusCode, ClientError> {
        let Some(mut request) = self.request(RELAY, None) else { return Err(ClientError::Broken) };
        for (name, value) in [
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            // The sample key of RFC 6455 §1.3.
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (header::SEC_WEBSOCKET_PROTOCOL, "derp"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(self.client.send(request).await?.status())
    }

    /// A request under the access URL's host: Coder redirects others to it. `None` when the token is not a valid
    /// header value, so it is not a token either.
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

/// Whether a refusal is Coder's own and about the token. A refusal by a proxy in between says nothing about it, and
/// Coder itself responds with 401 when its database fails, or when it cannot refresh the sign-in behind a session
/// although the sign-in has not ended.
fn is_definite(body: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<ErrorMessage>(body) else { return false };
    let failed = said.message.starts_with("An internal error")
        || (said.message.starts_with("Could not refresh") && !said.detail.contains("invalid_grant"));
    !said.message.is_empty() && said.message != "Route not found." && !failed
}

fn read_owner(body: &[u8]) -> Option<CoderUser> {
    let me: Me = serde_json::from_slice(body).ok()?;
    Some(CoderUser { user: me.id.parse().ok()?, login_type: LoginType::from_label(&me.login_type) })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::web::ClientSettings;

    async fn who(answer: &'static str) -> TokenLookup {
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
        let owner = CoderUser {
            user: "f7abef6a-f5e2-444c-82e8-228c4a7d8bf4".parse().unwrap(),
            login_type: LoginType::Oidc,
        };
        assert_eq!(who(ok.leak()).await, TokenLookup::Owner(owner));
        let signed_out =
            r#"{"message":"You are signed out or your session has expired.","detail":"API key is invalid."}"#;
        let refresh = r#"{"message":"Could not refresh expired OpenID Connect token.","detail":"oauth2: \"invalid_grant\""}"#;
        let no_issuer =
            r#"{"message":"Could not refresh expired OpenID Connect token.","detail":"dial tcp: refused"}"#;
        let internal = r#"{"message":"An internal error occurred. Please try again."}"#;
        let scoped = r#"{"message":"Resource not found or you do not have access to this resource"}"#;
        for (status, body, said) in [
            ("401 Unauthorized", signed_out, TokenLookup::UnknownToken),
            ("401 Unauthorized", refresh, TokenLookup::UnknownToken),
            ("401 Unauthorized", no_issuer, TokenLookup::Unreachable),
            ("401 Unauthorized", internal, TokenLookup::Unreachable),
            ("401 Unauthorized", "<html>", TokenLookup::Unreachable),
            ("404 Not Found", scoped, TokenLookup::Scoped),
            ("403 Forbidden", r#"{"message":"Forbidden."}"#, TokenLookup::Scoped),
            ("404 Not Found", r#"{"message":"Route not found."}"#, TokenLookup::Unreachable),
            ("404 Not Found", "404 page not found", TokenLookup::Unreachable),
            ("403 Forbidden", "", TokenLookup::Unreachable),
            ("500 Oops", signed_out, TokenLookup::Unreachable),
            ("429 Slow", "", TokenLookup::Unreachable),
            ("307 Elsewhere", "", TokenLookup::Unreachable),
        ] {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            assert_eq!(who(answer.leak()).await, said, "{status} {body}");
        }
        assert_eq!(who("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]").await, TokenLookup::Unreachable);
    }

    #[tokio::test]
    async fn a_name_that_coder_never_gives_is_not_asked_about() {
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        let client = Client::new(&ClientSettings::default()).unwrap();
        let api = Api::new(&url, &url, client);
        let client = "192.0.2.1".parse().unwrap();
        for name in ["", ".", "..", "a/../b", "a?b", "%2e", "bob\r\n"] {
            assert_eq!(api.user(name, &Secret::new("token"), client).await, TokenLookup::Scoped, "{name:?}");
        }
        assert_eq!(api.user("bob", &Secret::new("token"), client).await, TokenLookup::Unreachable);
    }
}
