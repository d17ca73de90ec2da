//! Requests: one row each, moved along by the release core alone.

use super::log::row;
use super::standing::json;
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use crate::table::Row;
use rusqlite::{Connection, OptionalExtension as _, params};
use shared::ids::{Digest, RequestId, TicketHash};
use shared::message::{Filing, MediaType, Subject};
use shared::text::Text;
use shared::time::Time;
use shared::tlog::Origin;
use vault_core::{
    AfterCommit, Before, Count, Draft, Input, LaneId, Line, Now, Owners, Record, Rejected, State, Step, contact,
    identity, likeness,
};

/// Seconds.
const DAY: i64 = 86_400;

/// One reception's requests of a day.
const OF_LANE: &str = "lane = ?1 AND filed_at > ?2 AND filed_at <= ?3";

/// Whether a step's request has no row yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum New {
    Yes,
    No,
}

/// What one reception has filed within the day before `now`.
pub(crate) fn filed_today(connection: &Connection, lane: LaneId, now: Time) -> Result<Count, rusqlite::Error> {
    today(connection, OF_LANE, lane.0, now)
}

fn today(
    connection: &Connection,
    which: &'static str,
    value: impl rusqlite::ToSql,
    now: Time,
) -> Result<Count, rusqlite::Error> {
    let query = format!("SELECT count(*), min(filed_at) FROM request WHERE {which}");
    let from = row(now.unix()) - DAY;
    let (filed, first) = connection
        .prepare_cached(&query)?
        .query_row(params![value, from, from + DAY], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Option<i64>>(1)?)))?;
    Ok(Count { filed: usize::try_from(filed).unwrap_or(usize::MAX), first: first.map(time) })
}

