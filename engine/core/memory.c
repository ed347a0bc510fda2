/* SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const size_t huge = (size_t)2 << 20;

/* Mapped with room to spare and trimmed, so that the block starts on a huge page. */
static void *map_huge(size_t bytes)
{
	size_t size = (bytes + huge - 1) & ~(huge - 1);
	if (size < bytes)
		return NULL;
	char *p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t skip = (huge - (uintptr_t)p % huge) % huge;
	if (skip)
		munmap(p, skip);
	if (huge - skip)
		munmap(p + skip + size, huge - skip);
	madvise(p + skip, size, MADV_HUGEPAGE);
	return p + skip;
}

void *tern_block_open(size_t bytes)
{
	if (bytes >= huge)
		return map_huge(bytes);
	size_t size = bytes ? (bytes + 63) & ~(size_t)63 : 64;
	void *p = aligned_alloc(64, size);
	return p ? memset(p, 0, size) : NULL;
}

void tern_block_close(void *block, size_t bytes)
{
	if (!block)
		return;
	if (bytes >= huge)
		munmap(block, (bytes + huge - 1) & ~(huge - 1));
	else
		free(block);
}
