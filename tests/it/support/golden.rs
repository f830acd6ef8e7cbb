//! Answers pinned as plain JSON files, so that the tests of the pages can read the same ones.

use std::collections::HashMap;

use serde_json::Value;

use super::repo;

/// Compares with `tests/wire/{name}`. `PANTAU_UPDATE=1` writes the file instead: look at the diff.
pub fn check(name: &str, found: &Value) {
    let path = repo("tests/wire").join(name);
    let found = serde_json::to_string_pretty(found).expect("JSON") + "\n";
    if std::env::var_os("PANTAU_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&path, found).expect("the file can be written");
        return;
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    if pinned == found {
        return;
    }
    let line = pinned.lines().zip(found.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or(pinned.lines().count().min(found.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    panic!(
        "tests/wire/{name} line {}:\n pinned {}\n  found {}\nThe wire is a promise. Where it changes on purpose: \
         PANTAU_UPDATE=1 cargo test --test it wire, docs/live-protocol.md, CHANGELOG.md",
        line + 1,
        at(&pinned),
        at(&found)
    );
}

/// Replaces what differs from build to build, each after a look at what it replaces.
#[derive(Default)]
pub struct Redactions {
    /// Names of views, in the order of their first appearance.
    views: HashMap<String, String>,
}

impl Redactions {
    pub fn apply(&mut self, mut message: Value) -> Value {
        self.visit(&mut message);
        message
    }

    fn visit(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    match (&**key, member.as_str()) {
                        ("build", Some(build)) => {
                            assert_eq!(build, pantau::BUILD);
                            *member = "0.0.0+build".into();
                        }
                        ("view", Some(view)) => {
                            assert!(
                                view.len() == 18 && view.bytes().all(|b| b.is_ascii_hexdigit()),
                                "{view}"
                            );
                            let next = format!("{:018x}", self.views.len() + 1);
                            let name = self.views.entry(view.to_owned()).or_insert(next);
                            *member = name.clone().into();
                        }
                        ("request_id", Some(id)) => {
                            assert!(id.starts_with('r'), "{id}");
                            *member = "r1".into();
                        }
                        _ => self.visit(member),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.visit(item)),
            _ => {}
        }
    }
}
