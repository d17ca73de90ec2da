//! How this program was called, so that a command it names can be pasted.

use shared::visible;
use std::path::Path;

/// The program, with the `--home` that was given.
#[derive(Debug, Clone)]
pub struct Invocation {
    program: &'static str,
    home: Option<String>,
}

impl Invocation {
    /// With the folder of `--home`, if that was given; as an absolute path, because hints are pasted into other terminals. One
    /// that a terminal cannot show as it is, such as one that is not UTF-8, could not be pasted, and is left out.
    pub fn new(program: &'static str, home: Option<&Path>) -> Self {
        let home = home.map(|home| std::path::absolute(home).unwrap_or_else(|_| home.to_owned()));
        let home = home.as_deref().filter(|home| home.to_str().is_some_and(shown_as_it_is));
        Self { program, home: home.map(quoted) }
    }

    /// The command line that says `words` to this node.
    pub fn line(&self, words: &str) -> String {
        match &self.home {
            Some(home) => format!("{} --home {home} {words}", self.program),
            None => format!("{} {words}", self.program),
        }
    }

    /// An error's text, or words about a link, as a terminal may show them and with their hints complete. They may come from
    /// where nobody knows how the command was called, such as the release core or the daemon, which name commands as
    /// `` `vault …` `` or `` `reception …` ``; and a stranger may have had a hand in them. The folder of `--home` comes last: it
    /// is the caller's, and pasted as it stands.
    pub fn complete(&self, text: &str) -> String {
        let (named, complete) = (format!("`{} ", self.program), format!("`{}", self.line("")));
        let lines: Vec<String> = text.lines().map(|line| visible::line(line).replace(&named, &complete)).collect();
        lines.join("\n")
    }
}

/// Whether a terminal shows every character of a text; a backslash, which the visible form doubles, is shown.
fn shown_as_it_is(text: &str) -> bool {
    text.split('\\').all(|part| visible::line(part) == part)
}

/// A path as one word of a POSIX shell (IEEE Std 1003.1, section 2.2). It brings in no backslash, which the visible form of a
/// text would double.
pub fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,=".contains(&byte);
    if !path.is_empty() && path.bytes().all(plain) { path } else { format!("'{}'", path.replace('\'', r#"'"'"'"#)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_hint_repeats_the_home_that_was_given() {
        assert_eq!(Invocation::new("vault", None).line("thaw"), "vault thaw");
        let given = Invocation::new("vault", Some(Path::new("/srv/vault")));
        assert_eq!(given.line("requests show 01"), "vault --home /srv/vault requests show 01");
        let here = std::env::current_dir().unwrap().join("data");
        let relative = Invocation::new("vault", Some(Path::new("data")));
        assert_eq!(relative.line("thaw"), format!("vault --home {} thaw", quoted(&here)));
    }

    #[test]
    fn an_errors_hints_are_completed_and_nothing_else_is() {
        let given = Invocation::new("vault", Some(Path::new("/srv/my vault")));
        let error = "all releases of vault a are stopped; `vault thaw` or `vault clock`";
        let home = "--home '/srv/my vault'";
        let complete = format!("all releases of vault a are stopped; `vault {home} thaw` or `vault {home} clock`");
        assert_eq!(given.complete(error), complete);
        assert_eq!(Invocation::new("vault", None).complete(error), error);
    }

    #[test]
    fn a_strangers_text_is_made_visible_and_the_home_after_it_stays_as_it_is() {
        let home = r"/srv/it's a \ v";
        let given = Invocation::new("vault", Some(Path::new(home)));
        let said = given.complete("no link: \u{202E}a\\b; run `vault pair` here\nagain: `vault thaw`");
        let hint = |command: &str| format!("`{}`", given.line(command));
        let (pair, thaw) = (hint("pair"), hint("thaw"));
        assert_eq!(said, format!("no link: \\{{U+202E}}a\\\\b; run {pair} here\nagain: {thaw}"));
        let pasted = pair.trim_matches('`').replacen("vault", "printf '%s|'", 1);
        let said = Command::new("sh").arg("-c").arg(pasted).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("--home|{home}|pair|"));
        assert!(!quoted(Path::new("/srv/it's v")).contains('\\'));
    }

    #[test]
    fn the_other_nodes_commands_are_left_alone() {
        let given = Invocation::new("reception", Some(Path::new("/srv/r")));
        let said = given.complete("`reception id` prints it; then `vault pair`, on the vault");
        assert_eq!(said, "`reception --home /srv/r id` prints it; then `vault pair`, on the vault");
    }

    #[test]
    fn a_home_that_cannot_be_pasted_is_left_out() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        for bytes in [&b"/srv/\xFF"[..], b"/srv/a\nb", b"/srv/a\x1b[2J", "/srv/\u{202E}a".as_bytes()] {
            let given = Invocation::new("vault", Some(Path::new(OsStr::from_bytes(bytes))));
            assert_eq!(given.line("thaw"), "vault thaw", "{bytes:?}");
        }
    }

    #[test]
    fn a_shell_reads_a_quoted_path_as_it_is() {
        for path in ["/srv/vault", "/srv/my vault", "/srv/it's $HOME \"x\" `id` \\", "~", "*", "", "/srv/é;ls"] {
            let said = Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(Path::new(path)))).output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), path);
        }
    }
}
