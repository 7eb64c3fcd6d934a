//! Cases of what changed of a person since (B1): before, after, and what is named.

use super::given;
use crate::decide::difference;

#[test]
fn a_difference_is_named() {
    let rows = [
        ("T4 nothing", "managed", "managed", ""),
        ("B1 a value", "person.displayName=Ada", "person.displayName=Eve", "displayName"),
        ("B1 a new value", "", "person.city=Leeds", "city"),
        ("B1 a value that went away", "person.city=Leeds", "", "city"),
        ("B1 two values", "person.city=Leeds", "person.city=York; person.state=x", "city state"),
        ("L6 presence", "", "presence=soft_deleted", "presence"),
        ("P3 groups", "", r#"in=["Sales"]"#, "groups"),
        ("R6 the account", "", "disabled", "accountEnabled"),
        (
            "P4 all at once",
            "",
            r#"guest; in=["Sales"]; presence=missing"#,
            "groups presence userType",
        ),
    ];
    for (name, before, after, expected) in rows {
        let named = difference(&given(before).facts, &given(after).facts);
        assert_eq!(named.join(" "), expected, "{name}");
    }
    let managed =
        crate::facts::Facts { manager: Some(super::OTHER.parse().unwrap()), ..given("").facts };
    assert_eq!(difference(&given("").facts, &managed), ["manager"], "F6 the manager");
}
