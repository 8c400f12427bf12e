# SPDX-License-Identifier: MPL-2.0
"""What the benchmarks share: runs of whole processes in turn, and what is said about them.

Two things stand in the way of a small difference. Starting gst-launch-1.0 takes 50 ms, starting dav1d 5 ms, and neither is
what is measured: so each command decodes or encodes a short stream and a long one, and what counts is the difference. And a
machine that others use is slower for seconds at a time: so the commands run in turn, in another order each round, and since
others can only slow a run down, what counts is the best of many runs; the lower quartile beside it says whether that was
luck. The first command runs twice in each round: how far it is from itself is what the measurement is worth.
"""

import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests/media/bbb-720p25.mkv"

# Of the runs of a command, sorted: how many of them are better than the one that counts.
QUANTILES = (("best", 0), ("quartile", 0.25))

# What is measured of a frame: its name, the seconds that a run took, and what is shown of the seconds of one frame.
FRAMES_PER_SECOND = ("frames/s", lambda run: run.wall, lambda seconds: 1 / seconds)
CPU = ("CPU ms/frame", lambda run: run.cpu, lambda seconds: 1000 * seconds)


class Run:
    """A run of a command: seconds of wall and CPU time, and the peak of resident memory in MB."""

    def __init__(self, command):
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.wall = time.monotonic() - start
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = usage.ru_maxrss / 1024
        if status != 0:
            sys.exit(f"{' '.join(command)} failed:\n{errors.decode()}")


def call(*command):
    """Runs a command that prepares something."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr.decode()}")


class Contest:
    """Commands that do the same, run in turn.

    `contenders`: name, and the command for a stream; the others are compared with the first.
    `streams`: a short and a long one, each with its number of frames.
    """

    def __init__(self, contenders, streams, rounds):
        (reference, command), *others = contenders
        contenders = [(reference, command), (f"{reference}, again", command), *others]
        self.names = [name for name, _ in contenders]
        (_, few), (_, many) = streams
        self.frames = many - few
        commands = {(name, which): command(stream) for name, command in contenders
                    for which, (stream, _) in enumerate(streams)}
        self.runs = {key: [] for key in commands}
        for command in commands.values():
            Run(command)
        # The same order whenever it is run.
        shuffled = random.Random(1)
        for _ in range(rounds):
            for key in shuffled.sample(list(commands), len(commands)):
                self.runs[key].append(Run(commands[key]))

    def seconds(self, name, took, quantile):
        """What a command takes for a frame."""
        short, long = (sorted(map(took, self.runs[name, which])) for which in (0, 1))
        at = round(quantile * (len(long) - 1))
        return (long[at] - short[at]) / self.frames

    def report(self, title, *measures):
        """Prints each measure of each command, in brackets its ratio to the first, and the peak of memory."""
        width = max(map(len, (title, *self.names)))
        columns = [(measure, quantile) for measure in measures for quantile in QUANTILES]
        print(f"{title:{width}}", *(f"{f'{label}, {which}':>24}" for (label, *_), (which, _) in columns), "memory, least",
              sep="  ")
        for name in self.names:
            cells = []
            for (_, took, shown), (_, quantile) in columns:
                value, reference = (shown(self.seconds(one, took, quantile)) for one in (name, self.names[0]))
                cells.append(f"{f'{value:.4g} ({value / reference:.3f})':>24}")
            memory = min(run.memory for run in self.runs[name, 1])
            print(f"{name:{width}}", *cells, f"{memory:10.0f} MB", sep="  ", flush=True)


def instructions(command):
    """Instructions that a command executes."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", *command]
        done = subprocess.run(valgrind, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, check=False)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        sys.exit(f"{' '.join(command)} failed under valgrind:\n{done.stderr}")
    return int(counted[1])


def outside(command, library):
    """The per cent of a command's CPU time, that of its children included, that is not the library's."""
    with tempfile.NamedTemporaryFile() as record:
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-o", record.name, *command], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        said = subprocess.run(["perf", "report", "-i", record.name, "--stdio", "--sort", "dso"], check=True,
                              capture_output=True, text=True).stdout
    return 100 - sum(float(share) for share, name in re.findall(r"([\d.]+)%\s+(\S+)", said) if name.startswith(library))


