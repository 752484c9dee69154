//! The settings of the section `oidc` for Coder alone. They are passed on, so what Coder would refuse is refused here.

use crate::config::csv;
use crate::config::entry::{CoderSyntax, KeyEntry, KeyRole, WhenAbsent};
use crate::config::fault::ValueFault;
use crate::config::given::GivenSetting;
use crate::config::key::keys;
use crate::config::parse;
use crate::config::reader::SettingsReader;
use crate::config::tree::{YamlNode, YamlValue};

use super::coder_setting::CoderSetting;
use super::regex;

keys! { KEYS;
    ALLOW_SIGNUPS: KeyEntry = KeyEntry::for_coder(
        "oidc.allowSignups", "CODER_OIDC_ALLOW_SIGNUPS", CoderSyntax::Switch, WhenAbsent::Default("true"),
        "Whether Coder creates an account at a user's first sign-in.",
    );
    SIGNUPS_DISABLED_TEXT: KeyEntry = KeyEntry::for_coder(
        "oidc.signupsDisabledText", "CODER_OIDC_SIGNUPS_DISABLED_TEXT", CoderSyntax::Text, WhenAbsent::Nothing,
        "The text that Coder shows when sign-ups are disabled.",
    );
    NAME_FIELD: KeyEntry = KeyEntry::for_coder(
        "oidc.nameField", "CODER_OIDC_NAME_FIELD", CoderSyntax::Text, WhenAbsent::Default("name"),
        "The claim that holds the user's full name.",
    );
    GROUP_MAPPING: KeyEntry = KeyEntry::for_coder(
        "oidc.groupMapping", "CODER_OIDC_GROUP_MAPPING", CoderSyntax::NameMap, WhenAbsent::Default("{}"),
        "Coder's group sync: maps group names at the provider to groups in Coder.",
    );
    GROUP_AUTO_CREATE: KeyEntry = KeyEntry::for_coder(
        "oidc.enableGroupAutoCreate", "CODER_OIDC_GROUP_AUTO_CREATE", CoderSyntax::Switch, WhenAbsent::Default("false"),
        "Coder's group sync: whether missing groups are created.",
    );
    GROUP_REGEX_FILTER: KeyEntry = KeyEntry::for_coder(
        "oidc.groupRegexFilter", "CODER_OIDC_GROUP_REGEX_FILTER", CoderSyntax::Regex, WhenAbsent::Default(".*"),
        "Coder's group sync: only groups that match this regular expression (RE2) are synchronized.",
    );
    USER_ROLE_FIELD: KeyEntry = KeyEntry::for_coder(
        "oidc.userRoleField", "CODER_OIDC_USER_ROLE_FIELD", CoderSyntax::Text, WhenAbsent::Nothing,
        "Coder's role sync: the claim with the roles.",
    );
    USER_ROLE_MAPPING: KeyEntry = KeyEntry::for_coder(
        "oidc.userRoleMapping", "CODER_OIDC_USER_ROLE_MAPPING", CoderSyntax::ListMap, WhenAbsent::Default("{}"),
        "Coder's role sync: maps each role name at the provider to a list of roles in Coder.",
    );
    USER_ROLE_DEFAULT: KeyEntry = KeyEntry::for_coder(
        "oidc.userRoleDefault", "CODER_OIDC_USER_ROLE_DEFAULT", CoderSyntax::List, WhenAbsent::Default(""),
        "Coder's role sync: the roles that every user has.",
    );
    ORGANIZATION_FIELD: KeyEntry = KeyEntry::for_coder(
        "oidc.organizationField", "CODER_OIDC_ORGANIZATION_FIELD", CoderSyntax::Text, WhenAbsent::Nothing,
        "Coder's organization sync: the claim with the organizations.",
    );
    ORGANIZATION_ASSIGN_DEFAULT: KeyEntry = KeyEntry::for_coder(
        "oidc.organizationAssignDefault", "CODER_OIDC_ORGANIZATION_ASSIGN_DEFAULT", CoderSyntax::Switch, WhenAbsent::Default("true"),
        "Coder's organization sync: whether every user is a member of the default organization.",
    );
    ORGANIZATION_MAPPING: KeyEntry = KeyEntry::for_coder(
        "oidc.organizationMapping", "CODER_OIDC_ORGANIZATION_MAPPING", CoderSyntax::IdMap, WhenAbsent::Default("{}"),
        "Coder's organization sync: maps each name at the provider to a list of organization ids in Coder.",
    );
    REPAIR_LINKS: KeyEntry = KeyEntry::for_coder(
        "oidc.oidc-repair-links", "CODER_OIDC_REPAIR_LINKS", CoderSyntax::Switch, WhenAbsent::Default("true"),
        "Whether Coder resets user links of another issuer when it starts. Harmless here, because the issuer stays the provider's.",
    );
    EMAIL_FALLBACK: KeyEntry = KeyEntry::for_coder(
        "oidc.dangerousOidcEmailFallback", "CODER_DANGEROUS_OIDC_EMAIL_FALLBACK", CoderSyntax::Switch, WhenAbsent::Default("false"),
        "Lets Coder match accounts by email although they are linked to another identity.",
    );
}

