//! `policy.routes`: rules for single classes of routes.

use crate::config::csv;
use crate::config::entry::KeyEntry;
use crate::config::fault::ValueFault;
use crate::config::given::GivenSetting;
use crate::config::parse;
use crate::config::problem::SettingPlace;
use crate::config::reader::SettingsReader;
use crate::config::tree::{YamlEntry, YamlNode, YamlValue};
use crate::config::words::Words;
use crate::policy::{ClassName, Networks, RouteEffect, RouteRule};

/// The effects with a name. Those that widen access begin with `danger`.
const EFFECTS: Words<RouteEffect> = Words::new(
    &["deny", "requireSignIn", "dangerAllow", "dangerPublic"],
    &[RouteEffect::Deny, RouteEffect::RequireSignIn, RouteEffect::DangerAllow, RouteEffect::DangerPublic],
);

/// The keys of a rule.
const RULE: &str = "A rule has `class`, and either `effect` or `from`";

/// Reads the rules. `None` when one of them is wrong.
pub(super) fn read(r: &mut SettingsReader, key: &'static KeyEntry) -> Option<Vec<RouteRule>> {
    let Some(GivenSetting { node, place }) = r.given(key).cloned() else { return Some(Vec::new()) };
    let YamlValue::List(nodes) = node.value else {
        r.wrong(key, "is not a list", "Write one rule a line: `- {class: scim, effect: deny}`");
        return None;
    };
    // Every rule is read, so that every fault is reported.
    let rules: Vec<Option<RouteRule>> =
        nodes.into_iter().map(|node| rule(r, key, &place.at_line(node.line), node)).collect();
    rules.into_iter().collect()
}

/// One rule: a class, and either `effect` or `from`.
fn rule(r: &mut SettingsReader, key: &KeyEntry, place: &SettingPlace, node: YamlNode) -> Option<RouteRule> {
    let YamlValue::Map(entries) = node.value else {
        let fault = ValueFault::new("has an entry that is not a rule", "Write `{class: scim, effect: deny}`");
        r.wrong_at(key, place.clone(), fault);
        return None;
    };
    let mut class = None;
    let mut effects = Vec::new();
    let mut faults = 0;
    for YamlEntry { key: name, line, node } in entries {
        let result = match (name.as_str(), &node.value) {
            ("class", YamlValue::Text(word)) if class.is_none() => {
                class_named(word).map(|named| class = Some(named))
            }
            ("effect", YamlValue::Text(word)) => EFFECTS.find(word).map(|effect| effects.push(effect)),
            ("from", _) => networks(&node.value).map(|from| effects.push(RouteEffect::From(from))),
            _ => Err(ValueFault::new("has a rule with a key that is unknown or set twice", RULE)),
        };
        if let Err(fault) = result {
            faults += 1;
            r.wrong_at(key, place.at_line(line), fault);
        }
    }
    match (class, effects.pop(), effects.is_empty()) {
        (Some(class), Some(effect), true) if faults == 0 => {
            warn_of_danger(r, key, class, &effect);
            Some(RouteRule { class, effect })
        }
        _ if faults > 0 => None,
        _ => {
            r.wrong_at(key, place.clone(), ValueFault::new("has an incomplete rule", RULE));
            None
        }
    }
}

fn class_named(word: &str) -> Result<ClassName, ValueFault> {
    word.parse().map_err(|_| {
        let known: Vec<&str> = ClassName::ALL.iter().map(|class| class.label()).collect();
        let remedy = format!("Choose from {}", known.join(", "));
        ValueFault::new("has a rule for an unknown class of routes", remedy)
    })
}

fn networks(value: &YamlValue) -> Result<Networks, ValueFault> {
    let texts = match value {
        YamlValue::Text(text) => csv::read(text)?,
        YamlValue::List(nodes) => nodes
            .iter()
            .map(|node| match &node.value {
                YamlValue::Text(text) => text.clone(),
                _ => String::new(),
            })
            .collect(),
        YamlValue::Null | YamlValue::Map(_) => Vec::new(),
    };
    let networks = texts.iter().map(|text| parse::network(text)).collect::<Result<_, _>>()?;
    Networks::new(networks).map_err(|_| {
        let remedy = "Write networks such as `10.0.0.0/8`; `effect: deny` closes a class for everybody";
        ValueFault::new("has a rule whose `from` is empty", remedy)
    })
}

fn warn_of_danger(r: &mut SettingsReader, key: &KeyEntry, class: ClassName, effect: &RouteEffect) {
    let class = class.label();
    let what = match effect {
        RouteEffect::DangerAllow => format!("opens the class {class}, which is closed by default"),
        RouteEffect::DangerPublic => format!("opens the class {class} to everyone, without a credential"),
        RouteEffect::Deny | RouteEffect::RequireSignIn | RouteEffect::From(_) => return,
    };
    r.warn(key, what, "Remove the rule when it is no longer needed");
}
