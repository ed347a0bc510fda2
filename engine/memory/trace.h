/* SPDX-License-Identifier: Apache-2.0
 *
 * Records what a pool is asked for, so that real use can be measured again and again with any allocator.
 *
 *   ternmark-trace 1
 *   + BLOCK BYTES ALIGN TAG THREAD      a take; BLOCK is a number that stands until the give
 *   - BLOCK THREAD                      a give
 *
 * Decimal, one event a line, in the order in which they were done. TERN_POOL_TRACE=FILE records the default pool.
 */
#ifndef TERN_MEMORY_TRACE_H
#define TERN_MEMORY_TRACE_H

#include "memory/pool.h"

struct tern_trace;

/* Null when the file cannot be made. */
struct tern_trace *tern_trace_open(const char *path);
/* Null is allowed. */
void tern_trace_close(struct tern_trace *trace);
/* Returns block; a null one is not recorded. */
void *tern_trace_take(struct tern_trace *trace, void *block, size_t bytes, size_t align, enum tern_tag tag);
void tern_trace_give(struct tern_trace *trace, const void *block);

/* A trace in memory, ready to be played: blocks are numbered 0..n_blocks-1, each used for many lifetimes. */
struct tern_trace_event {
    uint32_t block;
    uint32_t is_give;
    size_t bytes; /* of a take */
};

struct tern_trace_play {
    struct tern_trace_event *event;
    size_t n_events;
    uint32_t n_blocks;
    size_t peak; /* bytes asked for and live at once */
};

/* Reads a recorded file. Blocks never given are given at the end, newest first, so that a trace can be repeated.
 * Errors: TERN_IO, TERN_INVALID with the line, TERN_NO_MEMORY. */
enum tern_status tern_trace_load(const char *path, struct tern_trace_play *out, struct tern_error *error);
void tern_trace_free(struct tern_trace_play *play);

#endif
