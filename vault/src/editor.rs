//! Writing words in the owner's own editor.

use crate::prompt::{Offspring, TTY, hold, supervise};
use crate::scratch::{Scratch, ScratchError, kept_in};
use shared::limits;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Tried in this order when the owner names none.
const USUAL: [&str; 3] = ["editor", "nano", "vi"];

/// What makes more of a line than one command with its arguments.
const COMPOUND: [char; 8] = [';', '&', '|', '(', ')', '{', '}', '\n'];

/// First words that name no program, and do not stand after `exec`.
const OWN: [&str; 8] = [".", "!", "command", "exec", "eval", "builtin", "source", "time"];

/// What the shell ends with when a command cannot be run, or is not found (IEEE Std 1003.1, section 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditorError {
    /// The text is empty or as it was.
    #[error("nothing was written, so nothing was changed")]
    Cancelled,
    /// Over [`limits::ANSWER`].
    #[error("the text has {bytes} bytes and the limit is {limit}; it is kept in {kept} - shorten it, then delete that file", limit = limits::ANSWER, kept = .kept.display())]
    TooLong {
        /// Its length.
        bytes: u64,
        /// Where it is now.
        kept: PathBuf,
    },
    /// Not text.
    #[error("the text is not UTF-8; it is kept in {kept} - save it as UTF-8, then delete that file", kept = .0.display())]
    NotUtf8(PathBuf),
    /// It ended with an error.
    #[error("the editor {name} failed ({status}); {}", outcome(.saved.as_deref()))]
    Failed {
        /// Which one.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The folder in which what it saved is now.
        saved: Option<PathBuf>,
    },
    /// The shell did not find or could not run what the owner named.
    #[error(
        "{name}, which VISUAL or EDITOR names, cannot be run; set EDITOR to an editor that is installed{}. Nothing was changed", such_as(.name)
    )]
    NotRun {
        /// As it is named.
        name: String,
    },
    /// There is none.
    #[error("no editor was found; install one (Debian: apt install nano) or set EDITOR to yours")]
    NoEditor,
    /// There is nowhere to show it.
    #[error("there is no terminal to show an editor on ({0}); run this command in a terminal window or over `ssh -t`")]
    NoTerminal(io::Error),
    /// This process was asked to end, or its terminal is gone.
    #[error("the editor was interrupted; {}", outcome(.saved.as_deref()))]
    Interrupted {
        /// The folder in which what it saved is now.
        saved: Option<PathBuf>,
    },
    /// It could not be run, or its file not be read.
    #[error("the editor could not be used ({0}); set EDITOR to one that works")]
    Io(#[from] io::Error),
    /// No place for the text.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

/// An example of an editor, other than the command `missing` names.
fn such_as(missing: &str) -> String {
    let program = missing.split_whitespace().next().map(Path::new).and_then(Path::file_name);
    let other = ["nano", "vi"].into_iter().find(|name| program.is_none_or(|program| program != *name));
    other.map_or_else(String::new, |name| format!(", such as {name}"))
}

/// What became of a text whose editor did not end well.
fn outcome(saved: Option<&Path>) -> String {
    match saved {
        Some(folder) => format!("what it saved is kept in {}; delete that when you have used it", kept_in(folder)),
        None => "it saved nothing, and nothing was changed".into(),
    }
}

/// What the owner wrote.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    /// Where it is as long as the folder, so that it can be kept if it turns out to be of no use as it is.
    pub(crate) file: PathBuf,
}

/// What the owner makes of `initial` in `$VISUAL`, `$EDITOR`, or the usual editor; `extension` (such as `md`) tells it the
/// kind of text.
///
/// # Errors
/// [`EditorError`]; text that cannot be used is kept, and the error says where.
pub(crate) fn compose(folder: &Scratch, initial: &str, extension: &str) -> Result<Written, EditorError> {
    let named = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()));
    compose_with(named.as_deref(), Path::new(TTY), folder, initial, extension)
}

fn compose_with(
    editor: Option<&str>,
    tty: &Path,
    folder: &Scratch,
    initial: &str,
    extension: &str,
) -> Result<Written, EditorError> {
    let file = unused(folder, initial, extension)?;
    folder.hand_over(&file, initial);
    let ended = match editor {
        Some(editor) => edit(shell(editor), tty, &file).map(|status| (editor.to_owned(), status)),
        None => usual(tty, &file),
    };
    let (name, status) = match ended {
        Err(EditorError::Interrupted { .. }) => return Err(EditorError::Interrupted { saved: folder.keep_words()? }),
        ended => ended?,
    };
    let untouched = || fs::read(&file).is_ok_and(|bytes| bytes == initial.as_bytes());
    if status.code().is_some_and(|code| NOT_RUN.contains(&code)) && untouched() {
        fs::remove_file(&file)?;
        return Err(EditorError::NotRun { name });
    }
    if !status.success() {
        return Err(EditorError::Failed { name, status, saved: folder.keep_words()? });
    }
    let bytes = fs::metadata(&file)?.len();
    if bytes > limits::ANSWER as u64 {
        return Err(EditorError::TooLong { bytes, kept: folder.keep(&file)? });
    }
    let Ok(text) = String::from_utf8(fs::read(&file)?) else {
        return Err(EditorError::NotUtf8(folder.keep(&file)?));
    };
    if text.trim().is_empty() || text == initial { Err(EditorError::Cancelled) } else { Ok(Written { text, file }) }
}

/// A new file; the folder may hold earlier ones.
fn unused(folder: &Scratch, initial: &str, extension: &str) -> Result<PathBuf, ScratchError> {
    let mut count = 1;
    loop {
        let name = format!("text-{count}.{extension}");
        if !folder.path().join(&name).exists() {
            return folder.file(&name, initial.as_bytes());
        }
        count += 1;
    }
}

