// SPDX-License-Identifier: MPL-2.0
//! Placeholder until the sandbox is merged.

use serde::{Deserialize, Serialize};

/// What is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {}
