//! Policies of roles as IAM reads them, as far as the template makes use of their language.

use std::collections::BTreeSet;

use serde_json::Value;

/// An action on a resource: what a request needs, or a statement allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Such as `dynamodb:Query`.
    pub action: String,
    /// An ARN; in a statement with `*` and `?`.
    pub resource: String,
}

/// What a role may do. Everything else is refused.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// One for each action and resource of each statement.
    rights: BTreeSet<Right>,
}

impl Policy {
    /// The policy documents of a role together.
    ///
    /// # Panics
    ///
    /// Where a statement says what is not understood here: `Deny`, `NotAction`, `Condition` and their
    /// like would make it mean something else.
    pub fn read(documents: &[Value]) -> Self {
        let mut rights = BTreeSet::new();
        let statements =
            documents.iter().flat_map(|it| it["Statement"].as_array().expect("statements"));
        for statement in statements {
            for (key, value) in statement.as_object().expect("a statement") {
                let known = ["Sid", "Effect", "Action", "Resource"].contains(&key.as_str());
                assert!(
                    known && (key != "Effect" || value == "Allow"),
                    "not understood: {statement}"
                );
            }
            for action in texts(&statement["Action"]) {
                for resource in texts(&statement["Resource"]) {
                    rights.insert(Right { action: action.clone(), resource });
                }
            }
        }
        Self { rights }
    }

    /// All that it allows.
    pub fn rights(&self) -> impl Iterator<Item = &Right> {
        self.rights.iter()
    }

    /// What it allows of which this is a case; without any it is refused.
    pub fn covering(&self, needed: &Right) -> Vec<&Right> {
        let covers = |right: &&Right| {
            like(&right.action, &needed.action) && like(&right.resource, &needed.resource)
        };
        self.rights.iter().filter(covers).collect()
    }

    /// The same without an action.
    #[must_use]
    pub fn without(&self, action: &str) -> Self {
        let others = self.rights.iter().filter(|right| right.action != action);
        Self { rights: others.cloned().collect() }
    }
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<String> {
    let several = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    several.iter().map(|it| it.as_str().expect("a text").to_owned()).collect()
}

/// Whether a text is like a pattern with `*` for any characters and `?` for one.
fn like(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            text.char_indices().any(|(at, _)| like(rest, &text[at..])) || like(rest, "")
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
            like(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_are_those_of_iam() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_policy_allows_what_it_says_and_nothing_else() {
        let policy = Policy::read(&[json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "Data", "Effect": "Allow", "Action": ["dynamodb:Query", "dynamodb:PutItem"],
              "Resource": "arn:aws:dynamodb:x:1:table/a" },
            { "Effect": "Allow", "Action": "secretsmanager:PutSecretValue",
              "Resource": ["arn:aws:secretsmanager:x:1:secret:a/*/session-*"] }] })]);
        let allows = |action: &str, resource: &str| {
            let needed = Right { action: action.to_owned(), resource: resource.to_owned() };
            !policy.covering(&needed).is_empty()
        };
        assert!(allows("dynamodb:Query", "arn:aws:dynamodb:x:1:table/a"));
        assert!(!allows("dynamodb:Query", "arn:aws:dynamodb:x:1:table/ab"));
        assert!(!allows("dynamodb:Scan", "arn:aws:dynamodb:x:1:table/a"));
        let put = "secretsmanager:PutSecretValue";
        assert!(allows(put, "arn:aws:secretsmanager:x:1:secret:a/contoso/session-AbCdEf"));
        assert!(!allows(put, "arn:aws:secretsmanager:x:1:secret:a/contoso/credentials-AbCdEf"));
        let needed = Right {
            action: put.to_owned(),
            resource: "arn:aws:secretsmanager:x:1:secret:a/b/session-A".to_owned(),
        };
        assert!(policy.without(put).covering(&needed).is_empty());
    }

    #[test]
    #[should_panic(expected = "not understood")]
    fn what_is_not_understood_is_not_passed_over() {
        let statement = json!({ "Effect": "Deny", "Action": "sqs:*", "Resource": "*" });
        Policy::read(&[json!({ "Statement": [statement] })]);
    }
}
