//! Reading people: their changes, everybody, their managers, and who is missing.

use plan::cursor::{Cursor, Scope};
use plan::document::Reading as Way;
use plan::facts::{News, PersonChange, Presence};
use plan::failure::{Failure, Kind, Service};
use plan::ids::{ObjectId, Segment};
use plan::reading::{self, Stage};

use super::{Reader, Trouble};

impl Reader<'_> {
    /// The rules changed: everybody is looked at again, from what is stored (I5).
    pub(super) async fn everybody(
        &mut self,
        segment: Segment,
        after: Option<String>,
    ) -> Result<(), Trouble> {
        let (people, next) =
            self.engine.store.people_of(self.connection, segment, after, 500).await?;
        let ids: Vec<ObjectId> = people.into_iter().map(|(id, _)| id).collect();
        self.mark(ids, "rules").await?;
        let follows = match (next, segment.next()) {
            (Some(next), _) => Some(Stage::Everybody { segment, after: Some(next) }),
            (None, Some(segment)) => Some(Stage::Everybody { segment, after: None }),
            (None, None) => None,
        };
        self.replace_stage(follows);
        Ok(())
    }

    pub(super) async fn users_page(&mut self) -> Result<(), Trouble> {
        let reading = &self.state.value.reading;
        let cursor = reading.users.clone().unwrap_or(Cursor::Start);
        let select = &reading.select;
        let page = match self.document.sync.reading {
            Way::Delta => self.graph()?.users_delta(cursor.link(), select, cursor.scope()).await?,
            Way::Full => self.graph()?.users_list(cursor.link(), select).await?,
        };
        let full = cursor.scope() == Scope::Full;
        let round = full.then_some(reading.round);
        let merged = self.merge(round, &page.items).await?;
        let reading = &mut self.state.value.reading;
        reading.read += if full { merged } else { 0 };
        let mut cursor = cursor;
        let progress = cursor.advance(page.next, merged, self.engine.clock.now());
        reading.users = Some(cursor);
        self.after_page(progress)
    }

    /// Graph has been seen to leave managers out of delta; the list has them all.
    pub(super) async fn managers_page(&mut self, mut cursor: Cursor) -> Result<(), Trouble> {
        let page = self.graph()?.managers_list(cursor.link()).await?;
        let round = Some(self.state.value.reading.round);
        // The list may name people whom the round did not deliver; they are not made up from it.
        let known =
            self.engine.store.people(self.connection, page.items.iter().map(|i| i.id)).await?;
        let items: Vec<PersonChange> = page
            .items
            .into_iter()
            .filter(|item| {
                known.get(&item.id).is_some_and(|p| p.value.facts.presence == Presence::Present)
            })
            .collect();
        let fresh = items.len() as u64;
        self.merge(round, &items).await?;
        let progress = cursor.advance(page.next, fresh, self.engine.clock.now());
        if let Some(Stage::Managers { cursor: stored }) = self.state.value.reading.todo.first_mut()
        {
            *stored = cursor;
        }
        self.after_page(progress)
    }

    /// Whether the full round is plausible; if not, nobody is missing because of it (D6, L5).
    pub(super) async fn count(&mut self) -> Result<(), Trouble> {
        let counted = self.graph()?.users_count().await;
        let reading = &mut self.state.value.reading;
        let doubt = match counted {
            Ok(counted) if reading::is_plausible(reading.read, counted) => None,
            Ok(counted) => Some(Failure {
                service: Service::Graph,
                operation: "read everybody".to_owned(),
                kind: Kind::Incomplete { read: reading.read, counted },
            }),
            // Some kinds of tenant cannot count; then nothing confirms the read.
            Err(failure) if failure.is_about_the_record() => Some(failure),
            Err(failure) => return Err(failure.into()),
        };
        reading.todo.remove(0);
        reading.last_full = Some(self.engine.clock.now());
        reading.complete = doubt.is_none();
        // Where nobody can count, reading again tells no more.
        let is_short = |it: &Failure| matches!(it.kind, Kind::Incomplete { .. });
        reading.doubts = if doubt.as_ref().is_some_and(is_short) { reading.doubts + 1 } else { 0 };
        if let Some(doubt) = doubt {
            reading.todo.retain(|stage| !matches!(stage, Stage::Missing { .. }));
            self.run.value.run.warnings.push(doubt.sentence());
        }
        Ok(())
    }

    /// People whom the complete full round did not deliver are missing (D5).
    pub(super) async fn missing(
        &mut self,
        segment: Segment,
        after: Option<String>,
    ) -> Result<(), Trouble> {
        let (people, next) =
            self.engine.store.people_of(self.connection, segment, after, 500).await?;
        let round = self.state.value.reading.round;
        let missing: Vec<PersonChange> = people
            .into_iter()
            .filter(|(_, person)| {
                person.value.seen < round && person.value.facts.presence == Presence::Present
            })
            .map(|(id, _)| PersonChange { id, news: News::Missing })
            .collect();
        self.merge(None, &missing).await?;
        let follows = match (next, segment.next()) {
            (Some(next), _) => Some(Stage::Missing { segment, after: Some(next) }),
            (None, Some(segment)) => Some(Stage::Missing { segment, after: None }),
            (None, None) => None,
        };
        self.replace_stage(follows);
        Ok(())
    }
}
