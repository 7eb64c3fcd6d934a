//! The call that lists when people last signed in (D8).

use plan::cursor::Link;
use plan::failure::Failure;
use plan::ids::ObjectId;
use serde::de::{IgnoredAny, MapAccess};

use super::wire::{self, Any, End, Name, Reader, Text};
use super::{Graph, Page};

const READ: &str = "read last sign-ins";

/// When somebody last signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Who.
    pub id: ObjectId,
    /// The last interactive sign-in as Graph writes it; `None` for who never signed in, or not since
    /// Graph keeps it.
    pub at: Option<String>,
}

impl Graph {
    /// A page of everybody's last sign-in; without a link the first one, of `page_size` people.
    pub async fn sign_ins_page(
        &self,
        link: Option<&Link>,
        page_size: u32,
    ) -> Result<Page<SignIn>, Failure> {
        let start = || format!("/users?$select=id,signInActivity&$top={page_size}");
        let ask = self.following(READ, link, start)?;
        Ok(sign_ins(self.page(&ask, ReadRow, End::NoLink).await?))
    }
}

fn sign_ins(page: wire::Body<Option<SignIn>>) -> Page<SignIn> {
    let all = page.items.len();
    let items: Vec<SignIn> = page.items.into_iter().flatten().collect();
    let skipped = (all - items.len()) as u64;
    if skipped > 0 {
        tracing::warn!(skipped, "rows of last sign-ins name nobody");
    }
    Page { items, next: page.next, skipped }
}

/// Reads a row; `None` = it has no usable id.
#[derive(Clone, Copy)]
struct ReadRow;

impl Reader for ReadRow {
    type Value = Option<SignIn>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut at) = (None, None);
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "id" => {
                    let text = object.next_value_seed(Any(Text))?;
                    id = text.and_then(|text| text.parse().ok());
                }
                "signInActivity" => at = object.next_value_seed(Any(ReadActivity))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(id.map(|id| SignIn { id, at }))
    }
}

/// Reads `signInActivity`: the interactive date of its three, which is the one that people mean.
#[derive(Clone, Copy)]
struct ReadActivity;

impl Reader for ReadActivity {
    type Value = Option<String>;

    fn other(self) -> Self::Value {
        None
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut at = None;
        while let Some(Name(name)) = object.next_key()? {
            match name.as_ref() {
                "lastSignInDateTime" => at = object.next_value_seed(Any(Text))?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::example;

    const ADA: &str = "4562bcc8-c436-4f95-b7c0-4f8ce89dca5e";

    fn told(body: &[u8]) -> (Vec<String>, u64) {
        let page = sign_ins(wire::page(body, ReadRow, End::NoLink).unwrap());
        let line = |row: &SignIn| {
            format!("{} {}", &row.id.to_string()[..4], row.at.as_deref().unwrap_or("none"))
        };
        (page.items.iter().map(line).collect(), page.skipped)
    }

    #[test]
    fn the_documented_page_is_read() {
        // D8
        let body = example("users-list-signinactivity").body;
        let rows = ["4562 2026-01-10T12:24:11Z".to_owned(), "6ea9 none".to_owned()];
        assert_eq!(told(&body), (rows.to_vec(), 0));
    }

    #[test]
    fn no_row_spoils_the_page() {
        // D8: absent, null and odd activities are none; rows without a GUID are passed over.
        let cases = [
            (format!(r#"{{"id":"{ADA}"}}"#), Some("none")),
            (format!(r#"{{"id":"{ADA}","signInActivity":null}}"#), Some("none")),
            (format!(r#"{{"id":"{ADA}","signInActivity":[]}}"#), Some("none")),
            (format!(r#"{{"signInActivity":{{}},"id":"{ADA}"}}"#), Some("none")),
            (
                format!(
                    r#"{{"id":"{ADA}","signInActivity":{{"lastSignInDateTime":null,"lastSuccessfulSignInDateTime":"x"}}}}"#
                ),
                Some("none"),
            ),
            (
                format!(
                    r#"{{"id":"{ADA}","signInActivity":{{"lastNonInteractiveSignInDateTime":"x","lastSignInDateTime":"y"}}}}"#
                ),
                Some("y"),
            ),
            (r#"{"id":"ada@contoso.example"}"#.to_owned(), None),
            (r#"{"id":null}"#.to_owned(), None),
            ("{}".to_owned(), None),
            ("7".to_owned(), None),
        ];
        for (row, expected) in cases {
            let (rows, skipped) = told(format!(r#"{{"value":[{row}]}}"#).as_bytes());
            let rows: Vec<&str> = rows.iter().map(|row| &row[5..]).collect();
            assert_eq!(rows, expected.into_iter().collect::<Vec<_>>(), "{row}");
            assert_eq!(skipped, u64::from(expected.is_none()), "{row}");
        }
    }
}
