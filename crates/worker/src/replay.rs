// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-worker replay FOLDER`: gives the inputs of a fault's folder to the codec
//! again, under the same budgets, and shows what happens.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use codecwatch_dav1d::{
    Chunk, Config, Damage, DamageCause, Dav1d, Decoded, Environment, LIBRARY, RemoteDav1d,
};
use codecwatch_evidence::{FaultFile, IVF_FILE, MOST_BYTES, read_ivf, read_regular_file};
use codecwatch_process::launch::printable;
use codecwatch_process::{ChildStatus, Isolation, Log, Placed, ProcessCodec, Remote};
use codecwatch_supervisor::{
    Budgets, CloseResult, Fault, FaultCause, Next, Options, Outcome, Run, WaitResult,
};

/// How a replay ended, as exit codes.
const COMPLETED: u8 = 0;
const WEDGED: u8 = 2;
const FAILED: u8 = 3;

const USAGE: &str = "usage: codecwatch-worker replay [--here] FOLDER";

type Error = Box<dyn std::error::Error>;

/// What the command line asks for.
struct Replay {
    folder: PathBuf,
    /// In this process instead of a child: for a debugger. A codec that crashes takes this
    /// process with it.
    here: bool,
}

/// Runs a replay.
///
/// # Errors
/// What cannot be replayed, and why.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode, Error> {
    let replay = Replay::of(arguments)?;
    let file = FaultFile::read(&replay.folder)?;
    say(&format!("{} {}: {}", file.date, file.element, file.text));
    let codec = file.codec.as_ref();
    let codec = codec.filter(|codec| codec.kind == RemoteDav1d::KIND);
    let codec = codec.ok_or_else(|| cannot(&replay.folder, &file))?;
    let config: Config = serde_json::from_value(codec.config.clone())
        .map_err(|error| format!("the config in {}: {error}", replay.folder.display()))?;
    let sample = read(&replay.folder.join(IVF_FILE))?;
    let frames = read_ivf(&sample)
        .map_err(|error| format!("{}: {error}", replay.folder.join(IVF_FILE).display()))?;
    if file
        .sample
        .as_ref()
        .is_some_and(|sample| sample.cut_inputs > 0)
    {
        say("The sample is not whole: inputs after the first were left out");
    }
    say(&format!(
        "Replaying {} inputs, {} bytes, {}",
        frames.len(),
        sample.len(),
        if replay.here {
            "here"
        } else {
            "in a child process"
        }
    ));
    let budgets = budgets(&file);
    let inputs = frames.iter().map(|frame| frame.to_vec()).collect();
    let end = play(replay.codec(config)?, budgets, inputs)?;
    Ok(ExitCode::from(end))
}

impl Replay {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let (mut folder, mut here) = (None, false);
        for argument in arguments {
            match argument.as_str() {
                "--here" => here = true,
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}; {USAGE}").into());
                }
                path if folder.is_none() => folder = Some(PathBuf::from(path)),
                more => return Err(format!("one folder, not also {more}; {USAGE}").into()),
            }
        }
        Ok(Self {
            folder: folder.ok_or(USAGE)?,
            here,
        })
    }

    fn codec(&self, config: Config) -> Result<Placed<RemoteDav1d>, Error> {
        let log = |line: &str| say(&format!("dav1d: {}", line.trim_end()));
        if self.here {
            let environment = Environment {
                log: Some(Arc::new(log)),
                ..Environment::default()
            };
            return Ok(Placed::Here(Dav1d::new(config, environment)));
        }
        let isolation = Isolation {
            program: std::env::current_exe()?,
            max_memory: 0,
            policy: None,
            strictly: false,
            status: Arc::<ChildStatus>::default(),
            last_look: None,
            survived: None,
            close_limit: Budgets::default().close,
            spare: None,
        };
        let log: Log = Arc::new(move |_level, line| log(line));
        Ok(Placed::Child(ProcessCodec {
            config,
            library: LIBRARY,
            isolation: Ok(isolation),
            parent: (),
            log: Some(log),
        }))
    }
}

/// Why a folder cannot be replayed here, and what to do with it instead.
fn cannot(folder: &Path, file: &FaultFile) -> String {
    match &file.sample {
        None => format!(
            "{} has no sample: the pictures that an encoder is given are not recorded",
            folder.display()
        ),
        Some(sample) => {
            let Some(name) = name_in_folder(&sample.file) else {
                return format!("{}: its sample lies elsewhere", folder.display());
            };
            let codec = file.settings.get("codec").and_then(|codec| codec.as_str());
            format!(
                "{} is played by GStreamer: gst-launch-1.0 filesrc location={} ! gdpdepay ! {} ! \
                 fakesink",
                folder.display(),
                quoted(&folder.join(name).to_string_lossy()),
                codec.map_or_else(
                    || quoted(&file.factory),
                    |codec| format!("codecwatch codec={}", quoted(codec))
                ),
            )
        }
    }
}

