// SPDX-License-Identifier: MPL-2.0
//! Where the sessions of an element run: in this process, or each in a child.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codecwatch_evidence::LastLook;
use codecwatch_process::sandbox::Policy;
use codecwatch_process::{Isolation, Log, OnSurvivor, ParentOf, Placed, ProcessCodec, Remote};
use codecwatch_supervisor::Library;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::evidence::OpenedWith;
use crate::report::post_survivor;
use crate::{Settings, Supervised};

/// The program of children. A variable of this name can name another file.
const PROGRAM: &str = "codecwatch-worker";
const VARIABLE: &str = "CODECWATCH_WORKER";

/// The folder of the program, where whoever has built the plugins has said so.
const FOLDER: Option<&str> = option_env!("CODECWATCH_LIBEXECDIR");

/// Folders above the plugin's in which `libexec` is looked for: those between a prefix
/// and `lib/x86_64-linux-gnu/gstreamer-1.0`.
const LEVELS: usize = 4;

/// What a session is made of, wherever it runs.
pub struct SessionParts<R: Remote> {
    /// Everything that opens it.
    pub config: R::Config,
    /// The library that it calls.
    pub library: Library,
    /// What the element lends to a session in a child.
    pub parent: ParentOf<R>,
    /// Where a child's log goes.
    pub log: Option<ChildLog>,
}

impl<R: Remote> std::fmt::Debug for SessionParts<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionParts")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Receives the lines of a child's log, with their levels (0 = most serious).
pub type ChildLog = fn(u8, &str);

/// The factory of a session: in this process, made by `here`, or in a child, as the
/// element's properties say.
pub fn place<T: Supervised, R: Remote>(
    imp: &T,
    parts: SessionParts<R>,
    here: impl FnOnce(R::Config) -> R::Codec,
) -> Placed<R> {
    let settings = imp.supervision().settings();
    let SessionParts {
        config,
        library,
        parent,
        log,
    } = parts;
    let recorder = imp.supervision().recorder();
    let mut opened_with = recorder.is_on().then(|| OpenedWith::new(R::KIND, &config));
    if !settings.isolate {
        recorder.note_opening(opened_with);
        return Placed::Here(here(config));
    }
    let isolation = isolation(imp, &settings, opened_with.is_some());
    if let Some(opened_with) = &mut opened_with {
        opened_with.isolated = true;
        opened_with.last_look = isolation.as_ref().ok().and_then(|i| i.last_look.clone());
    }
    recorder.note_opening(opened_with);
    Placed::Child(ProcessCodec {
        config,
        library,
        isolation,
        parent,
        log: log.map(|log| -> Log { std::sync::Arc::new(log) }),
    })
}

fn isolation<T: Supervised>(
    imp: &T,
    settings: &Settings,
    looks: bool,
) -> Result<Isolation, String> {
    let (policy, strictly) = policy(&settings.isolate_policy)?;
    let program = program(imp.obj().upcast_ref())?;
    let element = imp.obj().upcast_ref::<gst::Element>().downgrade();
    let survived = OnSurvivor::new(move |survivor| {
        if let Some(element) = element.upgrade() {
            post_survivor(&element, survivor);
        }
    });
    let dumper = dumps(&settings.isolate_dump)?.then(|| program.clone());
    Ok(Isolation {
        program,
        last_look: looks.then(|| Arc::new(LastLook::new(dumper))),
        survived: Some(survived),
        close_limit: settings.budgets.close,
        max_memory: settings.isolate_max_memory,
        policy,
        strictly,
        status: imp.supervision().child_status(),
        // A fault is answered with another session only then.
        spare: Some(
            imp.supervision()
                .spare()
                .for_session(settings.restart_limit > 0),
        ),
    })
}

/// The policy with this name (`None`: that of the kind of session), and whether a
/// sandbox that is not whole is refused.
fn policy(name: &str) -> Result<(Option<Policy>, bool), String> {
    match name {
        "auto" | "" => Ok((None, false)),
        "strict" => Ok((Some(Policy::Strict), true)),
        "devices" => Ok((Some(Policy::Devices), false)),
        "open" => Ok((Some(Policy::Open), false)),
        other => Err(format!(
            "isolate-policy={other}: use auto, strict, devices or open"
        )),
    }
}

/// Whether the stacks of a child are wanted.
fn dumps(name: &str) -> Result<bool, String> {
    match name {
        "none" | "" => Ok(false),
        "minidump" => Ok(true),
        other => Err(format!("isolate-dump={other}: use none or minidump")),
    }
}

/// The program of children, as an absolute path.
///
/// # Errors
/// Where it was looked for, for the user.
fn program(element: &gst::Element) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return std::path::absolute(PathBuf::from(named))
            .map_err(|error| format!("{VARIABLE} names no file: {error}"));
    }
    let plugin = element.factory().and_then(|factory| factory.plugin());
    let file = plugin.and_then(|plugin| plugin.filename());
    // A plugin without a file is a part of the running program.
    let file = file.or_else(|| std::env::current_exe().ok());
    let places: Vec<_> = file.iter().flat_map(|file| places(file)).collect();
    let found = places.iter().find(|place| place.is_file()).cloned();
    found.ok_or_else(|| {
        let looked: Vec<_> = places
            .iter()
            .map(|place| place.display().to_string())
            .collect();
        format!(
            "isolate=true needs the program {PROGRAM}, which is in none of: {}; {VARIABLE} can \
             name it",
            looked.join(", ")
        )
    })
}

/// Where the program may be: beside the plugin (or the program that the plugin is a part
/// of), where it was built, in the libexec folder of its installation, or where it was to
/// be installed.
fn places(plugin: &Path) -> Vec<PathBuf> {
    let mut places = vec![plugin.with_file_name(PROGRAM)];
    if let Ok(real) = plugin.canonicalize() {
        places.push(real.with_file_name(PROGRAM));
    }
    let folders = plugin.ancestors().skip(1).take(LEVELS);
    places.extend(folders.map(|folder| folder.join("libexec/codecwatch").join(PROGRAM)));
    places.extend(FOLDER.map(|folder| Path::new(folder).join(PROGRAM)));
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_looked_for_beside_the_plugin_and_in_libexec() {
        let places = places(Path::new(
            "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/libgstx.so",
        ));
        let expected = [
            "/usr/lib/x86_64-linux-gnu/gstreamer-1.0/codecwatch-worker",
            "/usr/libexec/codecwatch/codecwatch-worker",
        ];
        for path in expected {
            assert!(places.contains(&PathBuf::from(path)), "{path}: {places:?}");
        }
    }
}
