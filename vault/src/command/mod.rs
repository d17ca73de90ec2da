//! The owner's commands. Each prints for a person on a terminal, or JSON where asked.

mod add;
mod approve;
mod clock;
mod compose;
mod declare;
mod describe;
mod difference;
mod evidence;
mod init;
mod pairing;
mod publish;
mod ready;
mod requests;
mod serve;
mod status;
mod watch;
mod words;

use crate::cli::{Arguments, Command, OwnerCommand};
use crate::config::Config;
use crate::desk::DeskError;
use crate::editor::EditorError;
use crate::paths::Paths;
use crate::scratch::ScratchError;
use crate::sign::SignError;
use node::home::Home;
use std::path::PathBuf;

pub(crate) use node::invocation::Invocation;

/// Why a command failed, and with which exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Memory(#[from] node::memory::NotPrivate),
    #[error(transparent)]
    Home(#[from] node::home::Nowhere),
    #[error(transparent)]
    Config(#[from] node::config::ConfigError),
    #[error(transparent)]
    File(#[from] node::files::FileError),
    #[error(transparent)]
    Start(#[from] crate::daemon::StartError),
    #[error(transparent)]
    Init(#[from] init::InitError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// A call that hands a signature in was not carried out, for certain.
    #[error("{}. Your signature was not taken, and nothing was changed.", said(.0))]
    NotTaken(DeskError),
    /// A call that hands a signature in may have been carried out.
    #[error("{}. Whether it was taken is not known; look with `vault {look}`", said(.error))]
    Unknown { error: DeskError, look: String },
    /// The same, because the request is not as the owner read it any more.
    #[error("{since}. Your signature was not taken, and nothing was changed.")]
    Overtaken { error: Box<CommandError>, since: String },
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Prompt(#[from] crate::prompt::PromptError),
    #[error(transparent)]
    Editor(#[from] EditorError),
    /// Something came of nothing after the owner had written it; where that is now.
    #[error("{}. What you wrote is kept in {}; delete that file when you have used it", said(.error), .kept.display())]
    Kept { error: Box<CommandError>, kept: PathBuf },
    /// The same, and it could not be kept.
    #[error("{}. Besides, {unkept}", said(.error))]
    Unkept { error: Box<CommandError>, unkept: ScratchError },
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Integrity(String),
    #[error("cannot {act} {path}: {source}", path = path.display())]
    Io { act: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot print: {0}")]
    Print(std::io::Error),
}

impl CommandError {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Start(error) => error.code(),
            Self::File(error) => error.exit(),
            Self::Desk(error) | Self::NotTaken(error) | Self::Unknown { error, .. } => error.code(),
            Self::Refused(_) | Self::Prompt(_) | Self::Sign(SignError::NotAnOwners { .. } | SignError::BrokenOff) => {
                node::exit::REFUSED
            }
            Self::Kept { error, .. } | Self::Unkept { error, .. } | Self::Overtaken { error, .. } => error.code(),
            Self::Integrity(_) => node::exit::INTEGRITY,
            Self::Usage(_) => node::exit::USAGE,
            Self::Memory(_)
            | Self::Home(_)
            | Self::Config(_)
            | Self::Init(_)
            | Self::Sign(_)
            | Self::Editor(_)
            | Self::Failed(_)
            | Self::Io { .. }
            | Self::Print(_) => node::exit::FAILURE,
        }
    }
}

impl CommandError {
    /// Why a call that handed a signature in was not answered well, with what became of the signature; `look` are the words
    /// of the command that shows it.
    fn handing_in(error: DeskError, look: impl Into<String>) -> Self {
        if error.nothing_done() { Self::NotTaken(error) } else { Self::Unknown { error, look: look.into() } }
    }

    /// Whether nobody can be asked or told any more, or the command is to end.
    fn ends_the_watch(&self) -> bool {
        let error = if let Self::Kept { error, .. } | Self::Unkept { error, .. } = self { error } else { self };
        matches!(
            error,
            Self::Print(_)
                | Self::Prompt(_)
                | Self::Editor(EditorError::Interrupted { .. })
                | Self::Sign(SignError::Interrupted)
        )
    }
}

/// An error's words, to which a sentence is added.
fn said(error: &impl std::error::Error) -> String {
    error.to_string().trim_end_matches('.').into()
}

/// Runs one command.
pub(crate) fn run(arguments: Arguments, invocation: &Invocation) -> Result<(), CommandError> {
    node::memory::keep_private()?;
    let paths = Paths(Home::find(arguments.home.as_deref(), |name| std::env::var_os(name))?);
    let command = match arguments.command {
        Command::Init(options) => return Ok(init::init(&paths, &options, invocation)?),
        Command::Serve => {
            paths.guard()?;
            return serve::serve(&paths, Config::read(&paths)?);
        }
        Command::Owner(command) => command,
    };
    let (config, socket) = (Config::read(&paths)?, paths.socket()?);
    Owner { config, socket, invocation: invocation.clone() }.run(command)
}

/// The owner's process: where the daemon is, and what the configuration says of the owner.
pub(crate) struct Owner {
    pub(crate) config: Config,
    pub(crate) socket: PathBuf,
    pub(crate) invocation: Invocation,
}

impl Owner {
    fn run(&self, command: OwnerCommand) -> Result<(), CommandError> {
        match command {
            OwnerCommand::Status { output } => self.status(output),
            OwnerCommand::Pair { line } => self.pair(&line),
            OwnerCommand::Unpair { name } => self.unpair(name),
            OwnerCommand::Receptions { output } => self.receptions(output),
            OwnerCommand::Add(options) => self.add(&options),
            OwnerCommand::Items { output } => self.items(output),
            OwnerCommand::Publish(options) => self.publish(&options),
            OwnerCommand::Requests(command) => self.requests(command),
            OwnerCommand::Freeze(declaration) => self.freeze(&declaration),
            OwnerCommand::Thaw(declaration) => self.thaw(&declaration),
            OwnerCommand::Clock(options) => self.clock(options),
            OwnerCommand::Evidence(command) => self.evidence(command),
        }
    }

    /// The command line that says `words`, to be pasted.
    fn line(&self, words: &str) -> String {
        self.invocation.line(words)
    }
}

/// Prints a line of the command's result.
pub(crate) fn say(line: &str) -> Result<(), CommandError> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{line}").map_err(CommandError::Print)
}

/// Prints a line for the person, beside the result.
pub(crate) fn tell(line: &str) -> Result<(), CommandError> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{line}").map_err(CommandError::Print)
}

/// Prints a value as one line of JSON.
pub(crate) fn say_json<T: serde::Serialize>(value: &T) -> Result<(), CommandError> {
    let json = serde_json::to_string(value).map_err(|e| CommandError::Failed(e.to_string()))?;
    say(&ascii(&json))
}

/// JSON in ASCII (RFC 8259, section 7): a terminal shows none of what a stranger wrote but letters.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// For a reply that the daemon should not have given.
pub(crate) fn unexpected() -> CommandError {
    DeskError::Unexpected.into()
}

/// Names the act and the path of an operating system's error.
pub(crate) fn failed(act: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| CommandError::Io { act, path, source }
}

/// For a folder that has to be a new one.
pub(crate) fn new_folder(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> CommandError {
    let path = path.to_owned();
    move |source| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            CommandError::Usage(format!("{} exists already; name a folder that does not", path.display()))
        } else {
            failed("make", &path)(source)
        }
    }
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
