//! What Halo says when it refuses, made short and safe to keep with a person (H5).

use serde_json::Value;

/// Characters that are kept of an error's text.
const LENGTH: usize = 500;
/// Bytes of a body that are looked at; web pages of hundreds of kilobytes occur.
const LOOKED_AT: usize = 64 * 1024;

/// The text of an error's body: its message where the body has one of the known shapes, without
/// markup, white space folded, each of `secrets` and whatever looks like a token hidden, cut.
pub(super) fn clean(body: &[u8], secrets: &[&str]) -> String {
    let body = &body[..body.len().min(LOOKED_AT)];
    let message = match serde_json::from_slice::<Value>(body) {
        Ok(json) => message(&json).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let text = fold(&without_markup(&message));
    hide(text, secrets).chars().take(LENGTH).collect()
}

/// A code such as `APP03/2` at the beginning of a text, and the rest (`CODE:APP03/2 Please …`).
pub(super) fn split_code(text: &str) -> (&str, &str) {
    let split = text.strip_prefix("CODE:").and_then(|rest| rest.split_once(' '));
    split.map_or(("", text), |(code, rest)| (code, rest.trim_start()))
}

/// The message in a body of JSON: a sentence, an object that names one, a serialised exception, or an
/// object from paths to the mistakes there.
fn message(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => joined(all.iter().filter_map(message)),
        Value::Object(object) => {
            let named = |wanted: &str| {
                let mut members = object.iter();
                members.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
            };
            let sentence = ["error_description", "errorMessage", "message", "error", "detail"]
                .into_iter()
                .filter_map(named)
                .find_map(|value| message(value).filter(|text| !text.is_empty()));
            sentence
                .or_else(|| named("errors").and_then(message))
                .or_else(|| {
                    let lists = object.iter().filter(|(_, value)| value.is_array());
                    joined(
                        lists.filter_map(|(path, value)| {
                            Some(format!("{path}: {}", message(value)?))
                        }),
                    )
                })
                .or_else(|| named("title").and_then(message))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Text without tags, scripts and styles, common entities replaced. Text without any markup passes.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(LOOKED_AT));
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        plain.push_str(before);
        // "a < b" is no tag.
        if !tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            plain.push('<');
            rest = &tag[1..];
            continue;
        }
        plain.push(' ');
        rest = behind(tag);
    }
    plain.push_str(rest);
    let entities = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    entities.iter().fold(plain, |text, (entity, plain)| text.replace(entity, plain))
}

/// What follows a tag; what a script or a style holds is part of its tag.
fn behind(tag: &str) -> &str {
    let name: String = tag.chars().skip(1).take(6).collect::<String>().to_ascii_lowercase();
    let end = ["script", "style"]
        .into_iter()
        .find(|known| name.starts_with(known))
        .and_then(|name| tag.to_ascii_lowercase().find(&format!("</{name}")));
    let tag = end.map_or(tag, |end| &tag[end..]);
    tag.find('>').map_or("", |end| &tag[end + 1..])
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Hides the given secrets, what follows `Bearer`, and words that look like a JSON web token.
fn hide(text: String, secrets: &[&str]) -> String {
    let known = secrets.iter().filter(|secret| !secret.is_empty());
    let text = known.fold(text, |text, secret| text.replace(secret, "[hidden]"));
    let is_token =
        |word: &str| word.find("eyJ").is_some_and(|at| word[at..].matches('.').count() > 1);
    let mut shown = String::with_capacity(text.len());
    let mut before = "";
    for word in text.split(' ') {
        let hidden = before.ends_with("Bearer") || is_token(word);
        shown.push_str(if hidden { "[hidden]" } else { word });
        shown.push(' ');
        before = word;
    }
    shown.pop();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_an_error_becomes_a_sentence() {
        // H5: the seven shapes of a refusal, and what stands between us and Halo.
        let cases = [
            ("CODE:APP03/2  Please select\r\n members", "CODE:APP03/2 Please select members"),
            (r#""A sentence.""#, "A sentence."),
            (r#"{"[0].id":["bad","worse"],"x":[]}"#, "[0].id: bad; worse"),
            (r#"{"title":"One or more…","errors":{"id":["bad"]},"status":400}"#, "id: bad"),
            (r#"{"ClassName":"System.Exception","Message":"No","StackTraceString":"at X"}"#, "No"),
            (r#"{"resultCode":1,"errorMessage":"No"}"#, "No"),
            (r#"{"Message":"No"}"#, "No"),
            (r#"{"message":"No"}"#, "No"),
            (r#"{"error":"invalid_client","error_description":"Wrong."}"#, "Wrong."),
            (r#"{"error":{"message":"Deep"}}"#, "Deep"),
            (
                "<!DOCTYPE html><html><head><title>Oh</title><style>p > a {}</style></head><body \
                 class=x><h1>Server&nbsp;Error &amp; more</h1><SCRIPT>if (a < b) {}</SCRIPT></body>",
                "Oh Server Error & more",
            ),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("<unfinished", ""),
            ("{\"a\":1}", ""),
            ("", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(clean(body.as_bytes(), &[]), expected, "{body}");
        }
    }

    #[test]
    fn secrets_are_hidden_before_the_text_is_cut() {
        let long = format!("{} s3cret and Bearer eyJhbGciOi.eyJqdGki.c2ln failed", "x".repeat(472));
        let text = clean(long.as_bytes(), &["s3cret", ""]);
        assert_eq!(text.chars().count(), 500);
        assert!(text.ends_with("x [hidden] and Bearer [hidden"), "{text}");
        assert_eq!(
            clean(b"token: eyJh.e.x; Bearer abc no", &[]),
            "token: [hidden] Bearer [hidden] no"
        );
    }

    #[test]
    fn pages_in_any_language_are_cut_between_characters() {
        let page = format!("<p>{}</p>", "é".repeat(100_000));
        assert_eq!(clean(page.as_bytes(), &[]).chars().count(), 500);
        assert_eq!(clean("<\u{fffd}é".as_bytes(), &[]), "<\u{fffd}é");
    }

    #[test]
    fn codes_stand_before_the_sentence() {
        assert_eq!(split_code("CODE:APP01/1 No"), ("APP01/1", "No"));
        assert_eq!(split_code("No code"), ("", "No code"));
    }
}
