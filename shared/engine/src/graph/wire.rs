//! Reading Graph's JSON: straight into what is wanted, and so that no single item can spoil a page.

use std::borrow::Cow;
use std::fmt;

use plan::cursor::{Link, Next};
use plan::failure::Kind;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Reads one JSON value of whatever kind. A reader has methods for the kinds that it expects, and
/// all others are [`Reader::other`], never an error.
pub(super) trait Reader: Sized {
    /// What is made of it.
    type Value;

    /// The value is of a kind that is not expected here.
    fn other(self) -> Self::Value;

    fn null(self) -> Self::Value {
        self.other()
    }

    fn scalar(self, _scalar: Scalar<'_>) -> Self::Value {
        self.other()
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.other())
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.other())
    }
}

/// A value that is no list, object or null.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    /// Text, and numbers as text.
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    pub(super) fn into_text(self) -> String {
        match self {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Text(text) => text.into_owned(),
        }
    }
}

/// Lends a reader to serde.
pub(super) struct Any<R>(pub(super) R);

impl<'de, R: Reader> DeserializeSeed<'de> for Any<R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<R::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Reader> Visitor<'de> for Any<R> {
    type Value = R::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<R::Value, E> {
        Ok(self.0.null())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Text(value.to_string().into())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Text(value.to_string().into())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Text(value.to_string().into())))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Text(value.into())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<R::Value, E> {
        Ok(self.0.scalar(Scalar::Text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<R::Value, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<R::Value, A::Error> {
        self.0.object(object)
    }
}

/// The name of a member, borrowed where the JSON allows.
#[derive(Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Text; any other value is `None`.
#[derive(Clone, Copy)]
pub(super) struct Text;

impl Reader for Text {
    type Value = Option<String>;

    fn other(self) -> Option<String> {
        None
    }

    fn scalar(self, scalar: Scalar<'_>) -> Option<String> {
        Some(scalar.into_text())
    }
}

/// A list whose entries are read by another reader; anything else is an empty one.
#[derive(Clone, Copy)]
pub(super) struct Many<R>(pub(super) R);

impl<R: Reader + Copy> Reader for Many<R> {
    type Value = Vec<R::Value>;

    fn other(self) -> Vec<R::Value> {
        Vec::new()
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<R::Value>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element_seed(Any(self.0))? {
            all.push(one);
        }
        Ok(all)
    }
}

/// How a chain of pages ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In a delta link, always (D6).
    DeltaLink,
    /// In a page without a link.
    NoLink,
}

/// A page as it came.
#[derive(Debug)]
pub(super) struct Body<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Next,
}

/// Reads a page.
pub(super) fn page<R: Reader + Copy>(
    body: &[u8],
    reader: R,
    end: End,
) -> Result<Body<R::Value>, Kind> {
    let parts =
        read(body, Parts(reader))?.ok_or_else(|| malformed("a page, which is an object"))?;
    let items = parts.items.ok_or_else(|| malformed("a page with a list of values"))?;
    let next = match (parts.next, parts.delta) {
        // No page has both, but if one had there would be more to read.
        (Some(link), _) => Next::Page(Link::new(link)),
        (None, Some(link)) => Next::End(Some(Link::new(link))),
        (None, None) if end == End::NoLink => Next::End(None),
        (None, None) => return Err(malformed("a page of a delta query with a link")),
    };
    Ok(Body { items, next })
}

pub(super) fn malformed(expected: &str) -> Kind {
    Kind::Malformed { detail: format!("expected {expected}") }
}

/// The members of a page.
struct PageParts<T> {
    items: Option<Vec<T>>,
    next: Option<String>,
    delta: Option<String>,
}

#[derive(Clone, Copy)]
struct Parts<R>(R);

impl<R: Reader + Copy> Reader for Parts<R> {
    type Value = Option<PageParts<R::Value>>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut parts = PageParts { items: None, next: None, delta: None };
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "value" => parts.items = Some(object.next_value_seed(Any(Many(self.0)))?),
                "@odata.nextLink" => parts.next = object.next_value_seed(Any(Text))?,
                "@odata.deltaLink" => parts.delta = object.next_value_seed(Any(Text))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(parts))
    }
}

/// Reads a body with a reader.
pub(super) fn read<R: Reader + Copy>(body: &[u8], reader: R) -> Result<R::Value, Kind> {
    tolerant(body, |body| parse(body, reader))
}

/// Reads a body into JSON as it stands, for answers that are small.
pub(super) fn json(body: &[u8]) -> Result<serde_json::Value, Kind> {
    tolerant(body, |body| serde_json::from_slice(body))
}

