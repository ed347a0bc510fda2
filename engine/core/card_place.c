/* SPDX-License-Identifier: Apache-2.0 */
#include "core/card_place.h"

static uint64_t address_of(const void *memory)
{
    return (uint64_t)(uintptr_t)memory;
}

static void *take(void *context, size_t bytes, struct tern_error *error)
{
    const struct tern_accelerator *on = context;
    struct cuda_memory memory = {0, 0};
    struct cuda_fault fault;
    tern_accelerator_fault(on->face->take(on->device, bytes, "tensor cache", &memory, &fault), &fault, error);
    return (void *)(uintptr_t)memory.at;
}

static void give(void *context, void *at)
{
    const struct tern_accelerator *on = context;
    struct cuda_memory memory = {.at = address_of(at)};
    on->face->give(on->device, &memory);
}

struct tern_cache_place tern_card_place(struct tern_accelerator *on)
{
    return (struct tern_cache_place){.name = "cuda", .take = take, .give = give, .context = on};
}

enum tern_status tern_card_place_read(const struct tern_accelerator *on, void *to, const void *from, size_t bytes, struct tern_error *error)
{
    struct cuda_fault fault;
    return tern_accelerator_fault(on->face->fetch(on->device, to, address_of(from), bytes, "tensor cache", &fault), &fault, error);
}

/* An upload is only asked for; a byte read back has waited for it. */
enum tern_status tern_card_place_write(const struct tern_accelerator *on, void *to, const void *from, size_t bytes, struct tern_error *error)
{
    struct cuda_fault fault;
    char last;
    const enum tern_status status = tern_accelerator_fault(on->face->upload(on->device, address_of(to), from, bytes, "tensor cache", &fault), &fault, error);
    return status ? status : tern_card_place_read(on, &last, (const char *)to + bytes - 1, 1, error);
}
