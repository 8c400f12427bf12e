// SPDX-License-Identifier: MPL-2.0
//! Files without a name, which only memory lies behind.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

/// An empty one, which can be sealed. Nobody can execute it: a system may demand that
/// (`vm.memfd_noexec=2`).
pub(super) fn create() -> rustix::io::Result<OwnedFd> {
    create_with(|flags| memfd_create(c"codecwatch", flags))
}

fn create_with(
    create: impl Fn(MemfdFlags) -> rustix::io::Result<OwnedFd>,
) -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match create(flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know the flag.
        Err(Errno::INVAL) => create(flags),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, fchmod};

    #[test]
    fn it_cannot_be_executed_and_an_old_kernel_is_asked_again_without_the_flag() {
        let fd = create().unwrap();
        let knows_it = memfd_create("probe", MemfdFlags::NOEXEC_SEAL).is_ok();
        let made_executable = fchmod(&fd, Mode::RWXU);
        match knows_it {
            true => assert_eq!(made_executable, Err(Errno::PERM)),
            false => println!("skipped: this kernel has no MFD_NOEXEC_SEAL"),
        }
        let old = |flags: MemfdFlags| match flags.contains(MemfdFlags::NOEXEC_SEAL) {
            true => Err(Errno::INVAL),
            false => memfd_create("old", flags),
        };
        assert!(create_with(old).is_ok());
        assert_eq!(create_with(|_| Err(Errno::MFILE)).err(), Some(Errno::MFILE));
    }
}
