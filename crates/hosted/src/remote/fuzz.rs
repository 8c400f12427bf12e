// SPDX-License-Identifier: MPL-2.0
//! Whatever a child says of events, queries, messages and buffers, the parent reads it
//! without a panic, without a critical message of GLib, and without handing on what harms
//! its readers: what passes is read as elements read it, and sent through pads.
//!
//! `./dev test` does a little of it, always the same; `./dev fuzz protocol` more, by
//! `CODECWATCH_FUZZ_SECONDS`, each time from other seeds. `CODECWATCH_FUZZ_SEED` begins at
//! one; the last is in the file that is printed first.

mod names_of_texts;
mod readers;
mod speaker;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use codecwatch_process::protocol::{FromChild, FromChildOf, blocks, encode, hear};
use codecwatch_process::{Hello, Remote, VERSION};
use codecwatch_supervisor::Amount;
use fastrand::Rng;

use self::readers::{Readers, read_output};
use self::speaker::{Speaker, seeds};
use super::{Lends, PackedOutput, RemoteHosted, buffers, names};

/// Functions with which GStreamer's parser complains of a text, and takes it for none.
const PARSERS: [&str; 4] = [
    "gst_value_deserialize",
    "gst_value_set_",
    "gst_structure_new_empty: assertion 'gst_structure_validate_name",
    "gst_tag_list_new_from_string: assertion 'g_str_has_prefix",
];

/// What GStreamer refuses by itself, where it would be read: a picture of another format
/// than its caps say, samples behind a format that audioconvert has refused, and the
/// position of a sink whose segment is in another format than time, or becomes so meanwhile.
const REFUSALS: [&str; 3] = [
    "gst_video_frame_map_id: assertion 'info->finfo->format == meta->format'",
    "gst_audio_converter_samples: assertion 'convert != NULL'",
    "gst_segment_to_stream_time_full: assertion 'segment->format == format'",
];

/// What `./dev test` spends on it.
const SHORT: Duration = Duration::from_secs(3);

/// How long a run takes, and the seed that it begins with.
fn time_and_seed() -> (Duration, u64) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|it| it.parse::<u64>().ok())
    };
    let seconds = number("CODECWATCH_FUZZ_SECONDS");
    let first = number("CODECWATCH_FUZZ_SEED").unwrap_or_else(|| match seconds {
        None => 1,
        // Apart from each other by more than what a run comes to.
        Some(_) => u64::from(std::process::id()) << 32,
    });
    (seconds.map_or(SHORT, Duration::from_secs), first)
}

/// One request may have any number of outputs, such as those of `imagefreeze`; what carries
/// nothing is counted.
#[test]
fn a_picture_may_become_a_stream() {
    gst::init().unwrap();
    const OUTPUTS: usize = 100_001;
    let heard = |output: fn() -> PackedOutput| {
        let mut bytes = Vec::new();
        let hello = Hello {
            version: VERSION.to_owned(),
            kind: RemoteHosted::KIND.to_owned(),
        };
        let mut say = |message: FromChildOf<RemoteHosted>| encode(&mut bytes, &message).unwrap();
        say(FromChild::Ready(hello));
        (0..OUTPUTS).for_each(|_| say(FromChild::Output(output(), Amount::NONE)));
        let readers = Readers::all()[0].clone();
        let lends = Lends::new(readers, Arc::default(), "last".to_owned());
        hear::<RemoteHosted>(lends, [], &bytes, &[]).unwrap()
    };
    let pictures = heard(|| {
        let picture = buffers::PackedOutput::raw(vec![1], [None; 3], 0, Vec::new());
        PackedOutput::Buffer(Vec::new(), picture)
    });
    assert_eq!(pictures.mistake, None);
    assert_eq!(pictures.outputs.len(), OUTPUTS);
    let nothing = heard(|| PackedOutput::LeftOut {
        frames: Vec::new(),
        buffers: 0,
        times: [None; 2],
    });
    assert!(nothing.mistake.is_some());
}

#[test]
fn whatever_a_child_says_harms_nobody() {
    gst::init().unwrap();
    // The handler tells harmless ones from the others.
    gst::glib::log_set_always_fatal(gst::glib::LogLevels::LEVEL_ERROR);
    let criticals = std::sync::Arc::new(AtomicU64::new(0));
    let seen = criticals.clone();
    gst::glib::log_set_default_handler(move |domain, level, text| {
        use gst::glib::LogLevel as L;
        let mut harmless = PARSERS.iter().chain(&REFUSALS);
        let is_harmless = harmless.any(|begin| text.starts_with(begin));
        if matches!(level, L::Critical | L::Error) && !is_harmless {
            eprintln!(
                "{}: {text}\n{}",
                domain.unwrap_or_default(),
                std::backtrace::Backtrace::force_capture()
            );
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (time, first) = time_and_seed();
    let last = tempfile::NamedTempFile::new().unwrap();
    let (last, path) = last.keep().unwrap();
    println!("seeds from {first}; the last is in {}", path.display());
    let texts = seeds();
    let all = Readers::all();
    let began = Instant::now();
    let mut rounds = 0;
    let mut mistakes = 0_u64;
    while began.elapsed() < time {
        let seed = first.wrapping_add(rounds);
        // A crash leaves it there.
        last.write_all_at(format!("{seed:20}").as_bytes(), 0)
            .unwrap();
        let readers = &all[usize::try_from(seed).unwrap() % all.len()];
        readers.begin();
        // Otherwise most of what comes later would not be read.
        names::forget();
        let mut speaker = Speaker {
            random: Rng::with_seed(seed),
            seeds: &texts,
            first_block: blocks(),
        };
        let lends = Lends::new(readers.clone(), Arc::default(), "last".to_owned());
        let bytes = speaker.speech();
        let heard = hear::<RemoteHosted>(lends, [], &bytes, &[]).unwrap();
        mistakes += u64::from(heard.mistake.is_some());
        for output in heard.outputs {
            read_output(output, readers);
        }
        speaker.answer();
        let criticals = criticals.load(Ordering::Relaxed);
        assert_eq!(criticals, 0, "seed {seed}: a critical message");
        rounds += 1;
    }
    println!("{rounds} speeches, {mistakes} of them with a mistake");
    // Otherwise nothing was read but the first.
    assert!(mistakes < rounds);
    for (number, readers) in all.iter().enumerate() {
        println!("readers {number} used {} buffers", readers.used());
        assert!(readers.used() > 0);
    }
    std::fs::remove_file(path).unwrap();
}
