//! Logging to standard error, which systemd keeps.

use crate::config::Level;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging, once a process. Under systemd the journal dates the lines, and a priority goes in front of each.
pub fn start(level: Level) {
    let filter = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(filter.into())
        .parse_lossy("quinn=warn,quinn_proto=warn,rustls=warn,tantivy=warn,hyper=warn,html5ever=error");
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.with_ansi(false).without_time().init();
    } else {
        builder.with_ansi(false).init();
    }
}
