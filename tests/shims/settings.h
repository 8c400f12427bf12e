// SPDX-License-Identifier: MPL-2.0
//
// What a library is handed when a session is opened.

#ifndef REHEARSE_SETTINGS_H
#define REHEARSE_SETTINGS_H

#include "script.h"

#include <stddef.h>

// Writes " name=value" for each setting that the elements can make, if the call is one that is handed settings.
bool describe_settings(enum call_id call, const intptr_t *arguments, char *buffer, size_t size);

#endif
