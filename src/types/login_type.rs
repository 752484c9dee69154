//! The way a user signs in to Coder.

use std::fmt;

/// A user's login type, from Coder's `users.login_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginType {
    /// Signs in by OpenID Connect.
    Oidc,
    /// Signs in by email and password.
    Password,
    /// Signs in by GitHub.
    Github,
    /// Never signs in: a service account, known only by its tokens.
    None,
    /// A label unknown to this version. No rule allows it.
    Unknown,
}

impl LoginType {
    /// Parses Coder's label; an unknown one becomes [`Self::Unknown`].
    pub fn from_label(label: &str) -> Self {
        match label {
            "oidc" => Self::Oidc,
            "password" => Self::Password,
            "github" => Self::Github,
            "none" => Self::None,
            _ => Self::Unknown,
        }
    }

    /// Coder's label for it; `unknown` for [`Self::Unknown`].
    pub const fn label(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Password => "password",
            Self::Github => "github",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for LoginType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_word_is_read_back_and_any_other_is_unknown() {
        for kind in [LoginType::Oidc, LoginType::Password, LoginType::Github, LoginType::None] {
            assert_eq!(LoginType::from_label(kind.label()), kind);
        }
        for label in ["", "OIDC", "token", "unknown"] {
            assert_eq!(LoginType::from_label(label), LoginType::Unknown);
        }
    }
}
