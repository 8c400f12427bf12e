// SPDX-License-Identifier: MPL-2.0
//! Collects what is known at the moment of a fault. Runs on the thread that reports it,
//! so it only reads what lies in memory; with the fault in hand no codec is entered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use codecwatch_evidence::{FORMAT, FaultFile, FolderName, write_in_background};
use codecwatch_supervisor::{Fault, FaultCause, Outcome, Run, Witness};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::job::{Failed, Job, post_failed};
use super::json;
use crate::stats::{end_structure, fault_structure};
use crate::{Supervised, Supervision, report};

/// A fault as it is reported.
struct Told {
    session: u64,
    text: String,
    debug: String,
    details: gst::Structure,
    /// The session's process, if it has one, was killed.
    killed: bool,
    witness: Option<Arc<dyn Witness>>,
}

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Begins to write the evidence of a run that did not complete, unless this session's
    /// was written before. Returns where it will be; `None` if none is kept.
    pub(crate) fn keep_outcome<T>(
        &self,
        imp: &T,
        run: &Run<I, O>,
        outcome: &Outcome,
    ) -> Option<PathBuf>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let fault = outcome.fault().filter(|_| self.records())?;
        self.keep(imp, Told::of(outcome.name(), fault, run.witness()))
    }

    /// The same for a close that hangs.
    pub(crate) fn keep_stuck_close<T>(
        &self,
        imp: &T,
        outcome: &str,
        fault: &Fault,
        witness: Option<Arc<dyn Witness>>,
    ) -> Option<PathBuf>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let fault = Some(fault).filter(|_| self.records())?;
        self.keep(imp, Told::of(outcome, fault, witness))
    }

    /// The same for a stream that cannot go on with what the codec of `run` returned.
    pub(crate) fn keep_end<T>(
        &self,
        imp: &T,
        run: &Run<I, O>,
        outcome: &str,
        text: &str,
    ) -> Option<PathBuf>
    where
        T: Supervised<Input = I, Output = O>,
    {
        if !self.records() {
            return None;
        }
        let told = Told {
            session: run.id(),
            text: text.to_owned(),
            debug: format!("{outcome}: {text}"),
            details: end_structure(outcome, Some(&run.stats())),
            killed: false,
            witness: run.witness(),
        };
        self.keep(imp, told)
    }

    fn keep<T>(&self, imp: &T, told: Told) -> Option<PathBuf>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let place = self.settings().evidence_dir?;
        // Where it would be if the process changed its folder meanwhile.
        let place = std::path::absolute(&place).unwrap_or_else(|_| PathBuf::from(place));
        let element = imp.obj();
        let element = element.upcast_ref::<gst::Element>();
        let name = FolderName::new(&date(), &element.name(), std::process::id(), told.session);
        let path = place.join(name.as_str());
        let kept = match self.recorder().take(told.session, &path) {
            Ok(kept) => kept,
            Err(path) => return Some(path),
        };
        let mut file = contents(element, &told);
        file.versions.extend(imp.versions());
        match kept.opened_with.as_ref().map(super::OpenedWith::codec) {
            Some(Ok(codec)) => file.codec = Some(codec),
            Some(Err(why)) => file.notes.push(format!("the codec's config: {why}")),
            None => {}
        }
        let job = Job {
            place,
            name,
            file,
            inputs: kept.inputs,
            cut: kept.cut,
            form: imp.sample_form(),
            last_look: kept.opened_with.and_then(|opened| opened.last_look),
            killed: told.killed,
            witness: told.witness,
            element: element.downgrade(),
            session: told.session,
            counts: self.recorder().counts.clone(),
        };
        job.counts.pending.fetch_add(1, Ordering::Relaxed);
        match write_in_background(move || job.run()) {
            Ok(()) => Some(path),
            Err(busy) => {
                let counts = &self.recorder().counts;
                counts.pending.fetch_sub(1, Ordering::Relaxed);
                counts.failed.fetch_add(1, Ordering::Relaxed);
                post_failed(element, &Failed::new(&path, &busy));
                None
            }
        }
    }
}

impl Told {
    fn of(outcome: &str, fault: &Fault, witness: Option<Arc<dyn Witness>>) -> Self {
        Self {
            session: fault.id,
            text: report::headline(fault),
            debug: format!("{outcome}: {fault}"),
            details: fault_structure(outcome, fault),
            killed: matches!(fault.cause, FaultCause::Wedged { .. }),
            witness,
        }
    }
}

/// What is known of the element. What can only be read from files is added later.
fn contents(element: &gst::Element, told: &Told) -> FaultFile {
    let factory = element.factory().map(|factory| factory.name().to_string());
    let caps = element.pads().into_iter().filter_map(|pad| {
        let caps = pad.current_caps()?;
        Some((pad.name().to_string(), json::limited(&caps.to_string())))
    });
    let versions = [
        ("gst-codecwatch", env!("CARGO_PKG_VERSION").to_owned()),
        ("GStreamer", gst::version_string().to_string()),
    ];
    FaultFile {
        format: FORMAT,
        date: date(),
        text: json::limited(&told.text),
        debug: json::limited(&told.debug),
        fault: json::structure(&told.details),
        element: json::limited(&element.name()),
        factory: factory.unwrap_or_default(),
        settings: json::properties(element),
        caps: caps.collect(),
        codec: None,
        versions: BTreeMap::from(versions.map(|(name, version)| (name.to_owned(), version))),
        sample: None,
        notes: Vec::new(),
    }
}

/// Now, UTC.
fn date() -> String {
    let now = glib::DateTime::now_utc().and_then(|now| now.format("%Y%m%dT%H%M%SZ"));
    now.map(|text| text.to_string()).unwrap_or_default()
}

impl Failed {
    fn new(path: &Path, why: &dyn std::fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}
