//! How much happens in each search.

use super::core::Setup;
use super::judge::Invariant;
use super::plant::{Plant, Planting};
use super::world::{Bounds, REQUESTS, SPAN};
use crate::danger::Planted;

const ALONE: Setup = Setup { quorum: 1, cooling: 0 };
const ALONE_COOLING: Setup = Setup { quorum: 1, cooling: SPAN };
const TOGETHER: Setup = Setup { quorum: 2, cooling: 0 };
const TOGETHER_COOLING: Setup = Setup { quorum: 2, cooling: SPAN };
const EVERY: &[Setup] = &[ALONE, ALONE_COOLING, TOGETHER, TOGETHER_COOLING];

/// One request and little else; each search adds what it is about.
const LITTLE: Bounds = Bounds {
    setups: &[ALONE],
    instants: 2,
    signs: 1,
    drafts: 0,
    words: 0,
    brakes: 0,
    tricks: 0,
    crashes: 0,
    reboots: 0,
    jumps: 0,
    filings: 1,
};

/// One search of everything that may happen within bounds.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) bounds: Bounds,
}

/// The searches of one run.
pub(super) struct Level {
    pub(super) name: &'static str,
    pub(super) scenes: &'static [Scene],
    /// Fewer states than this in one search would mean that something is not reached any more.
    pub(super) at_least: usize,
}

/// The levels: for every run of the tests, for every change, and for a campaign.
pub(super) const LEVELS: [Level; 3] = [
    Level { name: "short", scenes: &[Scene { name: "races", bounds: SHORT }], at_least: 10_000 },
    Level { name: "usual", scenes: &USUAL, at_least: 1_000_000 },
    Level { name: "long", scenes: &LONG, at_least: 5_000_000 },
];

const SHORT: Bounds = Bounds { setups: &[ALONE_COOLING], instants: 3, drafts: 1, crashes: 1, ..LITTLE };

const USUAL: [Scene; 6] = [
    Scene {
        name: "two requests, two owners, two crashes",
        bounds: Bounds { setups: EVERY, drafts: 1, crashes: 2, filings: 2, ..LITTLE },
    },
    Scene {
        name: "words and tricks",
        bounds: Bounds { setups: &[TOGETHER_COOLING], signs: 2, drafts: 1, words: 2, tricks: 1, ..LITTLE },
    },
    Scene { name: "one owner's words", bounds: Bounds { signs: 2, drafts: 1, words: 1, ..LITTLE } },
    Scene {
        name: "stops",
        bounds: Bounds { setups: &[ALONE_COOLING, TOGETHER_COOLING], instants: 3, signs: 2, brakes: 2, ..LITTLE },
    },
    Scene {
        name: "clocks",
        bounds: Bounds { setups: &[ALONE_COOLING], instants: 4, crashes: 1, reboots: 1, jumps: 1, ..LITTLE },
    },
    Scene { name: "filings", bounds: Bounds { instants: 5, signs: 0, crashes: 2, filings: REQUESTS, ..LITTLE } },
];

const LONG: [Scene; 6] = [
    Scene {
        name: USUAL[0].name,
        bounds: Bounds { setups: &[ALONE, TOGETHER_COOLING], instants: 3, ..USUAL[0].bounds },
    },
    Scene { name: USUAL[1].name, bounds: Bounds { setups: EVERY, ..USUAL[1].bounds } },
    Scene { name: USUAL[2].name, bounds: Bounds { instants: 3, crashes: 1, ..USUAL[2].bounds } },
    Scene { name: USUAL[3].name, bounds: Bounds { setups: EVERY, crashes: 1, ..USUAL[3].bounds } },
    Scene { name: USUAL[4].name, bounds: Bounds { setups: EVERY, instants: 5, ..USUAL[4].bounds } },
    Scene { name: USUAL[5].name, bounds: Bounds { signs: 1, crashes: 1, ..USUAL[5].bounds } },
];

/// Each mistake, and what finds it.
pub(super) const PLANTINGS: [Planting; 11] = [
    Planting {
        name: "skipped nonce",
        plant: Plant::Core(Planted::SkippedNonce),
        caught_by: Invariant::Nonce,
        bounds: Bounds { instants: 1, words: 1, ..LITTLE },
    },
    Planting {
        name: "effect before commit",
        plant: Plant::EffectBeforeCommit,
        caught_by: Invariant::Commit,
        bounds: LITTLE,
    },
    Planting {
        name: "read again after display",
        plant: Plant::ReadAfterDisplay,
        caught_by: Invariant::Displayed,
        bounds: Bounds { drafts: 1, ..LITTLE },
    },
    Planting {
        name: "wrong recipient",
        plant: Plant::Core(Planted::WrongRecipient),
        caught_by: Invariant::Recipient,
        bounds: Bounds { tricks: 1, ..LITTLE },
    },
    Planting {
        name: "ignored revocation",
        plant: Plant::Core(Planted::IgnoredRevocation),
        caught_by: Invariant::Revocation,
        bounds: LITTLE,
    },
    Planting {
        name: "expiry off by one",
        plant: Plant::Core(Planted::ExpiryOffByOne),
        caught_by: Invariant::Expiry,
        bounds: LITTLE,
    },
    Planting {
        name: "free extra collection",
        plant: Plant::Core(Planted::FreeCollection),
        caught_by: Invariant::Collections,
        bounds: LITTLE,
    },
    Planting {
        name: "quota reset on restart",
        plant: Plant::QuotaReset,
        caught_by: Invariant::Quota,
        bounds: Bounds { crashes: 1, filings: REQUESTS, ..LITTLE },
    },
    Planting {
        name: "superseded draft accepted",
        plant: Plant::Core(Planted::SupersededDraft),
        caught_by: Invariant::Superseded,
        bounds: Bounds { drafts: 1, ..LITTLE },
    },
    Planting {
        name: "cooling off by the wall clock",
        plant: Plant::Core(Planted::CoolingByTheWall),
        caught_by: Invariant::Cooling,
        bounds: Bounds { setups: &[ALONE_COOLING], jumps: 1, ..LITTLE },
    },
    Planting {
        name: "one owner counted twice",
        plant: Plant::Core(Planted::OwnerCountedTwice),
        caught_by: Invariant::Quorum,
        bounds: Bounds { setups: &[TOGETHER], ..LITTLE },
    },
];
