//! `vault pair`, `unpair` and `receptions`.

use super::{CommandError, Invocation, Owner, say, say_json, tell, unexpected};
use crate::cli::Output;
use crate::desk::{Desk, DeskCall, DeskReply, Reception};
use shared::limits;
use shared::pairing::{ReceptionLine, VaultLine};
use std::io::Read as _;

/// A pasted line is far shorter.
const LINE: u64 = 8192;

impl Owner {
    pub(super) fn pair(&self, words: &[String]) -> Result<(), CommandError> {
        let line = if words == ["-"] { read_line()? } else { words.join(" ") };
        let reception: ReceptionLine = line.parse().map_err(|e| CommandError::Usage(format!("{e}")))?;
        let DeskReply::Line(own) = Desk::ask(&self.socket, &DeskCall::Pair { line })? else {
            return Err(CommandError::Failed("the vault answered without its line".into()));
        };
        let vault: VaultLine = own.parse().map_err(|e| CommandError::Failed(format!("{e}")))?;
        tell("Compare these with what the reception shows, by a way that nobody can alter:")?;
        tell(&format!("  reception {}  pin {}", reception.name.as_str(), reception.pin))?;
        tell(&format!("  vault {}  pin {}", vault.name.as_str(), vault.pin))?;
        tell(&format!("  log key {}", vault.log))?;
        for key in vault.owner.keys() {
            tell(&format!("  owner's key {}", key.fingerprint()))?;
        }
        let name = reception.name.as_str();
        tell(&format!("If one differs, take the pairing back: {}", self.line(&format!("unpair {name}"))))?;
        // No line holds a quote, a dollar sign, a backtick, a backslash or an exclamation mark.
        tell("Now give the reception this line, on its machine, with its --home if it has one:")?;
        tell(&format!("  reception pair \"{vault}\""))?;
        say(&own)
    }

    pub(super) fn unpair(&self, name: String) -> Result<(), CommandError> {
        let DeskReply::Done = Desk::ask(&self.socket, &DeskCall::Unpair { name })? else { return Err(unexpected()) };
        say("The pairing has ended. Requests that came through it stay where they are.")
    }

    pub(super) fn receptions(&self, output: Output) -> Result<(), CommandError> {
        let replies = Desk::list(&self.socket, &DeskCall::Receptions)?;
        if replies.is_empty() && !output.json {
            let pair = self.line("pair \"LINE\"");
            return say(&format!("No reception is paired yet. On the reception run `reception id`, then here: {pair}"));
        }
        for reply in replies {
            let DeskReply::Reception(reception) = reply else { return Err(unexpected()) };
            if output.json {
                say_json(&reception)?;
            } else {
                describe(&reception, &self.invocation).iter().try_for_each(|line| say(line))?;
            }
        }
        Ok(())
    }
}

fn describe(reception: &Reception, invocation: &Invocation) -> [String; 4] {
    let room = reception.room_at.map_or_else(String::new, |at| format!("; it may file more at {at}"));
    [
        format!("{}  {}  paired {}", reception.name, reception.address, reception.paired_at),
        format!("  pin   {}", reception.pin),
        format!("  link  {}", invocation.complete(&reception.link)),
        format!("  day   {} of {} requests{room}", reception.filed, limits::LANE_DAY),
    ]
}

fn read_line() -> Result<String, CommandError> {
    let mut line = String::new();
    let read = std::io::stdin().take(LINE).read_to_string(&mut line);
    read.map_err(|e| CommandError::Usage(format!("the line cannot be read from standard input: {e}")))?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ids::Pin;
    use shared::time::Time;
    use std::path::Path;

    #[test]
    fn a_links_words_name_a_command_that_can_be_pasted_and_show_what_is_hidden() {
        let reception = Reception {
            name: "front".into(),
            address: "front.example:7443".into(),
            pin: Pin([7; 32]),
            paired_at: Time::from_unix(0),
            link: "another node answers\u{202E}: run `vault pair` here with its line".into(),
            up: false,
            filed: 500,
            room_at: Some(Time::from_unix(86_400)),
        };
        let [_, _, link, day] = describe(&reception, &Invocation::new("vault", Some(Path::new("/srv/it's v"))));
        let hint = r#"`vault --home '/srv/it'"'"'s v' pair`"#;
        assert_eq!(link, format!("  link  another node answers\\{{U+202E}}: run {hint} here with its line"));
        assert_eq!(day, "  day   500 of 500 requests; it may file more at 1970-01-02T00:00:00Z");
    }
}
