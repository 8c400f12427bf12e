// SPDX-License-Identifier: MPL-2.0

#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum library library;
    enum result result;
} calls[CALLS] = {
#define CALL(library, name, result) {#name, library, result},
#include "calls.h"
#undef CALL
};

static const struct {
    const char *file;
    int32_t error;
} libraries[LIBRARIES] = {
#define LIBRARY(id, file, error) {file, error},
#include "libraries.h"
#undef LIBRARY
};

enum argument { NONE, MAYBE_TIME, TIME, FACTOR, CODE };

static const struct {
    const char *name;
    const char *verb;
    enum argument argument;
} faults[FAULTS] = {
    [HANG] = {"hang", "hangs", MAYBE_TIME}, [SPIN] = {"spin", "spins", MAYBE_TIME},
    [SLOW] = {"slow", "is slowed", FACTOR}, [DELAY] = {"delay", "is delayed", TIME},
    [FAIL] = {"fail", "fails", CODE},       [ABORT] = {"abort", "aborts", NONE},
    [SEGV] = {"segv", "crashes", NONE},     [OVERFLOW] = {"overflow", "overflows its stack", NONE},
    [EXIT] = {"exit", "exits", NONE},       [EXHAUST] = {"exhaust", "exhausts the memory", NONE},
    [CORRUPT] = {"corrupt", "is corrupted", NONE},
    [TRACE] = {"trace", "is called", NONE}, [PANIC] = {"panic", "panics", NONE},
};

const char *call_name(enum call_id call)
{
    return calls[call].name;
}

enum library call_library(enum call_id call)
{
    return calls[call].library;
}

const char *library_file(enum library library)
{
    return libraries[library].file;
}

enum result call_result(enum call_id call)
{
    return calls[call].result;
}

const char *fault_verb(enum fault fault)
{
    return faults[fault].verb;
}

__attribute__((format(printf, 1, 2))) static bool mistake(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "rehearse: %s (see tests/shims/README.md)\n", line);
    return false;
}

static bool parse_call(const char *name, enum call_id *call)
{
    for (int id = 0; id < CALLS; id++)
        if (strcmp(name, calls[id].name) == 0) {
            *call = (enum call_id)id;
            return true;
        }
    return mistake("no call is named '%s'", name);
}

static bool parse_fault(const char *name, enum fault *fault)
{
    for (int id = 0; id < FAULTS; id++)
        if (strcmp(name, faults[id].name) == 0) {
            *fault = (enum fault)id;
            return true;
        }
    return mistake("no fault is named '%s'; there are hang, spin, slow, delay, fail, abort, segv, overflow, exit, exhaust, "
                   "corrupt, trace, panic",
                   name);
}

// "5s", "1.5s", "100ms"
static bool parse_time(const char *text, uint64_t *nanoseconds)
{
    char *unit;
    double number = strtod(text, &unit);
    double scale = strcmp(unit, "s") == 0 ? 1e9 : strcmp(unit, "ms") == 0 ? 1e6 : 0;
    // A day is longer than any rehearsal; the bound also refuses infinity and what is not a number.
    if (unit == text || scale == 0 || !(number > 0 && number * scale <= 86400e9))
        return mistake("'%s' is not a time such as 5s or 100ms, of at most a day", text);
    *nanoseconds = (uint64_t)(number * scale);
    return true;
}

static bool parse_factor(const char *text, double *factor)
{
    char *end;
    *factor = text[0] == 'x' ? strtod(text + 1, &end) : 0;
    if (!(*factor > 1 && *factor <= 1e6) || *end != '\0')
        return mistake("'%s' is not a factor above 1 such as x4", text);
    return true;
}

static bool parse_code(const char *text, int32_t *code)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 0);
    // SVT-AV1's codes are written as 0x80001001, dav1d's as -22: both are a negative int.
    if (end == text || *end != '\0' || errno != 0 || number < INT32_MIN || number > UINT32_MAX)
        return mistake("'%s' is not a code of 32 bits such as 0x80001001 or -22", text);
    *code = (int32_t)number;
    return true;
}

static bool parse_argument(const char *text, struct rule *rule)
{
    const char *fault = faults[rule->fault].name;
    if (text)
        snprintf(rule->argument, sizeof rule->argument, "%s", text);
    switch (faults[rule->fault].argument) {
    case NONE:
        return text ? mistake("'%s' takes no argument", fault) : true;
    case MAYBE_TIME:
        return text ? parse_time(text, &rule->nanoseconds) : true;
    case TIME:
        return text ? parse_time(text, &rule->nanoseconds) : mistake("'%s' needs a time, as in %s=100ms", fault, fault);
    case FACTOR:
        return text ? parse_factor(text, &rule->factor) : mistake("'%s' needs a factor, as in %s=x4", fault, fault);
    case CODE:
        rule->code = libraries[calls[rule->call].library].error;
        return text ? parse_code(text, &rule->code) : true;
    }
    return false;
}

