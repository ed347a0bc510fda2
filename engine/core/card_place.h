/* SPDX-License-Identifier: Apache-2.0
 *
 * A card's memory as a place of the tensor cache (memory/cache.h): its tensors and the CPU's are under one budget. Memory of this place
 * is an address of the card: only the functions here may use it. One thread at a time, as the card.
 */
#ifndef TERN_CORE_CARD_PLACE_H
#define TERN_CORE_CARD_PLACE_H

#include "core/accelerator.h"
#include "memory/cache.h"

/* The place "cuda". `on` must stay open and where it is as long as the cache. */
struct tern_cache_place tern_card_place(struct tern_accelerator *on);

/* Copies to and from memory of the place; done when they return. Errors: TERN_IO. */
enum tern_status tern_card_place_write(const struct tern_accelerator *on, void *to, const void *from, size_t bytes, struct tern_error *error);
enum tern_status tern_card_place_read(const struct tern_accelerator *on, void *to, const void *from, size_t bytes, struct tern_error *error);

#endif
