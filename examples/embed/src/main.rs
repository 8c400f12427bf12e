// SPDX-License-Identifier: MPL-2.0
//! `embed INPUT OUTPUT.mkv`: transcodes to AV1 as a service would, and tells by
//! the bus whether the result is whole.
//!
//! Exit codes: 0 complete; 2 degraded, the encoder wedged, panicked or failed
//! and the output is cut short; 1 anything else, such as a missing file.

use std::process::ExitCode;

use gst::prelude::*;

/// How a run ended, as far as the application cares.
enum Run {
    /// EOS came, and EOS comes only after a complete stream.
    Complete,
    /// The codec's supervisor ended it; the structure says where and why.
    Degraded(gst::Structure),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: embed INPUT OUTPUT.mkv");
        return ExitCode::from(1);
    };
    match transcode(input, output) {
        Ok(Run::Complete) => {
            println!("complete");
            ExitCode::SUCCESS
        }
        Ok(Run::Degraded(fault)) => {
            let field = |name| fault.get::<String>(name).unwrap_or_default();
            println!(
                "degraded: {} while {}, in {}",
                field("outcome"),
                field("phase"),
                field("calls")
            );
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn transcode(input: &str, output: &str) -> Result<Run, Box<dyn std::error::Error>> {
    gst::init()?;
    let pipeline = gst::parse::launch(
        "filesrc name=input ! decodebin ! videoconvert ! svtav1watchenc ! matroskamux \
         ! filesink name=output",
    )?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "not a pipeline")?;
    for (name, location) in [("input", input), ("output", output)] {
        let element = pipeline
            .by_name(name)
            .ok_or("the pipeline has lost an element")?;
        element.set_property("location", location);
    }
    let bus = pipeline.bus().ok_or("a pipeline without a bus")?;
    let run = pipeline
        .set_state(gst::State::Playing)
        .map_err(Into::into)
        .and_then(|_| wait(&bus));
    // Returns within close-timeout, whatever the codec does.
    pipeline.set_state(gst::State::Null)?;
    run
}

fn wait(bus: &gst::Bus) -> Result<Run, Box<dyn std::error::Error>> {
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => return Ok(Run::Complete),
            gst::MessageView::Error(error) => {
                return match error.details() {
                    Some(details) if details.name() == "codecwatch-fault" => {
                        Ok(Run::Degraded(details.to_owned()))
                    }
                    _ => Err(error.error().into()),
                };
            }
            gst::MessageView::Warning(warning) => eprintln!("warning: {}", warning.error()),
            _ => {}
        }
    }
    Err("the bus was closed".into())
}
