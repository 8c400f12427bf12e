// SPDX-License-Identifier: MPL-2.0
//
// A library to preload that makes calls of codec libraries misbehave as CODECWATCH_REHEARSE says (README.md beside this
// file). Every entry point in calls.h is interposed and passed on to the library that is loaded, whichever version that
// is.

#define _GNU_SOURCE // dl_iterate_phdr, RTLD_NOLOAD

#include "script.h"
#include "settings.h"

#include <dav1d/dav1d.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <svt-av1/EbSvtAv1Enc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// No call has more than ten arguments (vaPutImage), and all are integers or pointers. Passing on more than a call has is
// harmless where the caller removes them, as on x86-64 and AArch64: beyond the registers, what lies on the caller's stack
// is copied and not looked at. It bridges the versions, too: svt_av1_enc_init_handle has three arguments before 3.0 and
// two since.
struct arguments {
    intptr_t at[10];
};
#define TEN_INTEGERS intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t, intptr_t
typedef intptr_t (*function)(TEN_INTEGERS);

static struct script script;

static _Atomic(function) real_functions[CALLS];

struct counter {
    _Atomic uint64_t total, in_drain;
};
static struct counter entered[CALLS];     // calls
static struct counter handed_out[CALLS];  // calls that gave something out
static atomic_bool draining[LIBRARIES];
static atomic_bool dav1d_was_asked;       // for a picture, with no data sent since

// The libraries that this thread is inside, a bit for each: their calls to themselves are no calls of the program's.
static _Thread_local uint32_t inside;
_Static_assert(LIBRARIES <= 32, "a bit for each library");

// ---- reporting

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// -1 where none is wanted, or none can be opened: a process that has gone behind a sandbox.
static int open_log(void)
{
    const char *path = getenv("CODECWATCH_REHEARSE_LOG");
    return path && *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
}

// One write is one line, whatever other threads and processes write. Nobody could be told that it failed. The log is
// opened for each: a child process closes what it has inherited, and another file may get the number.
static void write_line(const char *line, size_t length, bool on_stderr)
{
    if (on_stderr && write(STDERR_FILENO, line, length) < 0)
        return;
    int log = open_log();
    if (log < 0)
        return;
    ssize_t written = write(log, line, length);
    (void)written;
    close(log);
}

static void report(const struct rule *rule, const char *verb, uint64_t number, bool on_stderr)
{
    char line[256], thread[16] = "?";
    uint64_t time = now();
    prctl(PR_GET_NAME, thread);
    int length = snprintf(line, sizeof line, "rehearse: %s %s%s%s (call %ju, thread %ld '%s', at %ju.%09ju s)\n",
                          call_name(rule->call), verb, rule->argument[0] ? " " : "", rule->argument, (uintmax_t)number,
                          (long)syscall(SYS_gettid), thread, (uintmax_t)(time / 1000000000u),
                          (uintmax_t)(time % 1000000000u));
    write_line(line, (size_t)length, on_stderr);
}

// A trace of a call that is handed settings says them, in the log.
static void report_settings(enum call_id call, const struct arguments *with)
{
    char line[1024], settings[768];
    if (!describe_settings(call, with->at, settings, sizeof settings))
        return;
    int length = snprintf(line, sizeof line, "rehearse: %s is handed%s\n", call_name(call), settings);
    write_line(line, (size_t)length, false);
}

__attribute__((constructor)) static void start(void)
{
    const char *text = getenv("CODECWATCH_REHEARSE");
    if (text && !script_parse(text, &script))
        _exit(2);

    const char *path = getenv("CODECWATCH_REHEARSE_LOG");
    if (path && *path) {
        int log = open_log();
        if (log < 0) {
            fprintf(stderr, "rehearse: cannot write %s: %s\n", path, strerror(errno));
            _exit(2);
        }
        close(log);
    }
}

// The log hears of each strike, stderr of the first of each rule: a rule may strike at every call. Answers which it was.
static bool report_strike(struct rule *rule, uint64_t number)
{
    bool first = rule->fault != TRACE && !atomic_exchange(&rule->announced, true);
    report(rule, fault_verb(rule->fault), number, first);
    return first;
}

// ---- the real libraries

struct search {
    const char *prefix;
    char path[4096];
};

