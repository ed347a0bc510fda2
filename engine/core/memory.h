/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the engine's memory comes from: the pool of the process. Large aligned blocks for weights and scratch, 64-byte aligned, zeroed, on
 * huge pages from 2 MiB up; and arrays and structs, zeroed. Whatever runs has what it needs from its bind.
 */
#ifndef TERN_CORE_MEMORY_H
#define TERN_CORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Null when there is no memory. Pages come into being at first touch, so on the node of the thread that writes them first. */
void *tern_block_open(size_t bytes);

/* Frees a block of that size; null is allowed. */
void tern_block_close(void *block, size_t bytes);

/* n * size zeroed bytes, 16-byte aligned, null where the product wraps; for structs and arrays. Null when there is no memory. */
void *tern_array_open(size_t n, size_t size);
/* Null is allowed. */
void tern_array_close(void *array);

/* Blocks and arrays asked for since the process began, and those of them that there was no memory for. */
struct tern_memory_asked {
    uint64_t asked, refused;
};
struct tern_memory_asked tern_memory_asked(void);

#endif
