# SPDX-License-Identifier: MPL-2.0
"""What the benchmarks share: runs of whole processes in pairs, and what is said about them.

A machine that others use drifts in speed. So two commands run in turn, each of a pair first every other time, and what
counts is the median of the ratios of the pairs. Others can only slow a run down: so the best run of each side, and their
ratio, says what the median of a few noisy pairs may not.
"""

import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests/media/bbb-720p25.mkv"

# What is measured of a run: its name, its unit, which value is the best, and how it follows from a run of so many frames.
FRAMES_PER_SECOND = ("frames/s", "", max, lambda run, frames: frames / run.wall)
WALL = ("wall", " s", min, lambda run, frames: run.wall)
CPU = ("CPU time", " s", min, lambda run, frames: run.cpu)
CPU_PER_FRAME = ("CPU/frame", " ms", min, lambda run, frames: 1000 * run.cpu / frames)
MEMORY = ("memory", " MB", min, lambda run, frames: run.memory)


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


def compare(ours, theirs, count):
    """Runs of two commands in turn, after one of each to warm up."""
    Run(ours), Run(theirs)
    rows = []
    for number in range(count):
        if number % 2 == 0:
            first = Run(ours)
            rows.append((first, Run(theirs)))
        else:
            first = Run(theirs)
            rows.append((Run(ours), first))
    return rows


def report(title, rows, frames, measures):
    """Prints the medians of both, and the ratio ours / theirs: its median, the least and the greatest, that of the best."""
    print(title)
    for name, unit, best, value in measures:
        sides = [[value(pair[side], frames) for pair in rows] for side in (0, 1)]
        ours, theirs = map(statistics.median, sides)
        ratios = sorted(a / b for a, b in zip(*sides))
        print(f"  {name:9} {ours:8.2f}{unit}   {theirs:8.2f}{unit}   ratio {statistics.median(ratios):.3f} "
              f"({ratios[0]:.3f} to {ratios[-1]:.3f}), of the best {best(sides[0]) / best(sides[1]):.3f}", flush=True)


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
    """The clip as raw video, so many times in a row; its path and its number of frames."""
    ivf, once, looped = folder / "clip.ivf", folder / "once.y4m", folder / "clip.y4m"
    clip_as_ivf(ivf)
    call("dav1d", "-q", "-i", ivf, "-o", once)
    data = once.read_bytes()
    header, frames = data[: data.index(b"\n") + 1], data[data.index(b"\n") + 1:]
    # The rate that dav1d writes is that of the bitstream, and this one has none.
    words = [word for word in header.split() if not word.startswith(b"F")]
    header = b" ".join(words[:3] + [b"F25:1"] + words[3:]) + b"\n"
    once.unlink()
    with looped.open("wb") as file:
        file.write(header)
        for _ in range(loops):
            file.write(frames)
    return looped, frames.count(b"FRAME\n") * loops


def decoding(name, stream, *properties):
    """A pipeline that decodes an IVF file with this element and throws the pictures away, at once as dav1d's tool does: the
    picture that a sink keeps for whoever asks for its last one is one more to go through the processor's cache."""
    return ["gst-launch-1.0", "-q", "filesrc", f"location={stream}", "!", "ivfparse", "!", "av1parse", "!", name,
            *properties, "!", "fakevideosink", "sync=false", "enable-last-sample=false"]


def encoding(video, output, *properties):
    """A pipeline that encodes raw video."""
    # In blocks of a frame and more: by default filesrc reads 4 kB at a time, which is not what is measured here.
    return ["gst-launch-1.0", "-q", "filesrc", f"location={video}", "blocksize=4194304", "!", "y4mdec", "!",
            "svtav1watchenc", *properties, "!", "filesink", f"location={output}"]
