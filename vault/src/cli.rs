//! The command line.

use clap::{Args, Parser, Subcommand};
use shared::ids::RequestId;
use shared::message::MediaType;
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
    #[arg(long, value_name = "DIR", global = true, overrides_with = "home")]
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
    /// Stop every release at once, those that are not collected yet too; any one owner can
    Freeze(Declaration),
    /// Let releases go on after a freeze; as many owners must sign as for a release
    Thaw(Declaration),
    /// Show what the vault thinks of this machine's clock
    ///
    /// After a clock has gone back, or jumped ahead by more than a day, nothing is approved, collected or ended by time before
    /// the owner has set it right or said that it is.
    Clock(Clock),
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
    /// The owner's public SSH key (ssh-ed25519 or sk-ssh-ed25519); once for each owner; without it, ssh-keygen makes a new one
    #[arg(long, value_name = "FILE.pub")]
    pub(crate) owner_key: Vec<PathBuf>,
    /// How many owners must sign a release
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub(crate) quorum: usize,
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
    /// What the item is called, in the catalogue too, in one line; by default the file's name. One file only.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// Offer it in the catalogue from the next publication on, for visitors to ask for
    #[arg(long)]
    pub(crate) listed: bool,
    /// Add it even if the vault holds the same bytes under the same title already; an item that is not listed does not stand for
    /// one that is to be
    #[arg(long)]
    pub(crate) again: bool,
    /// Its media type, such as application/pdf; by default it is detected
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub(crate) media_type: Option<MediaType>,
}

/// What `publish` does.
#[derive(Args)]
pub(crate) struct Publish {
    /// The folder; its files whose names end in .md become public, others are named and left out; files and folders
    /// whose names begin with a dot are passed over
    #[arg(value_name = "DIR", required_unless_present = "submit")]
    pub(crate) folder: Option<PathBuf>,
    /// Only write the bundle and the statement into OUT, to be signed elsewhere with
    /// `ssh-keygen -Y sign -n release@webizen -f KEY OUT/statement`
    #[arg(long, value_name = "OUT", conflicts_with = "submit")]
    pub(crate) prepare: Option<PathBuf>,
    /// Publish what --prepare wrote into OUT and ssh-keygen signed
    #[arg(long, value_name = "OUT", conflicts_with = "folder")]
    pub(crate) submit: Option<PathBuf>,
    /// The owner's key, instead of the configured one: a private key file, or a .pub whose private half ssh-agent has
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prepare", "submit"])]
    pub(crate) key: Option<PathBuf>,
}

