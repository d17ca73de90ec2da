//! Requests: one row each, moved along by the release core alone.

use super::log::row;
use super::transaction::Transaction;
use super::writer::{Done, WriteError};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::ids::{RequestId, TicketHash};
use shared::message::{Filing, Subject};
use shared::sshsig::Signers;
use shared::tlog::Origin;
use vault_core::{AfterCommit, Draft, Input, LaneId, Line, Record, Rejected, Stage, State, Step};

/// Seconds.
const DAY: i64 = 86_400;

/// Whether a step's request has no row yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum New {
    Yes,
    No,
}

/// Whether a filing was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    /// It is stored now.
    New,
    /// It was stored already, with the same words.
    Before,
}

impl Transaction<'_> {
    /// Files a request; the same one again changes nothing.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when this id was filed with other words, [`Rejected::LaneFull`].
    pub(crate) fn file(&mut self, filing: Filing, lane: LaneId) -> Result<Done<Filed>, WriteError> {
        let id = filing.ticket.request();
        if let Some(old) = find(self.connection, id, &self.ground.vault, &self.ground.signers)? {
            let same = old.request.filing == filing && old.request.lane == lane;
            return if same { Ok(Done::quiet(Filed::Before)) } else { Err(WriteError::Conflict) };
        }
        let step = vault_core::file(filing, lane, self.today(lane)?, self.now)?;
        let (shown, effects) = self.take(step, New::Yes)?;
        Ok(Done { answer: Filed::New, shown: Some(shown), effects })
    }

    /// Requests that this lane filed within the last day.
    fn today(&self, lane: LaneId) -> Result<usize, WriteError> {
        let query = "SELECT count(*) FROM request WHERE lane = ?1 AND filed_at > ?2";
        let from = row(self.now.unix()) - DAY;
        let count: i64 = self.connection.prepare_cached(query)?.query_row([lane.0, from], |r| r.get(0))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
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
        Ok(Done { answer, shown: Some(shown), effects })
    }

    /// Freezes the item that a received request asks for, or hands the request to the owner with the reason.
    pub(crate) fn prepare(&mut self, ticket: TicketHash) -> Result<Done<&'static str>, WriteError> {
        let state = state(self.connection, ticket, self.ground)?.ok_or(WriteError::NoRequest)?;
        let Subject::Item(item) = state.request.filing.subject else {
            return Err(WriteError::Rejected(Rejected::Stage(state.stage.name())));
        };
        let input = match super::items::listed(self.connection, item)? {
            Err(why) => Input::Unprepared(why),
            Ok(item) => Input::Prepared(Draft {
                subject: Line::Item(item.title.as_str().to_owned()),
                payload: item.sha256,
                bytes: item.bytes,
                media_type: item.media_type,
                prepared_at: self.now,
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
        Ok(((next.ticket(), next.shown()), effects))
    }

    fn insert(&self, state: &State) -> Result<(), WriteError> {
        let query = "INSERT INTO request (id, ticket, lane, filed_at, undecided, ends_at, record) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.connection.prepare_cached(query)?.execute(params![
            state.request.id().0,
            state.ticket().0,
            state.request.lane.0,
            row(state.request.filed_at.unix()),
            state.stage.is_undecided(),
            state.ends_at().map(|t| row(t.unix())),
            json(state)?,
        ])?;
        Ok(())
    }

    fn update(&self, state: &State) -> Result<(), WriteError> {
        let query = "UPDATE request SET undecided = ?3, ends_at = ?4, record = ?5 WHERE id = ?1 AND ticket = ?2";
        let changed = self.connection.prepare_cached(query)?.execute(params![
            state.request.id().0,
            state.ticket().0,
            state.stage.is_undecided(),
            state.ends_at().map(|t| row(t.unix())),
            json(state)?,
        ])?;
        if changed == 1 { Ok(()) } else { Err(WriteError::NoRequest) }
    }

    /// A nonce, and the frame for a draft of the owner's own words.
    pub(crate) fn answer_draft(
        &self,
        question: Line,
        payload: (shared::ids::Digest, u64),
    ) -> Result<Draft, WriteError> {
        Ok(Draft {
            subject: question,
            payload: payload.0,
            bytes: payload.1,
            media_type: shared::text::Text::new("text/plain; charset=utf-8")
                .map_err(|e| WriteError::Invalid(e.to_string()))?,
            prepared_at: self.now,
            nonce: nonce()?,
        })
    }
}

fn json(state: &State) -> Result<String, WriteError> {
    serde_json::to_string(&Record::from(state)).map_err(|e| WriteError::Invalid(e.to_string()))
}

type Shown = (TicketHash, vault_core::Shown);

fn nonce() -> Result<shared::ids::Nonce, WriteError> {
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
    found.map(|json| restore(&json, &ground.vault, &ground.signers)).transpose()
}

fn text(row: &Row<'_>) -> Result<String, rusqlite::Error> {
    row.get(0)
}

fn restore(json: &str, vault: &Origin, signers: &Signers) -> Result<State, WriteError> {
    let record: Record =
        serde_json::from_str(json).map_err(|_| WriteError::Invalid("a stored request cannot be read".into()))?;
    Ok(record.restore(vault, signers)?)
}

/// One request by its public id.
pub(crate) fn find(
    connection: &Connection,
    id: RequestId,
    vault: &Origin,
    signers: &Signers,
) -> Result<Option<State>, WriteError> {
    let found =
        connection.prepare_cached("SELECT record FROM request WHERE id = ?1")?.query_row([id.0], text).optional()?;
    found.map(|json| restore(&json, vault, signers)).transpose()
}

/// Requests, oldest first: those that wait for the owner, or every one.
pub(crate) fn list(
    connection: &Connection,
    all: bool,
    vault: &Origin,
    signers: &Signers,
) -> Result<Vec<State>, WriteError> {
    let mut rows =
        connection.prepare_cached("SELECT record FROM request WHERE undecided = 1 OR ?1 ORDER BY filed_at, id")?;
    let rows = rows.query_map([all], text)?;
    rows.map(|json| restore(&json?, vault, signers)).collect()
}

/// Tickets whose request the passing of time has ended but nobody has closed.
pub(crate) fn due(connection: &Connection, now: shared::time::Time) -> Result<Vec<TicketHash>, rusqlite::Error> {
    let mut rows = connection.prepare_cached("SELECT ticket FROM request WHERE ends_at <= ?1 LIMIT 100")?;
    rows.query_map([row(now.unix())], |r| r.get(0).map(TicketHash))?.collect()
}

/// The stage of every request that has one to resume at start: received, but not prepared.
pub(crate) fn unprepared(states: &[State]) -> impl Iterator<Item = TicketHash> + '_ {
    states.iter().filter(|s| matches!(s.stage, Stage::Received)).map(State::ticket)
}
