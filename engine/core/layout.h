/* SPDX-License-Identifier: Apache-2.0
 *
 * How a tensor lies in memory, by how it is read. A tensor here is R rows of B bytes; a slice is a part of S bytes of each row.
 *
 *   reader       what it reads                               in the engine
 *   sequential   all rows from the first to the last         layers' weights, at each token
 *   strided      one slice of every row                      one group's keys and values, over all positions
 *   random       whole rows, in an order known shortly before   the embedding, a row a token
 *
 *   layout       place of byte i of row r, i = j S + k       what it is for
 *   rows         r B + i                                     as tensors come
 *   prefetch     r B + i, and the reader asks ahead          memory's latency, where the processor does not guess what comes next
 *   blocked      j R S + r S + k                             a slice of all rows is one stretch
 *   packed       r B' + i, B' = B up to whole cache lines    no row shares a line with its neighbours
 *
 * Which one a tensor gets is the first row of a table of measurements that fits its reader, the processor and the tensor's size.
 */
#ifndef TERN_CORE_LAYOUT_H
#define TERN_CORE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TERN_READERS_OF(X) X(SEQUENTIAL, "sequential") X(STRIDED, "strided") X(RANDOM, "random")
#define TERN_LAYOUTS_OF(X) X(ROWS, "rows") X(PREFETCH, "prefetch") X(BLOCKED, "blocked") X(PACKED, "packed")
#define TERN_READER_VALUE(name, text) TERN_READER_##name,
#define TERN_LAYOUT_VALUE(name, text) TERN_LAYOUT_##name,
enum tern_reader { TERN_READERS_OF(TERN_READER_VALUE) TERN_READERS };
enum tern_layout { TERN_LAYOUTS_OF(TERN_LAYOUT_VALUE) TERN_LAYOUTS };

/* A row of the table. */
struct tern_layout_choice {
    enum tern_reader reader;
    const char *feature;     /* of the processors that it was measured on, where others differ (core/features.def); null: any */
    int beyond;              /* level of cache that the tensor does not fit in; 0: any size */
    enum tern_layout layout;
    size_t ahead;            /* bytes that a prefetching reader is ahead, counted in what it reads */
    const char *why;         /* static, with the figures it stands on */
};

/* What a reader of a tensor of `bytes` bytes gets; never null. */
const struct tern_layout_choice *tern_layout_choose(enum tern_reader reader, size_t bytes);

const char *tern_reader_name(enum tern_reader reader);
const char *tern_layout_name(enum tern_layout layout);

/* Asks for the cache lines of `bytes` bytes at `at`, which need not be readable. */
static inline void tern_layout_ask(const void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)at + i);
}

#endif
