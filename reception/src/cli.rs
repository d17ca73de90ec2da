//! The command line.

use crate::config::Advertised;
use clap::{Args, Parser, Subcommand};
use shared::pairing::NodeName;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Answers visitors from what the owner has published, and brings their requests to the owner's vault.
///
/// The reception faces the internet and holds nothing private. It serves pages to a proxy on this machine, and waits for
/// one paired vault to dial in.
#[derive(Parser)]
#[command(name = "reception", version, after_help = node::exit::HELP)]
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
    /// Make the keys and a commented configuration file; nothing that exists is touched
    Init(Init),
    /// Print the line that the vault needs, for `vault pair LINE`; standard output has the line alone
    ///
    /// Standard error shows the fingerprint to compare with the one that the vault shows.
    Id,
    /// Take the line that the vault printed, and show the fingerprints to compare
    ///
    /// A running reception takes the new vault within a second or two.
    Pair(Pair),
    /// Serve pages and wait for the vault, until SIGTERM or SIGINT
    Serve,
}

/// What `init` writes into the configuration file.
#[derive(Args)]
pub(crate) struct Init {
    /// What the vault and its owner will call this reception: letters, digits, dots, hyphens, underscores
    #[arg(long, default_value = "reception")]
    pub(crate) name: NodeName,
    /// Where to wait for the vault (UDP)
    #[arg(long, value_name = "ADDR:PORT", default_value_t = crate::config::LINK_LISTEN)]
    pub(crate) link: SocketAddr,
    /// Where the vault shall dial, as seen from its side; default: the address of --link, or else this machine's name
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<Advertised>,
    /// Where to serve pages, without TLS, for a proxy on this machine
    #[arg(long, value_name = "ADDR:PORT", default_value_t = crate::config::HTTP_LISTEN)]
    pub(crate) http: SocketAddr,
}

/// Which vault to pair with.
#[derive(Args)]
pub(crate) struct Pair {
    /// Take the place of another vault that this reception is paired with; what is kept for that one waits until it is paired
    /// again
    #[arg(long)]
    pub(crate) replace: bool,
    /// The vault's line, quoted or not; `-` reads it from standard input
    #[arg(required = true, value_name = "LINE")]
    pub(crate) line: Vec<String>,
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
    fn a_line_may_be_quoted_or_not_and_options_stand_anywhere() {
        let words = ["reception", "pair", "webizen-vault", "v1", "name=v", "--home", "/srv/r"];
        let arguments = Arguments::try_parse_from(words).unwrap();
        assert_eq!(arguments.home.as_deref(), Some(std::path::Path::new("/srv/r")));
        let Command::Pair(pair) = arguments.command else { panic!("not pair") };
        assert_eq!((pair.line.join(" ").as_str(), pair.replace), ("webizen-vault v1 name=v", false));
        assert!(Arguments::try_parse_from(["reception", "pair", "-"]).is_ok());
        assert!(Arguments::try_parse_from(["reception", "pair"]).is_err());
        assert!(Arguments::try_parse_from(["reception", "init", "--name", "two words"]).is_err());
    }

    #[test]
    fn help_names_every_command_and_exit_code() {
        let help = Arguments::command().render_long_help().to_string();
        for word in ["init", "id", "pair", "serve", "--home", "CONFIGURATION_DIRECTORY", "  5  "] {
            assert!(help.contains(word), "{word} is not in:\n{help}");
        }
    }
}
