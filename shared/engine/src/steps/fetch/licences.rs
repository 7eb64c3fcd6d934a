//! Reading licences: what the tenant subscribes to, and where everybody's come from (S1).

use plan::cursor::{Cursor, Progress};
use plan::failure::Failure;
use plan::ids::Segment;
use plan::licences::{self, Book};
use plan::reading::{Covers, Stage};

use super::{Reader, Trouble};
use crate::store::{Versioned, keys, put};

impl Reader<'_> {
    /// The SKUs, into the ledger. Read again after a kill, they are the same.
    pub(super) async fn licences(&mut self) -> Result<(), Trouble> {
        let mut book = self.book().await?;
        let graph = self.graph()?;
        if book.value.off.is_some() {
            // A permission that was granted since counts for new tokens only.
            graph.sign_in().await?;
        }
        let told = graph.subscribed_skus().await;
        let now = self.engine.clock.now();
        match told {
            Ok(skus) => book.value.take(&skus, now),
            Err(failure) => {
                let reason = self.only_off(failure)?;
                book.value.switch_off(reason, now);
            }
        }
        let write = put(keys::licences(self.connection), &book.value, book.unchanged())?;
        self.commit(vec![write]).await?;
        self.replace_stage(None);
        let everybody = self.run.value.extent.is_everybody();
        if everybody && book.value.off.is_none() && book.value.is_to_grow() {
            let stage = Stage::Everybody { segment: Segment::FIRST, after: None };
            self.state.value.reading.todo.insert(0, stage);
        }
        Ok(())
    }

    /// A page of everybody's licences.
    pub(super) async fn holders_page(&mut self, mut cursor: Cursor) -> Result<(), Trouble> {
        let page = match self.graph()?.holders_page(cursor.link()).await {
            Ok(page) => page,
            Err(failure) => {
                self.only_off(failure)?;
                self.replace_stage(None);
                return Ok(());
            }
        };
        let (store, check) = (&self.engine.store, self.fence.check());
        let merged = store.merge_holders(self.connection, &check, &page.items).await?;
        let fresh = self.note(merged)?.fresh;
        let now = self.engine.clock.now();
        let progress = cursor.advance(page.next, fresh, now);
        if let Progress::Complete(_) = progress {
            self.state.value.reading.holders_read = Some(now);
        }
        self.replace_stage(Some(Stage::Holders { cursor }));
        self.after_page(progress)
    }

    /// Whether Halo's licences are not as the ledger says.
    pub(super) async fn licences_to_write(&self) -> Result<bool, Trouble> {
        let Some(licences) = &self.document.licences else { return Ok(false) };
        if self.run.value.covers(&self.document) == Covers::People {
            return Ok(false);
        }
        let due = self.book().await?.value.due(licences.client_id, self.engine.clock.now());
        Ok(!due.is_empty())
    }

    async fn book(&self) -> Result<Versioned<Book>, Trouble> {
        let found = self.engine.store.book(self.connection).await?;
        Ok(found.unwrap_or_else(|| Versioned { version: 0, value: Book::default() }))
    }

    /// A failure that concerns licences alone is told with the run, which goes on; why it is one.
    fn only_off(&mut self, failure: Failure) -> Result<String, Trouble> {
        let Some(reason) = licences::only_off(&failure) else { return Err(failure.into()) };
        tracing::warn!(connection = %self.connection, "{reason}");
        self.run.value.run.warnings.push(reason.clone());
        Ok(reason)
    }
}