impl Transaction<'_> {
    /// Files a request; the same one again changes nothing.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when this id was filed with other words, [`Rejected::Full`].
    pub(crate) fn file(&mut self, filing: Filing, lane: LaneId) -> Result<Done<()>, WriteError> {
        if let Some(before) = filed(self.connection, filing.ticket.request())? {
            return if before == identity(&filing, lane) { Ok(Done::quiet(())) } else { Err(WriteError::Conflict) };
        }
        let before = self.before(&filing, lane)?;
        let step = vault_core::file(filing, lane, &before, nonce()?, self.now).map_err(Rejected::Full)?;
        let (shown, effects) = self.take(step, New::Yes)?;
        Ok(Done { answer: (), shown: vec![shown], effects })
    }

    /// What a new request meets.
    fn before(&self, filing: &Filing, lane: LaneId) -> Result<Before, WriteError> {
        let refused = "SELECT max(refused_at) FROM request WHERE likeness = ?1";
        let refused_at: Option<i64> =
            self.connection.prepare_cached(refused)?.query_row([likeness(filing, lane).0], |r| r.get(0))?;
        let lane_count = self.today(OF_LANE, lane.0)?;
        let contact_count = match contact(filing, lane) {
            Some(contact) => self.today("contact = ?1 AND filed_at > ?2 AND filed_at <= ?3", contact.0)?,
            None => Count::default(),
        };
        let vault_count = self.today("?1 AND filed_at > ?2 AND filed_at <= ?3", true)?;
        let refused_at = refused_at.map(time);
        Ok(Before { lane: lane_count, contact: contact_count, vault: vault_count, refused_at })
    }

    fn today(&self, which: &'static str, value: impl rusqlite::ToSql) -> Result<Count, rusqlite::Error> {
        today(self.connection, which, value, self.now.time)
    }

    /// Moves a request along by one input; answers with the stage reached.
    ///
    /// # Errors
    /// [`WriteError::NoRequest`], or why the input changes nothing.
    pub(crate) fn decide(&mut self, ticket: TicketHash, input: Input) -> Result<Done<&'static str>, WriteError> {
        let state = state(self.connection, ticket, self.ground)?.ok_or(WriteError::NoRequest)?;
        let step = vault_core::decide(state, input, &self.authority())?;
        let answer = step.next.stage.name();
        let (shown, effects) = self.take(step, New::No)?;
        Ok(Done { answer, shown: vec![shown], effects })
    }

    /// Refuses a request without words, and every other one that waits and is like it; answers with how many that were.
    pub(crate) fn refuse(&mut self, ticket: TicketHash) -> Result<Done<u32>, WriteError> {
        let alike = self.alike(ticket)?;
        let mut done = self.decide(ticket, Input::Refused)?;
        let mut count = 1;
        for other in alike {
            let also = self.decide(other, Input::Refused)?;
            done.shown.extend(also.shown);
            done.effects = done.effects.and(also.effects);
            count += 1;
        }
        Ok(Done { answer: count, shown: done.shown, effects: done.effects })
    }

    /// The other undecided requests that are like this one.
    fn alike(&self, ticket: TicketHash) -> Result<Vec<TicketHash>, WriteError> {
        let query = "SELECT ticket FROM request WHERE undecided = 1 AND ticket <> ?1 AND ends_at > ?2 AND likeness = \
                     (SELECT likeness FROM request WHERE id = ?3 AND ticket = ?1)";
        let mut rows = self.connection.prepare_cached(query)?;
        let rows = rows.query_map(params![ticket.0, row(self.now.time.unix()), ticket.request().0], |r| {
            r.get(0).map(TicketHash)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Freezes the item that a received request asks for, or hands the request to the owner with the reason.
    pub(crate) fn prepare(&mut self, ticket: TicketHash) -> Result<Done<&'static str>, WriteError> {
        let state = state(self.connection, ticket, self.ground)?.ok_or(WriteError::NoRequest)?;
        let Subject::Item(item) = state.request.filing.subject else {
            return Err(WriteError::Rejected(Rejected::Stage(state.stage.name())));
        };
        let input = match super::items::listed(self.connection, item)? {
            Err(why) => Input::Unprepared { why, fresh: nonce()? },
            Ok(item) => Input::Prepared(Draft {
                subject: Line::Item(item.title.as_str().to_owned()),
                payload: item.sha256,
                bytes: item.bytes,
                media_type: item.media_type,
                prepared_at: self.now.time,
                nonce: nonce()?,
            }),
        };
        self.decide(ticket, input)
    }

    /// Writes a step's state and entry.
    fn take(&mut self, step: Step, new: New) -> Result<(Shown, AfterCommit<Vec<vault_core::Effect>>), WriteError> {
        let Step { next, entry, effects } = step;
        if let Some(entry) = entry {
            self.log(&entry, Some(next.request.id()))?;
            match new {
                New::Yes => self.insert(&next)?,
                New::No => self.update(&next)?,
            }
        }
        Ok(((next.ticket(), Row::of(&next)), effects))
    }

    fn insert(&self, state: &State) -> Result<(), WriteError> {
        let query = "INSERT INTO request (id, ticket, lane, filed_at, likeness, contact, undecided, ends_at, waits_until, refused_at, \
                     record, filing) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let request = &state.request;
        self.connection.prepare_cached(query)?.execute(params![
            request.id().0,
            state.ticket().0,
            request.lane.0,
            row(request.filed_at.unix()),
            likeness(&request.filing, request.lane).0,
            contact(&request.filing, request.lane).map(|c| c.0),
            state.stage.is_undecided(),
            state.ends_at().map(|t| row(t.unix())),
            state.waits_until().map(row),
            // One that was refused because another had been does not prolong that.
            None::<i64>,
            json(&Record::from(state))?,
            identity(&request.filing, request.lane).0,
        ])?;
        Ok(())
    }

    fn update(&self, state: &State) -> Result<(), WriteError> {
        let query = "UPDATE request SET undecided = ?3, ends_at = ?4, waits_until = ?5, refused_at = CASE WHEN undecided = 1 \
                     THEN ?6 ELSE refused_at END, record = ?7 WHERE id = ?1 AND ticket = ?2";
        let changed = self.connection.prepare_cached(query)?.execute(params![
            state.request.id().0,
            state.ticket().0,
            state.stage.is_undecided(),
            state.ends_at().map(|t| row(t.unix())),
            state.waits_until().map(row),
            state.refused_at().map(|t| row(t.unix())),
            json(&Record::from(state))?,
        ])?;
        if changed == 1 { Ok(()) } else { Err(WriteError::NoRequest) }
    }

    /// A draft of the owner's own making for what `state` asks: with the media type of what it replaces, if no other is given.
    pub(crate) fn composed(
        &self,
        state: &State,
        payload: (shared::ids::Digest, u64),
        media_type: Option<MediaType>,
    ) -> Result<Draft, WriteError> {
        let before = state.draft();
        let media_type = match media_type.or_else(|| before.map(|draft| draft.media_type.clone())) {
            Some(media_type) => media_type,
            None => Text::new("text/plain; charset=utf-8").map_err(|e| WriteError::Invalid(e.to_string()))?,
        };
        let asked = match &state.request.filing.subject {
            Subject::Question(text) => Line::Question(text.as_str().into()),
            Subject::Item(id) => Line::Item(id.to_string()),
        };
        Ok(Draft {
            subject: before.map_or(asked, |draft| draft.subject.clone()),
            payload: payload.0,
            bytes: payload.1,
            media_type,
            prepared_at: self.now.time,
            nonce: nonce()?,
        })
    }

    /// Freezes what the owner wrote, in place of what was there.
    pub(crate) fn compose(
        &mut self,
        ticket: TicketHash,
        uploaded: super::Uploaded,
        media_type: Option<MediaType>,
    ) -> Result<Done<&'static str>, WriteError> {
        self.keep(&uploaded)?;
        let state = state(self.connection, ticket, self.ground)?.ok_or(WriteError::NoRequest)?;
        let draft = self.composed(&state, (uploaded.sha256, uploaded.bytes), media_type)?;
        self.decide(ticket, Input::Composed(draft))
    }
}

