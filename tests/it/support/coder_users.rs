//! Users as Coder's API names them, by `me`, id or name, and the keys created for them.

use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::coder::{Key, PASSWORD, Shared, User, api, message, uuid};
use super::server::{Body, body_text, text};

/// Coder's sign-in by password.
pub async fn sign_in_by_password(coder: &Shared, request: Request<Incoming>) -> Response<Body> {
    let body: Value = serde_json::from_str(&body_text(request).await).unwrap_or_default();
    let mut state = coder.state();
    let known = state.users.iter().find(|user| user.login_type == "password" && user.email == body["email"]);
    let Some(id) = known.filter(|_| body["password"] == PASSWORD).map(|user| user.id.clone()) else {
        return message(401, "Incorrect email or password.", None);
    };
    let token = state.make_key(&id, "password", "all");
    drop(state);
    let mut response = api(201, &json!({"session_token": token}));
    let line = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax", coder.session_cookie());
    response.headers_mut().append(header::SET_COOKIE, line.parse().unwrap());
    response
}

/// Creates the first user, while there is none.
pub async fn create_first(coder: &Shared, request: Request<Incoming>) -> Response<Body> {
    let body: Value = serde_json::from_str(&body_text(request).await).unwrap_or_default();
    let (Some(email), Some(username)) = (body["email"].as_str(), body["username"].as_str()) else {
        return message(400, "Request body must be valid JSON.", None);
    };
    let mut state = coder.state();
    if !state.users.is_empty() {
        return message(400, "The initial user has already been created.", None);
    }
    let id = uuid();
    state.users.push(User {
        id: id.clone(),
        username: username.to_owned(),
        email: email.to_owned(),
        login_type: "password",
        owner: true,
        status: "active",
        link: None,
    });
    api(201, &json!({"user_id": id}))
}

/// A user named by a path, and the rest of the path.
pub struct Named {
    user: User,
    behind: String,
}

impl Named {
    /// The user of a path below `/api/v2/users/`, as far as the key's user may see them: themselves, or everybody for
    /// an owner. `None` for every other path.
    pub fn find(coder: &Shared, path: &str, key: &Key) -> Option<Self> {
        let rest = path.strip_prefix("/api/v2/users/")?;
        let (name, behind) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(behind, "" | "keys" | "keys/tokens") && !behind.starts_with("keys/") {
            return None;
        }
        let state = coder.state();
        let asking = state.user(&key.user)?;
        let user = match name {
            "me" => asking,
            name => state.users.iter().find(|user| user.id == name || user.username == name)?,
        };
        let visible = asking.owner || asking.id == user.id;
        visible.then(|| Self { user: user.clone(), behind: behind.to_owned() })
    }

    pub async fn answer(self, coder: &Shared, request: Request<Incoming>) -> Response<Body> {
        let method = request.method().clone();
        match (&method, self.behind.as_str()) {
            (&Method::GET, "") => api(200, &self.described()),
            (&Method::GET, "keys/tokens") => api(200, &json!([])),
            (&Method::POST, "keys") => {
                let made = coder.state().make_key(&self.user.id, "password", "all");
                api(201, &json!({"key": made}))
            }
            (&Method::POST, "keys/tokens") => {
                let body: Value = serde_json::from_str(&body_text(request).await).unwrap_or_default();
                let scope = body["scope"].as_str().unwrap_or("all").to_owned();
                let made = coder.state().make_key(&self.user.id, "token", &scope);
                api(201, &json!({"key": made}))
            }
            (&Method::DELETE | &Method::PUT, behind) => {
                let id = behind.trim_start_matches("keys/").trim_end_matches("/expire");
                let mut state = coder.state();
                let before = state.keys.len();
                let user = &self.user.id;
                state.keys.retain(|key, other| !key.starts_with(&format!("{id}-")) || other.user != *user);
                if state.keys.len() == before {
                    return message(
                        404,
                        "Resource not found or you do not have access to this resource",
                        None,
                    );
                }
                drop(state);
                text(204, "text/plain", "")
            }
            _ => message(404, "Route not found.", None),
        }
    }

    fn described(&self) -> Value {
        let User { id, username, email, login_type, owner, status, .. } = &self.user;
        let roles = if *owner { json!([{"name": "owner", "display_name": "Owner"}]) } else { json!([]) };
        json!({
            "id": id, "username": username, "name": username, "email": email,
            "created_at": "2026-11-24T04:27:54.098239Z", "updated_at": "2026-11-24T04:27:54.179807Z",
            "last_seen_at": "2026-11-24T04:27:54.179807Z", "status": status, "login_type": login_type,
            "organization_ids": ["9d66900e-44db-41b5-b26a-18bb87a17eec"], "roles": roles,
        })
    }
}
