// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-worker replay`.

use codecwatch_evidence::{FAULT_FILE, IVF_FILE};
use support::{Launch, worker};

use crate::rig::{Folder, Place};

const WEDGE: &str = "dav1d_send_data:hang@5";

fn wedged(place: &Place) -> Folder {
    let run = place.decodes("").rehearse(WEDGE).run();
    place.folder(&run)
}

#[test]
fn a_replay_wedges_again_under_the_shim_and_completes_without_it() {
    let place = Place::new();
    let folder = wedged(&place);
    for here in [false, true] {
        let replay = || match here {
            true => folder.replay().args(["--here"]),
            false => folder.replay(),
        };
        let again = replay().rehearse(WEDGE).run();
        assert_eq!(again.code(), 2, "{}", again.text());
        assert!(
            again.says("WatchdogAbandoned: dav1d did not"),
            "{}",
            again.text()
        );
        assert!(again.says("in dav1d_send_data for"), "{}", again.text());
        let whole = replay().run();
        assert_eq!(whole.code(), 0, "{}", whole.text());
        assert!(whole.says("0 inputs damaged"), "{}", whole.text());
    }
}

#[test]
fn what_else_happens_in_a_replay_is_told_apart() {
    let place = Place::new();
    let folder = wedged(&place);
    let crashed = folder.replay().rehearse("dav1d_send_data:segv@5").run();
    assert_eq!(crashed.code(), 3, "{}", crashed.text());
    assert!(crashed.says("CodecCrashed"), "{}", crashed.text());
    let failed = folder
        .replay()
        .rehearse("dav1d_send_data:fail=-12@5+")
        .run();
    assert_eq!(failed.code(), 3, "{}", failed.text());
    let close = folder.replay().rehearse("dav1d_close:hang").run();
    assert_eq!(close.code(), 2, "{}", close.text());
    assert!(close.says("The session does not close"), "{}", close.text());
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let place = Place::new();
    let folder = wedged(&place);
    let says = |text: &str, launch: Launch| {
        let run = launch.run();
        assert_eq!(run.code(), 1, "{}", run.text());
        assert!(run.says(text), "{text}: {}", run.text());
    };
    let replay = |args: &[&str]| Launch::program(worker()).args(["replay"]).args(args);
    says("usage: codecwatch-worker replay", replay(&[]));
    says("there is no option --her", replay(&["--her", "x"]));
    says("/nowhere/fault.json: No such file", replay(&["/nowhere"]));
    let sample = folder.0.join(IVF_FILE);
    let bytes = std::fs::read(&sample).unwrap();
    std::fs::write(&sample, &bytes[..bytes.len() - 1]).unwrap();
    says("it ends within frame", folder.replay());
    std::fs::write(&sample, b"DKIF").unwrap();
    says("it is no IVF file", folder.replay());
    std::fs::write(folder.0.join(FAULT_FILE), "{}").unwrap();
    says("it is not as it has to be", folder.replay());
}