static int match_library(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    struct search *search = data;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *file = slash ? slash + 1 : info->dlpi_name;
    if (strncmp(file, search->prefix, strlen(search->prefix)) != 0)
        return 0;
    snprintf(search->path, sizeof search->path, "%s", info->dlpi_name);
    return 1;
}

// RTLD_NEXT would not do: what a plugin brings along is local to it. So the library is found among the loaded ones,
// by the part of its file name that no new version changes.
static function real(enum call_id call)
{
    function found = atomic_load(&real_functions[call]);
    if (found)
        return found;
    struct search search = {.prefix = library_file(call_library(call))};
    void *library = dl_iterate_phdr(match_library, &search) ? dlopen(search.path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    found = library ? (function)dlsym(library, call_name(call)) : NULL;
    if (!found) {
        fprintf(stderr, "rehearse: %s* is not loaded or has no %s\n", search.prefix, call_name(call));
        abort();
    }
    atomic_store(&real_functions[call], found);
    return found;
}

static uint32_t library_bit(enum call_id call)
{
    return UINT32_C(1) << call_library(call);
}

static intptr_t pass_on(enum call_id call, const struct arguments *with)
{
    if (!library_file(call_library(call)))
        return 0;
    const intptr_t *at = with->at;
    uint32_t before = inside;
    inside |= library_bit(call);
    intptr_t result = real(call)(at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8], at[9]);
    inside = before;
    return result;
}

// ---- where in its life a session is

static void set_draining(enum library library, bool drains)
{
    if (atomic_exchange(&draining[library], drains) == drains || !drains)
        return;
    for (int call = 0; call < CALLS; call++)
        if (call_library((enum call_id)call) == library) {
            atomic_store(&entered[call].in_drain, 0);
            atomic_store(&handed_out[call].in_drain, 0);
        }
}

// SVT-AV1 drains from the picture that carries the end-of-stream flag on. dav1d drains when it is asked for a picture
// twice with no data between. A session that is opened ends the drain of the one before.
static void follow(enum call_id call, const struct arguments *with)
{
    if (call == ID_svt_av1_enc_init_handle)
        set_draining(SVT_AV1, false);
    if (call == ID_svt_av1_enc_send_picture) {
        const EbBufferHeaderType *picture = (const EbBufferHeaderType *)with->at[1];
        if (!picture || picture->flags & EB_BUFFERFLAG_EOS)
            set_draining(SVT_AV1, true);
    }

    if (call == ID_dav1d_open || call == ID_dav1d_send_data || call == ID_dav1d_flush) {
        set_draining(DAV1D, false);
        atomic_store(&dav1d_was_asked, false);
    }
    if (call == ID_dav1d_get_picture && atomic_exchange(&dav1d_was_asked, true))
        set_draining(DAV1D, true);

    if (call == ID_memory_open || call == ID_memory_send || call == ID_memory_flush)
        set_draining(MEMORY, false);
    if (call == ID_memory_drain)
        set_draining(MEMORY, true);
}

static struct occurrence count(struct counter counters[CALLS], enum call_id call)
{
    struct occurrence at = {.total = atomic_fetch_add(&counters[call].total, 1) + 1};
    if (atomic_load(&draining[call_library(call)]))
        at.in_drain = atomic_fetch_add(&counters[call].in_drain, 1) + 1;
    return at;
}

// ---- the faults

// Blocks for that long, or for ever: whatever signals come, only the end of the process ends it earlier.
static void block(uint64_t nanoseconds)
{
    while (nanoseconds == 0)
        pause();
    uint64_t until = now() + nanoseconds;
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        continue;
}

// Burns a processor for that long, or for ever.
static void spin(uint64_t nanoseconds)
{
    uint64_t until = now() + nanoseconds;
    while (now() < until || nanoseconds == 0)
        continue;
}

static void flip(uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at < length; at += 61)
        bytes[at] ^= 0x55;
}

static void corrupt(enum call_id call, const struct arguments *with)
{
    if (call == ID_svt_av1_enc_get_packet) {
        EbBufferHeaderType *packet = *(EbBufferHeaderType **)with->at[1];
        flip(packet->p_buffer, packet->n_filled_len);
    } else if (call == ID_memory_receive) {
        flip(*(uint8_t **)with->at[1], *(size_t *)with->at[2]);
    } else {
        const Dav1dPicture *picture = (const Dav1dPicture *)with->at[1];
        size_t row = (size_t)picture->p.w * (picture->p.bpc > 8 ? 2 : 1);
        for (int y = 0; y < picture->p.h; y++)
            flip((uint8_t *)picture->data[0] + y * picture->stride[0], row);
    }
}

