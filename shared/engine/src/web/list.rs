//! Lists in pages: `limit` and `cursor` of a query, read and written in one way everywhere.

use super::cursor;
use super::problem::Problem;
use super::request::Query;

/// The page of a list that is asked for.
#[derive(Clone, Debug)]
pub struct PageAsked {
    /// Behind what it begins; `None` = at the start.
    pub after: Option<String>,
    /// Entries at the most.
    pub limit: usize,
    mark: String,
}

impl PageAsked {
    /// The page of the list `mark` that a query asks for, where it may say nothing else. Without a
    /// limit a page has `usual` entries; it may have `most`.
    pub fn only(query: Query, mark: String, usual: usize, most: usize) -> Result<Self, Problem> {
        Self::of(&query.only(&["limit", "cursor"])?, mark, usual, most)
    }

    /// The same of a query that says more; `mark` then tells what, so that a cursor of another
    /// question is refused.
    pub fn of(query: &Query, mark: String, usual: usize, most: usize) -> Result<Self, Problem> {
        let after = query.text("cursor").map(|it| cursor::read(it, &mark)).transpose()?;
        Ok(Self { after, limit: query.limit(usual, most)?, mark })
    }

    /// The cursor of the next page of the same list.
    pub fn cursor(&self, next: Option<String>) -> Option<String> {
        next.map(|position| cursor::write(&position, &self.mark))
    }
}
