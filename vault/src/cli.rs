//! The command line.

use clap::{Args, Parser, Subcommand};
use shared::ids::RequestId;
use shared::pairing::NodeName;
use std::path::PathBuf;

/// Holds private data, and releases exactly what the owner has read and signed.
///
/// One `vault serve` runs as a service. Every other command is the owner's and talks to it over a unix socket. The service
/// holds no key that can approve: the owner's own process signs, through ssh-keygen.
#[derive(Parser)]
#[command(name = "vault", version, after_help = node::exit::HELP)]
pub(crate) struct Arguments {
    /// Keep configuration, state and run-time files in DIR/config, DIR/state and DIR/run. Without it they are where systemd
    /// says: $CONFIGURATION_DIRECTORY, $STATE_DIRECTORY and $RUNTIME_DIRECTORY.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) home: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the binary does.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make the keys, a commented configuration and an encrypted store; nothing that exists is touched
    Init(Init),
    /// Run the service, until SIGTERM or SIGINT
    Serve,
    #[command(flatten)]
    Owner(OwnerCommand),
}

/// What the owner asks of the running service.
#[derive(Subcommand)]
pub(crate) enum OwnerCommand {
    /// Show the vault's name, fingerprints and counts
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Take the line that `reception id` printed, and print this vault's line for `reception pair`
    ///
    /// Standard output has the line alone; standard error shows the fingerprints to compare.
    Pair {
        /// The reception's line, quoted or not; `-` reads it from standard input
        #[arg(required = true, value_name = "LINE")]
        line: Vec<String>,
    },
    /// End a pairing; the reception is cut off within a second
    Unpair {
        /// The reception's name, as `vault receptions` shows it
        name: String,
    },
    /// List the paired receptions and how their links stand
    Receptions {
        #[command(flatten)]
        output: Output,
    },
    /// Put files into the vault, each as an item
    Add(Add),
    /// List the items
    Items {
        #[command(flatten)]
        output: Output,
    },
    /// Publish a folder of Markdown files and the titles of the listed items, for everybody to read
    Publish(Publish),
    /// Read and decide what visitors ask for
    #[command(subcommand)]
    Requests(Requests),
    /// Get proof of what was released
    #[command(subcommand)]
    Evidence(EvidenceCommand),
}

/// How a command that reads prints.
#[derive(Args, Clone, Copy)]
pub(crate) struct Output {
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `init` makes.
#[derive(Args)]
pub(crate) struct Init {
    /// What receptions will call this vault: letters, digits, dots, hyphens, underscores
    #[arg(long, default_value = "vault")]
    pub(crate) name: NodeName,
    /// Whose reception visitors will read it is, such as "Mira Example"; by default the vault's name
    #[arg(long, value_name = "NAME")]
    pub(crate) owner_name: Option<String>,
    /// The owner's public SSH key (ssh-ed25519 or sk-ssh-ed25519); without it, ssh-keygen makes a new one
    #[arg(long, value_name = "FILE.pub")]
    pub(crate) owner_key: Option<PathBuf>,
    /// Make the new owner key without a passphrase: whoever can read the file can then approve releases
    #[arg(long, conflicts_with = "owner_key")]
    pub(crate) no_passphrase: bool,
}

/// What `add` takes.
#[derive(Args)]
pub(crate) struct Add {
    /// Files of at most 64 MiB each
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What the item is called, in the catalogue too; by default the file's name. One file only.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Offer it in the catalogue from the next publication on, for visitors to ask for
    #[arg(long)]
    pub(crate) listed: bool,
    /// Its media type, such as application/pdf; by default it is detected
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
}

/// What `publish` does.
#[derive(Args)]
pub(crate) struct Publish {
    /// The folder; files that do not end in .md are left out
    #[arg(value_name = "DIR", required_unless_present = "submit")]
    pub(crate) folder: Option<PathBuf>,
    /// Only write the bundle and the statement into OUT, to be signed elsewhere with
    /// `ssh-keygen -Y sign -n release@webizen -f KEY OUT/statement`
    #[arg(long, value_name = "OUT", conflicts_with = "submit")]
    pub(crate) prepare: Option<PathBuf>,
    /// Publish what --prepare wrote into OUT and ssh-keygen signed
    #[arg(long, value_name = "OUT", conflicts_with = "folder")]
    pub(crate) submit: Option<PathBuf>,
}

/// What the owner does with requests.
#[derive(Subcommand)]
pub(crate) enum Requests {
    /// List the requests that wait for you
    Ls {
        /// Decided ones too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show one request
    Show {
        /// The request's id, or its first digits
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Read exactly what would be released, and sign it, or not
    Approve {
        /// The request's id, or its first digits
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Refuse, without words: the visitor sees no difference to a request that nobody has looked at, until it lapses
    Refuse {
        /// The request's id, or its first digits
        id: String,
        /// Do not show the request and ask
        #[arg(long)]
        yes: bool,
    },
    /// Write an answer in your editor ($VISUAL or $EDITOR), then read and sign it
    Answer {
        /// The request's id, or its first digits
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Wait for requests and take them one after another; the bell rings for each
    Watch {
        #[command(flatten)]
        terms: Terms,
    },
}

/// What the owner may choose about a release.
#[derive(Args, Clone)]
pub(crate) struct Terms {
    /// For how many days the release can be collected, 1 to 90
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=90))]
    pub(crate) days: u64,
    /// How many devices may collect it, 1 to 20; one device may break off and resume
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) collections: u32,
    /// The owner's key, instead of the configured one
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// What the owner does with evidence.
#[derive(Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Write a release's statement, signature, signers and receipt into a folder, with the commands that check them
    Export {
        /// The request's id, or its first digits
        id: String,
        /// A folder that does not exist yet
        folder: PathBuf,
    },
}

/// A request by the beginning of its id, among those that exist.
pub(crate) fn matches(id: RequestId, prefix: &str) -> bool {
    !prefix.is_empty() && id.to_string().starts_with(&prefix.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_request_is_found_by_its_first_digits() {
        let id = RequestId([0xab; 16]);
        assert!(matches(id, "AB") && matches(id, "abab") && !matches(id, "") && !matches(id, "ac"));
    }
}