type Shown = (TicketHash, Row);

pub(crate) fn nonce() -> Result<shared::ids::Nonce, WriteError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|_| WriteError::Random)?;
    Ok(shared::ids::Nonce(nonce))
}

fn state(
    connection: &Connection,
    ticket: TicketHash,
    ground: &super::transaction::Ground,
) -> Result<Option<State>, WriteError> {
    let found = connection
        .prepare_cached("SELECT record FROM request WHERE id = ?1 AND ticket = ?2")?
        .query_row(params![ticket.request().0, ticket.0], text)
        .optional()?;
    found.map(|json| restore(&json, &ground.vault, &ground.owners)).transpose()
}

fn text(row: &rusqlite::Row<'_>) -> Result<String, rusqlite::Error> {
    row.get(0)
}

fn restore(json: &str, vault: &Origin, owners: &Owners) -> Result<State, WriteError> {
    let record: Record =
        serde_json::from_str(json).map_err(|_| WriteError::Damaged("a stored request cannot be read".into()))?;
    Ok(record.restore(vault, owners)?)
}

/// Which filing has this id; of the stored record nothing is read, because that would take a time that depends on it.
fn filed(connection: &Connection, id: RequestId) -> Result<Option<Digest>, rusqlite::Error> {
    let query = "SELECT filing FROM request WHERE id = ?1";
    connection.prepare_cached(query)?.query_row([id.0], |r| r.get(0).map(Digest)).optional()
}

/// One request by its public id.
pub(crate) fn find(
    connection: &Connection,
    id: RequestId,
    vault: &Origin,
    owners: &Owners,
) -> Result<Option<State>, WriteError> {
    let found =
        connection.prepare_cached("SELECT record FROM request WHERE id = ?1")?.query_row([id.0], text).optional()?;
    found.map(|json| restore(&json, vault, owners)).transpose()
}

/// Requests, oldest first: those that wait for the owner and those that cool off, or every one.
pub(crate) fn list(
    connection: &Connection,
    all: bool,
    vault: &Origin,
    owners: &Owners,
) -> Result<Vec<State>, WriteError> {
    let query = "SELECT record FROM request WHERE undecided = 1 OR ?1 OR waits_until IS NOT NULL ORDER BY filed_at, id";
    let mut rows = connection.prepare_cached(query)?;
    let rows = rows.query_map([all], text)?;
    rows.map(|json| restore(&json?, vault, owners)).collect()
}

/// The undecided requests in groups of those that are like each other, oldest first.
pub(crate) fn repeats(connection: &Connection, now: Time) -> Result<Vec<Vec<RequestId>>, rusqlite::Error> {
    let query = "SELECT id, likeness FROM request WHERE undecided = 1 AND ends_at > ?1 ORDER BY filed_at, id";
    let mut rows = connection.prepare_cached(query)?;
    let mut groups: Vec<([u8; 32], Vec<RequestId>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for found in rows.query_map([row(now.unix())], |r| Ok((r.get(0).map(RequestId)?, r.get::<_, [u8; 32]>(1)?)))? {
        let (id, likeness) = found?;
        let place = *places.entry(likeness).or_insert_with(|| {
            groups.push((likeness, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(id);
    }
    Ok(groups.into_iter().map(|(_, ids)| ids).collect())
}

fn time(seconds: i64) -> Time {
    Time::from_unix(seconds.unsigned_abs())
}

/// Tickets whose request the passing of time has changed but nobody has moved along.
pub(crate) fn due(connection: &Connection, now: Now) -> Result<Vec<TicketHash>, rusqlite::Error> {
    let query = "SELECT ticket FROM request WHERE ends_at <= ?1 OR waits_until <= ?2";
    let mut rows = connection.prepare_cached(query)?;
    rows.query_map([row(now.time.unix()), row(now.waited)], |r| r.get(0).map(TicketHash))?.collect()
}
