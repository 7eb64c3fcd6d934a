//! Reading people: their changes, everybody, their managers, and who is missing.

use plan::cursor::{Cursor, Link, Next, Scope};
use plan::document::Reading as Way;
use plan::facts::{News, PersonChange, Presence};
use plan::failure::{Failure, Kind, Service};
use plan::ids::{ObjectId, Segment};
use plan::reading::{self, Stage};

use super::{Reader, Trouble};
use crate::clock::Deadline;
use crate::graph::Page;
use crate::store::people::{MergedPage, Tells};

/// The lists of people that are read page by page.
#[derive(Clone, Copy, Debug)]
enum Pages {
    /// Users, or their changes.
    Users,
    /// Everybody's managers.
    Managers,
}

impl Pages {
    fn tells(self) -> Tells {
        match self {
            Pages::Users => Tells::OfAnybody,
            // It may name people whom the round did not deliver.
            Pages::Managers => Tells::OfThePresent,
        }
    }
}

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

    pub(super) async fn users_page(&mut self, deadline: Deadline) -> Result<(), Trouble> {
        let reading = &self.state.value.reading;
        let mut cursor = reading.users.clone().unwrap_or(Cursor::Start);
        let full = cursor.scope() == Scope::Full;
        let round = full.then_some(reading.round);
        let (next, merged) = self.turn_page(Pages::Users, &cursor, round, deadline).await?;
        let reading = &mut self.state.value.reading;
        reading.read += if full { merged.fresh } else { 0 };
        let progress = cursor.advance(next, merged.fresh, self.engine.clock.now());
        reading.users = Some(cursor);
        self.after_page(progress)
    }

    /// Graph has been seen to leave managers out of delta; the list has them all.
    pub(super) async fn managers_page(
        &mut self,
        mut cursor: Cursor,
        deadline: Deadline,
    ) -> Result<(), Trouble> {
        let round = Some(self.state.value.reading.round);
        let (next, merged) = self.turn_page(Pages::Managers, &cursor, round, deadline).await?;
        let progress = cursor.advance(next, merged.told, self.engine.clock.now());
        if let Some(Stage::Managers { cursor: stored }) = self.state.value.reading.todo.first_mut()
        {
            *stored = cursor;
        }
        self.after_page(progress)
    }

    /// Merges the page at which a round stands, while the one behind it is on its way already: what is
    /// read ahead and not come to costs one more request in the next step.
    async fn turn_page(
        &mut self,
        pages: Pages,
        cursor: &Cursor,
        round: Option<u64>,
        deadline: Deadline,
    ) -> Result<(Next, MergedPage), Trouble> {
        let page = match self.ahead.take() {
            Some((link, page)) if Some(&link) == cursor.link() => page?,
            Some(_) | None => self.page(pages, cursor.link(), cursor.scope()).await?,
        };
        let ahead = async {
            match &page.next {
                Next::Page(link) if !self.engine.is_near(deadline) => {
                    Some((link.clone(), self.page(pages, Some(link), cursor.scope()).await))
                }
                Next::Page(_) | Next::End(_) => None,
            }
        };
        let merge = self.merged(round, pages.tells(), &page.items);
        let (merged, ahead) = futures::future::join(merge, ahead).await;
        self.ahead = ahead;
        Ok((page.next, self.note(merged?)?))
    }

    async fn page(
        &self,
        pages: Pages,
        link: Option<&Link>,
        scope: Scope,
    ) -> Result<Page<PersonChange>, Trouble> {
        let (graph, select) = (self.graph()?, &self.state.value.reading.select);
        let page = match (pages, self.document.sync.reading) {
            (Pages::Users, Way::Delta) => graph.users_delta(link, select, scope).await?,
            (Pages::Users, Way::Full) => graph.users_list(link, select).await?,
            (Pages::Managers, _) => graph.managers_list(link).await?,
        };
        Ok(page)
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
        let merged = self.merged(None, Tells::OfAnybody, &missing).await?;
        self.note(merged)?;
        let follows = match (next, segment.next()) {
            (Some(next), _) => Some(Stage::Missing { segment, after: Some(next) }),
            (None, Some(segment)) => Some(Stage::Missing { segment, after: None }),
            (None, None) => None,
        };
        self.replace_stage(follows);
        Ok(())
    }
}
