/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h> /* vsnprintf, which formats what dav1d logs */
#include <dav1d/dav1d.h>
