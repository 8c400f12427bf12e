// SPDX-License-Identifier: MPL-2.0
//! x
use super::Shown;
/// x
pub fn document(_: &[Shown]) -> String {
    String::new()
}
