// SPDX-License-Identifier: MPL-2.0
//! Decodes damaged streams by the thousand and reports hangs, crashes and
//! memory growth.
//!
//!     cargo run --release -p codecwatch-dav1d --example damage -- --count 100000 --seed 1
//!
//! Each input is a generated stream that was flipped, cut, reordered or spliced
//! as its number and the seed say. Every other one is followed by a whole
//! stream, whose pictures have to come out exactly as without the damage before
//! them. All are decoded in a child process, so that one that kills or hangs it
//! is found, named and passed over. `--from N` begins at input N, to look at one
//! again. `--on-hang COMMAND` runs a command with the number of a process that
//! hangs, such as `gdb -batch -ex "thread apply all bt" -p`. Exit code 0: nothing
//! happened.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    env,
    error::Error,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use codecwatch_av1::obus;
use codecwatch_dav1d::{Chunk, Config, Dav1d, Decoded, Environment, Picture};
use codecwatch_supervisor::{Codec, CodecError, Drained, Lane, Session};
use common::{Random, ivf, mutate::damage, set};

/// An input takes milliseconds; whatever takes this long does not end.
const HANG: Duration = Duration::from_secs(60);

/// Memory that is no growth: heap that the allocator keeps, in kB.
const SLACK_KB: u64 = 64 << 10;

