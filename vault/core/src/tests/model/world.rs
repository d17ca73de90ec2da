//! One state of the whole world: the vault's disk, the owners' desks, what strangers hold, the machine's clocks, and what an
//! observer remembers of what happened.

use super::core::{Case, Handle, START, Setup};
use super::known::Known;
use super::papers::{OWNERS, PAPERS, Pile, Text};
use crate::Clock;
use shared::limits;
use shared::time::{Boot, Reading, Time};
use std::fmt;

/// Requests whose whole life is explored.
pub(super) const FOLLOWED: usize = 2;
/// Those and one that is only filed, in the words of the second.
pub(super) const REQUESTS: usize = FOLLOWED + 1;
/// The one span of time between most instants: exactly the cooling-off time.
pub(super) const SPAN: u64 = 900;
/// The instants at which something happens: near together, then on the deadlines of what was filed at the first two.
pub(super) const INSTANTS: [u64; 5] = [0, SPAN, 2 * SPAN, limits::ASKING_LIFE, limits::ASKING_LIFE + SPAN];
/// Others filed all but this many of a day's requests an hour before.
pub(super) const ROOM: usize = 2;

/// How much may happen in one history; whatever fits is explored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) setups: &'static [Setup],
    /// How many of [`INSTANTS`].
    pub(super) instants: usize,
    /// What each owner signs.
    pub(super) signs: u8,
    /// Drafts that owners write.
    pub(super) drafts: u8,
    /// Questions back and words of refusal in all.
    pub(super) words: u8,
    /// Freezes and thaws in all that owners sign.
    pub(super) brakes: u8,
    /// Approvals that name another recipient.
    pub(super) tricks: u8,
    pub(super) crashes: u8,
    /// Crashes that are followed by another start of the machine.
    pub(super) reboots: u8,
    /// Jumps of the wall clock.
    pub(super) jumps: u8,
    /// Requests filed in all.
    pub(super) filings: usize,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests by any reception, {OWNERS} owners who sign {} texts each", self.filings, self.signs)?;
        let Self { drafts, words, brakes, tricks, crashes, reboots, jumps, .. } = self;
        write!(f, " ({words} questions or refusals, {brakes} freezes or thaws, {tricks} for another's visitor)")?;
        write!(
            f,
            ", {drafts} drafts written, {crashes} crashes, {reboots} of them with another boot, {jumps} clock jumps"
        )?;
        write!(f, ", {} instants, {} setups (", self.instants, self.setups.len())?;
        for (at, Setup { quorum, cooling }) in self.setups.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            write!(f, "{comma}{quorum} of {OWNERS} must sign, cooling off {cooling} s")?;
        }
        f.write_str(")")
    }
}

/// What of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) signs: [u8; OWNERS],
    pub(super) drafts: u8,
    pub(super) words: u8,
    pub(super) brakes: u8,
    pub(super) tricks: u8,
    pub(super) crashes: u8,
    pub(super) reboots: u8,
    pub(super) jumps: u8,
}

/// How the wall clock is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wall {
    Right,
    /// By one [`SPAN`], which is more than is waited for.
    Back,
    /// By one [`SPAN`] too, which is believed.
    Soon,
    /// By two days, which is more than is believed.
    Ahead,
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hands {
    /// Which instant it really is.
    pub(super) at: u8,
    pub(super) wall: Wall,
    /// Which boot, and at which instant that was.
    pub(super) boot: u8,
    pub(super) booted: u8,
}

/// What is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    pub(super) rows: [Option<Known<Case>>; REQUESTS],
    pub(super) brake: Known<Handle>,
    pub(super) clock: Clock,
}

/// What an observer remembers of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Seen {
    /// Somebody was told that it is filed.
    pub(super) acknowledged: bool,
    /// The approval that the log has.
    pub(super) approved: Option<Known<Text>>,
    /// When that came into the log, and in which boot.
    pub(super) approved_at: (u8, u8),
    /// The collections that the log has, a bit each.
    pub(super) collected: u8,
    /// Bytes left the vault.
    pub(super) served: bool,
    /// The log has a revocation.
    pub(super) revoked: bool,
    /// The nonces that a text with an effect bore, a bit each.
    pub(super) spent: u16,
    /// The same request as it would be if the owners had not decided, as long as nobody may tell.
    pub(super) twin: Option<Known<Case>>,
}

/// A world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) disk: Disk,
    /// Whether the vault runs.
    pub(super) up: bool,
    /// What each owner's screen shows: a request as it was when it was displayed.
    pub(super) desks: [Option<Known<Case>>; OWNERS],
    /// Every paper that was signed. It may be handed in by anybody, at any time, for anything.
    pub(super) pile: Pile,
    pub(super) hands: Hands,
    pub(super) seen: [Seen; REQUESTS],
    /// The log has a freeze and no thaw after it.
    pub(super) frozen: bool,
    /// As [`Seen::spent`], the brake's.
    pub(super) braked: u16,
    pub(super) left: Left,
    /// The invariants that did not hold, a bit each.
    pub(super) broken: u32,
}

impl Hands {
    pub(super) fn true_time(&self) -> Time {
        Time::from_unix(START + INSTANTS[usize::from(self.at)])
    }

    pub(super) fn reading(&self) -> Reading {
        let right = self.true_time().unix();
        let wall = match self.wall {
            Wall::Right => right,
            Wall::Back => right - SPAN,
            Wall::Soon => right + SPAN,
            Wall::Ahead => right + 2 * limits::CLOCK_AHEAD,
        };
        let since_boot = INSTANTS[usize::from(self.at)] - INSTANTS[usize::from(self.booted)];
        Reading { wall: Time::from_unix(wall), since_boot, boot: Boot([self.boot; 16]) }
    }
}

impl World {
    /// A new vault, an instant before anything is filed.
    pub(super) fn new(brake: Known<Handle>, bounds: &Bounds) -> Self {
        assert!(usize::from(bounds.signs) * OWNERS <= PAPERS, "the pile holds {PAPERS} papers");
        let hands = Hands { at: 0, wall: Wall::Right, boot: 0, booted: 0 };
        let left = Left {
            signs: [bounds.signs; OWNERS],
            drafts: bounds.drafts,
            words: bounds.words,
            brakes: bounds.brakes,
            tricks: bounds.tricks,
            crashes: bounds.crashes,
            reboots: bounds.reboots,
            jumps: bounds.jumps,
        };
        Self {
            disk: Disk { rows: [None; REQUESTS], brake, clock: Clock::new(hands.reading()) },
            up: true,
            desks: [None; OWNERS],
            pile: Pile::empty(),
            hands,
            seen: [Seen::default(); REQUESTS],
            frozen: false,
            braked: 0,
            left,
            broken: 0,
        }
    }

    pub(super) fn setup(&self) -> Setup {
        self.disk.brake.setup
    }

    /// What the vault takes the time to be.
    pub(super) fn now(&self) -> crate::Now {
        self.disk.clock.read(self.hands.reading()).1
    }
}