def clip_as_ivf(target):
    """The bundled clip as IVF: gst-launch-1.0 writes each temporal unit into a file of its own."""
    with tempfile.TemporaryDirectory() as name:
        units = Path(name)
        call("gst-launch-1.0", "-q", "filesrc", f"location={CLIP}", "!", "matroskademux", "!", "av1parse", "!",
             "video/x-av1,stream-format=obu-stream,alignment=tu", "!", "multifilesink", f"location={units}/%05d")
        with target.open("wb") as file:
            file.write(b"DKIF" + struct.pack("<HH4sHHIII", 0, 32, b"AV01", 1280, 720, 25, 1, 0) + bytes(4))
            for number, unit in enumerate(sorted(units.iterdir())):
                data = unit.read_bytes()
                file.write(struct.pack("<IQ", len(data), number) + data)


def looped_ivf(ivf, loops, target):
    """Writes an IVF file with the frames of another so many times in a row; how many these are."""
    data = ivf.read_bytes()
    header, body, frames = data[:32], data[32:], []
    while len(body) >= 12:
        size, = struct.unpack_from("<I", body)
        frames.append(body[12:12 + size])
        body = body[12 + size:]
    with target.open("wb") as file:
        file.write(header)
        for number in range(loops * len(frames)):
            frame = frames[number % len(frames)]
            file.write(struct.pack("<IQ", len(frame), number) + frame)
    return loops * len(frames)


def clip_as_y4m(folder, loops):
    """The clip as raw video, once for each of `loops` and so many times in a row; each file with its number of frames."""
    ivf, once = folder / "clip.ivf", folder / "once.y4m"
    clip_as_ivf(ivf)
    call("dav1d", "-q", "-i", ivf, "-o", once)
    streams = []
    # In small pieces: what this process held at its most would count as the peak of each that it starts.
    with once.open("rb") as clip:
        words = clip.readline().split()
        begin = clip.tell()
        width, height = (int(word[1:]) for word in words[1:3])
        frames = (once.stat().st_size - begin) // (len("FRAME\n") + width * height * 3 // 2)
        # The rate that dav1d writes is that of the bitstream, and this one has none.
        words = [word for word in words if not word.startswith(b"F")]
        for count in loops:
            looped = folder / f"clip-{count}.y4m"
            with looped.open("wb") as file:
                file.write(b" ".join(words[:3] + [b"F25:1"] + words[3:]) + b"\n")
                for _ in range(count):
                    clip.seek(begin)
                    shutil.copyfileobj(clip, file)
            streams.append((looped, frames * count))
    once.unlink()
    return streams


def ivf_as_matroska(ivf):
    """The same in Matroska, beside it; demuxed, it needs no parser."""
    target = ivf.with_suffix(".mkv")
    call("gst-launch-1.0", "-q", "filesrc", f"location={ivf}", "!", "ivfparse", "!", "av1parse", "!", "matroskamux", "!",
         "filesink", f"location={target}")
    return target


def decoding(name, stream, *properties):
    """A pipeline that decodes this file with this element and throws the pictures away, at once as dav1d's tool does: the
    picture that a sink keeps for whoever asks for its last one is one more to go through the processor's cache."""
    source = ["matroskademux"] if stream.suffix == ".mkv" else ["ivfparse", "!", "av1parse"]
    return ["gst-launch-1.0", "-q", "filesrc", f"location={stream}", "!", *source, "!", name, *properties, "!",
            "fakevideosink", "sync=false", "enable-last-sample=false"]


def reading(video):
    """A pipeline that reads raw video and does nothing with it: what an encoding pipeline takes without its encoder."""
    # In blocks of a frame and more: by default filesrc reads 4 kB at a time, which is not what is measured here.
    return ["gst-launch-1.0", "-q", "filesrc", f"location={video}", "blocksize=4194304", "!", "y4mdec", "!", "fakesink"]


def encoding(video, output, *properties):
    """A pipeline that encodes raw video."""
    return [*reading(video)[:-1], "svtav1watchenc", *properties, "!", "filesink", f"location={output}"]
