//! Logging to standard error, which systemd keeps.

use crate::config::Level;
use tracing_subscriber::EnvFilter;

/// Starts logging, once a process. Only this product's own crates speak below a warning: libraries log what they handle,
/// and that is a visitor's or an owner's business. Under systemd the journal dates the lines.
pub fn start(level: Level) {
    let own = level.as_str();
    let others = if level == Level::Error { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},reception={own},vault={own},link={own},node={own}"));
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().init();
    } else {
        builder.init();
    }
}