static void crash(void)
{
    volatile int *volatile nowhere = NULL;
    *nowhere = 0;
}

// A frame of more than a page, so that no guard page is stepped over.
static int overflow(int depth)
{
    static volatile bool goes_on = true;
    volatile char frame[8192];
    frame[0] = (char)depth;
    return (goes_on ? overflow(depth + 1) : 0) + frame[0];
}

// Leaves nothing to allocate. Untouched memory counts against a limit and takes none of the machine's.
static void exhaust(void)
{
    for (size_t piece = (size_t)1 << 28; piece >= 64; piece /= 2)
        for (int pieces = 0; pieces < 4096; pieces++) {
            void *volatile taken = malloc(piece);
            if (!taken)
                break;
        }
}

// Before the call: answers whether the call is to be made.
static bool strike(struct rule *rule, uint64_t number, const struct arguments *with, intptr_t *result)
{
    // Strikes after the call, once it is known how much there is to stretch.
    if (rule->fault == SLOW)
        return true;

    bool first = report_strike(rule, number);
    if (rule->fault == HANG || rule->fault == SPIN) {
        (rule->fault == HANG ? block : spin)(rule->nanoseconds);
        report(rule, "goes on after", number, first);
    } else if (rule->fault == DELAY) {
        block(rule->nanoseconds);
    } else if (rule->fault == FAIL) {
        *result = call_result(rule->call) == POINTER ? 0 : rule->code;
        return false;
    } else if (rule->fault == ABORT) {
        abort();
    } else if (rule->fault == SEGV) {
        crash();
    } else if (rule->fault == OVERFLOW) {
        overflow(0);
    } else if (rule->fault == EXIT) {
        _exit(3);
    } else if (rule->fault == EXHAUST) {
        exhaust();
    } else if (rule->fault == TRACE) {
        report_settings(rule->call, with);
    }
    return true;
}

static bool gave_out(enum call_id call, intptr_t result, const struct arguments *with)
{
    if ((int32_t)result != 0)
        return false;
    return call == ID_dav1d_get_picture || call == ID_memory_receive ||
           (call == ID_svt_av1_enc_get_packet && *(EbBufferHeaderType **)with->at[1] != NULL);
}

static intptr_t rehearse(enum call_id call, const struct arguments *with)
{
    if (inside & library_bit(call))
        return pass_on(call, with);

    follow(call, with);
    struct occurrence at = count(entered, call);
    intptr_t result = 0;
    bool slowed[sizeof script.rules / sizeof *script.rules] = {false};
    for (unsigned i = 0; i < script.count; i++) {
        struct rule *rule = &script.rules[i];
        // CORRUPT needs what the call gives out, and PANIC is the supervisor's part.
        if (rule->fault == CORRUPT || rule->fault == PANIC || !rule_strikes(rule, call, at))
            continue;
        if (!strike(rule, at.total, with, &result))
            return result;
        slowed[i] = rule->fault == SLOW;
    }

    uint64_t began = now();
    result = pass_on(call, with);
    uint64_t took = now() - began;

    struct occurrence out = gave_out(call, result, with) ? count(handed_out, call) : (struct occurrence){0};
    for (unsigned i = 0; i < script.count; i++) {
        struct rule *rule = &script.rules[i];
        if (slowed[i]) {
            report_strike(rule, at.total);
            spin((uint64_t)((rule->factor - 1) * (double)took) + 1);
        }
        if (rule->fault == CORRUPT && rule_strikes(rule, call, out)) {
            report_strike(rule, at.total);
            corrupt(call, with);
        }
    }
    return result;
}

// ---- the entry points: under names of their own in C, out of the way of the headers' prototypes, which differ by version

#define CALL(library, name, result)                                                                                    \
    __attribute__((visibility("default"))) intptr_t interposed_##name(TEN_INTEGERS) __asm__(#name);                    \
    intptr_t interposed_##name(intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f, intptr_t g,     \
                               intptr_t h, intptr_t i, intptr_t j)                                                     \
    {                                                                                                                  \
        return rehearse(ID_##name, &(struct arguments){{a, b, c, d, e, f, g, h, i, j}});                               \
    }
#include "calls.h"
#undef CALL
