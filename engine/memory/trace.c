/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The recorder itself uses the C library's heap, so that what it does is not in the trace. */
struct tern_trace {
    FILE *file;
    pthread_mutex_t lock;
    struct tern_trace *next;
};

/* Open ones, flushed when the process ends: the default pool is never closed. */
static struct tern_trace *open_traces;
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((destructor)) static void flush_all(void)
{
    for (struct tern_trace *trace = open_traces; trace; trace = trace->next)
        fflush(trace->file);
}

struct tern_trace *tern_trace_open(const char *path)
{
    struct tern_trace *trace = calloc(1, sizeof *trace);
    if (!trace || !(trace->file = fopen(path, "we"))) {
        free(trace);
        return NULL;
    }
    pthread_mutex_init(&trace->lock, NULL);
    setvbuf(trace->file, NULL, _IOLBF, 0); /* a process that is killed leaves whole lines */
    fprintf(trace->file, "ternmark-trace 1\n");
    pthread_mutex_lock(&open_lock);
    trace->next = open_traces;
    open_traces = trace;
    pthread_mutex_unlock(&open_lock);
    return trace;
}

void tern_trace_close(struct tern_trace *trace)
{
    if (!trace)
        return;
    pthread_mutex_lock(&open_lock);
    for (struct tern_trace **at = &open_traces; *at; at = &(*at)->next)
        if (*at == trace) {
            *at = trace->next;
            break;
        }
    pthread_mutex_unlock(&open_lock);
    fclose(trace->file);
    pthread_mutex_destroy(&trace->lock);
    free(trace);
}

static unsigned long number_of(const void *block)
{
    return (unsigned long)((uintptr_t)block >> 4);
}

void *tern_trace_take(struct tern_trace *trace, void *block, size_t bytes, size_t align, enum tern_tag tag)
{
    if (!trace || !block)
        return block;
    pthread_mutex_lock(&trace->lock);
    fprintf(trace->file, "+ %lu %zu %zu %d %d\n", number_of(block), bytes, align, (int)tag, (int)gettid());
    pthread_mutex_unlock(&trace->lock);
    return block;
}

void tern_trace_give(struct tern_trace *trace, const void *block)
{
    if (!trace)
        return;
    pthread_mutex_lock(&trace->lock);
    fprintf(trace->file, "- %lu %d\n", number_of(block), (int)gettid());
    pthread_mutex_unlock(&trace->lock);
}

/* ---- reading */

struct live {
    unsigned long number;
    uint32_t slot;
    size_t bytes;
};

struct reader {
    struct tern_trace_play *play;
    size_t max_events, live_bytes;
    struct live *live; /* in the order taken */
    uint32_t *spare;   /* slots whose block was given */
    size_t n_live, max_live;
    uint32_t n_spare;
};

static bool push_event(struct reader *reader, uint32_t slot, bool is_give, size_t bytes)
{
    struct tern_trace_play *play = reader->play;
    if (play->n_events == reader->max_events) {
        const size_t max = reader->max_events ? reader->max_events * 2 : 1024;
        struct tern_trace_event *event = realloc(play->event, max * sizeof *event);
        if (!event)
            return false;
        play->event = event;
        reader->max_events = max;
    }
    play->event[play->n_events++] = (struct tern_trace_event){slot, is_give, bytes};
    return true;
}

static bool make_room(struct reader *reader)
{
    if (reader->n_live < reader->max_live)
        return true;
    const size_t max = reader->max_live ? reader->max_live * 2 : 256;
    struct live *live = realloc(reader->live, max * sizeof *live);
    if (live)
        reader->live = live;
    uint32_t *spare = realloc(reader->spare, max * sizeof *spare);
    if (spare)
        reader->spare = spare;
    if (live && spare)
        reader->max_live = max;
    return live && spare;
}

static bool add_take(struct reader *reader, unsigned long number, size_t bytes)
{
    if (!make_room(reader))
        return false;
    const uint32_t slot = reader->n_spare ? reader->spare[--reader->n_spare] : reader->play->n_blocks++;
    reader->live[reader->n_live++] = (struct live){number, slot, bytes};
    reader->live_bytes += bytes;
    if (reader->live_bytes > reader->play->peak)
        reader->play->peak = reader->live_bytes;
    return push_event(reader, slot, false, bytes);
}

/* Youngest first: programs mostly give what they took last. */
static bool add_give(struct reader *reader, unsigned long number, bool *is_known)
{
    size_t i = reader->n_live;
    while (i > 0 && reader->live[i - 1].number != number)
        i--;
    *is_known = i > 0;
    if (!i)
        return true;
    const struct live live = reader->live[i - 1];
    memmove(&reader->live[i - 1], &reader->live[i], (reader->n_live - i) * sizeof live);
    reader->n_live--;
    reader->live_bytes -= live.bytes;
    reader->spare[reader->n_spare++] = live.slot;
    return push_event(reader, live.slot, true, 0);
}

static enum tern_status read_line(struct reader *reader, const char *line, size_t number, const char *path, struct tern_error *error)
{
    unsigned long block;
    size_t bytes;
    bool is_known = true, is_had;
    if (sscanf(line, "+ %lu %zu", &block, &bytes) == 2 && bytes)
        is_had = add_take(reader, block, bytes);
    else if (sscanf(line, "- %lu", &block) == 1)
        is_had = add_give(reader, block, &is_known);
    else
        return tern_error_set(error, TERN_INVALID, "%s:%zu: expected \"+ BLOCK BYTES …\" or \"- BLOCK …\"", path, number);
    if (!is_known)
        return tern_error_set(error, TERN_INVALID, "%s:%zu: block %lu is given but not live", path, number, block);
    return is_had ? TERN_OK : tern_error_memory(error, "a trace", reader->max_events * sizeof(struct tern_trace_event));
}

static enum tern_status read_all(struct reader *reader, FILE *file, const char *path, struct tern_error *error)
{
    char line[160];
    if (!fgets(line, sizeof line, file) || strcmp(line, "ternmark-trace 1\n"))
        return tern_error_set(error, TERN_INVALID, "%s:1: expected \"ternmark-trace 1\"", path);
    for (size_t number = 2; fgets(line, sizeof line, file); number++) {
        const enum tern_status status = read_line(reader, line, number, path, error);
        if (status)
            return status;
    }
    while (reader->n_live) {
        bool is_known;
        if (!add_give(reader, reader->live[reader->n_live - 1].number, &is_known))
            return tern_error_memory(error, "a trace", reader->max_events * sizeof(struct tern_trace_event));
    }
    return TERN_OK;
}

enum tern_status tern_trace_load(const char *path, struct tern_trace_play *out, struct tern_error *error)
{
    *out = (struct tern_trace_play){0};
    struct reader reader = {.play = out};
    FILE *file = fopen(path, "re");
    if (!file)
        return tern_error_set(error, TERN_IO, "%s: %s", path, strerror(errno));
    const enum tern_status status = read_all(&reader, file, path, error);
    fclose(file);
    free(reader.live);
    free(reader.spare);
    if (status)
        tern_trace_free(out);
    return status;
}

void tern_trace_free(struct tern_trace_play *play)
{
    free(play->event);
    *play = (struct tern_trace_play){0};
}
