// SPDX-License-Identifier: MPL-2.0
//
// A library to preload under which a disk hangs: mkdir does not return for a path that contains "/hanging-disk/".

#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int mkdir(const char *path, mode_t mode)
{
    while (strstr(path, "/hanging-disk/")) {
        pause();
    }
    int (*real)(const char *, mode_t) = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    return real(path, mode);
}
