//! The parts of end-to-end tests: a real vault and a real reception ([`World`]), the owner at a real terminal ([`Owner`]), a
//! visitor in a real browser ([`Browser`]) or with a bare HTTP client ([`Visitor`]).
//!
//! Everything here blocks, so a test is a plain `#[test]` function; none of it may be called from async code. What a part
//! starts ends when the part is dropped. A part that cannot do what it is asked panics, with what the nodes logged: a test
//! has nothing better to do then. Tests run beside each other: each has its own world, in a folder of its own.
//!
//! ```no_run
//! use tests::{Owner, Visitor, World};
//! let world = World::published();
//! let item = world.add("Curriculum vitae", "cv.txt", b"Ten years of cabinets.\n");
//! world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
//! let mut visitor = Visitor::new(&world);
//! let request = visitor.file_item(&item, "hiring");
//! let mut owner = Owner::run(&world, &["requests", "approve", &request]);
//! owner.read_to_the_end();
//! owner.type_word();
//! assert_eq!(owner.wait_for_exit(), 0);
//! visitor.wait_until(&request, "ready");
//! assert_eq!(visitor.save(&request).body, b"Ten years of cabinets.\n");
//! ```
// A test that cannot go on panics; so may its parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

pub mod adversary;
pub mod anybody;
pub mod bins;
pub mod browser;
pub mod clock;
pub mod desk;
pub mod http;
#[cfg(test)]
mod named;
pub mod node;
pub mod oracle;
pub mod owner;
pub mod process;
pub mod sample;
pub mod sim;
pub mod sinks;
pub mod statistics;
pub mod tap;
pub mod tools;
pub mod world;

pub use adversary::Adversary;
pub use browser::{Browser, Look};
pub use clock::{Clock, Wall};
pub use http::{Page, Visitor};
pub use node::Node;
pub use oracle::{Oracle, Sink};
pub use owner::Owner;
pub use sinks::Ears;
pub use world::{Ran, World};

use std::time::{Duration, Instant};

/// How long anything that should happen at once may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` again and again until it gives a value.
///
/// # Panics
/// After [`PATIENCE`], naming `what`.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe)
}

/// Asks `probe` again and again, for at most `time`, until it gives a value.
///
/// # Panics
/// After `time`, naming `what`.
pub fn within<T>(time: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {time:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