#define OCCURRENCES "@30, @30+, @flush, @flush+, @armed or @armed+"

// What `text` begins with, and where that ends.
static bool begins(const char *text, const char *word, const char **end)
{
    *end = text + strlen(word);
    return strncmp(text, word, strlen(word)) == 0;
}

// "30", "30+", "flush", "flush+" ("eos" is another word for "flush"), "armed", "armed+"; none: every call
static bool parse_occurrence(const char *text, struct rule *rule)
{
    const char *end;
    rule->moment = START;
    rule->first = 1;
    rule->last = UINT64_MAX;
    if (!text)
        return true;
    if (begins(text, "flush", &end) || begins(text, "eos", &end)) {
        rule->moment = DRAIN;
    } else if (begins(text, "armed", &end)) {
        rule->moment = ARMED;
        if (!getenv("CODECWATCH_REHEARSE_ARM"))
            return mistake("'@armed' needs CODECWATCH_REHEARSE_ARM, the file that arms it");
    } else {
        char *digits_end = NULL;
        errno = 0;
        rule->first = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &digits_end, 10) : 0;
        if (rule->first == 0 || errno != 0)
            return mistake("'@%s' is not an occurrence such as " OCCURRENCES, text);
        end = digits_end;
    }
    if (*end == '\0')
        rule->last = rule->first;
    else if (strcmp(end, "+") != 0)
        return mistake("'@%s' is not an occurrence such as " OCCURRENCES, text);
    return true;
}

static bool check_fit(const struct rule *rule)
{
    const char *call = calls[rule->call].name;
    if (rule->fault == FAIL && calls[rule->call].result == NOTHING)
        return mistake("'%s' returns nothing: it cannot fail", call);
    if (rule->fault == FAIL && calls[rule->call].result == POINTER && rule->argument[0])
        return mistake("'%s' returns a pointer: it fails with NULL, without a code", call);
    if (rule->fault == CORRUPT && rule->call != ID_svt_av1_enc_get_packet && rule->call != ID_dav1d_get_picture &&
        rule->call != ID_memory_receive)
        return mistake("'%s' gives out nothing to corrupt; svt_av1_enc_get_packet, dav1d_get_picture and "
                       "memory_receive do",
                       call);
    return true;
}

// Splits `text` in place at the first `separator`; answers what follows it, or NULL.
static char *split(char *text, char separator)
{
    char *found = strchr(text, separator);
    if (found)
        *found++ = '\0';
    return found;
}

static bool parse_rule(char *text, struct rule *rule)
{
    char *fault = split(text, ':');
    if (!fault)
        return mistake("'%s' is not call:fault[=argument][@occurrence]", text);
    char *occurrence = split(fault, '@');
    char *argument = split(fault, '=');
    return parse_call(text, &rule->call) && parse_fault(fault, &rule->fault) && parse_argument(argument, rule) &&
           parse_occurrence(occurrence, rule) && check_fit(rule);
}

bool script_parse(const char *text, struct script *script)
{
    char copy[4096];
    if (strlen(text) >= sizeof copy)
        return mistake("the script is longer than %zu bytes", sizeof copy - 1);
    strcpy(copy, text);

    memset(script, 0, sizeof *script);
    for (char *rule = copy, *next; rule && *copy; rule = next) {
        next = split(rule, ',');
        if (script->count == sizeof script->rules / sizeof *script->rules)
            return mistake("more than %u rules", script->count);
        if (!parse_rule(rule, &script->rules[script->count++]))
            return false;
    }
    return true;
}

// Whether this is the first call after the rule was armed, or with "+" one of those after it. Who removes the file was
// first: of any number of threads and processes exactly one.
static bool is_armed(struct rule *rule)
{
    if (rule->last == UINT64_MAX && atomic_load(&rule->armed))
        return true;
    if (unlink(getenv("CODECWATCH_REHEARSE_ARM")) != 0)
        return false;
    atomic_store(&rule->armed, true);
    return true;
}

bool rule_strikes(struct rule *rule, enum call_id call, struct occurrence at)
{
    if (rule->call != call)
        return false;
    if (rule->moment == ARMED)
        return at.total > 0 && is_armed(rule);
    uint64_t occurrence = rule->moment == DRAIN ? at.in_drain : at.total;
    return occurrence >= rule->first && occurrence <= rule->last;
}
