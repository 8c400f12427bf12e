// SPDX-License-Identifier: MPL-2.0
//
// A lossless video encoder in memory, for tests, made as native libraries are: C calls, and a thread of its own.
//
// A packet: a checksum of what follows (FNV-1a), whether it is a key frame, the caller's number of the picture (both
// numbers in four bytes, the least first), and the difference to the picture before as pairs of count and byte. The
// difference of a key frame is that to nothing. Each call answers 0 or a negative errno.

#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { HEADER = 9 };

struct frame {
    uint8_t *picture, *packet;
    size_t packet_size;
    uint32_t number;
    bool key;
};

struct memory {
    size_t size; // of a picture
    unsigned delay, key_every, effort;
    pthread_t thread;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t changed;
    bool draining, closing, busy;
    unsigned until_key;
    uint64_t sent, encoded, received; // frames: a ring of delay + 1
    uint8_t *before;                  // the last picture; the thread's own
    struct frame frames[];
};

static struct frame *frame_at(struct memory *memory, uint64_t number)
{
    return &memory->frames[number % (memory->delay + 1)];
}

static void write_number(uint8_t *to, uint32_t number)
{
    for (int byte = 0; byte < 4; byte++)
        to[byte] = (uint8_t)(number >> 8 * byte);
}

// Works for so many microseconds of a processor's time.
static void work(unsigned effort)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    for (int64_t end = now.tv_sec * 1000000000LL + now.tv_nsec + effort * 1000LL;
         effort && now.tv_sec * 1000000000LL + now.tv_nsec < end;)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
}

static void encode(struct memory *memory, struct frame *frame)
{
    if (frame->key)
        memset(memory->before, 0, memory->size);
    uint8_t *end = frame->packet + HEADER;
    for (size_t at = 0; at < memory->size; at++) {
        uint8_t byte = frame->picture[at] ^ memory->before[at];
        if (at > 0 && end[-1] == byte && end[-2] < UINT8_MAX) {
            end[-2]++;
        } else {
            *end++ = 1;
            *end++ = byte;
        }
    }
    memcpy(memory->before, frame->picture, memory->size);
    frame->packet[4] = frame->key;
    write_number(frame->packet + 5, frame->number);
    uint32_t sum = 2166136261u;
    for (uint8_t *byte = frame->packet + 4; byte < end; byte++)
        sum = (sum ^ *byte) * 16777619u;
    write_number(frame->packet, sum);
    frame->packet_size = (size_t)(end - frame->packet);
}

static void *run(void *data)
{
    struct memory *memory = data;
    prctl(PR_SET_NAME, "memory-encode");
    pthread_mutex_lock(&memory->lock);
    while (!memory->closing) {
        if (memory->encoded == memory->sent) {
            pthread_cond_wait(&memory->changed, &memory->lock);
            continue;
        }
        memory->busy = true;
        pthread_mutex_unlock(&memory->lock);
        work(memory->effort);
        encode(memory, frame_at(memory, memory->encoded));
        pthread_mutex_lock(&memory->lock);
        memory->busy = false;
        memory->encoded++;
        pthread_cond_broadcast(&memory->changed);
    }
    pthread_mutex_unlock(&memory->lock);
    return NULL;
}

// Joins no thread: `memory_close` does.
static void destroy(struct memory *memory)
{
    for (unsigned at = 0; at <= memory->delay; at++) {
        free(memory->frames[at].picture);
        free(memory->frames[at].packet);
    }
    pthread_cond_destroy(&memory->changed);
    pthread_mutex_destroy(&memory->lock);
    free(memory->before);
    free(memory);
}

// For pictures of `size` bytes. Holds `delay` of them back; one in `key_every` is a key frame, at least; each costs
// `effort` microseconds.
int memory_open(struct memory **opened, size_t size, unsigned delay, unsigned key_every, unsigned effort)
{
    if (size == 0 || size > SIZE_MAX / 4 || delay > 1000 || key_every == 0)
        return -EINVAL;
    struct memory *memory = calloc(1, sizeof *memory + (delay + 1) * sizeof *memory->frames);
    if (!memory)
        return -ENOMEM;
    memory->size = size;
    memory->delay = delay;
    memory->key_every = key_every;
    memory->effort = effort;
    pthread_mutex_init(&memory->lock, NULL);
    pthread_cond_init(&memory->changed, NULL);
    bool has_memory = (memory->before = malloc(size)) != NULL;
    for (unsigned at = 0; at <= delay; at++) {
        has_memory &= (memory->frames[at].picture = malloc(size)) != NULL;
        has_memory &= (memory->frames[at].packet = malloc(HEADER + 2 * size)) != NULL;
    }
    if (!has_memory || pthread_create(&memory->thread, NULL, run, memory) != 0) {
        destroy(memory);
        return -ENOMEM;
    }
    *opened = memory;
    return 0;
}

// Copies a picture. -EAGAIN: a packet has to be received first. Ends a drain.
int memory_send(struct memory *memory, const uint8_t *picture, size_t size, uint32_t number, int key)
{
    if (size != memory->size)
        return -EINVAL;
    pthread_mutex_lock(&memory->lock);
    bool full = memory->sent - memory->received > memory->delay;
    if (!full) {
        struct frame *frame = frame_at(memory, memory->sent);
        memcpy(frame->picture, picture, size);
        frame->number = number;
        frame->key = key || memory->until_key == 0;
        memory->until_key = (frame->key ? memory->key_every : memory->until_key) - 1;
        memory->draining = false;
        memory->sent++;
        pthread_cond_broadcast(&memory->changed);
    }
    pthread_mutex_unlock(&memory->lock);
    return full ? -EAGAIN : 0;
}

// Waits for the next packet where one is due: -EAGAIN where none is. It is the caller's until the next call.
int memory_receive(struct memory *memory, const uint8_t **packet, size_t *size)
{
    pthread_mutex_lock(&memory->lock);
    bool due = memory->sent - memory->received > (memory->draining ? 0 : memory->delay);
    if (due) {
        while (memory->encoded == memory->received)
            pthread_cond_wait(&memory->changed, &memory->lock);
        struct frame *frame = frame_at(memory, memory->received++);
        *packet = frame->packet;
        *size = frame->packet_size;
    }
    pthread_mutex_unlock(&memory->lock);
    return due ? 0 : -EAGAIN;
}

// From now on everything is due.
int memory_drain(struct memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    memory->draining = true;
    pthread_mutex_unlock(&memory->lock);
    return 0;
}

// Forgets what is inside. The next picture is a key frame.
int memory_flush(struct memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    memory->sent = memory->encoded + memory->busy;
    while (memory->busy)
        pthread_cond_wait(&memory->changed, &memory->lock);
    memory->received = memory->encoded;
    memory->until_key = 0;
    memory->draining = false;
    pthread_mutex_unlock(&memory->lock);
    return 0;
}

int memory_close(struct memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    memory->closing = true;
    pthread_cond_broadcast(&memory->changed);
    pthread_mutex_unlock(&memory->lock);
    pthread_join(memory->thread, NULL);
    destroy(memory);
    return 0;
}