/// Reads the settings that only Coder uses and that differ from Coder's default.
pub(super) fn read(r: &mut SettingsReader) -> Option<Vec<CoderSetting>> {
    let mut settings = Some(Vec::new());
    for key in r.table().all() {
        let KeyRole::Coder(syntax) = key.role else { continue };
        if r.given(key).is_none() {
            continue;
        }
        match (value(r, key, syntax), &mut settings) {
            (Some(value), Some(settings)) if Some(value.as_str()) != key.default() => {
                settings.push(CoderSetting { variable: key.variable, value });
            }
            (Some(_), _) => {}
            (None, _) => settings = None,
        }
    }
    settings
}

/// The value in the syntax of Coder's variable.
fn value(r: &mut SettingsReader, key: &KeyEntry, syntax: CoderSyntax) -> Option<String> {
    match syntax {
        CoderSyntax::Switch => r.one(key, parse::boolean).map(|value| value.to_string()),
        CoderSyntax::Text => r.one(key, parse::text),
        CoderSyntax::Regex => r.one(key, regex::check),
        CoderSyntax::List => r.many(key, parse::line).map(|items| csv::write(&items)),
        CoderSyntax::NameMap => map(
            r,
            key,
            is_text,
            "has a value that is not a single string",
            "Write `{group: group of Coder}`; in a variable, write JSON: {\"group\": \"group of Coder\"}",
        ),
        CoderSyntax::ListMap => map(
            r,
            key,
            is_list,
            "has a value that is not a list of names",
            "Write `{role: [role of Coder]}`; in a variable, write JSON: {\"role\": [\"role of Coder\"]}",
        ),
        CoderSyntax::IdMap => map(
            r,
            key,
            is_list_of_ids,
            "has a value that is not a list of organization ids (UUIDs)",
            "Write `{name: [id]}`; in a variable, write JSON: {\"name\": [\"id\"]}",
        ),
    }
}

/// A map with valid values; `what` and `remedy` describe an invalid one.
fn map(
    r: &mut SettingsReader,
    key: &KeyEntry,
    fits: fn(&YamlNode) -> bool,
    what: &str,
    remedy: &str,
) -> Option<String> {
    let GivenSetting { node, place } = r.given(key)?.clone();
    let YamlValue::Map(entries) = &node.value else {
        r.wrong(key, "is not a map", "Write `{name: value}`; in a variable, write JSON");
        return None;
    };
    let mut all_fit = true;
    for entry in entries.iter().filter(|entry| !fits(&entry.node)) {
        all_fit = false;
        r.wrong_at(key, place.at_line(entry.line), ValueFault::new(what, remedy));
    }
    all_fit.then(|| node.to_json().to_string())
}

/// Text, or nothing, which Coder treats as empty text.
fn is_text(node: &YamlNode) -> bool {
    matches!(node.value, YamlValue::Text(_) | YamlValue::Null)
}

fn is_list(node: &YamlNode) -> bool {
    match &node.value {
        YamlValue::List(items) => items.iter().all(is_text),
        YamlValue::Null => true,
        YamlValue::Text(_) | YamlValue::Map(_) => false,
    }
}

fn is_list_of_ids(node: &YamlNode) -> bool {
    is_list(node) && node.texts().into_iter().all(is_uuid)
}

/// `2f1b6cf9-2d8a-4c1e-9f42-3a1b5c6d7e8f`, in either case.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
