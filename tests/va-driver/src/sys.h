// SPDX-License-Identifier: MPL-2.0
#include <stdbool.h>
#include <va/va.h>
#include <va/va_backend.h>
#include <va/va_drmcommon.h>
