/* SPDX-License-Identifier: Apache-2.0
 * Layers that do not stay on the card. */
#include "cuda/stream_in.h"

#include <stdlib.h>

enum { EVENT_UNTIMED = 2, NEXT = 0, LATER = 1 };
static const size_t piece_bytes = (size_t)4 << 20;

static uint64_t place_of(const struct cuda_model *m, size_t coming)
{
    return m->in.places.at + coming % CUDA_PLACES * m->layer_bytes;
}

enum cuda_outcome cuda_stream_in_open(struct cuda_model *m, struct cuda_fault *fault)
{
    struct cuda_stream_in *in = &m->in;
    struct cuda_device *d = m->device;
    size_t bytes = (m->spec.layers - m->resident) * m->layer_bytes;
    void *pinned = NULL;
    enum cuda_outcome o = cuda_transfer_open(d, piece_bytes, &in->transfer, fault);
    for (size_t i = 0; i < CUDA_PLACES && !o; i++)
        if (!(o = cuda_try(d, d->driver.open_event(&in->ready[i], EVENT_UNTIMED), "an event", fault)))
            o = cuda_try(d, d->driver.open_event(&in->done[i], EVENT_UNTIMED), "an event", fault);
    if (o)
        return o;
    o = cuda_try(d, d->driver.allocate_pinned(&pinned, bytes), "pinned memory for layers", fault);
    if (o && o != CUDA_OUTCOME_out_of_memory)
        return o;
    in->is_pinned = !o;
    in->host = in->is_pinned ? pinned : malloc(bytes);
    return in->host ? CUDA_OUTCOME_ok : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for %zu bytes of layers", bytes);
}

void cuda_stream_in_close(struct cuda_model *m)
{
    struct cuda_stream_in *in = &m->in;
    const struct cuda_driver *driver = &m->device->driver;
    if (in->transfer.device && !m->device->broken.outcome) /* nothing may still be copied from what is freed now */
        cuda_transfer_finish(&in->transfer, NULL);
    for (size_t i = 0; i < CUDA_PLACES; i++) {
        if (in->ready[i])
            driver->close_event(in->ready[i]);
        if (in->done[i])
            driver->close_event(in->done[i]);
    }
    if (in->is_pinned && in->host)
        driver->free_pinned(in->host);
    else
        free(in->host);
    cuda_transfer_close(&in->transfer);
    cuda_give(m->device, &in->places);
}

static enum cuda_outcome ask(struct cuda_model *m, unsigned urgency, struct cuda_fault *fault)
{
    struct cuda_stream_in *in = &m->in;
    size_t coming = in->asked++ % (m->spec.layers - m->resident), place = coming % CUDA_PLACES;
    return cuda_transfer_ask(&in->transfer, &(struct cuda_request){
        .to = place_of(m, coming), .from = in->host + coming * m->layer_bytes, .bytes = m->layer_bytes, .is_pinned = in->is_pinned, .urgency = urgency,
        .after = in->done[place], .ready = in->ready[place]}, fault);
}

/* The first two are asked for as soon as a pass begins, each later one when a place is free. */
enum cuda_outcome cuda_model_begin_layer(struct cuda_model *m, size_t layer, struct cuda_fault *fault)
{
    struct cuda_stream_in *in = &m->in;
    size_t coming = layer - m->resident, all = m->spec.layers - m->resident;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (cuda_model_is_whole(m))
        return o;
    if (layer == 0) {
        in->asked = 0;
        for (size_t i = 0; i < CUDA_PLACES && i < all && !o; i++)
            o = ask(m, i ? LATER : NEXT, fault);
        return o ? o : cuda_transfer_issue(&in->transfer, NULL, fault);
    }
    if (layer < m->resident)
        return o;
    o = cuda_transfer_issue(&in->transfer, in->ready[coming % CUDA_PLACES], fault);
    return o ? o : cuda_try(m->device, m->device->driver.wait_event(m->device->stream, in->ready[coming % CUDA_PLACES], 0), "waiting for a layer", fault);
}

enum cuda_outcome cuda_model_end_layer(struct cuda_model *m, size_t layer, struct cuda_fault *fault)
{
    struct cuda_stream_in *in = &m->in;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (layer < m->resident || cuda_model_is_whole(m))
        return o;
    size_t place = (layer - m->resident) % CUDA_PLACES;
    o = cuda_try(m->device, m->device->driver.record(in->done[place], m->device->stream), "an event", fault);
    if (!o && in->asked < m->spec.layers - m->resident)
        o = ask(m, NEXT, fault);
    return o ? o : cuda_transfer_issue(&in->transfer, NULL, fault);
}

bool cuda_model_is_whole(const struct cuda_model *m)
{
    return m->resident == m->spec.layers;
}

uint64_t cuda_stream_in_layer(const struct cuda_model *m, size_t layer)
{
    return place_of(m, layer - m->resident);
}
