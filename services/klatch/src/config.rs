//! `klatch config init|check|show`: the settings, documented, checked, explained.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use klatch_service::config::example;

use crate::AnyError;
use crate::settings::{self, FILE_DEFAULT, Settings};

/// Write, check or show the settings
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write a file with every setting, its meaning and its default
    #[command(after_help = "Everything in it is commented out: take away the # of what you change.")]
    Init {
        /// Where to; - for standard output
        #[arg(default_value = FILE_DEFAULT)]
        file: PathBuf,
    },
    /// Say whether the settings are good, and what is wrong with them if not
    Check,
    /// Show the settings that hold; secrets are hidden
    Show {
        /// Also where each came from: default, a file, a variable
        #[arg(long)]
        origin: bool,
    },
}

pub(crate) fn run(command: Command, file: Option<&Path>) -> Result<ExitCode, AnyError> {
    match command {
        Command::Init { file } => init(&file)?,
        Command::Check => check(file)?,
        Command::Show { origin } => show(file, origin)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(file: &Path) -> Result<(), AnyError> {
    let text = example::<Settings>();
    if file == Path::new("-") {
        return Ok(io::stdout().write_all(text.as_bytes())?);
    }
    // Never over somebody's own file.
    let mut new = File::create_new(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already: name another, or - for the screen", file.display())
        }
        _ => format!("{}: {error}", file.display()),
    })?;
    new.write_all(text.as_bytes())?;
    writeln!(io::stdout(), "wrote {}", file.display())?;
    Ok(())
}

fn check(file: Option<&Path>) -> Result<(), AnyError> {
    let loaded = settings::read(file, Vec::new())?;
    let changed = loaded.settings.iter().filter(|setting| setting.origin != "default").count();
    writeln!(io::stdout(), "good: {changed} of {} settings differ from nothing said", loaded.settings.len())?;
    Ok(())
}

fn show(file: Option<&Path>, origin: bool) -> Result<(), AnyError> {
    let loaded = settings::read(file, Vec::new())?;
    let width = loaded.settings.iter().map(|setting| setting.key.len() + setting.value.len()).max().unwrap_or(0);
    for setting in &loaded.settings {
        let line = format!("{} = {}", setting.key, setting.value);
        if origin {
            writeln!(io::stdout(), "{line:<width$}  # {}", setting.origin, width = width + 3)?;
        } else {
            writeln!(io::stdout(), "{line}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use klatch_service::config::{Layer, load};

    use super::*;

    #[test]
    fn the_example_names_every_setting_and_changes_nothing() {
        let text = example::<Settings>();
        let layer = Layer::toml("klatch.toml", &text).expect("it is TOML");
        let loaded = load::<Settings>([layer]).expect("it is good");
        assert_eq!(loaded.value, Settings::default());
        for setting in loaded.settings {
            let name = setting.key.rsplit('.').next().unwrap_or_default().to_owned();
            assert!(text.contains(&format!("# {name} =")), "{} is not in the example", setting.key);
        }
    }
}
