/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/card.h"

#include "measure/clock.h"

#include <stdlib.h>
#include <string.h>

static const double between_ns = 20e6;   /* the card is asked no more often: its sensors renew no faster */
/* Load and power are renewed every 100 ms, over the time since (seen on an H100): until then what was before the cell is in them. */
static const double settled_ns = 220e6;

static const char *const fields[GPU_VALUES] = {
#define GPU_READING(value, metric, unit, fold, sentence) metric,
#include "probe/gpu.def"
#undef GPU_READING
};

/* The card that the engine's ops run on. */
static int ordinal(void)
{
    const char *text = getenv("TERN_CUDA_DEVICE");
    return text && *text >= '0' && *text <= '9' ? atoi(text) : 0;
}

void card_open(struct card *card, json_t *info)
{
    const char *backend = json_string_value(json_object_get(info, "backend"));
    card->is_watched = backend && strcmp(backend, "cuda") == 0;
    card->begun_ns = card->read_ns = 0;
    if (!card->is_watched)
        return;
    if (!card->is_tried)
        card->is_there = gpu_open(getenv("TERNMARK_NVML"), ordinal(), card->absent, sizeof card->absent);
    card->is_tried = true;
    card->is_watched = card->is_there;
    if (!card->is_there)
        json_object_set_new(info, "gpu_absent", json_string(card->absent));
}

void card_begin(struct card *card)
{
    card->usage = (struct card_usage){.is_watched = card->is_watched};
}

void card_sample(struct card *card, uint32_t index)
{
    if (!card->is_watched)
        return;
    int bits = gpu_slowed();
    if (!card->begun_ns)
        card->begun_ns = clock_now_ns();
    card->usage.unknown += bits < 0;
    if (bits <= 0)
        return;
    card->usage.slowed |= (uint64_t)1 << index;
    card->usage.slow_reasons |= bits;
}

static bool is_slow(int value)
{
    return value == GPU_utilisation || value == GPU_memory_utilisation || value == GPU_power;
}

void card_end(struct card *card)
{
    uint64_t now = clock_now_ns();
    if (!card->is_watched)
        return;
    if (!card->read_ns || clock_delta_ns(card->read_ns, now) >= between_ns) {
        gpu_read(card->values);
        card->read_ns = now;
    }
    bool is_settled = card->begun_ns && clock_delta_ns(card->begun_ns, now) >= settled_ns;
    for (int i = 0; i < GPU_VALUES; i++) {
        if (card->values[i] < 0 || (is_slow(i) && !is_settled))
            continue;
        card->usage.sums[i] += card->values[i];
        card->usage.readings[i]++;
    }
}

void card_add(struct card_usage *sum, const struct card_usage *one)
{
    for (int i = 0; i < GPU_VALUES; i++) {
        sum->sums[i] += one->sums[i];
        sum->readings[i] += one->readings[i];
    }
    sum->slow_reasons |= one->slow_reasons;
    sum->unknown += one->unknown;
    sum->is_watched |= one->is_watched;
}

/* What one reading is missing for, in a cell that NVML answered for. */
static const char *missing(int value)
{
    return is_slow(value) ? "the cell was over before the card's sensors saw it alone (220 ms)" : "the card does not tell it";
}

void card_describe(json_t *generation, const struct card_usage *sum, size_t throttled)
{
    if (!sum->is_watched)
        return;
    for (int i = 0; i < GPU_VALUES; i++) {
        char absent[64];
        if (sum->readings[i]) {
            json_object_set_new(generation, fields[i], json_real(sum->sums[i] / sum->readings[i]));
            continue;
        }
        strcpy(absent, fields[i]);
        json_object_set_new(generation, strcat(absent, "_absent"), json_string(missing(i)));
    }
    json_object_set_new(generation, "gpu_throttled", json_integer((json_int_t)throttled));
}