/// What a freeze or a thaw says.
#[derive(Args)]
pub(crate) struct Declaration {
    /// Why, in a few words, for the log's keeper
    #[arg(long, value_name = "WORDS", default_value = "not said", value_parser = reason)]
    pub(crate) reason: String,
    /// The owner's key, instead of the configured one: a private key file, or a .pub whose private half ssh-agent has
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// What `clock` does.
#[derive(Args, Clone, Copy)]
pub(crate) struct Clock {
    /// Say that the clock is right, after looking at another one
    #[arg(long, conflicts_with = "json")]
    pub(crate) confirm: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Words to a visitor.
#[derive(Args, Default)]
pub(crate) struct Words {
    /// The words, at most 1000 bytes
    #[arg(long = "words", value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// Write them in your editor ($VISUAL or $EDITOR)
    #[arg(long, conflicts_with = "text")]
    pub(crate) write: bool,
    /// The owner's key, instead of the configured one: a private key file, or a .pub whose private half ssh-agent has
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

impl Words {
    /// Whether there are to be any.
    pub(crate) fn wanted(&self) -> bool {
        self.write || self.text.is_some()
    }
}

/// A reason fits one line of a statement.
fn reason(words: &str) -> Result<String, String> {
    shared::text::Text::<{ shared::limits::WORDS }>::new(words)
        .map(|w| w.as_str().to_owned())
        .map_err(|e| e.to_string())
}

/// A type and a subtype, which are restricted names (RFC 6838, section 4.2), and parameters, whose values are such names here.
fn media_type(given: &str) -> Result<MediaType, String> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let is_pair = |pair: Option<(&str, &str)>| pair.is_some_and(|(one, other)| is_name(one) && is_name(other));
    let (kind, parameters) = given.split_once(';').map_or((given, None), |(kind, more)| (kind, Some(more)));
    let is_parameter = |words: &str| is_pair(words.trim_start_matches(' ').split_once('='));
    if !is_pair(kind.split_once('/')) || !parameters.is_none_or(|more| more.split(';').all(is_parameter)) {
        return Err("it is to be TYPE/SUBTYPE, such as application/pdf or \"text/plain; charset=utf-8\"".into());
    }
    MediaType::new(given).map_err(|e| e.to_string())
}

/// What the owner does with requests.
#[derive(Subcommand)]
pub(crate) enum Requests {
    /// List the requests that wait for you, and the approvals that cool off and can be taken back unseen
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
    /// Sign what another owner has signed, where several must: an approval, a question, a refusal
    Sign {
        /// The request's id, or its first digits
        id: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Refuse
    ///
    /// Without words the visitor sees no difference to a request that nobody has looked at, until it lapses; others in the same
    /// words are refused with it. With words the visitor is told, and the words are signed. Repeats in the same words from the
    /// same contact are refused for a week.
    Refuse {
        /// The request's id, or its first digits
        id: String,
        /// Do not show the request and ask
        #[arg(long, conflicts_with_all = ["text", "write"])]
        yes: bool,
        #[command(flatten)]
        words: Words,
    },
    /// Ask the visitor something before you decide; without --words in your editor
    Ask {
        /// The request's id, or its first digits
        id: String,
        #[command(flatten)]
        words: Words,
    },
    /// Change what would be released, in your editor or by a file, then read and sign it
    Edit {
        /// The request's id, or its first digits
        id: String,
        /// Release this file's bytes instead
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Take words out of a text that would be released, leaving a visible mark, then read and sign it
    Redact {
        /// The request's id, or its first digits
        id: String,
        /// What is to go, everywhere in the text; once for each
        #[arg(long, value_name = "WORDS", required = true)]
        hide: Vec<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Take a release back: nobody can collect it any more. What has been collected is out
    Revoke {
        /// The request's id, or its first digits
        id: String,
        /// Why, in a few words, for the log's keeper
        #[arg(long, value_name = "WORDS", default_value = "not said", value_parser = reason)]
        reason: String,
        /// The owner's key, instead of the configured one: a private key file, or a .pub whose private half ssh-agent has
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
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
    /// For how many days the release can be collected once it has cooled off, 1 to 90, and not beyond the 90th day from now; by
    /// default 7, or as another owner has signed it
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=90))]
    pub(crate) days: Option<u64>,
    /// How many devices may collect it, 1 to 20; one device may break off and resume. By default 1, or as another owner has
    /// signed it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) collections: Option<u32>,
    /// The owner's key, instead of the configured one: a private key file, or a .pub whose private half ssh-agent has
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
    fn a_media_type_has_its_form() {
        for right in ["application/pdf", "image/svg+xml", "text/plain; charset=utf-8", "text/csv;header=present", "x/y"]
        {
            assert_eq!(media_type(right).unwrap().as_str(), right);
        }
        for wrong in [
            "foo",
            "",
            "/",
            "text/",
            "/plain",
            "a b/c",
            "a/b/c",
            "text/plain; x",
            "text/plain;",
            "-a/b",
            "ä/b",
            "a/b\n",
        ] {
            assert!(media_type(wrong).is_err_and(|error| error.contains("TYPE/SUBTYPE")), "{wrong:?}");
        }
        assert!(
            media_type(&format!("text/{}", "x".repeat(100))).is_err_and(|error| error.contains("the limit is 100"))
        );
    }

    #[test]
    fn a_request_is_found_by_its_first_digits() {
        let id = RequestId([0xab; 16]);
        assert!(matches(id, "AB") && matches(id, "abab") && !matches(id, "") && !matches(id, "ac"));
    }
}