struct Options {
    count: u64,
    seed: u64,
    from: u64,
    on_hang: Option<String>,
    /// Folder of the streams; given to the child only.
    set: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options()?;
    match &options.set {
        Some(folder) => child(&options, folder).map(|()| ExitCode::SUCCESS),
        None => parent(&options),
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        count: 2000,
        seed: 1,
        from: 0,
        on_hang: None,
        set: None,
    };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--count" => options.count = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--from" => options.from = value.parse()?,
            "--on-hang" => options.on_hang = Some(value),
            "--set" => options.set = Some(value.into()),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

// ---------------------------------------------------------------- the parent

#[derive(Default)]
struct Tally {
    hangs: u64,
    crashes: u64,
    /// Resident memory after the first tenth, and at the end, in kB.
    early_kb: u64,
    late_kb: u64,
    last_line: String,
}

fn parent(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let streams = set::generate(set::SET);
    if streams.is_empty() {
        return Err("no encoder is installed: nothing to damage".into());
    }
    for (name, units) in &streams {
        std::fs::write(
            folder.path().join(name).with_extension("ivf"),
            ivf::write(units),
        )?;
    }
    println!(
        "{} streams, {} inputs, seed {}",
        streams.len(),
        options.count,
        options.seed
    );

    let start = Instant::now();
    let end = options.from + options.count;
    let mut tally = Tally::default();
    let mut next = options.from;
    while next < end {
        next = watch(next, end, options, folder.path(), &mut tally)?;
    }
    let growth = tally.late_kb.saturating_sub(tally.early_kb);
    println!("{}", tally.last_line);
    println!(
        "{} inputs in {:.0} s: {} hangs, {} crashes, memory {} kB -> {} kB",
        options.count,
        start.elapsed().as_secs_f64(),
        tally.hangs,
        tally.crashes,
        tally.early_kb,
        tally.late_kb
    );
    let clean = tally.hangs == 0 && tally.crashes == 0 && growth < SLACK_KB;
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a child from input `first` on, until it has ended, by itself or not.
/// Answers which input comes next.
fn watch(
    first: u64,
    end: u64,
    options: &Options,
    set: &Path,
    tally: &mut Tally,
) -> Result<u64, Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .args([
            "--from",
            &first.to_string(),
            "--count",
            &(end - first).to_string(),
        ])
        .args(["--seed", &options.seed.to_string(), "--set"])
        .arg(set)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = lines_of(&mut child)?;
    let seed = options.seed;
    let mut current = first;
    loop {
        match lines.recv_timeout(HANG) {
            Ok(line) => {
                if let Some(number) = line.strip_prefix("input ") {
                    current = number.parse()?;
                } else if let Some(kb) = line.strip_prefix("early ") {
                    tally.early_kb = kb.parse()?;
                } else if let Some(kb) = line.strip_prefix("late ") {
                    tally.late_kb = kb.parse()?;
                } else {
                    tally.last_line = line;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                tally.hangs += 1;
                println!("input {current}: hangs (--seed {seed} --from {current} --count 1)");
                if let Some(command) = &options.on_hang {
                    let command = format!("{command} {}", child.id());
                    Command::new("sh").args(["-c", &command]).status()?;
                }
                child.kill()?;
                child.wait()?;
                return Ok(current + 1);
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait()?;
                if status.success() {
                    return Ok(end);
                }
                tally.crashes += 1;
                println!("input {current}: {status} (--seed {seed} --from {current} --count 1)");
                return Ok(current + 1);
            }
        }
    }
}

fn lines_of(child: &mut Child) -> Result<Receiver<String>, Box<dyn Error>> {
    let output = child.stdout.take().ok_or("the child has no output")?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

// ----------------------------------------------------------------- the child

#[derive(Default)]
struct Counts {
    pictures: u64,
    damaged: u64,
    ended: u64,
    /// Of all samples: each is read, whatever it says.
    sum: u64,
}

fn child(options: &Options, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut streams = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    for path in paths {
        streams.push(ivf::read(&std::fs::read(path)?));
    }
    let mut counts = Counts::default();
    let mut out = std::io::stdout().lock();
    for index in 0..options.count {
        let number = options.from + index;
        writeln!(out, "input {number}")?;
        out.flush()?;
        let mut random = Random(options.seed.wrapping_mul(0x1_0000_0001) ^ number);
        let whole = &streams[random.below(streams.len())];
        let other = &streams[random.below(streams.len())];
        let mut units = whole.clone();
        damage(&mut units, other, &mut random);
        let settings = config(&mut random);
        let tail = if random.below(2) == 0 {
            &whole[..]
        } else {
            &[]
        };
        match decode(&units, tail, &settings, &mut random, &mut counts) {
            Ok(after) => {
                let alone = decode(&[], tail, &settings, &mut Random(0), &mut Counts::default());
                assert_eq!(
                    Ok(after),
                    alone,
                    "input {number}: damage reached what came after it"
                );
            }
            Err(error) => {
                counts.ended += 1;
                eprintln!("input {number}: the session ended: {error}");
            }
        }
        if index == options.count / 10 {
            writeln!(out, "early {}", resident_kb()?)?;
        }
    }
    writeln!(out, "late {}", resident_kb()?)?;
    let Counts {
        pictures,
        damaged,
        ended,
        sum,
    } = counts;
    writeln!(
        out,
        "{pictures} pictures (sum {sum:#x}), {damaged} units damaged, {ended} sessions ended"
    )?;
    Ok(())
}

fn config(random: &mut Random) -> Config {
    Config {
        n_threads: [1, 2, 3, 4, 6][random.below(5)],
        max_frame_delay: [0, 0, 1, 2, 4][random.below(5)],
        apply_grain: random.below(4) != 0,
        operating_point: if random.below(8) == 0 { 1 } else { 0 },
        // The set is small, and so are its pictures.
        frame_size_limit: 1 << 20,
        ..Config::default()
    }
}

/// Decodes damaged units, with framing and jumps as chance will have it, and
/// then whole ones. Answers the pictures of those: number and sum of each.
fn decode(
    units: &[Vec<u8>],
    tail: &[Vec<u8>],
    config: &Config,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<Vec<(u64, u64)>, CodecError> {
    /// The first of the whole ones.
    const TAIL: u64 = 1 << 32;
    let (lane, outputs) = Lane::detached();
    let mut session = Dav1d::new(config.clone(), Environment::default()).open(&lane)?;
    let by_obu = random.below(4) == 0;
    let mut after = Vec::new();
    let mut held: Vec<Box<Picture>> = Vec::new();
    let mut take = |counts: &mut Counts, after: &mut Vec<(u64, u64)>| {
        for output in outputs.try_iter() {
            match output {
                Decoded::Picture(picture) => {
                    let sum = sum(&picture);
                    counts.pictures += 1;
                    counts.sum = counts.sum.wrapping_add(sum);
                    if picture.id >= TAIL {
                        after.push((picture.id, sum));
                    }
                    held.push(picture);
                }
                Decoded::Damaged(_) => counts.damaged += 1,
                Decoded::NoPicture { .. } => {}
            }
        }
        // As a queue downstream would: some pictures outlive the next ones.
        if held.len() > 5 {
            held.drain(..3);
        }
    };
    for (id, unit) in units.iter().enumerate() {
        if by_obu {
            for obu in obus(unit).flatten() {
                session.send(&lane, Chunk::new(id as u64, obu.bytes.to_vec()))?;
            }
        } else {
            session.send(&lane, Chunk::new(id as u64, unit.clone()))?;
        }
        take(counts, &mut after);
        match random.below(60) {
            0 => _ = session.flush(&lane)?,
            1 if session.drain(&lane)? == Drained::Spent => {
                session.close(&lane)?;
                session = Dav1d::new(config.clone(), Environment::default()).open(&lane)?;
            }
            _ => {}
        }
    }
    for (id, unit) in tail.iter().enumerate() {
        session.send(&lane, Chunk::new(TAIL + id as u64, unit.clone()))?;
        take(counts, &mut after);
    }
    match random.below(4) {
        0 if tail.is_empty() => drop(session),
        1 if tail.is_empty() => session.close(&lane)?,
        _ => {
            session.drain(&lane)?;
            session.close(&lane)?;
        }
    }
    take(counts, &mut after);
    Ok(after)
}

fn sum(picture: &Picture) -> u64 {
    let planes = (0..picture.shape().planes()).filter_map(|plane| picture.plane(plane));
    planes
        .flat_map(|plane| plane.rows())
        .flatten()
        .map(|byte| u64::from(*byte))
        .sum()
}

fn resident_kb() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