/// The name, if it is that of a file in the folder itself.
fn name_in_folder(name: &str) -> Option<&OsStr> {
    let path = Path::new(name);
    path.file_name().filter(|last| *last == path.as_os_str())
}

/// One word for a shell, whatever is in it: somebody will copy the line.
fn quoted(word: &str) -> String {
    // Only what ends a word in every shell cannot be quoted.
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), Cow::into_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_regular_file(path, MOST_BYTES).map_err(|error| format!("{}: {error}", path.display()))
}

/// Those of the element.
fn budgets(file: &FaultFile) -> Budgets {
    let default = Budgets::default();
    let of = |property: &str, default| file.duration(property).unwrap_or(default);
    Budgets {
        watchdog: of("watchdog-timeout", default.watchdog),
        drain: of("drain-timeout", default.drain),
        open: of("open-timeout", default.open),
        close: of("close-timeout", default.close),
        slow_limit: of("slow-limit", default.slow_limit),
    }
}

/// What came out.
#[derive(Debug, Default)]
struct Tally {
    pictures: u64,
    damaged: u64,
    first_damage: Option<Damage>,
}

impl Tally {
    fn note(&mut self, output: &Decoded) {
        match output {
            Decoded::Picture(_) => self.pictures += 1,
            Decoded::NoPicture { .. } => {}
            Decoded::Damaged(damage) => {
                self.damaged += 1;
                let is_cause = damage.cause != DamageCause::Unreferenced;
                if self.first_damage.is_none() && is_cause {
                    self.first_damage = Some(*damage);
                }
            }
        }
    }
}

/// Runs the codec on the inputs. Returns how it ended.
fn play(codec: Placed<RemoteDav1d>, budgets: Budgets, inputs: Vec<Vec<u8>>) -> Result<u8, Error> {
    let options = Options {
        budgets,
        ..Options::default()
    };
    let run = Run::start(codec, options)?;
    let feeder = {
        let run = run.clone();
        std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || feed(&run, inputs))?
    };
    let mut tally = Tally::default();
    loop {
        match run.next() {
            Next::Output(output) => tally.note(&output),
            Next::Slow(slow) => say(&format!(
                "The codec is slow, but works: {:?}",
                slow.evidence
            )),
            Next::FactsChanged => {}
            Next::Cancelled | Next::Ended => break,
        }
    }
    // Every wait of it ends with the run.
    drop(feeder);
    let mut line = format!(
        "{} pictures, {} inputs damaged",
        tally.pictures, tally.damaged
    );
    if let Some(damage) = tally.first_damage {
        line += &format!("; the first is input {}: {}", damage.id, damage.cause);
    }
    say(&line);
    let outcome = run.outcome();
    if let Some(fault) = outcome.as_ref().and_then(Outcome::fault) {
        let name = outcome.as_ref().map_or("", Outcome::name);
        say(&format!("{name}: {fault}"));
        return Ok(code_of(fault));
    }
    if let CloseResult::Abandoned(Some(fault)) = run.close() {
        say(&format!("The session does not close: {fault}"));
        return Ok(code_of(&fault));
    }
    say(match tally.damaged {
        0 => "Completed",
        _ => "Completed, except for the damaged inputs",
    });
    Ok(match tally.damaged {
        0 => COMPLETED,
        _ => FAILED,
    })
}

fn code_of(fault: &Fault) -> u8 {
    match fault.cause {
        FaultCause::Wedged { .. } => WEDGED,
        _ => FAILED,
    }
}

fn feed(run: &Run<Chunk, Decoded>, inputs: Vec<Vec<u8>>) {
    for (id, bytes) in inputs.into_iter().enumerate() {
        if run.wait_for_room() != WaitResult::Ready {
            return;
        }
        let chunk = match bytes.is_empty() {
            true => Chunk::damaged(id as u64),
            false => Chunk::new(id as u64, bytes),
        };
        if run.submit(chunk).is_err() {
            return;
        }
    }
    run.request_drain(true);
}

/// Longest line, in characters.
const LONGEST: usize = 4000;

/// Says what may come from the folder, as it can be shown on a terminal. Nobody may be reading.
fn say(line: &str) {
    let _ = writeln!(
        io::stdout(),
        "{}",
        printable(line.as_bytes(), LONGEST, false)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_says_is_one_word_for_a_shell() {
        for word in [
            "$(id)", "`id`", "a; id", "a' id", "a\"b", "a b", "!1", "~", "",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let shell = std::process::Command::new("sh");
            let came = { shell }.args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(came.stdout).unwrap(), word);
        }
        assert_eq!(quoted("avdec_h264"), "avdec_h264");
        assert_eq!(quoted("a\0b"), "''");
    }

    #[test]
    fn a_sample_lies_in_its_folder() {
        assert_eq!(name_in_folder("sample.gdp"), Some(OsStr::new("sample.gdp")));
        for name in ["/etc/passwd", "../a", "a/b", "..", ".", "", "a/"] {
            assert_eq!(name_in_folder(name), None, "{name}");
        }
    }
}
