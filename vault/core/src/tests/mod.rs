//! The release core against tables of what must happen, with real signatures.

mod approvals;
mod asking;
mod brakes;
mod clocks;
mod collections;
mod commits;
mod cooling;
mod dice;
mod filings;
mod forgeries;
mod model;
mod mutations;
mod owner;
mod publications;
mod quorum;
mod records;
mod refusals;
mod revocations;
mod sealed;
mod stages;
mod times;
mod world;
