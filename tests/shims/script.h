// SPDX-License-Identifier: MPL-2.0
//
// What CODECWATCH_REHEARSE asks for, as a list of rules.

#ifndef REHEARSE_SCRIPT_H
#define REHEARSE_SCRIPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum library {
#define LIBRARY(id, file, error) id,
#include "libraries.h"
#undef LIBRARY
    LIBRARIES
};

enum result { STATUS, POINTER, NOTHING };

enum call_id {
#define CALL(library, name, result) ID_##name,
#include "calls.h"
#undef CALL
    CALLS
};

enum fault { HANG, SPIN, SLOW, DELAY, FAIL, ABORT, SEGV, OVERFLOW, EXIT, EXHAUST, CORRUPT, TRACE, PANIC, FAULTS };

// What the calls of a rule are counted from.
enum moment {
    START, // of the process
    DRAIN, // the end of the stream
    ARMED, // the moment at which somebody made the file that CODECWATCH_REHEARSE_ARM names
};

// How often something has happened: in this process, and since the drain that is under way began (0: none is).
struct occurrence {
    uint64_t total;
    uint64_t in_drain;
};

struct rule {
    enum call_id call;
    enum fault fault;
    char argument[32];     // as written, for the report
    uint64_t nanoseconds;  // HANG, SPIN (0: for ever), DELAY
    double factor;         // SLOW
    int32_t code;          // FAIL
    enum moment moment;    // what `first` and `last` count from
    uint64_t first, last;  // 1-based, inclusive
    atomic_bool armed;     // ARMED: the file was there, and is gone
    atomic_bool announced; // on stderr, which hears of each rule once
};

struct script {
    struct rule rules[32];
    unsigned count;
};

const char *call_name(enum call_id call);
enum library call_library(enum call_id call);

// What its file name begins with, or NULL.
const char *library_file(enum library library);
enum result call_result(enum call_id call);

// "hangs", "fails", ...
const char *fault_verb(enum fault fault);

// Reads `text` into `script`. On a mistake it says on stderr in one line what is wrong, and answers false.
bool script_parse(const char *text, struct script *script);

// Asked once for each call: where the rule waits to be armed, the answer takes the arming.
bool rule_strikes(struct rule *rule, enum call_id call, struct occurrence at);

#endif
