//! How this program was called, so that a command it names can be pasted.

use std::path::Path;

/// `vault`, with the `--home` that was given.
#[derive(Debug, Clone)]
pub(crate) struct Invocation(String);

impl Invocation {
    /// With the folder of `--home`, if that was given; as an absolute path, because hints are pasted into other terminals.
    pub(crate) fn new(home: Option<&Path>) -> Self {
        Self(match home {
            Some(home) => {
                let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
                format!("vault --home {}", quoted(&home))
            }
            None => "vault".into(),
        })
    }

    /// The command line that says `words` to this vault.
    pub(crate) fn line(&self, words: &str) -> String {
        format!("{} {words}", self.0)
    }

    /// An error's text with its hints complete. An error may come from where nobody knows how the command was called, such as
    /// the release core or the daemon: it names commands as `` `vault …` ``, and no words of a stranger's.
    pub(crate) fn complete(&self, error: &str) -> String {
        error.replace("`vault ", &format!("`{} ", self.0))
    }
}

/// A path as one word of a POSIX shell (IEEE Std 1003.1, section 2.2).
pub(crate) fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_hint_repeats_the_home_that_was_given() {
        assert_eq!(Invocation::new(None).line("thaw"), "vault thaw");
        let given = Invocation::new(Some(Path::new("/srv/vault")));
        assert_eq!(given.line("requests show 01"), "vault --home /srv/vault requests show 01");
        let here = std::env::current_dir().unwrap().join("data");
        let relative = Invocation::new(Some(Path::new("data")));
        assert_eq!(relative.line("thaw"), format!("vault --home {} thaw", quoted(&here)));
    }

    #[test]
    fn an_errors_hints_are_completed_and_nothing_else_is() {
        let given = Invocation::new(Some(Path::new("/srv/my vault")));
        let error = "all releases of vault a are stopped; `vault thaw` or `vault clock`";
        let home = "--home '/srv/my vault'";
        let complete = format!("all releases of vault a are stopped; `vault {home} thaw` or `vault {home} clock`");
        assert_eq!(given.complete(error), complete);
        assert_eq!(Invocation::new(None).complete(error), error);
    }

    #[test]
    fn a_shell_reads_a_quoted_path_as_it_is() {
        for path in ["/srv/vault", "/srv/my vault", "/srv/it's $HOME \"x\" `id` \\", "~", "*", "", "/srv/é;ls"] {
            let said = Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(Path::new(path)))).output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), path);
        }
    }
}