/// The variables hold a command with arguments, by custom read by the shell; the file is an argument, never part of it. The
/// editor takes the shell's place where it can: what ends the shell would not reach it.
fn shell(editor: &str) -> Command {
    let first = editor.split_whitespace().next().unwrap_or_default();
    let program = !editor.contains(COMPOUND) && !first.contains('=') && !OWN.contains(&first);
    let exec = if program { "exec " } else { "" };
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{exec}{editor} \"$@\"")).arg("editor");
    command
}

fn usual(tty: &Path, file: &Path) -> Result<(String, ExitStatus), EditorError> {
    for name in USUAL {
        match edit(Command::new(name), tty, file) {
            Err(EditorError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.map(|status| (name.to_owned(), status)),
        }
    }
    Err(EditorError::NoEditor)
}

/// Hands the terminal over until the editor ends.
fn edit(mut command: Command, tty: &Path, file: &Path) -> Result<ExitStatus, EditorError> {
    let tty = fs::File::options().read(true).write(true).open(tty).map_err(EditorError::NoTerminal)?;
    command.arg(file).stdin(tty.try_clone()?).stdout(tty.try_clone()?).stderr(tty);
    let mut hold = hold()?;
    let (mut child, offspring) = Offspring::of(&mut command)?;
    let ended = supervise(&mut hold, &mut child);
    if !ended.as_ref().is_ok_and(ExitStatus::success) {
        // A shell may be gone before the editor that it started has saved.
        offspring.wait();
    }
    match ended {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
        // The signal that ended the editor may come here late.
        Ok(status) if !hold.is_to_end() => Ok(status),
        Ok(_) | Err(_) => Err(EditorError::Interrupted { saved: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: &str = "/dev/null";

    fn run(script: &str, initial: &str) -> (Scratch, Result<Written, EditorError>) {
        let folder = Scratch::new().unwrap();
        let editor = format!("f() {{ {script}; }}; f");
        let result = compose_with(Some(&editor), Path::new(NOWHERE), &folder, initial, "md");
        (folder, result)
    }

    /// Reads what an error says was kept, and removes it.
    fn kept(path: &Path) -> Vec<u8> {
        let bytes = fs::read(path).unwrap();
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        bytes
    }

    /// The same of what an editor that failed had saved.
    fn saved(result: Result<Written, EditorError>) -> Vec<u8> {
        let Err(EditorError::Failed { saved: Some(folder), .. }) = result else { panic!("{result:?}") };
        kept(&folder.join("text-1.md"))
    }

    #[test]
    fn words_come_back_exactly_and_their_file_goes_with_its_folder() {
        let (folder, result) = run("printf 'Grüße\\n' >> \"$1\"", "Dear visitor,\n");
        let Written { text, file } = result.unwrap();
        assert_eq!(text, "Dear visitor,\nGrüße\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        drop(folder);
        assert!(!file.exists());
        let (_, result) = run("case \"$1\" in *.md) printf ok > \"$1\";; esac", "");
        assert_eq!(result.unwrap().text, "ok", "the extension tells the kind");
    }

    #[test]
    fn empty_or_unchanged_is_cancelled() {
        for (script, initial) in
            [("true", "as it was"), ("printf ' \\n' > \"$1\"", "x"), (": > \"$1\"", "x"), ("true", "")]
        {
            assert!(matches!(run(script, initial).1, Err(EditorError::Cancelled)), "{script}");
        }
    }

    #[test]
    fn text_that_cannot_be_used_is_kept_and_its_place_told() {
        let (folder, result) = run("head -c 1048577 /dev/zero | tr '\\0' a > \"$1\"", "");
        let error = result.unwrap_err();
        drop(folder);
        let EditorError::TooLong { bytes: 1_048_577, kept: path } = &error else { panic!("{error}") };
        assert!(error.to_string().contains(path.to_str().unwrap()));
        assert_eq!(kept(path).len(), 1_048_577);
        let (_, result) = run("printf '\\377' > \"$1\"", "");
        let Err(EditorError::NotUtf8(path)) = result else { panic!("{result:?}") };
        assert_eq!(kept(&path), [0xff]);
        let (_, result) = run("printf half > \"$1\"; exit 3", "");
        assert_eq!(saved(result), b"half");
    }

    #[test]
    fn without_a_terminal_or_an_editor_it_says_so() {
        let folder = Scratch::new().unwrap();
        let nowhere = compose_with(Some("true"), Path::new("/nonexistent/tty"), &folder, "", "md");
        assert!(matches!(nowhere, Err(EditorError::NoTerminal(_))));
        for named in ["/nonexistent/editor -w", "/dev/null"] {
            let folder = Scratch::new().unwrap();
            let missing = compose_with(Some(named), Path::new(NOWHERE), &folder, "before", "md").unwrap_err();
            assert!(matches!(&missing, EditorError::NotRun { name } if name == named), "{missing:?}");
            assert!(missing.to_string().starts_with(&format!("{named}, which VISUAL or EDITOR names")), "{missing}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{named}");
        }
        let (folder, result) = run("exit 3", "given");
        assert!(matches!(result, Err(EditorError::Failed { saved: None, .. })), "{result:?}");
        assert!(folder.path().exists(), "nothing was kept");
        for (missing, example) in [("nanoo", "nano"), ("nano -w", "vi"), ("/usr/bin/nano", "vi"), ("vi", "nano")] {
            let error = EditorError::NotRun { name: missing.into() }.to_string();
            assert!(error.contains(&format!("is installed, such as {example}. Nothing")), "{error}");
        }
        // One that ran, and ended like this, may have saved something.
        let (_, result) = run("printf half > \"$1\"; exit 127", "");
        assert_eq!(saved(result), b"half");
    }
}
