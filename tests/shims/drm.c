// SPDX-License-Identifier: MPL-2.0
//
// A library to preload under which every file is a DRM render node: libva and GStreamer ask libdrm that of the mocked
// device. In LD_PRELOAD it has to come before libumockdev-preload.so.0.

#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

// libdrm's own, of xf86drm.h.
struct version {
    int major, minor, patch;
    int name_length;
    char *name;
    int date_length;
    char *date;
    int description_length;
    char *description;
};

EXPORT int drmGetNodeTypeFromFd(int fd)
{
    (void)fd;
    return 2; // DRM_NODE_RENDER
}

EXPORT struct version *drmGetVersion(int fd)
{
    (void)fd;
    static char name[] = "codecwatch";
    struct version *version = calloc(1, sizeof *version);
    if (version) {
        version->name = version->date = version->description = name;
        version->name_length = version->date_length = version->description_length = sizeof name - 1;
    }
    return version;
}

EXPORT void drmFreeVersion(struct version *version)
{
    free(version);
}