/// Parses, if need be without what is broken in texts. A body that ends early is a connection that
/// broke, not an answer.
fn tolerant<T>(
    body: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
) -> Result<T, Kind> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let error = match parse(body) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if error.is_eof() {
        return Err(Kind::Unavailable { detail: "the answer ended early".to_owned() });
    }
    // One name with half an emoji in it must not stop everybody else's import.
    parse(mended(body).as_bytes()).map_err(|error| Kind::Malformed {
        detail: format!("no JSON at line {}, column {}", error.line(), error.column()),
    })
}

fn parse<R: Reader>(body: &[u8], reader: R) -> Result<R::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Any(reader).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// JSON without what is no text in it: bytes that are no UTF-8, control characters, and escapes of
/// single halves of characters.
fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut mended = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find(|c: char| c == '\\' || c < ' ') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (unit(rest), unit(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push(char::REPLACEMENT_CHARACTER);
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) if rest.starts_with('\\') => {
                1 + rest.chars().nth(1).map_or(0, char::len_utf8)
            }
            (None, _) => {
                mended.push(' ');
                rest = &rest[1..];
                continue;
            }
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The UTF-16 unit that a text begins with as an escape.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(body: &str, end: End) -> Result<(Vec<Option<String>>, Next), Kind> {
        page(body.as_bytes(), Text, end).map(|body| (body.items, body.next))
    }

    #[test]
    fn a_page_says_where_to_go_on() {
        let link = |text: &str| Link::new(text);
        let cases = [
            (r#"{"value":[],"@odata.nextLink":"n"}"#, End::DeltaLink, Ok(Next::Page(link("n")))),
            (
                r#"{"@odata.deltaLink":"d","value":[]}"#,
                End::DeltaLink,
                Ok(Next::End(Some(link("d")))),
            ),
            (r#"{"value":[],"x":{"value":[1]}}"#, End::NoLink, Ok(Next::End(None))),
            // D6: a delta chain without its link is not complete, whatever it is.
            (
                r#"{"value":[]}"#,
                End::DeltaLink,
                Err(malformed("a page of a delta query with a link")),
            ),
            (
                r#"{"@odata.deltaLink":"d"}"#,
                End::DeltaLink,
                Err(malformed("a page with a list of values")),
            ),
            ("[]", End::NoLink, Err(malformed("a page, which is an object"))),
        ];
        for (body, end, expected) in cases {
            assert_eq!(links(body, end).map(|(_, next)| next), expected, "{body}");
        }
    }

    #[test]
    fn links_keep_every_byte() {
        // D2: escapes of JSON are undone, nothing else is.
        let body = r#"{"value":[],"@odata.nextLink":"https:\/\/g\/?$skiptoken=a+b%2Bc\u002fd=="}"#;
        let Ok((_, Next::Page(link))) = links(body, End::NoLink) else { panic!("no link") };
        assert_eq!(link.expose(), "https://g/?$skiptoken=a+b%2Bc/d==");
    }

    #[test]
    fn broken_answers_are_told_from_broken_connections() {
        for (body, expected) in [
            ("", "the answer ended early"),
            (r#"{"value":["a""#, "the answer ended early"),
            ("<html></html>", "no JSON at line 1, column 1"),
            (r#"{"value":[]} x"#, "no JSON at line 1, column 14"),
        ] {
            let detail = match links(body, End::NoLink) {
                Err(Kind::Unavailable { detail } | Kind::Malformed { detail }) => detail,
                other => panic!("{other:?}"),
            };
            assert_eq!(detail, expected, "{body}");
        }
    }

    #[test]
    fn one_broken_text_does_not_spoil_the_page() {
        let cases: [(&[u8], &str); 8] = [
            (b"caf\xe9", "caf\u{fffd}"),
            (br"half \ud83d", "half \u{fffd}"),
            (br"half \udc4d end", "half \u{fffd} end"),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (br"\ud83d\u0041", "\u{fffd}A"),
            (b"tab\there", "tab here"),
            (br"\\ud83d", "\\ud83d"),
            (br#"\"\ud83d"#, "\"\u{fffd}"),
        ];
        for (text, expected) in cases {
            let body = [br#"{"value":["fine",""#.as_slice(), text, br#""]}"#].concat();
            let page = page(&body, Text, End::NoLink).unwrap();
            assert_eq!(page.items[0].as_deref(), Some("fine"));
            assert_eq!(page.items[1].as_deref(), Some(expected), "{expected}");
        }
    }
}
