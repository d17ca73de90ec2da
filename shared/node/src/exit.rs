//! Exit codes, the same for both programs.

/// Done.
pub const OK: u8 = 0;
/// Failed; standard error says why and what to do next.
pub const FAILURE: u8 = 1;
/// The command line was wrong.
pub const USAGE: u8 = 2;
/// Refused by a rule or by the owner.
pub const REFUSED: u8 = 3;
/// The other side is not there.
pub const PEER_AWAY: u8 = 4;
/// A stored key, signature or record is damaged or not what it should be.
pub const INTEGRITY: u8 = 5;

/// The table for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed; standard error says why and what to do next
  2  the command line was wrong
  3  refused, by a rule that keeps you safe or by you
  4  the other side is not there
  5  a stored key, signature or record is damaged";
