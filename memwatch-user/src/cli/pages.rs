//! Completions for shells, and manual pages: made from the definition of the command line.

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;

/// The definition of the command line.
#[must_use]
pub fn command() -> Command {
    Cli::command()
}

/// A completion script.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    let mut command = command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The manual page of the program (`memwatch-bpf.1`), or of one of its commands (`memwatch-bpf-NAME.1`); `None` if there is no
/// such command.
#[must_use]
pub fn manual(name: Option<&str>) -> Option<String> {
    let mut program = command();
    program.build();
    let page = match name {
        None => program,
        Some(name) => program.find_subcommand(name)?.clone(),
    };
    let mut text = Vec::new();
    // A vector takes everything.
    Man::new(page).render(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The commands that have a manual page of their own.
#[must_use]
pub fn documented_commands() -> Vec<String> {
    let command = command();
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let script = completions(*shell);
            for name in documented_commands() {
                assert!(script.contains(&name), "{shell} {name}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let names = documented_commands();
        assert!(names.contains(&"list".to_owned()) && !names.contains(&"man".to_owned()), "{names:?}");
        for name in &names {
            let page = manual(Some(name)).unwrap();
            assert!(page.contains(".TH") && page.contains(name.as_str()), "{page}");
        }
        assert!(manual(None).unwrap().contains("Exit status"));
        assert_eq!(manual(Some("none")), None);
    }
}
