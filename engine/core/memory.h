/* SPDX-License-Identifier: Apache-2.0
 * Large aligned blocks for weights and scratch: 64-byte aligned, zeroed, on huge pages from 2 MiB up. */
#ifndef TERN_CORE_MEMORY_H
#define TERN_CORE_MEMORY_H

#include <stddef.h>

/* Null when there is no memory. Pages come into being at first touch, so on the node of the thread that writes them first. */
void *tern_block_open(size_t bytes);

/* Frees a block of that size; null is allowed. */
void tern_block_close(void *block, size_t bytes);

#endif
